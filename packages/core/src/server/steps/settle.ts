/**
 * Step 5: moves the money, once, and records what became of it.
 *
 * @module
 */
import type { Authorized, Outcome, Settled } from '../../Outcome.js'
import { isThenable, race } from '../deadline.js'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './receive.js'
import { giveBack, hold, renew, type Lease } from './claim.js'
import { imposeLate, record, refuseHeld, refuseUnknown, unrecorded } from './conclude.js'
import { enter } from './enter.js'
import { problemOf } from './fault.js'
import type { Presentation } from './judge.js'
import { remember } from './late.js'
import { normalize, outcomeOfThrow } from './outcome.js'

/** Settlements that passed their deadline and still run here: nobody may start them again. */
const running = new Set<string>()

/** What an attempt came to; past its deadline, also what it may still come to. */
type Attempt = Outcome & { late?: Promise<Outcome> }

/**
 * Has the rail settle, or find out what an earlier attempt came to, and records the outcome before
 * anybody hears of it.
 *
 * @returns The settlement; or that the money is set aside; or a refusal: the proof is bad, or nobody knows yet.
 * @see charge draft, Settlement
 */
export async function settle(
  bound: Bound,
  presentation: Presentation,
  { lease, fresh }: { lease: Lease; fresh: boolean },
): Promise<Settled | Authorized | Refusal> {
  if (running.has(lease.key) && (fresh || !bound.offer.method.reconcile)) {
    await hold(lease, 0)
    return refuseUnknown(lease, { status: 'indeterminate' })
  }
  const unwritten = bound.offer.kernel.ledger && (await enterClaim(bound, lease, fresh))
  if (unwritten) return unwritten
  if (!hasTime(lease) && !(await renew(lease))) return refuseHeld()
  const outcome: Attempt =
    unrecorded.get(lease.key) ??
    (fresh ? await act(bound, presentation, lease) : await inquire(bound, presentation, lease))
  try {
    return await record(bound, lease, outcome)
  } finally {
    if (outcome.late) void followLate(bound, lease, outcome.late)
  }
}

/** No money moves that the ledger does not know of. */
async function enterClaim(
  bound: Bound,
  lease: Lease,
  fresh: boolean,
): Promise<Refusal | undefined> {
  try {
    await enter({ bound, key: lease.key }, 'claimed')
    return undefined
  } catch (cause) {
    if (fresh) return giveBackUnwritten(bound, lease, cause)
    await hold(lease, 0)
    return refuseUnknown(lease, { status: 'indeterminate', retryAfter: 5, cause })
  }
}

async function giveBackUnwritten(bound: Bound, lease: Lease, cause: unknown): Promise<Refusal> {
  // Who paid before they came must not pay again when the ledger is back.
  await remember(bound, lease.record)
  if (!(await giveBack(lease))) return refuseHeld()
  const detail =
    'Payments cannot be recorded now; nothing was charged. Present the same credential again.'
  return refuse('store-unavailable', { detail }, { retryAfter: 5, cause })
}

/** A claim that took long, or a process that slept, must not settle on a lease that others hold by then. */
const hasTime = ({ record, kernel }: Lease): boolean =>
  record.until - Date.now() > kernel.deadlines.settle

async function act(bound: Bound, presentation: Presentation, lease: Lease): Promise<Attempt> {
  const { kernel, method } = bound.offer
  let late: Promise<Outcome> | undefined
  try {
    const settling = method.settle(presentation as Presentation & { validated: unknown })
    if (!isThenable(settling)) return normalize(settling, bound)
    const answer = await race(
      kernel.deadlines.settle,
      () => settling,
      () => {
        late = Promise.resolve(settling).then((outcome) => normalize(outcome, bound))
        // Listened to only once the store has answered: until then a rejection would end the process.
        late.catch(() => undefined)
        running.add(lease.key)
        presentation.abort()
      },
    )
    return normalize(answer, bound)
  } catch (cause) {
    const outcome = outcomeOfThrow(bound, cause)
    return late ? { ...outcome, late } : outcome
  }
}

/** Past its deadline a settlement goes on, and what it comes to counts all the same. */
async function followLate(bound: Bound, lease: Lease, late: Promise<Outcome>): Promise<void> {
  try {
    const outcome = await late
    if (outcome.status === 'settled') await imposeLate(bound, lease, outcome)
    else await record(bound, lease, outcome)
    // Its visitor has left: who comes again goes on with it.
    if (outcome.status === 'authorized') await hold(lease, 0)
  } catch (cause) {
    bound.offer.kernel.events.emit('error', () => ({ cause }))
  } finally {
    running.delete(lease.key)
  }
}

/** The server that began this settlement is gone, or it could not tell. */
async function inquire(bound: Bound, presentation: Presentation, lease: Lease): Promise<Outcome> {
  const { kernel, method } = bound.offer
  if (method.oneHook && !method.reconcile) return askAgain(bound, presentation, lease)
  if (!method.reconcile) return { status: 'indeterminate', attempt: lease.record.attempt }
  presentation.attempt = lease.record.attempt
  presentation.renew()
  try {
    return await race(
      kernel.deadlines.settle,
      async () =>
        normalize(
          await method.reconcile?.(presentation as Presentation & { attempt: unknown }),
          bound,
        ),
      () => presentation.abort(),
    )
  } catch (cause) {
    return { status: 'indeterminate', attempt: lease.record.attempt, cause }
  }
}

/**
 * The one-hook form is its own reconciliation. Its first asking may have taken the money, so that a
 * plain throw now ("already spent") proves nothing; only a refusal made on purpose does.
 */
async function askAgain(bound: Bound, presentation: Presentation, lease: Lease): Promise<Attempt> {
  const outcome = await act(bound, presentation, lease)
  const { cause } = outcome as { cause?: unknown }
  const isPlain = outcome.status === 'rejected' && cause !== undefined && !problemOf(cause)
  return isPlain ? { status: 'indeterminate', cause } : outcome
}
