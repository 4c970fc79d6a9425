/**
 * Step 5: moves the money, once, and records what became of it.
 *
 * @module
 */
import type { Outcome, Rejected, Settled } from '../../Outcome.js'
import * as Receipt from '../../Receipt.js'
import { isPrompt, race } from '../deadline.js'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './capture.js'
import { advance, release, type Lease } from './claim.js'
import { isTransportFault, problemOf } from './fault.js'
import type { Presentation } from './judge.js'

/** Settlements that passed their deadline and still run here: nobody may start them again. */
const running = new Set<string>()

/**
 * Has the rail settle, or find out what an earlier attempt came to, and records the outcome before
 * anybody hears of it.
 *
 * @returns The settlement; or a refusal: the proof is bad, or nobody knows yet.
 * @see charge draft, Settlement
 */
export async function settle(
  bound: Bound,
  presentation: Presentation,
  { lease, fresh }: { lease: Lease; fresh: boolean },
): Promise<Settled | Refusal> {
  if (running.has(lease.key)) {
    await advance(lease, { until: 0 })
    return refuseUnknown(lease, { status: 'indeterminate' })
  }
  const outcome = fresh
    ? await act(bound, presentation, lease)
    : await inquire(bound, presentation, lease)
  return record(bound, lease, outcome)
}

async function act(bound: Bound, presentation: Presentation, lease: Lease): Promise<Outcome> {
  const { kernel, method } = bound.offer
  try {
    const settling = method.settle(presentation as Presentation & { validated: unknown })
    if (!(settling instanceof Promise) || (await isPrompt(settling)))
      return normalize(await settling)
    const answer = settling.then(normalize)
    return await race(
      kernel.deadlines.settle,
      () => answer,
      () => {
        presentation.abort()
        void followLate(bound, lease, answer)
      },
    )
  } catch (cause) {
    return outcomeOfThrow(bound, cause)
  }
}

/** Past its deadline a settlement goes on, and what it comes to counts all the same. */
async function followLate(bound: Bound, lease: Lease, answer: Promise<Outcome>): Promise<void> {
  running.add(lease.key)
  try {
    const outcome = await answer
    if (outcome.status !== 'settled' && outcome.status !== 'rejected') return
    await record(bound, lease, outcome)
    await advance(lease, { until: 0 })
  } catch (cause) {
    bound.offer.kernel.events.emit('error', () => ({ cause }))
  } finally {
    running.delete(lease.key)
  }
}

/** A throw: in the one-hook form a refusal, elsewhere nobody knows what happened before it. */
function outcomeOfThrow({ offer }: Bound, cause: unknown): Outcome {
  const problem = problemOf(cause)
  if (problem)
    return problem.status === 503
      ? { status: 'indeterminate', cause }
      : { status: 'rejected', problem, cause }
  if (!offer.method.oneHook || isTransportFault(cause)) return { status: 'indeterminate', cause }
  return { status: 'rejected', problem: refuse('verification-failed').refused, cause }
}

/** The server that began this settlement is gone, or it could not tell. */
async function inquire(bound: Bound, presentation: Presentation, lease: Lease): Promise<Outcome> {
  const { kernel, method } = bound.offer
  if (method.oneHook && !method.reconcile) return act(bound, presentation, lease)
  if (!method.reconcile) return { status: 'indeterminate', attempt: lease.record.attempt }
  presentation.attempt = lease.record.attempt
  try {
    return await race(
      kernel.deadlines.settle,
      () =>
        method.reconcile?.(presentation as Presentation & { attempt: unknown }) as
          | Outcome
          | Promise<Outcome>,
      () => presentation.abort(),
    )
  } catch (cause) {
    return { status: 'indeterminate', attempt: lease.record.attempt, cause }
  }
}

/** A bare `{ reference }` is a settlement. */
function normalize(answer: unknown): Outcome {
  const { status, reference } = (answer ?? {}) as { status?: string; reference?: unknown }
  if (status === 'rejected' || status === 'indeterminate' || status === 'unsettled')
    return answer as Outcome
  if (typeof reference === 'string') return { ...(answer as Settled), status: 'settled' }
  throw new TypeError(
    'A settlement needs a `reference`; return { reference }, or Outcome.rejected(…) to refuse.',
  )
}

async function record(bound: Bound, lease: Lease, outcome: Outcome): Promise<Settled | Refusal> {
  switch (outcome.status) {
    case 'settled':
      return recordSettled(bound, lease, outcome)
    case 'rejected':
      return recordRejected(lease, outcome)
    case 'unsettled':
      await release(lease, { challenge: true })
      return refuse(
        'settlement-unavailable',
        {},
        { retryAfter: outcome.retryAfter ?? 2, cause: outcome.cause },
      )
    default:
      await advance(lease, {
        state: 'indeterminate',
        until: 0,
        attempt: outcome.attempt ?? lease.record.attempt,
      })
      return refuseUnknown(lease, outcome)
  }
}

async function recordSettled(
  bound: Bound,
  lease: Lease,
  outcome: Settled,
): Promise<Settled | Refusal> {
  const receipt = Receipt.from({
    ...outcome.receipt,
    method: bound.offer.method.name,
    reference: outcome.reference,
    ...(outcome.timestamp !== undefined && { timestamp: outcome.timestamp }),
  })
  const held = await advance(lease, { state: 'settled', receipt })
  return held ? outcome : refuse('payment-in-progress', {}, { retryAfter: 1 })
}

async function recordRejected(lease: Lease, outcome: Rejected): Promise<Refusal> {
  if (await advance(lease, { state: 'rejected', problem: outcome.problem, until: 0 }))
    await release(lease, { challenge: false })
  return { refused: outcome.problem, cause: outcome.cause }
}

function refuseUnknown(
  lease: Lease,
  outcome: Extract<Outcome, { status: 'indeterminate' }>,
): Refusal {
  return refuse(
    'payment-indeterminate',
    { challengeId: lease.key.slice(lease.key.lastIndexOf(':') + 1) },
    { retryAfter: outcome.retryAfter ?? 2, cause: outcome.cause },
  )
}
