/**
 * Keeps back what a payment is still owed while its money goes back.
 *
 * @module
 */
import type { Kernel } from '../config.js'
import { refuse } from './receive.js'
import { newOwner } from './claim.js'
import { challengeKey, type PaymentRecord } from './record.js'

/** Seconds: a day, the longest that a challenge lives, and one for what is owed. */
const REMEMBERED = 2 * 86_400

/** What became of it: to be owed again, gone for good, or not known yet. */
export type End = 'owed' | 'refunded' | 'unknown'

/**
 * Has nobody served for a payment while its money goes back.
 *
 * @param refund - The refund's own name. While another is not known yet, nobody is served, however this one ends.
 * @returns How to end it; nothing where nothing is owed. Or, while somebody is served, until when (epoch ms).
 */
export async function withdraw(
  { store, deadlines }: Kernel,
  challengeId: string,
  refund: string,
): Promise<((end: End) => Promise<unknown>) | { until: number }> {
  const key = challengeKey(challengeId)
  const owner = newOwner()
  const until = Date.now() + deadlines.lease
  const change = (next: (record: PaymentRecord) => PaymentRecord | undefined) =>
    store.update(
      key,
      (current) => {
        const record = current as PaymentRecord | undefined
        return record && isOwed(record) ? next(record) : undefined
      },
      { ttl: REMEMBERED },
    ) as Promise<PaymentRecord | undefined>
  const stands = await change((record) =>
    record.until <= Date.now()
      ? {
          ...record,
          state: 'refunded',
          owner,
          until,
          refunds: { ...record.refunds, [refund]: owner },
        }
      : undefined,
  )
  if (!stands || isOver(stands)) return async () => undefined
  if (stands.owner !== owner) return { until: Math.max(stands.until, Date.now() + 1000) }
  return (end) => change((record) => endOf(record, { refund, owner, end }))
}

/** Money that went back did so, whoever has the payment meanwhile; all else is for who made this refund last. */
function endOf(
  record: PaymentRecord,
  { refund, owner, end }: { refund: string; owner: string; end: End },
): PaymentRecord | undefined {
  const { [refund]: maker, ...others } = record.refunds ?? {}
  const until = record.owner === owner ? 0 : record.until
  if (end === 'refunded') return { ...record, ...GONE, owner }
  if (maker !== owner) return undefined
  if (end === 'unknown') return { ...record, until }
  return Object.keys(others).length > 0
    ? { ...record, until, refunds: others }
    : { ...record, state: 'settled', until, refunds: undefined }
}

const GIVEN_BACK = refuse('verification-failed', {
  detail: 'The money of this payment has been given back.',
}).refused

/** With its receipt, a refund may still come to nothing. */
const isOwed = ({ state, receipt }: PaymentRecord): boolean =>
  receipt !== undefined && (state === 'settled' || state === 'refunded')

const isOver = (record: PaymentRecord): boolean =>
  ['delivered', 'refunded', 'rejected', 'released'].includes(record.state) && !isOwed(record)

const GONE = {
  state: 'refunded',
  until: 0,
  problem: GIVEN_BACK,
  receipt: undefined,
  attempt: undefined,
  answer: undefined,
  refunds: undefined,
} as const
