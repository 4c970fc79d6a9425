/**
 * Gives the money of a charge back: each refund once, by a key of its own.
 *
 * @module
 */
import { Errors, Outcome, type Refund } from '@polyrail/core'
import { judgeEnabler, recall } from './attempt.js'
import { fingerprint } from './fingerprint.js'
import { isReference, judgeError, secondsOf, unclear, wordOf } from './outcome.js'
import type { RefundOrder, ServerEnabler } from './server-enabler.js'

type Answer = Refund.Refund | Outcome.Unmoved

/** Asks the enabler to give money back, or to tell again of the refund that it made. */
export async function refund(enabler: ServerEnabler, asked: Refund.Asked): Promise<Answer> {
  const { payment, amount, id, isRepeated, signal, store } = asked
  const note = await recall(payment.challengeId, store)
  const elsewhere = note && judgeEnabler(note, enabler)
  if (elsewhere) return isRepeated ? elsewhere : { ...elsewhere, status: 'unsettled' }
  // Past the life of the note nobody can tell an account that made the refund from one that never had the charge.
  const isSure = !isRepeated || note !== undefined
  const idempotencyKey = await fingerprint([payment.challengeId, id].join('\n'))
  const order: RefundOrder = {
    charge: payment.challengeId,
    reference: payment.reference,
    ...(amount !== undefined && { amount: String(amount) }),
  }
  try {
    const result = await enabler.refund?.(order, { idempotencyKey, signal })
    return judgeRefund(result, { idempotencyKey, amount, isSure })
  } catch (cause) {
    return judgeError(cause, { isFirst: !isRepeated })
  }
}

const AMOUNT = /^(?:0|[1-9]\d{0,17})$/

type Expected = { idempotencyKey: string; amount: bigint | undefined; isSure: boolean }

function judgeRefund(answer: unknown, expected: Expected): Answer {
  const result = (answer ?? {}) as Readonly<Record<string, unknown>>
  const { status, idempotencyKey, reason, retryAfter } = result
  if (idempotencyKey !== expected.idempotencyKey)
    return unclear('has not the idempotencyKey of this refund')
  switch (status) {
    case 'refunded':
      return judgeMade(result, expected)
    case 'declined':
      return reason === 'charge_not_found' && !expected.isSure
        ? unclear('knows nothing of a charge that may have been given back')
        : refused(reason)
    case 'pending':
      return Outcome.indeterminate({ retryAfter: secondsOf(retryAfter) ?? 5 })
    default:
      return unclear('has no status that is known')
  }
}

/** A refund counts only if it is this one, to the cent. */
function judgeMade(
  { reference, amount, left }: Readonly<Record<string, unknown>>,
  expected: Expected,
): Answer {
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
  amount_too_large: 'less is left of it, or nothing',
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
