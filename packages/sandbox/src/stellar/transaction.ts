/**
 * Whether a transaction may be in a ledger: its signatures, sequence number, times and fees.
 *
 * @module
 */
import {
  FeeBumpTransaction,
  type OperationRecord,
  StrKey,
  type Transaction,
  type xdr,
} from '@stellar/stellar-sdk'
import type { Invalid, Invalidity } from './results.js'
import { isSignedBy } from './signatures.js'
import { spendable, type State } from './state.js'

/** A transaction, with or without a fee bump around it. */
export type Envelope = {
  tx: Transaction | FeeBumpTransaction
  inner: Transaction
  /** The account whose sequence number it uses. */
  source: string
  /** The account that pays for it. */
  payer: string
  /** Of the whole, as hexadecimal text. */
  hash: string
  /** Of what is inside the fee bump; the same where there is none. */
  innerHash: string
}

/** Least stroops for each operation, and for a fee bump once more. */
const baseFee = 100n

/** Takes a transaction apart. */
export function open(tx: Transaction | FeeBumpTransaction): Envelope {
  const inner = tx instanceof FeeBumpTransaction ? tx.innerTransaction : tx
  const source = accountOf(inner.source)
  return {
    tx,
    inner,
    source,
    payer: tx instanceof FeeBumpTransaction ? accountOf(tx.feeSource) : source,
    hash: Buffer.from(tx.hash()).toString('hex'),
    innerHash: Buffer.from(inner.hash()).toString('hex'),
  }
}

/** The account behind a muxed address. */
function accountOf(address: string): string {
  if (!StrKey.isValidMed25519PublicKey(address)) return address
  return StrKey.encodeEd25519PublicKey(StrKey.decodeMed25519PublicKey(address).slice(0, 32))
}

/** The contract call of a transaction, if it is one call of a contract. */
export function callOf(
  inner: Transaction,
): Extract<OperationRecord, { type: 'invokeHostFunction' }> | undefined {
  const [operation, ...more] = inner.operations
  return operation?.type === 'invokeHostFunction' && more.length === 0 ? operation : undefined
}

/** What a transaction says of its resources, if it says so. */
export function resourcesOf({ tx }: Transaction): xdr.SorobanTransactionData | undefined {
  return 'ext' in tx && tx.ext.type === 'sorobanData' ? tx.ext.sorobanData : undefined
}

/** The part of the fee that is not for resources: what it costs to be in a ledger. */
export const inclusionFee = ({ tx }: Envelope): bigint =>
  tx instanceof FeeBumpTransaction ? 2n * baseFee : baseFee

/** What a valid transaction depends on. */
export type Conditions = {
  state: State
  /** Epoch seconds. */
  now: number
  ledger: number
  /** What the resources of a call cost, in stroops. */
  resourceFee: bigint
}

type Check = (envelope: Envelope, conditions: Conditions) => Invalid | undefined

/**
 * Says why a transaction may not be in a ledger: of a fee bump, what is wrong around it, then what is wrong inside.
 *
 * @returns `undefined` when it may.
 */
export function invalidityOf(envelope: Envelope, conditions: Conditions): Invalidity | undefined {
  const isFeeBump = envelope.tx !== envelope.inner
  const find = (checks: readonly Check[]): Invalid | undefined => {
    for (const check of checks) {
      const code = check(envelope, conditions)
      if (code) return code
    }
    return undefined
  }
  const outside = isFeeBump ? find(feeBumpChecks) : undefined
  if (outside) return { code: outside }
  const code = find(isFeeBump ? checks : [...checks, balanceOf])
  return code && { code, ...(isFeeBump && { inner: envelope.innerHash }) }
}

const balanceOf: Check = ({ tx, payer }, { state }) =>
  spendable(state, payer) < BigInt(tx.fee) ? 'txInsufficientBalance' : undefined

const feeBumpChecks: readonly Check[] = [
  bumpOf,
  ({ payer }, { state }) => (state.accounts.has(payer) ? undefined : 'txNoAccount'),
  ({ tx, payer }, { state }) => signedBy(tx, [payer], state),
  balanceOf,
]

const checks: readonly Check[] = [
  shapeOf,
  timesOf,
  feesOf,
  ({ source }, { state }) => (state.accounts.has(source) ? undefined : 'txNoAccount'),
  ({ inner, source }, { state }) =>
    BigInt(inner.sequence) === (state.accounts.get(source)?.sequence ?? 0n) + 1n
      ? undefined
      : 'txBadSeq',
  signaturesOf,
]

function shapeOf({ inner }: Envelope): Invalid | undefined {
  if (inner.operations.length === 0) return 'txMissingOperation'
  if (inner.operations.some(({ type }) => type !== 'invokeHostFunction')) return 'txNotSupported'
  if (inner.operations.length > 1) return 'txMalformed'
  if (isMarked(inner)) return 'txSorobanInvalid'
  const { minAccountSequence, extraSigners = [], minAccountSequenceAge = 0n } = inner
  const { minAccountSequenceLedgerGap = 0 } = inner
  const isConditional =
    minAccountSequence !== undefined ||
    extraSigners.length > 0 ||
    minAccountSequenceAge > 0n ||
    minAccountSequenceLedgerGap > 0
  return isConditional ? 'txNotSupported' : undefined
}

/** Since protocol 25 a contract call has neither a memo nor a muxed source. */
const isMarked = ({ memo, source, operations }: Transaction): boolean =>
  memo.type !== 'none' ||
  [source, ...operations.map((operation) => operation.source)].some(
    (address) => address !== undefined && StrKey.isValidMed25519PublicKey(address),
  )

function timesOf({ inner }: Envelope, { now, ledger }: Conditions): Invalid | undefined {
  const { minTime = '0', maxTime = '0' } = inner.timeBounds ?? {}
  const { minLedger = 0, maxLedger = 0 } = inner.ledgerBounds ?? {}
  if (now < Number(minTime) || ledger < minLedger) return 'txTooEarly'
  return now > endOf(Number(maxTime)) || ledger >= endOf(maxLedger) ? 'txTooLate' : undefined
}

/** Zero stands for no end. */
const endOf = (bound: number): number => (bound === 0 ? Infinity : bound)

function feesOf({ tx, inner }: Envelope, { resourceFee }: Conditions): Invalid | undefined {
  const bid = bidOf(inner)
  if (bid === undefined || bid < 0n) return 'txMalformed'
  if ((resourcesOf(inner)?.resourceFee ?? 0n) < resourceFee) return 'txSorobanInvalid'
  return tx === inner && bid < baseFee ? 'txInsufficientFee' : undefined
}

/** A fee bump must bid at least as much for each operation as what is inside it. */
function bumpOf(envelope: Envelope): Invalid | undefined {
  const bid = bidOf(envelope.inner) ?? 0n
  const bumped = bumpedBidOf(envelope)
  return bumped < 2n * baseFee || bumped < 2n * bid ? 'txInsufficientFee' : undefined
}

/** What a fee bump bids, for two operations: the one inside, and itself. */
const bumpedBidOf = ({ tx, inner }: Envelope): bigint =>
  BigInt(tx.fee) - (resourcesOf(inner)?.resourceFee ?? 0n)

/** Whether a fee bump bids enough to take the place of what waits: ten times as much for each operation. */
export function outbids(bump: Envelope, waiting: Envelope): boolean {
  const isBump = waiting.tx !== waiting.inner
  const bid = isBump ? bumpedBidOf(waiting) : 2n * (bidOf(waiting.inner) ?? 0n)
  return bumpedBidOf(bump) >= 10n * bid
}

/** What a transaction bids above what it offers for its resources, if it says what those are. */
function bidOf(inner: Transaction): bigint | undefined {
  const resources = resourcesOf(inner)
  return resources && BigInt(inner.fee) - resources.resourceFee
}

function signaturesOf({ inner, source }: Envelope, { state }: Conditions): Invalid | undefined {
  const sources = inner.operations.flatMap((operation) =>
    operation.source === undefined ? [] : [accountOf(operation.source)],
  )
  return signedBy(inner, [...new Set([source, ...sources])], state)
}

/** Every account must have signed with enough weight, and no signature may be left once it has. */
function signedBy(
  tx: Transaction | FeeBumpTransaction,
  accounts: readonly string[],
  state: State,
): Invalid | undefined {
  const message = tx.hash()
  const used = new Set<number>()
  for (const address of accounts) {
    const account = state.accounts.get(address)
    if (account === undefined) return 'txBadAuth'
    const left = new Map(account.signers)
    const needed = Math.max(1, account.threshold)
    let weight = 0
    for (const [index, signature] of tx.signatures.entries()) {
      const key = [...left.keys()].find((signer) => isBy(signature, signer, message))
      if (key === undefined || weight >= needed) continue
      weight += left.get(key) ?? 0
      left.delete(key)
      used.add(index)
    }
    if (weight < needed) return 'txBadAuth'
  }
  return used.size === tx.signatures.length ? undefined : 'txBadAuthExtra'
}

function isBy(
  { hint, signature }: xdr.DecoratedSignature,
  key: string,
  message: Uint8Array,
): boolean {
  const ending = StrKey.decodeEd25519PublicKey(key).slice(-4)
  return (
    Buffer.compare(hint.toBytes(), ending) === 0 && isSignedBy(key, message, signature.toBytes())
  )
}
