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
import {
  cosign,
  giveBack,
  hold,
  reserve,
  type Complete,
  type Reservation,
  type Sponsor,
} from './sponsor.js'
import type { Signed } from './transaction.js'
import { transfersOf } from './transfer.js'

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

/** Broadcasts. What a node refuses may be in a block already, and stand in its own way. */
async function send(payment: Payment, { network, signal }: Context): Promise<Broadcast> {
  const sent = await network.broadcast(payment, { signal })
  const receipt = sent.status === 'refused' && (await network.readReceipt(payment.hash, { signal }))
  return receipt ? { status: 'included', receipt } : sent
}

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

/** A transaction that we completed, as it is written down. */
type Completed = Complete & {
  /** What is set aside for its fee, until that is known. */
  reservation?: Reservation | undefined
}

async function settleSponsored(approved: Transaction, context: Context): Promise<Outcome.Outcome> {
  const held = await begin(approved, context).catch((cause: unknown) =>
    Outcome.unsettled({ cause }),
  )
  if ('status' in held) return held
  try {
    const payment = await prepare(approved, context).catch((cause: unknown) =>
      Outcome.unsettled({ cause }),
    )
    if ('status' in payment) return payment
    const sent = await send(payment, context)
    await account(sent, approved.signed, context)
    return conclude(sent, payment, context)
  } finally {
    await held.release()
  }
}

/** Tries it out, and keeps its payer from promising the same money twice while it is on its way. */
async function begin(
  approved: Transaction,
  context: Context,
): Promise<{ release: () => Promise<unknown> } | Outcome.Outcome> {
  if (!context.sponsor)
    return Outcome.unsettled({ cause: new Error('This server has no fee payer now.') })
  const refusal = await tryOut(approved, context)
  if (refusal) return refusal
  const release = await holdPayment(approved, context)
  return release
    ? { release }
    : tooMuch(1, 'The payer has other payments under way, and too little for all.')
}

/** Sets the fee aside, signs as the fee payer and writes that down. Nothing is sent before. */
async function prepare(
  approved: Transaction,
  context: Context,
): Promise<Payment | Outcome.Outcome> {
  const { sponsor, store } = context
  const { signed, sender, isBound } = approved
  if (!sponsor) return Outcome.unsettled()
  const known = await readCompleted(signed, store)
  // What was given back when the node was out of reach is set aside anew.
  const completed = known?.reservation ? known : await complete(approved, sponsor, store)
  if (!completed) return tooMuch(sponsor.budget.seconds / 60, 'The budget for fees is spent.')
  const payment = { raw: completed.raw, hash: completed.hash, sender }
  const seen = isBound || known ? undefined : await lookUp(payment, context)
  if (seen) await account({ status: 'unreached', cause: undefined }, signed, context)
  return seen ?? payment
}

/** One that fails costs its fee all the same. The chain tries it as the account, whose access key may have spent its limit. */
async function tryOut(
  { signed, sender }: Transaction,
  { network, asked, signal }: Context,
): Promise<Outcome.Rejected | undefined> {
  const calls = signed.envelope.calls.map(({ to = '0x', data = '0x' }) => ({ to, data }))
  const { accessKey } = signed.signer ?? {}
  const { amount, currency: token } = asked.request
  const [goesThrough, limit] = await Promise.all([
    network.simulate({ from: sender, calls }, { signal }),
    accessKey && network.readLimit({ account: sender, accessKey, token }, { signal }),
  ])
  return !goesThrough || (limit !== undefined && limit < BigInt(amount))
    ? refuse('failing')
    : undefined
}

/** What a swap brings is not there yet: a payer makes one such payment at a time. */
async function holdPayment(
  { signed, sender: payer }: Transaction,
  { network, asked, signal, store }: Context,
): Promise<(() => Promise<unknown>) | undefined> {
  const amount = BigInt(asked.request.amount)
  const token = asked.request.currency
  const balance = await network.readBalance({ token, owner: payer }, { signal })
  const isSwap = signed.envelope.calls.length > transfersOf(asked.request).length
  return hold(store, { payer, token, amount, has: isSwap ? amount : balance })
}

const tooMuch = (retryAfter: number, message: string): Outcome.Unsettled =>
  Outcome.unsettled({ retryAfter: Math.ceil(retryAfter), cause: new Error(message) })

/** Seconds for which it is known how a transaction was completed: longer than anybody asks after it. */
const KEPT = 30 * 86_400

const keyOf = ({ identity }: Signed): string => `sponsored:${identity}`

const readCompleted = async (signed: Signed, store: Store.Store): Promise<Completed | undefined> =>
  (await store.get(keyOf(signed))) as Completed | undefined

/** A signer need not sign alike twice, and only the hash of what was sent finds it again. */
async function complete(
  { signed, sender: payer }: Transaction,
  sponsor: Sponsor,
  store: Store.Store,
): Promise<Completed | undefined> {
  const { gas = 0n, maxFeePerGas = 0n } = signed.envelope
  const reservation = await reserve(sponsor, { payer, most: feeOf(gas, maxFeePerGas), store })
  if (!reservation) return undefined
  try {
    const completed = { ...(await cosign(signed, sponsor)), reservation }
    await store.set(keyOf(signed), completed, { ttl: KEPT })
    return completed
  } catch (cause) {
    await giveBack(sponsor, { reservation, fee: 0n, store })
    throw cause
  }
}

/**
 * Puts what a transaction cost in place of what was set aside, once. One that was reverted keeps all of it: its payer shall not
 * have many of these.
 */
async function account(
  sent: Broadcast,
  signed: Signed,
  { sponsor, store }: Context,
): Promise<void> {
  if (!sponsor || sent.status === 'unknown') return
  let reservation: Reservation | undefined
  await store.update(
    keyOf(signed),
    (current) => {
      const { reservation: open, ...completed } = (current ?? {}) as Completed
      reservation = open
      return open && completed
    },
    { ttl: KEPT },
  )
  if (!reservation || (sent.status === 'included' && !sent.receipt.success)) return
  const fee = sent.status === 'included' ? sent.receipt.fee : 0n
  await giveBack(sponsor, { reservation, fee, store })
}

/** What the answer to a broadcast means for the payment. */
function conclude(sent: Broadcast, payment: Payment, context: Context): Outcome.Outcome {
  switch (sent.status) {
    case 'included':
      return finish(sent.receipt, payment, context)
    case 'unreached':
      return Outcome.unsettled({ cause: sent.cause })
    case 'refused':
      return refuse(sent.reason, sent.cause)
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
  const completed: Complete | undefined = isSponsored
    ? await readCompleted(signed, context.store)
    : signed
  // It was never completed, so it was never sent.
  if (!completed) return Outcome.unsettled()
  const payment = { raw: completed.raw, hash: completed.hash, sender: signer.account }
  const found = await find(payment, context, envelope.validBefore)
  if (isSponsored) await account(found, signed, context)
  return conclude(found, payment, context)
}

/** The time is asked first and the receipt second: a node that has no receipt by then will never have one. */
async function find(
  payment: Payment,
  context: Context,
  validBefore = Infinity,
): Promise<Broadcast> {
  const { network, signal } = context
  const dead = validBefore + FINALITY_MARGIN
  const time = await network.readTime({ signal })
  const receipt = await network.readReceipt(payment.hash, { signal })
  if (receipt) return { status: 'included', receipt }
  if (time >= dead) return { status: 'refused', reason: 'expired', cause: undefined }
  const sent = await send(payment, context)
  // A chain without new blocks has no later time to show; its node knows the time all the same.
  const late = sent.status === 'refused' && sent.reason === 'expired' && Date.now() / 1000 >= dead
  return sent.status === 'included' || late ? sent : { status: 'unknown', cause: sent.cause }
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
