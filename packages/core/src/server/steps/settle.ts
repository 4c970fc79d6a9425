/**
 * Step 5: moves the money, once, and records what became of it.
 *
 * @module
 */
import type { Indeterminate, Outcome, Rejected, Settled, Unsettled } from '../../Outcome.js'
import * as Receipt from '../../Receipt.js'
import { isThenable, race } from '../deadline.js'
import { priceOf } from '../price.js'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './capture.js'
import { advance, giveBack, hold, impose, release, type Lease } from './claim.js'
import { enter, enterSettled, tryEnter } from './enter.js'
import { isJson, isTransportFault, problemOf, showable } from './fault.js'
import type { Presentation } from './judge.js'
import { remember } from './late.js'
import { idOf } from './record.js'

/** Settlements that passed their deadline and still run here: nobody may start them again. */
const running = new Set<string>()

/** Settlements that the store or the ledger would not take: told to it at the next visit, and not asked for again. */
const unrecorded = new Map<string, Settled>()
const MOST_UNRECORDED = 10_000

/** What an attempt came to; past its deadline, also what it may still come to. */
type Attempt = Outcome & { late?: Promise<Outcome> }

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

const renew = (lease: Lease): Promise<boolean> =>
  hold(lease, Date.now() + lease.kernel.deadlines.lease)

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
  } catch (cause) {
    bound.offer.kernel.events.emit('error', () => ({ cause }))
  } finally {
    running.delete(lease.key)
  }
}

async function imposeLate(bound: Bound, lease: Lease, outcome: Settled): Promise<void> {
  const receipt = receiptOf(bound, outcome)
  try {
    await enterSettled({ bound, key: lease.key }, receipt)
    await impose(lease, receipt)
  } catch (cause) {
    keepUnrecorded(lease, outcome)
    throw cause
  }
  const { challenge, source, offer } = bound
  const price = () => priceOf(offer.method, challenge.request)
  offer.kernel.events.emit('late', () => ({ challenge, price: price(), source, receipt }))
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
  if (method.oneHook && !method.reconcile) return askAgain(bound, presentation, lease)
  if (!method.reconcile) return { status: 'indeterminate', attempt: lease.record.attempt }
  presentation.attempt = lease.record.attempt
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

/** What deployed rails say of a success beside its reference. */
const SUCCESS: ReadonlySet<unknown> = new Set([undefined, 'settled', 'success'])

/** A bare `{ reference }` is a settlement; whoever answers nonsense may have moved money before. */
function normalize(answer: unknown, bound: Bound): Outcome {
  const { status, reference } = (answer ?? {}) as { status?: unknown; reference?: unknown }
  if (status === 'indeterminate' || status === 'unsettled') return answer as Outcome
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

function record(bound: Bound, lease: Lease, outcome: Outcome): Promise<Settled | Refusal> {
  switch (outcome.status) {
    case 'settled':
      return recordSettled(bound, lease, outcome)
    case 'rejected':
      return recordRejected(bound, lease, outcome)
    case 'unsettled':
      return recordUnsettled(bound, lease, outcome)
    default:
      return recordUnknown(lease, outcome)
  }
}

async function recordSettled(
  bound: Bound,
  lease: Lease,
  outcome: Settled,
): Promise<Settled | Refusal> {
  const receipt = receiptOf(bound, outcome)
  // First: a settlement that the store knows is never missing from the ledger.
  const unwritten = lease.kernel.ledger && (await enterOrYield(bound, lease, { outcome, receipt }))
  if (unwritten) return unwritten
  try {
    const until = Date.now() + lease.kernel.deadlines.lease
    const held = await advance(lease, { ...lease.record, state: 'settled', receipt, until })
    if (!held) await impose(lease, receipt)
    unrecorded.delete(lease.key)
    return held ? outcome : refuseHeld()
  } catch (cause) {
    keepUnrecorded(lease, outcome)
    throw cause
  }
}

/** The money moved and must not be told of: the same credential may come again at once, and finds the outcome here. */
async function enterOrYield(
  bound: Bound,
  lease: Lease,
  { outcome, receipt }: { outcome: Settled; receipt: Receipt.Receipt },
): Promise<Refusal | undefined> {
  try {
    await enterSettled({ bound, key: lease.key }, receipt)
    return undefined
  } catch (cause) {
    keepUnrecorded(lease, outcome)
    await hold(lease, 0)
    return refuseUnknown(lease, { status: 'indeterminate', retryAfter: 5, cause })
  }
}

function keepUnrecorded({ key }: Lease, outcome: Settled): void {
  const [oldest] = unrecorded.keys()
  if (oldest !== undefined && unrecorded.size >= MOST_UNRECORDED) unrecorded.delete(oldest)
  unrecorded.set(key, outcome)
}

function receiptOf({ offer }: Bound, { receipt, reference, timestamp }: Settled): Receipt.Receipt {
  const { name: method } = offer.method
  return Receipt.from(
    receipt ? { ...receipt, method, reference, timestamp } : { method, reference, timestamp },
  )
}

const enterFailed = (bound: Bound, { key }: Lease, reason: string): Promise<void> =>
  tryEnter({ bound, key }, 'failed', { reason })

async function recordRejected(bound: Bound, lease: Lease, outcome: Rejected): Promise<Refusal> {
  const { problem } = outcome
  await enterFailed(bound, lease, problem.code)
  if (!(await advance(lease, { ...lease.record, state: 'rejected', problem, until: 0 })))
    return refuseHeld()
  await release(lease)
  return { refused: outcome.problem, cause: outcome.cause }
}

async function recordUnsettled(
  bound: Bound,
  lease: Lease,
  { retryAfter = 2, cause }: Unsettled,
): Promise<Refusal> {
  // Before the claim is free: an entry of the next one must not come first.
  await enterFailed(bound, lease, 'settlement-unavailable')
  if (!(await giveBack(lease))) return refuseHeld()
  return refuse('settlement-unavailable', {}, { retryAfter, cause })
}

async function recordUnknown(lease: Lease, outcome: Indeterminate): Promise<Refusal> {
  const attempt = outcome.attempt ?? lease.record.attempt
  await advance(lease, { ...lease.record, state: 'indeterminate', until: 0, attempt })
  return refuseUnknown(lease, outcome)
}

/** Another server took the payment over, and may know better: nothing is to be concluded here. */
const refuseHeld = (): Refusal => refuse('payment-in-progress', {}, { retryAfter: 1 })

function refuseUnknown(lease: Lease, { retryAfter = 2, cause }: Indeterminate): Refusal {
  return refuse('payment-indeterminate', { challengeId: idOf(lease.key) }, { retryAfter, cause })
}
