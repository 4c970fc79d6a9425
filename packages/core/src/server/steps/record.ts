/**
 * What a server remembers of a payment, and for how long.
 *
 * @module
 */
import type * as Errors from '../../Errors.js'
import type * as Receipt from '../../Receipt.js'
import type { Reply } from '../transport.js'

/** A response as it is kept for a visitor who lost it. */
export type Answer = { status: number; headers: Reply['headers']; body: string }

/**
 * One payment, under its challenge id. A crash may leave any state behind:
 *
 * - `claimed`: being settled; if its server died, nobody knows (`reconcile` finds out)
 * - `indeterminate`: nobody knows
 * - `authorized`: the money is set aside; with an `answer`, that is made, and the money is about to be taken for it
 * - `settled`: the money moved; the visitor may still have nothing
 * - `delivered`: the visitor was answered, and `answer` is what they got if it was kept
 * - `refunded`: the money went back, or is about to, before the visitor had anything for it
 * - `rejected`: the proof was no good
 * - `released`: nothing moved and the proof is given back; the same credential may begin anew
 */
export type PaymentRecord = {
  state:
    | 'claimed'
    | 'indeterminate'
    | 'authorized'
    | 'settled'
    | 'delivered'
    | 'refunded'
    | 'rejected'
    | 'released'
  /** Hash of the credential, which alone may ask again. */
  credential: string
  /** Who works on it, until when (epoch ms; 0 for nobody). */
  owner: string
  until: number
  /** The other keys of the claim. */
  others: readonly string[]
  attempt?: unknown
  receipt?: Receipt.Receipt | undefined
  problem?: Errors.Problem | undefined
  answer?: Answer | undefined
  /** Refunds that are begun, and not known to have come to anything or nothing: each with who makes it. */
  refunds?: Readonly<Record<string, string>> | undefined
}

/** Where a payment's record stands. */
export const challengeKey = (id: string): string => `mpp:challenge:${id}`

/** The challenge of such a key. */
export const idOf = (key: string): string => key.slice(key.lastIndexOf(':') + 1)

const DAY = 86_400
const DONE: ReadonlySet<PaymentRecord['state']> = new Set([
  'delivered',
  'refunded',
  'rejected',
  'released',
])
/** Covers clocks that differ between servers. */
const SKEW = 60
const SHORTEST = 600

/** What leads from an Idempotency-Key to the challenge that was paid with it; as long as to its record. */
export const IDEMPOTENCY = 'mpp:idempotency:'

/**
 * Seconds to keep a record: what is owed for a day, what is done until its challenge is surely dead,
 * unless an Idempotency-Key still leads to it.
 */
export function lifeOf(record: PaymentRecord, expires: number): number {
  const left = Math.max(0, Math.ceil((expires - Date.now()) / 1000))
  const done = DONE.has(record.state)
  const named = record.others.some((key) => key.startsWith(IDEMPOTENCY))
  return done && !named ? Math.max(left + SKEW, SHORTEST) : left + DAY
}

/** A new claim. Every field is there from the start: copies of one shape are made fast. */
export const claimed = (
  claim: Pick<PaymentRecord, 'credential' | 'owner' | 'until' | 'others'>,
): PaymentRecord => ({
  state: 'claimed',
  credential: claim.credential,
  owner: claim.owner,
  until: claim.until,
  others: claim.others,
  attempt: undefined,
  receipt: undefined,
  problem: undefined,
  answer: undefined,
})

/** Still owed, and nobody works on it: the same credential may come again. */
export const owed = (record: PaymentRecord): PaymentRecord => ({ ...record, until: 0 })

/** Delivered, without what was only needed to deliver it. */
export const delivered = (record: PaymentRecord, answer?: Answer): PaymentRecord => ({
  ...record,
  state: 'delivered',
  until: 0,
  attempt: undefined,
  receipt: undefined,
  answer,
})
