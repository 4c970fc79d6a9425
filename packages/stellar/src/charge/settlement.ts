/**
 * Settles what was judged good, and finds out what became of a settlement that got no answer.
 *
 * @module
 */
import { Errors, Expires, Outcome, type Store } from '@polyrail/core'
import type { Found, Network } from '../network.js'
import { drive, type Driven, type Ready } from './drive.js'
import { isOnly, readApplied } from './effects.js'
import type { Approved } from './judge.js'
import type { Asked } from './rules.js'
import type { Sponsor } from './sponsor.js'
import type { Signed, Transfer } from './transaction.js'
import { pause } from './watch.js'

/** What a settlement works with. */
export type Context = {
  network: Network
  /** Who pays fees here, if the server does. */
  sponsor: Sponsor | undefined
  asked: Asked
  signal: AbortSignal
  store: Store.Store
}

/** A payment on its way: what is sent for it, and what it must come to. */
export type Payment = { ready: Ready; transfer: Transfer }

/**
 * Sends a transaction as its payer has signed it.
 *
 * @see Stellar charge draft, Pull Mode Settlement — Unsponsored
 */
export async function settleOwn(
  { signed, transfer }: Approved,
  context: Context,
): Promise<Outcome.Outcome> {
  const payment = { ready: readyOf(signed, context), transfer }
  const seen = await lookUp(payment.ready, context)
  if (seen) return seen
  const driven = await drive(payment.ready, context)
  const found = driven.status === 'invalid' && (await findUsed(driven, payment.ready, context))
  return conclude(found ? { status: 'sent', fate: found } : driven, payment, context)
}

/**
 * A transaction that names no challenge and is in a ledger before we sent it may have bought something elsewhere.
 * Nothing is sent when this cannot be found out.
 */
async function lookUp(
  { hash }: Ready,
  { network, signal }: Context,
): Promise<Outcome.Outcome | undefined> {
  try {
    const { status } = await network.find(hash, { signal })
    if (status === 'NOT_FOUND') return undefined
    return Outcome.rejected('verification-failed', {
      detail: 'The transaction is in a ledger already, and nothing in it names this challenge.',
    })
  } catch (cause) {
    return Outcome.unsettled({ cause })
  }
}

/** A sequence number that is used may have been used by this very transaction, sent by its payer at the same time. */
async function findUsed(
  { code }: Extract<Driven, { status: 'invalid' }>,
  { hash }: Ready,
  { network, signal }: Context,
): Promise<Found | undefined> {
  if (code !== 'txBadSeq') return undefined
  for (const wait of [0, 250, 750]) {
    await pause(wait, signal)
    const found = await network.find(hash, { signal }).catch(() => undefined)
    if (found && found.status !== 'NOT_FOUND') return found
  }
  return undefined
}

/**
 * Finds out what became of a transaction that its payer has signed, and sends it again while it may still be in a ledger.
 */
export async function traceOwn(
  signed: Signed & { transfer: Transfer },
  context: Context,
): Promise<Outcome.Outcome> {
  const payment = { ready: readyOf(signed, context), transfer: signed.transfer }
  return conclude(await drive(payment.ready, context, { mayBeSent: true }), payment, context)
}

/** Seconds that a challenge is open for at most. Source: core's option `expires`. */
const LONGEST = 86_400

function readyOf({ raw, hash, tx }: Signed, { asked }: Context): Ready {
  const maxTime = Number(tx.timeBounds?.maxTime ?? 0)
  const issued = Expires.parse(asked.request.methodDetails.issuedAt ?? '')
  const since = issued === undefined ? maxTime - LONGEST : issued / 1000
  return { raw, hash, maxTime, since }
}

/** What is known of a transaction means for the payment. */
export function conclude(driven: Driven, payment: Payment, context: Context): Outcome.Outcome {
  if (driven.status === 'unsent') return Outcome.unsettled({ cause: driven.cause })
  if (driven.status === 'invalid') return fail(REASONS[driven.code] ?? 'invalid', driven.code)
  const { fate } = driven
  if (fate === 'void') return fail('expired')
  if (fate === 'unknown')
    return Outcome.indeterminate({ attempt: { hash: payment.ready.hash }, retryAfter: 2 })
  return fate.status === 'SUCCESS' ? finish(fate, payment, context) : fail('failed')
}

/** Judges a transaction that is in a ledger by its effects. */
function finish(found: Found, { ready, transfer }: Payment, { asked }: Context): Outcome.Outcome {
  if (found.meta === undefined)
    return Outcome.indeterminate({
      attempt: { hash: ready.hash },
      cause: new Error('The Stellar node does not tell what the transaction did.'),
    })
  if (!isOnly(readApplied(found.meta), transfer))
    return Outcome.rejected('verification-failed', {
      detail: 'The transaction is in a ledger, and changed other balances than was agreed.',
    })
  return settledOf(found, ready.hash, asked)
}

/** What the network knows of a payment is as a receipt of the protocol. @see Stellar charge draft, Receipt */
export function settledOf(found: Found, hash: string, { request }: Asked): Outcome.Settled {
  const { externalId } = request
  const { createdAt } = found
  return Outcome.settled({
    reference: hash,
    ...(createdAt !== undefined && { timestamp: new Date(createdAt * 1000).toISOString() }),
    ...(externalId !== undefined && { receipt: { externalId } }),
    settlement: found,
  })
}

type Reason = 'balance' | 'expired' | 'failed' | 'invalid' | 'sequence'

/** Source: Stellar's `TransactionResultCode`. */
const REASONS: Readonly<Record<string, Reason>> = {
  txBadSeq: 'sequence',
  txInsufficientBalance: 'balance',
  txNoAccount: 'balance',
  txTooLate: 'expired',
}

const DETAILS: Record<Reason, string> = {
  balance: 'Whoever pays the fee holds too few lumens; nothing was paid.',
  expired: 'The transaction was over before it was in a ledger; nothing was paid.',
  failed: 'The transaction failed in its ledger; nothing was paid but its fee.',
  invalid: 'The network does not take the transaction; nothing was paid.',
  sequence:
    "The transaction's sequence number was used by another one, or is not its turn; nothing was paid.",
}

/** @see Stellar charge draft, Error Codes */
export function fail(reason: Reason, code?: string): Outcome.Rejected {
  const problem = Errors.problem({
    type: `${Errors.baseUri}settlement-failed`,
    title: 'Settlement Failed',
    status: 402,
    detail: DETAILS[reason],
  })
  return Outcome.rejected(problem, {}, code === undefined ? {} : { cause: new Error(code) })
}
