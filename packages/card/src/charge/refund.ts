/**
 * Gives the money of a charge back: each refund once, by a key of its own.
 *
 * @module
 */
import { Errors, Outcome, type Refund } from '@polyrail/core'
import { hash } from './hash.js'
import { isReference, judgeError, secondsOf, unclear, wordOf } from './outcome.js'
import type { RefundOrder, ServerEnabler } from './server-enabler.js'

type Answer = Refund.Refund | Outcome.Unmoved

/** Asks the enabler to give money back, or to tell again of the refund that it made. */
export async function refund(enabler: ServerEnabler, asked: Refund.Asked): Promise<Answer> {
  const { payment, amount, id, isRepeated, signal } = asked
  const idempotencyKey = await hash([payment.challengeId, id].join('\n'))
  const order: RefundOrder = {
    charge: payment.challengeId,
    reference: payment.reference,
    ...(amount !== undefined && { amount: String(amount) }),
  }
  try {
    const result = await enabler.refund?.(order, { idempotencyKey, signal })
    return judgeRefund(result, { idempotencyKey, amount })
  } catch (cause) {
    return judgeError(cause, { isFirst: !isRepeated })
  }
}

const AMOUNT = /^(?:0|[1-9]\d{0,17})$/

/** A refund counts only if it is this one, to the cent. */
function judgeRefund(
  answer: unknown,
  expected: { idempotencyKey: string; amount: bigint | undefined },
): Answer {
  const result = (answer ?? {}) as Readonly<Record<string, unknown>>
  const { status, idempotencyKey, reference, amount, left, reason, retryAfter } = result
  if (idempotencyKey !== expected.idempotencyKey)
    return unclear('has not the idempotencyKey of this refund')
  if (status === 'declined') return refused(reason)
  if (status === 'pending') return Outcome.indeterminate({ retryAfter: secondsOf(retryAfter) ?? 5 })
  if (status !== 'refunded') return unclear('has no status that is known')
  if (!isReference(reference)) return unclear('has no reference')
  if (!isAmount(amount) || !isAmount(left)) return unclear('has no amount')
  const refunded: Refund.Refund = { reference, amount: BigInt(amount), left: BigInt(left) }
  return expected.amount === undefined || refunded.amount === expected.amount
    ? refunded
    : unclear('gives another amount back')
}

const isAmount = (value: unknown): value is string =>
  typeof value === 'string' && AMOUNT.test(value)

/** What an operator may read of why nothing goes back. */
const REFUSALS: Readonly<Record<string, string>> = {
  amount_too_large: 'less than that is left of it',
  charge_not_found: 'it is not known there',
  not_captured: 'it has not been captured',
}

function refused(reason: unknown): Outcome.Rejected {
  const code = wordOf(reason) ?? 'declined'
  const why = Object.hasOwn(REFUSALS, code) ? `: ${REFUSALS[code]}` : ''
  const problem = Errors.problem({
    type: 'about:blank',
    title: 'Refund Refused',
    status: 409,
    detail: `The payment service gives nothing of this payment back${why}. Once that is mended, try again under another id.`,
    code: 'refund-refused',
  })
  return Outcome.rejected(problem, {}, { cause: new Error(`card: ${code}`) })
}
