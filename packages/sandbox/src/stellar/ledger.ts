/**
 * The ledger: what waits, what each closing makes of it, and what is remembered of it.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { TransactionBuilder } from '@stellar/stellar-sdk'
import { enforce } from './authorization.js'
import type { Contract, Moved } from './call.js'
import { isWithin, type Ran, run } from './host.js'
import { appliedResult, type Ended, feeEvent, type Invalidity, metaOf } from './results.js'
import { createState, fork, type State } from './state.js'
import {
  callOf,
  type Envelope,
  inclusionFee,
  invalidityOf,
  open,
  outbids,
  resourcesOf,
} from './transaction.js'
import { Trap, trap } from './trap.js'

/** What a contract call costs for its resources, in stroops: always the same here. */
export const resourceFee = 60_000n

/** A transaction that is in a ledger. */
export type Applied = {
  hash: string
  status: 'FAILED' | 'SUCCESS'
  /** The ledger's number. */
  ledger: number
  /** Epoch seconds of the ledger. */
  createdAt: number
  /** From 1. */
  order: number
  isFeeBump: boolean
  envelope: string
  result: string
  meta: string
  events: string[]
  feeEvent: string
  /** Who paid for it, and how much. */
  payer: string
  fee: bigint
  /** Why it failed, in the host's words. */
  why?: string
}

/** Money that has moved. */
export type Transfer = Moved & { token: string; hash: string; ledger: number }

/** Whether a transaction was taken. */
export type Taken = 'DUPLICATE' | 'PENDING' | 'TRY_AGAIN_LATER' | { invalid: Invalidity }

/** A ledger with everything in it. */
export type Ledger = {
  readonly passphrase: string
  readonly protocol: number
  readonly contracts: Map<string, Contract>
  state: State
  sequence: number
  /** Epoch seconds of the latest closing. */
  closeTime: number
  hashes: { previous: Uint8Array; latest: Uint8Array }
  readonly queue: Map<string, Envelope>
  readonly applied: Map<string, Applied>
  readonly transfers: Transfer[]
  /** The clock, in epoch seconds. */
  now: () => number
}

/** A ledger without accounts. */
export function createLedger({ passphrase, now }: Pick<Ledger, 'passphrase' | 'now'>): Ledger {
  return {
    passphrase,
    protocol: 27,
    contracts: new Map(),
    state: createState(),
    sequence: 1_000,
    closeTime: now(),
    hashes: { previous: randomBytes(32), latest: randomBytes(32) },
    queue: new Map(),
    applied: new Map(),
    transfers: [],
    now,
  }
}

/** Reads an envelope; `undefined` for what is none. */
export function read(xdr: unknown, { passphrase }: Ledger): Envelope | undefined {
  if (typeof xdr !== 'string') return undefined
  try {
    return open(TransactionBuilder.fromXdr(xdr, passphrase))
  } catch {
    return undefined
  }
}

/** Puts a transaction into the queue. An account has one in it at a time, and nothing else is looked at before that. */
export function take(envelope: Envelope, ledger: Ledger): Taken {
  const first = [...ledger.queue.values()].find(({ source }) => source === envelope.source)
  const refused = first && refuseAfter(envelope, first)
  if (refused) return refused
  const invalid = judge(envelope, ledger, ledger.sequence + 1)
  if (invalid) return { invalid }
  if (first) ledger.queue.delete(first.hash)
  ledger.queue.set(envelope.hash, envelope)
  return 'PENDING'
}

/**
 * What waits already is not taken again, with or without its fee bump; what is older never will be; the rest comes too early. A fee
 * bump for the same sequence number takes the place of what waits, or bids too little for that.
 */
function refuseAfter(envelope: Envelope, first: Envelope): Taken | undefined {
  const { hash, inner, tx } = envelope
  if (hash === first.hash || hash === first.innerHash) return 'DUPLICATE'
  const ahead = BigInt(inner.sequence) - BigInt(first.inner.sequence)
  if (ahead < 0n) return { invalid: { code: 'txBadSeq' } }
  if (tx === inner || ahead > 0n) return 'TRY_AGAIN_LATER'
  return outbids(envelope, first) ? undefined : { invalid: { code: 'txInsufficientFee' } }
}

const judge = (envelope: Envelope, { state, now }: Ledger, ledger: number) =>
  invalidityOf(envelope, { state, now: now(), ledger, resourceFee })

/** Closes the ledger: what waits is applied, and what has become invalid is dropped without a trace. */
export function close(ledger: Ledger): void {
  const waiting = [...ledger.queue.values()]
  ledger.queue.clear()
  ledger.sequence++
  ledger.closeTime = Math.max(ledger.closeTime, ledger.now())
  ledger.hashes = { previous: ledger.hashes.latest, latest: randomBytes(32) }
  forget(ledger)
  let order = 0
  const charged = waiting.filter((envelope) => {
    const isValid = judge(envelope, ledger, ledger.sequence) === undefined
    if (isValid) charge(envelope, ledger)
    return isValid
  })
  for (const envelope of charged) apply(envelope, ledger, ++order)
}

/** Nonces are forgotten when their signatures have expired. */
function forget({ state, sequence }: Ledger): void {
  for (const [nonce, until] of state.nonces) if (until < sequence) state.nonces.delete(nonce)
}

const feeOf = (envelope: Envelope): bigint => inclusionFee(envelope) + resourceFee

/** Fees are taken, and sequence numbers used, before anything else happens; a call that fails gets neither back. */
function charge(envelope: Envelope, { state }: Ledger): void {
  const change = (address: string, by: { balance?: bigint; sequence?: bigint }) => {
    const account = state.accounts.get(address)
    if (account === undefined) return
    const { balance = 0n, sequence = 0n } = by
    state.accounts.set(address, {
      ...account,
      balance: account.balance + balance,
      sequence: account.sequence + sequence,
    })
  }
  change(envelope.payer, { balance: -feeOf(envelope) })
  change(envelope.source, { sequence: 1n })
}

function apply(envelope: Envelope, ledger: Ledger, order: number): void {
  const state = fork(ledger.state)
  const ended = attempt(envelope, ledger, state)
  if ('moved' in ended) {
    ledger.state = state
    const { hash } = envelope
    const at = { hash, ledger: ledger.sequence }
    ledger.transfers.push(...ended.moved.map((moved) => ({ ...moved, ...at })))
  }
  remember(envelope, ledger, { ended, order })
}

function attempt(
  { inner, source }: Envelope,
  { passphrase, contracts, sequence }: Ledger,
  state: State,
): Ran | { trapped: string } {
  try {
    const call = callOf(inner)
    if (call?.func.type !== 'hostFunctionTypeInvokeContract')
      return trap('Value, InternalError', 'only contract calls are modelled')
    const setting = { passphrase, source: call.source ?? source, contracts }
    const authorizer = enforce(call.auth ?? [], setting)
    const ran = run(call.func.invokeContract, { state, ledger: sequence, contracts, authorizer })
    const declared = resourcesOf(inner)?.resources.footprint
    if (declared === undefined || !isWithin(ran.footprint, declared))
      trap('Storage, ExceededLimit', 'an entry is outside of the footprint')
    return ran
  } catch (cause) {
    if (cause instanceof Trap) return { trapped: cause.message }
    throw cause
  }
}

function remember(
  envelope: Envelope,
  ledger: Ledger,
  { ended, order }: { ended: Ran | { trapped: string }; order: number },
): void {
  const { tx, payer, hash, innerHash } = envelope
  const fee = feeOf(envelope)
  const outcome: Ended = ended
  const isFeeBump = hash !== innerHash
  const inner = isFeeBump ? Buffer.from(innerHash, 'hex') : undefined
  const feeSaid = feeEvent(ledger.passphrase, { payer, fee })
  const applied: Applied = {
    hash,
    status: 'moved' in ended ? 'SUCCESS' : 'FAILED',
    ledger: ledger.sequence,
    createdAt: ledger.closeTime,
    order,
    isFeeBump,
    envelope: tx.toXdr(),
    result: appliedResult(outcome, { fee, inner }),
    meta: metaOf(outcome, feeSaid),
    events: 'moved' in ended ? ended.events.map((event) => event.toXdr('base64')) : [],
    feeEvent: feeSaid.toXdr('base64'),
    payer,
    fee,
    ...('trapped' in ended && { why: ended.trapped }),
  }
  ledger.applied.set(hash, applied)
  // A fee bump is found by either hash.
  ledger.applied.set(innerHash, applied)
}
