/**
 * Broadcasts a transaction, and finds out what became of one that may have been sent.
 *
 * @module
 */
import { Outcome, type Store } from '@polyrail/core'
import { isAddressEqual } from 'viem'
import { FINALITY_MARGIN, type Address } from '../constants.js'
import { feeOf, type Broadcast, type Network, type Receipt } from '../network.js'
import type { Reason } from '../refusal.js'
import { readReceipt, type Approved } from './judge.js'
import type { Request } from './method.js'
import type { Asked } from './rules.js'
import { cosign, reserve, type Complete, type Reservation, type Sponsor } from './sponsor.js'
import type { Signed } from './transaction.js'

/** What a settlement works with. */
export type Context = {
  network: Network
  /** Who pays fees here, if the server does. */
  sponsor: Sponsor | undefined
  asked: Pick<Asked, 'request' | 'id' | 'realm'>
  signal: AbortSignal
  store: Store.Store
}

/** A payment, as far as it can be found on the chain. */
type Payment = Complete & { sender: Address }

type Transaction = Extract<Approved, { type: 'transaction' }>

/**
 * Settles what was judged good: broadcasts a transaction; a hash or a proof leaves nothing to be done.
 *
 * @see Tempo charge draft, Settlement Procedure and Proof Receipt
 */
export async function settle(approved: Approved, context: Context): Promise<Outcome.Outcome> {
  const { id, request } = context.asked
  switch (approved.type) {
    case 'transaction':
      return settleTransaction(approved, context)
    case 'hash':
      return settledOf(approved.receipt, request)
    default:
      return Outcome.settled({ reference: id, ...echo(request) })
  }
}

async function settleTransaction(
  approved: Transaction,
  context: Context,
): Promise<Outcome.Outcome> {
  const { signed, sender, isBound, isSponsored } = approved
  if (isSponsored) return settleSponsored(approved, context)
  const payment = { raw: signed.raw, hash: signed.hash, sender }
  const seen = isBound ? undefined : await lookUp(payment, context)
  return seen ?? conclude(await send(payment, context), payment, context)
}

const send = (payment: Payment, { network, signal }: Context): Promise<Broadcast> =>
  network.broadcast(payment, { signal })

/**
 * A transfer that names no challenge and is on the chain before we sent it may have bought something elsewhere.
 * Nothing is sent when this cannot be found out.
 */
async function lookUp(
  { hash }: Payment,
  { network, signal }: Context,
): Promise<Outcome.Outcome | undefined> {
  try {
    const receipt = await network.readReceipt(hash, { signal })
    if (!receipt) return undefined
    return Outcome.rejected('verification-failed', {
      detail: 'The transaction is on the chain already, and nothing in it names this challenge.',
    })
  } catch (cause) {
    return Outcome.unsettled({ cause })
  }
}

/** Tries it out, sets the fee aside, signs as the fee payer and writes that down, all before anything is sent. */
async function settleSponsored(
  { signed, sender }: Transaction,
  context: Context,
): Promise<Outcome.Outcome> {
  const { network, sponsor, signal, store } = context
  if (!sponsor) return Outcome.unsettled({ cause: new Error('This server has no fee payer now.') })
  const { gas = 0n, maxFeePerGas = 0n } = signed.envelope
  const calls = signed.envelope.calls.map(({ to = '0x', data = '0x' }) => ({ to, data }))
  let reservation: Reservation | undefined
  let payment: Payment
  try {
    // One that fails costs its fee all the same.
    if (!(await network.simulate({ from: sender, calls }, { signal }))) return refuse('failing')
    const most = feeOf(gas, maxFeePerGas)
    reservation = await reserve(sponsor, { payer: sender, most, store })
    if (!reservation) return overBudget(sponsor)
    payment = { ...(await completeOnce(signed, sponsor, store)), sender }
  } catch (cause) {
    await reservation?.settle(0n)
    return Outcome.unsettled({ cause })
  }
  const sent = await send(payment, context)
  if (sent.status === 'included') await reservation.settle(sent.receipt.fee)
  else if (sent.status !== 'unknown') await reservation.settle(0n)
  return conclude(sent, payment, context)
}

const overBudget = ({ budget }: Sponsor): Outcome.Unsettled =>
  Outcome.unsettled({
    retryAfter: Math.ceil(budget.seconds / 60),
    cause: new Error('The budget for fees is spent, in all or for this payer.'),
  })

/** Seconds for which it is known how a transaction was completed: longer than anybody asks after it. */
const KEPT = 30 * 86_400

const keyOf = ({ identity }: Signed): string => `sponsored:${identity}`

/** A signer need not sign alike twice, and only the hash of what was sent finds it again. */
async function completeOnce(
  signed: Signed,
  sponsor: Sponsor,
  store: Store.Store,
): Promise<Complete> {
  const known = (await store.get(keyOf(signed))) as Complete | undefined
  if (known) return known
  const complete = await cosign(signed, sponsor)
  await store.set(keyOf(signed), complete, { ttl: KEPT })
  return complete
}

/** What the answer to a broadcast means for the payment. */
async function conclude(
  sent: Broadcast,
  payment: Payment,
  context: Context,
): Promise<Outcome.Outcome> {
  switch (sent.status) {
    case 'included':
      return finish(sent.receipt, payment, context)
    case 'unreached':
      return Outcome.unsettled({ cause: sent.cause })
    case 'refused': {
      // This very transaction may be what stands in its way.
      const { network, signal } = context
      const receipt = await network.readReceipt(payment.hash, { signal })
      return receipt ? finish(receipt, payment, context) : refuse(sent.reason, sent.cause)
    }
    default:
      return Outcome.indeterminate({ attempt: { hash: payment.hash }, cause: sent.cause })
  }
}

/**
 * Finds out what became of a transaction that may have been sent, and sends it again while it may still be in a block.
 *
 * @param signed - As the payer presented it.
 */
export async function trace(
  signed: Signed | undefined,
  context: Context,
): Promise<Outcome.Outcome> {
  if (!signed?.signer) return Outcome.rejected('verification-failed')
  const { signer, envelope } = signed
  const isSponsored =
    context.asked.request.methodDetails?.feePayer && envelope.feePayerSignature === null
  const complete = isSponsored
    ? ((await context.store.get(keyOf(signed))) as Complete | undefined)
    : signed
  // It was never completed, so it was never sent.
  if (!complete) return Outcome.unsettled()
  const { raw, hash } = complete
  return follow({ raw, hash, sender: signer.account }, context, envelope.validBefore)
}

/** The time is asked first and the receipt second: a node that has no receipt by then will never have one. */
async function follow(
  payment: Payment,
  context: Context,
  validBefore = Infinity,
): Promise<Outcome.Outcome> {
  const { hash } = payment
  const { network, signal } = context
  const dead = validBefore + FINALITY_MARGIN
  const time = await network.readTime({ signal })
  const receipt = await network.readReceipt(hash, { signal })
  if (receipt) return finish(receipt, payment, context)
  if (time >= dead) return refuse('expired')
  const sent = await send(payment, context)
  // A chain without new blocks has no later time to show; its node knows the time all the same.
  const late = sent.status === 'refused' && sent.reason === 'expired' && Date.now() / 1000 >= dead
  if (sent.status === 'included' || late) return conclude(sent, payment, context)
  return Outcome.indeterminate({ attempt: { hash }, cause: sent.cause })
}

/** Judges a receipt by its effects. @see Tempo charge draft, Hash Verification */
function finish(receipt: Receipt, { hash, sender }: Payment, { asked }: Context): Outcome.Outcome {
  if (receipt.hash.toLowerCase() !== hash)
    return Outcome.indeterminate({
      attempt: { hash },
      cause: new Error('The node answered for another transaction.'),
    })
  if (!receipt.success) return refuse('reverted')
  const payment = readReceipt(receipt, asked)
  if (!payment?.transfers.every(({ from }) => isAddressEqual(from, sender))) return refuse('absent')
  return settledOf(receipt, asked.request)
}

/** What a receipt of the chain is as a receipt of the protocol. @see Tempo charge draft, Receipt Generation */
const settledOf = (receipt: Receipt, request: Request): Outcome.Settled =>
  Outcome.settled({
    reference: receipt.hash.toLowerCase(),
    ...(receipt.time !== undefined && { timestamp: new Date(receipt.time * 1000).toISOString() }),
    ...echo(request),
    settlement: receipt,
  })

/** The merchant's reference goes back to whoever paid. */
const echo = ({ externalId }: Request): Pick<Outcome.Settled, 'receipt'> =>
  externalId === undefined ? {} : { receipt: { externalId } }

const REFUSALS: Record<Reason | 'reverted' | 'absent' | 'failing', string> = {
  absent: 'The transaction is in a block, but without the transfers that are asked.',
  expired: 'The transaction expired before it was in a block; nothing was paid.',
  failing:
    'The transaction would fail: the payer may hold too little, or the recipient cannot receive this currency.',
  funds:
    'Whoever pays the fee has too little of the fee token to send the transaction; nothing was paid.',
  invalid: 'The chain does not accept the transaction; nothing was paid.',
  nonce: 'The nonce of the transaction was used by another one; nothing was paid.',
  reverted:
    'The transaction was reverted; nothing was paid. The payer may hold too little, or the recipient cannot receive this currency.',
}

function refuse(reason: keyof typeof REFUSALS, cause?: unknown): Outcome.Rejected {
  const code = reason === 'expired' ? 'payment-expired' : 'verification-failed'
  return Outcome.rejected(code, { detail: REFUSALS[reason] }, { cause })
}
