/**
 * Keeps back what a payment is still owed while its money goes back.
 *
 * @module
 */
import type { Kernel } from '../config.js'
import { refuse } from './receive.js'
import { advance, newOwner, type Lease } from './claim.js'
import { challengeKey, type PaymentRecord } from './record.js'

/** A day, the longest that a challenge lives. */
const LONGEST = 86_400_000

/** What became of it: to be owed again, gone for good, or not known yet. */
export type End = 'owed' | 'refunded' | 'unknown'

/**
 * Has nobody served for a payment while its money goes back.
 *
 * @returns How to end it; nothing where nothing is owed. Or, while somebody is served, until when (epoch ms).
 */
export async function withdraw(
  kernel: Kernel,
  challengeId: string,
): Promise<((end: End) => Promise<unknown>) | { until: number }> {
  const key = challengeKey(challengeId)
  const owner = newOwner()
  const until = Date.now() + kernel.deadlines.lease
  const stands = (await kernel.store.update(
    key,
    (current) => {
      const record = current as PaymentRecord | undefined
      return record && isOwed(record) && record.until <= Date.now()
        ? { ...record, state: 'refunded', owner, until, problem: GIVEN_BACK }
        : undefined
    },
    { ttl: (2 * LONGEST) / 1000 },
  )) as PaymentRecord | undefined
  if (!stands || isOver(stands)) return async () => undefined
  if (stands.owner !== owner) return { until: Math.max(stands.until, Date.now() + 1000) }
  const lease: Lease = { key, record: stands, expires: Date.now() + LONGEST, kernel }
  return (end) => advance(lease, { ...stands, ...ENDS[end], until: 0 })
}

const GIVEN_BACK = refuse('verification-failed', {
  detail: 'The money of this payment has been given back.',
}).refused

/** With its receipt, a refund may still come to nothing. */
const isOwed = ({ state, receipt }: PaymentRecord): boolean =>
  receipt !== undefined && (state === 'settled' || state === 'refunded')

const isOver = (record: PaymentRecord): boolean =>
  ['delivered', 'refunded', 'rejected', 'released'].includes(record.state) && !isOwed(record)

const ENDS: Readonly<Record<End, Partial<PaymentRecord>>> = {
  owed: { state: 'settled', problem: undefined },
  refunded: { receipt: undefined, attempt: undefined, answer: undefined },
  unknown: {},
}
