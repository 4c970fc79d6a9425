/**
 * Reads what a rail's hooks say of the money, in whatever words.
 *
 * @module
 */
import type { Authorized, Outcome, Rejected, Settled } from '../../Outcome.js'
import type { Bound } from './bind.js'
import { refuse } from './receive.js'
import { isJson, isTransportFault, problemOf, showable } from './fault.js'

/** What deployed rails say of a success beside its reference. */
const SUCCESS: ReadonlySet<unknown> = new Set([undefined, 'settled', 'success'])

/** A bare `{ reference }` is a settlement; whoever answers nonsense may have moved money before. */
export function normalize(answer: unknown, bound: Bound): Outcome {
  const { status, reference } = (answer ?? {}) as { status?: unknown; reference?: unknown }
  if (status === 'indeterminate' || status === 'unsettled') return answer as Outcome
  if (status === 'authorized' && bound.offer.method.capture) return answer as Authorized
  if (status === 'rejected') {
    const { problem, cause } = answer as Rejected
    return { status, problem: showable(problem), cause }
  }
  if (typeof reference === 'string' && reference !== '' && SUCCESS.has(status))
    return settledOf(answer as Settled, bound)
  const cause = new TypeError(
    SUCCESS.has(status)
      ? 'A settlement needs a `reference`; return { reference }, or Outcome.rejected(…) to refuse.'
      : `"${String(status)}" is no status of an outcome: return { reference } alone, or one of Outcome’s.`,
  )
  return { status: 'indeterminate', cause }
}

/** In one shape, whatever the rail's own is. The money moved: what cannot stand in a receipt must not keep the page back. */
const settledOf = (
  { reference, timestamp, receipt, settlement }: Settled,
  bound: Bound,
): Settled => ({
  status: 'settled',
  reference,
  timestamp: isTime(timestamp) ? timestamp : drop('timestamp', bound),
  receipt: receipt && !isJson(receipt) ? drop('receipt', bound) : receipt,
  settlement,
})

/** A text or a date; left out, it is now. */
const isTime = (given: unknown): boolean =>
  given === undefined ||
  given === null ||
  typeof given === 'string' ||
  (isJson(given) && 'getTime' in given && Number.isFinite(Number(given)))

function drop(field: string, { offer: { kernel, method } }: Bound): undefined {
  const cause = new TypeError(
    `${method.name}/${method.intent}: the settlement's ${field} cannot stand in a receipt, and is left out.`,
  )
  kernel.events.emit('error', () => ({ cause }))
}

/** A throw: in the one-hook form a refusal, elsewhere nobody knows what happened before it. */
export function outcomeOfThrow({ offer }: Bound, cause: unknown): Outcome {
  const problem = problemOf(cause)
  if (problem)
    return problem.status === 503
      ? { status: 'indeterminate', cause }
      : { status: 'rejected', problem, cause }
  if (!offer.method.oneHook || isTransportFault(cause)) return { status: 'indeterminate', cause }
  return { status: 'rejected', problem: refuse('verification-failed').refused, cause }
}
