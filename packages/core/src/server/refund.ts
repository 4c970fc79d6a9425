/**
 * Gives money back: each refund once, and never beside an answer that is still owed.
 *
 * @module
 */
import { isPaymentError, PaymentError } from '../Errors.js'
import type { Server } from '../Method.js'
import type { Unmoved } from '../Outcome.js'
import * as Receipt from '../Receipt.js'
import type { Payment, Refund } from '../Refund.js'
import { sha256Text } from '#sha256'
import type { Kernel } from './config.js'
import { runWithDeadline } from './deadline.js'
import { newOwner } from './steps/claim.js'
import { showable } from './steps/fault.js'
import { withdraw } from './steps/withdraw.js'
import { MethodStore } from './store.js'

/** One refund, as it is remembered. */
type RefundRecord = {
  amount: bigint | undefined
  owner: string
  /** Who makes it has it until then (epoch ms); 0 for nobody. */
  until: number
  attempt?: unknown
  /** Once it is made. */
  refund?: Refund
  /** True once it came to nothing: as if nobody had asked. */
  isVoid?: boolean
}

/** Seconds for which a refund is known by its id: 400 days. */
const REMEMBERED = 400 * 86_400
/** Seconds for which one that came to nothing is in the way of nobody. */
const FORGOTTEN = 60

/** One name, two amounts. */
class OtherAmount extends TypeError {}

/**
 * Gives the money of a payment back, or a part of it. Called again with the same `id`, it returns the same refund; one that
 * was cut short is gone on with. What the payment is still owed is not delivered any more, once all has gone back.
 *
 * @param receipt - Of the payment: an object, or as the `Payment-Receipt` header has it.
 * @param options.amount - Whole base units; left out, all that has not gone back yet.
 * @param options.id - The refund's own name, where a payment may have several.
 * @throws TypeError for what is no receipt, one of a rail that gives nothing back, or an id that named another amount;
 * RangeError for an amount of 0 or less.
 * @throws PaymentError `payment-in-progress` while its visitor is served or another call makes the refund,
 * `payment-indeterminate` when nobody knows whether it was made, `settlement-unavailable` or `store-unavailable` when something is
 * down: call again after `retryAfter` seconds. Or with the rail's own problem, when it cannot be made.
 */
export async function refund(
  kernel: Kernel,
  receipt: Payment | Receipt.Receipt | string,
  { amount, id = 'whole' }: refund.Options = {},
): Promise<Refund> {
  const payment = readPayment(receipt)
  const method = kernel.methods.find((one) => one.name === payment.method && one.refund)
  if (!method) throw new TypeError(`No rail here gives money of "${payment.method}" back.`)
  if (amount !== undefined && !(typeof amount === 'bigint' && amount > 0n))
    throw new RangeError('A refund needs an amount above 0, as a bigint of base units.')
  const name = sha256Text([payment.reference, id].join('\n'))
  const key = `mpp:refund:${method.name}:${name}`
  try {
    return await make({ kernel, method, payment, amount, id, key, owner: newOwner() })
  } catch (cause) {
    if (isPaymentError(cause) || cause instanceof OtherAmount) throw cause
    throw new PaymentError('store-unavailable', { detail: UNRECORDED }, { retryAfter: 5, cause })
  }
}

export declare namespace refund {
  type Options = { amount?: bigint | undefined; id?: string | undefined }
}

function readPayment(receipt: Payment | Receipt.Receipt | string): Payment {
  const read = typeof receipt === 'string' ? Receipt.deserialize(receipt) : receipt
  const { method, reference, challengeId } = read ?? {}
  for (const name of [method, reference, challengeId])
    if (typeof name !== 'string' || name === '')
      throw new TypeError('A refund needs a receipt with method, reference and challengeId.')
  return { method, reference, challengeId } as Payment
}

type Refunding = {
  kernel: Kernel
  method: Server
  payment: Payment
  amount: bigint | undefined
  id: string
  key: string
  owner: string
}

async function make(refunding: Refunding): Promise<Refund> {
  const { kernel, payment } = refunding
  const { before, made, until } = await claim(refunding)
  if (made) return made
  const end = await withdraw(kernel, payment.challengeId, refunding.key)
  if (typeof end !== 'function') {
    await putBack(refunding, before)
    throw busy(end.until)
  }
  if (!(await hasTime(refunding, until))) {
    await end(before ? 'unknown' : 'owed')
    throw busy(Date.now())
  }
  const answer = await ask(refunding, before)
  if ('status' in answer) {
    const isUnknown = answer.status === 'indeterminate'
    await end(isUnknown ? 'unknown' : 'owed')
    // What may have been made stays so: a receipt that names another challenge is refused too.
    await putBack(refunding, isUnknown ? { attempt: answer.attempt ?? before?.attempt } : before)
    throw errorOf(answer)
  }
  await enter(refunding, answer)
  await end(answer.left > 0n ? 'owed' : 'refunded')
  await keep(refunding, answer)
  kernel.events.emit('refunded', () => ({ payment, refund: answer }))
  return answer
}

/** Gets the refund for this call alone. */
async function claim({ kernel, amount, id, key, owner }: Refunding): Promise<{
  before: RefundRecord | undefined
  made: Refund | undefined
  until: number
}> {
  const until = Date.now() + kernel.deadlines.lease
  let before: RefundRecord | undefined
  const standing = (await kernel.store.update(
    key,
    (current) => {
      const record = current as RefundRecord | undefined
      before = record?.isVoid ? undefined : record
      const isFree = !before || (!before.refund && before.until <= Date.now())
      if (!isFree || (before && before.amount !== amount)) return undefined
      return { amount, attempt: before?.attempt, owner, until }
    },
    { ttl: REMEMBERED },
  )) as RefundRecord
  if (before && before.amount !== amount)
    throw new OtherAmount(
      `The refund "${id}" of this payment is of another amount. Give each refund of a payment an id of its own.`,
    )
  if (!standing.refund && standing.owner !== owner) throw busy(standing.until)
  return { before, made: standing.refund, until }
}

/** A call that slept must not ask the rail as the first, where another has the refund by then. */
async function hasTime({ kernel, key, owner }: Refunding, until: number): Promise<boolean> {
  const { lease, settle } = kernel.deadlines
  if (until - Date.now() > settle) return true
  const standing = await kernel.store.update(
    key,
    (current) => {
      const record = current as RefundRecord | undefined
      return record?.owner === owner ? { ...record, until: Date.now() + lease } : undefined
    },
    { ttl: REMEMBERED },
  )
  return (standing as RefundRecord | undefined)?.owner === owner
}

async function ask(
  { kernel, method, payment, amount, id }: Refunding,
  before: RefundRecord | undefined,
): Promise<Refund | Unmoved> {
  try {
    return await runWithDeadline(kernel.deadlines.settle, async (signal) =>
      read(
        await method.refund?.({
          payment,
          amount,
          id,
          isRepeated: before !== undefined,
          attempt: before?.attempt,
          signal,
          store: new MethodStore(kernel.store, method.name),
        }),
      ),
    )
  } catch (cause) {
    return { status: 'indeterminate', cause }
  }
}

const UNMOVED: ReadonlySet<unknown> = new Set(['rejected', 'unsettled', 'indeterminate'])

/** Who answers nonsense may have given money back before. */
function read(answer: Refund | Unmoved | undefined): Refund | Unmoved {
  if (answer && 'status' in answer && UNMOVED.has(answer.status)) return answer
  const { reference, amount, left } = (answer ?? {}) as Partial<Refund>
  if (typeof reference === 'string' && typeof amount === 'bigint' && typeof left === 'bigint')
    return { reference, amount, left }
  const cause = new TypeError('refund() must return { reference, amount, left } or an outcome.')
  return { status: 'indeterminate', cause }
}

/** No refund is told of that the books do not know; of a payment that they do not know, they may refuse it. */
async function enter({ kernel, payment }: Refunding, { reference, amount }: Refund): Promise<void> {
  try {
    const refund = { reference, amount: String(amount) }
    await kernel.ledger?.refund?.(payment.challengeId, refund)
  } catch (cause) {
    if ((cause as Error | undefined)?.name !== 'RangeError') throw cause
    kernel.events.emit('error', () => ({ cause }))
  }
}

/** Whoever has it by now: money that went back did so. */
const keep = ({ kernel, key, amount, owner }: Refunding, refund: Refund): Promise<void> => {
  const record: RefundRecord = { amount, owner, until: 0, refund }
  return kernel.store.set(key, record, { ttl: REMEMBERED })
}

/** For the next call: as it was, or as if nobody had asked. What another call has taken over is that one's. */
const putBack = (
  { kernel, key, amount, owner }: Refunding,
  known: Pick<RefundRecord, 'attempt'> | undefined,
): Promise<unknown> => {
  const next: RefundRecord = known
    ? { amount, owner, until: 0, attempt: known.attempt }
    : { amount, owner, until: 0, isVoid: true }
  return kernel.store.update(
    key,
    (current) => ((current as RefundRecord | undefined)?.owner === owner ? next : undefined),
    { ttl: known ? REMEMBERED : FORGOTTEN },
  )
}

const busy = (until: number): PaymentError => {
  const detail = 'The payment is in use: its visitor is served, or another call gives it back.'
  const retryAfter = Math.max(1, Math.ceil((until - Date.now()) / 1000))
  return new PaymentError('payment-in-progress', { detail }, { retryAfter })
}

function errorOf(answer: Unmoved): PaymentError {
  const { status, cause } = answer
  if (status === 'rejected') return new PaymentError(showable(answer.problem), {}, { cause })
  const options = { retryAfter: answer.retryAfter ?? 2, cause }
  return status === 'unsettled'
    ? new PaymentError('settlement-unavailable', { detail: UNMADE }, options)
    : new PaymentError('payment-indeterminate', { detail: UNKNOWN }, options)
}

const UNMADE = 'The payment network cannot be reached; nothing went back. Call again.'
const UNRECORDED = 'Refunds cannot be recorded now. Call again to find out.'
const UNKNOWN = 'Whether the refund was made is not known yet. Call again to find out.'
