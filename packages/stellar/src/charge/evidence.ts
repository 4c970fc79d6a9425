/**
 * Gathers what a credential is judged by.
 *
 * @module
 */
import { Errors, type Method } from '@polyrail/core'
import { xdr } from '@stellar/stellar-sdk/base'
import { kindOf } from '../address.js'
import { BID } from '../constants.js'
import type { Found, Network } from '../network.js'
import { readAccount } from './account.js'
import { readApplied as readEvents, readSimulated } from './effects.js'
import type { charge, Payload } from './method.js'
import type { Sponsor } from './sponsor.js'
import { rebuild } from './rebuild.js'
import { pause } from './watch.js'
import {
  bindingOf,
  bytesOf,
  isSignedBy,
  read,
  readApplied,
  type Signed,
  type Transfer,
} from './transaction.js'

/** What trying a transaction out came to. */
export type Trial = {
  isGood: boolean
  events: readonly xdr.ContractEvent[]
  /** Stroops of its resources. */
  resourceFee: bigint
  /** Its resources, as XDR. */
  transactionData: string
}

/** A credential as it is written: a transaction, when it can be read, or a hash. */
export type Claim =
  | { type: 'transaction'; signed: Signed | undefined }
  | { type: 'hash'; payload: HashPayload }

type HashPayload = Exclude<Payload, { type: 'transaction' }>

/** A claim that is a payment, by the looks of it. */
export type Payable =
  | { type: 'transaction'; signed: Signed & { transfer: Transfer } }
  | Extract<Claim, { type: 'hash' }>

/** All that `judge` may look at, beside the challenge. */
export type Evidence =
  | {
      type: 'transaction'
      signed: Signed & { transfer: Transfer }
      trial: Trial | undefined
      /** Of each account that must have signed it, whose signatures count for it. */
      signers: readonly (readonly string[])[]
      /** The network's latest. */
      ledger: number
      /** Epoch seconds. */
      now: number
    }
  | {
      type: 'hash'
      /** As it was presented, in lower case. */
      hash: string
      found: Found
      applied: ReturnType<typeof readApplied>
      events: readonly xdr.ContractEvent[]
      /** Whether nobody says that it is for this challenge. */
      isBare: boolean
      /** Whether the payer says that this hash is for this challenge. */
      isSigned: boolean
    }

type Presented = Pick<Method.Presented<typeof charge>, 'challenge' | 'credential' | 'signal'>
type Context = { network: Network; sponsor: Sponsor | undefined }

/** Reads what is presented. */
export const readClaim = ({ credential: { payload } }: Presented, { network }: Context): Claim =>
  payload.type === 'transaction'
    ? { type: 'transaction', signed: read(payload.transaction, network.passphrase) }
    : { type: 'hash', payload }

/**
 * Asks the network what only the network knows.
 *
 * @throws PaymentError `settlement-unavailable` when the node cannot be asked, makes no sense, or is on another network:
 * nobody's money may be judged there.
 */
export async function gather(
  claim: Payable,
  presented: Presented,
  context: Context,
): Promise<Evidence> {
  try {
    await context.network.checkNetwork(presented)
    return claim.type === 'transaction'
      ? await gatherTransaction(claim.signed, presented, context)
      : await gatherHash(claim.payload, presented, context)
  } catch (cause) {
    if (Errors.isPaymentError(cause)) throw cause
    throw new Errors.PaymentError('settlement-unavailable', {}, { cause })
  }
}

async function gatherTransaction(
  signed: Signed & { transfer: Transfer },
  { challenge, signal }: Presented,
  { network, sponsor }: Context,
): Promise<Evidence> {
  const now = Date.now() / 1000
  const isSponsored = challenge.request.methodDetails.feePayer === true
  const sources = isSponsored ? [] : [...new Set([signed.tx.source, signed.invoker])]
  const tried =
    isSponsored && sponsor
      ? rebuild(signed, {
          source: sponsor.sources[0]?.publicKey() ?? '',
          passphrase: network.passphrase,
          fee: BID,
        })
      : signed.tx.toXdr()
  const [trial, ledger, accounts] = await Promise.all([
    tryOut(tried, network, signal),
    network.readLedger({ signal }),
    Promise.all(
      sources.map((source) =>
        kindOf(source) === 'account' ? readAccount(source, network, { signal }) : undefined,
      ),
    ),
  ])
  const signers = accounts.map((account) => account?.signers ?? [])
  return { type: 'transaction', signed, trial, signers, ledger, now }
}

/** Tries a transaction out, and reads what it would do. */
export async function tryOut(
  transaction: string,
  network: Network,
  signal: AbortSignal,
): Promise<Trial> {
  const simulated = await network.simulate(transaction, { signal })
  if (simulated.status === 'failure')
    return { isGood: false, events: [], resourceFee: 0n, transactionData: '' }
  const { transactionData } = simulated
  // What is told beside the resources is not what the transaction will offer.
  const { resourceFee } = xdr.SorobanTransactionData.fromXdr(transactionData, 'base64')
  if (resourceFee < 0n) throw new Error('The Stellar node gave no simulation.')
  return { isGood: true, events: readSimulated(simulated.events), resourceFee, transactionData }
}

async function gatherHash(
  payload: HashPayload,
  presented: Presented,
  { network }: Context,
): Promise<Evidence> {
  const hash = payload.hash.toLowerCase()
  const found = await find(hash, presented, network)
  const isTold = found.envelope !== undefined && found.meta !== undefined
  // Its payer has paid, and must not pay again because a node keeps half of it to itself.
  if (found.status === 'SUCCESS' && !isTold)
    throw new Error('The Stellar node does not tell what the transaction did.')
  const applied = found.envelope ? readApplied(found.envelope, network.passphrase) : undefined
  const from = applied?.signed.transfer?.from
  const isBare = payload.type === 'hash'
  const isSigned =
    !isBare &&
    from !== undefined &&
    isSignedBy(from, bindingOf(presented.challenge.id, hash), bytesOf(payload.sourceSignature))
  const events = found.meta ? readEvents(found.meta) : []
  return { type: 'hash', hash, found, applied, events, isBare, isSigned }
}

/** Milliseconds between looks for a transaction that another node may have already. */
const PAUSES = [0, 250, 750]

/**
 * Finds a transaction that somebody else sent.
 *
 * @throws PaymentError `settlement-unavailable` when the node has none. That may be the node's fault, and the payer may
 * have paid: a fresh challenge would make them pay again.
 */
async function find(hash: string, { signal }: Presented, network: Network): Promise<Found> {
  for (const wait of PAUSES) {
    await pause(wait, signal)
    const found = await network.find(hash, { signal })
    if (found.status !== 'NOT_FOUND') return found
  }
  throw new Errors.PaymentError('settlement-unavailable', {
    detail:
      'The network knows no such transaction yet. Present the same credential again once it does.',
  })
}
