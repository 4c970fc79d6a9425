/**
 * Records what became of the money, before anybody hears of it.
 *
 * @module
 */
import type {
  Authorized,
  Indeterminate,
  Outcome,
  Rejected,
  Settled,
  Unsettled,
} from '../../Outcome.js'
import * as Receipt from '../../Receipt.js'
import { priceOf } from '../price.js'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './receive.js'
import { advance, giveBack, hold, impose, release, type Lease } from './claim.js'
import { enterSettled, tryEnter } from './enter.js'
import { idOf } from './record.js'

/** Settlements that the store or the ledger would not take: told to it at the next visit, and not asked for again. */
export const unrecorded = new Map<string, Settled>()
const MOST_UNRECORDED = 10_000

/** Records what the rail says. */
export function record(
  bound: Bound,
  lease: Lease,
  outcome: Exclude<Outcome, Authorized>,
): Promise<Settled | Refusal>
export function record(
  bound: Bound,
  lease: Lease,
  outcome: Outcome,
): Promise<Settled | Authorized | Refusal>
export function record(
  bound: Bound,
  lease: Lease,
  outcome: Outcome,
): Promise<Settled | Authorized | Refusal> {
  switch (outcome.status) {
    case 'settled':
      return recordSettled(bound, lease, outcome)
    case 'authorized':
      return recordAuthorized(lease, outcome)
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
  const receipt = receiptOf(bound, lease, outcome)
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

async function recordAuthorized(lease: Lease, outcome: Authorized): Promise<Authorized | Refusal> {
  const { attempt } = outcome
  const until = Date.now() + lease.kernel.deadlines.lease
  const held = await advance(lease, { ...lease.record, state: 'authorized', attempt, until })
  return held ? outcome : refuseHeld()
}

function keepUnrecorded({ key }: Lease, outcome: Settled): void {
  const [oldest] = unrecorded.keys()
  if (oldest !== undefined && unrecorded.size >= MOST_UNRECORDED) unrecorded.delete(oldest)
  unrecorded.set(key, outcome)
}

/** With the challenge, where the rail can give money back: a refund is for one payment of this server. */
function receiptOf(
  { offer }: Bound,
  { key }: Lease,
  { receipt, reference, timestamp }: Settled,
): Receipt.Receipt {
  const { name: method, refund } = offer.method
  const fields = refund ? { ...receipt, challengeId: idOf(key) } : receipt
  return Receipt.from(
    fields ? { ...fields, method, reference, timestamp } : { method, reference, timestamp },
  )
}

const enterFailed = (bound: Bound, { key }: Lease, reason: string): Promise<void> =>
  tryEnter({ bound, key }, 'failed', { reason })

async function recordRejected(bound: Bound, lease: Lease, outcome: Rejected): Promise<Refusal> {
  const { problem } = outcome
  await enterFailed(bound, lease, problem.code)
  const next = { ...lease.record, state: 'rejected', problem, until: 0, answer: undefined } as const
  if (!(await advance(lease, next))) return refuseHeld()
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
  // Of money that is set aside, only whether it was taken is unknown: to take it again finds out.
  const state = lease.record.state === 'authorized' ? 'authorized' : 'indeterminate'
  await advance(lease, { ...lease.record, state, until: 0, attempt })
  return refuseUnknown(lease, outcome)
}

/** Another server took the payment over, and may know better: nothing is to be concluded here. */
export const refuseHeld = (): Refusal => refuse('payment-in-progress', {}, { retryAfter: 1 })

export function refuseUnknown(lease: Lease, { retryAfter = 2, cause }: Indeterminate): Refusal {
  return refuse('payment-indeterminate', { challengeId: idOf(lease.key) }, { retryAfter, cause })
}

/** Records that the money moved after all: its visitor has been told that nobody knows. */
export async function imposeLate(bound: Bound, lease: Lease, outcome: Settled): Promise<void> {
  const receipt = receiptOf(bound, lease, outcome)
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
