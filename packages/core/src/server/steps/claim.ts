/**
 * Step 4: claims the challenge and the proof in one atomic step, or finds out who has them.
 *
 * @module
 */
import type { Receipt } from '../../Receipt.js'
import type { Server } from '../../Method.js'
import type { Entry, Store } from '../../Store.js'
import type { Kernel } from '../config.js'
import { sha256Text } from '#sha256'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './receive.js'
import type { Judged } from './judge.js'
import { challengeKey, claimed, IDEMPOTENCY, idOf, lifeOf, type PaymentRecord } from './record.js'

/** The right to go on with a payment, alone. */
export type Lease = { key: string; record: PaymentRecord; expires: number; kernel: Kernel }

/** What a visitor's claim comes to. */
export type Claimed =
  /** New: settle it. */
  | { lease: Lease; fresh: true }
  /** An earlier visit of the same credential left it here: go on from its state. */
  | { lease: Lease; fresh: false }
  /** It is over: answer from the record. */
  | { record: PaymentRecord; key: string }
  | Refusal

/** A proof's name is kept this long unless the method knows its network's life: 400 days. */
const PROOF_LIFE = 400 * 86_400
const LONGEST_KEY = 200

const NONE: readonly string[] = []

let owners = 0
const server = `${Date.now().toString(36)}.${Math.random().toString(36).slice(2)}`
export const newOwner = (): string => `${server}.${(owners++).toString(36)}`

/**
 * What a credential is known by in the store, where the credential itself never is. The scheme before it may be written in
 * any case, with any number of spaces, and padding after it or none.
 */
export const fingerprint = (authorization: string): string =>
  sha256Text(authorization.slice('Payment '.length).trimStart().replace(/=+$/, ''))

const proofKey = (method: string, key: string): string =>
  `mpp:proof:${method}:${key.length > LONGEST_KEY ? sha256Text(key) : key}`

/**
 * Claims a payment. Of several copies of one credential, on whatever server, one gets the lease; the
 * others wait for it and get what it got, or a 409.
 *
 * @param visit.credential - Hash of the credential as it came.
 * @param visit.idempotencyKey - Joins a new credential of the same payer to an earlier payment.
 * @see core draft, Concurrent Request Handling; charge draft, Replay Protection
 */
export async function claim(bound: Bound, judged: Judged, visit: Visit): Promise<Claimed> {
  const { kernel, method } = bound.offer
  const key = challengeKey(bound.challenge.id)
  const others = nameOthers(bound, judged, visit)
  const record = claimed({
    credential: visit.credential,
    owner: newOwner(),
    until: Date.now() + kernel.deadlines.lease,
    others: others.length === 0 ? NONE : others.map((entry) => entry.key),
  })
  const ttl = lifeOf(record, bound.expires)
  const entries: Entry[] = [{ key, value: record, ttl }]
  for (const other of others) entries.push({ ...other, ttl: Math.max(other.ttl, ttl) })
  const found = await kernel.store.claim(entries)
  const [standing, ...taken] = found.claimed ? [record] : found.existing
  // Its own claim, where the store's client lost its connection and sent it again.
  if (ownerOf(standing) === record.owner)
    return { lease: { key, record, expires: bound.expires, kernel }, fresh: true }
  if (standing !== undefined) return resume(bound, { ...visit, others: entries.slice(1) }, key)
  const earlier = taken.find(
    (value, index) =>
      value !== undefined &&
      value !== bound.challenge.id &&
      others[index]?.key.startsWith(IDEMPOTENCY),
  )
  if (earlier !== undefined)
    return resume(bound, { ...visit, samePayer: true }, challengeKey(earlier as string))
  // What stood in the way was given back meanwhile.
  if (taken.every((value) => value === undefined || value === bound.challenge.id))
    return refuseBusy(1)
  return refuseSpent(method)
}

const refuseSpent = ({ name }: Server): Refusal =>
  refuse('verification-failed', {
    detail: `This ${name} proof has already paid for something else.`,
  })

export type Visit = {
  /** Hash of the credential as it came. */
  credential: string
  idempotencyKey: string | null
  /** The route's scope, which an Idempotency-Key is for. */
  scope: string
  samePayer?: boolean
  /** The other keys of a claim, for a payment that was given back and begins anew. */
  others?: readonly Entry[]
}

function nameOthers(bound: Bound, { replay, payer }: Judged, visit: Visit): Entry[] {
  const { method } = bound.offer
  const id = bound.challenge.id
  const entries: Entry[] = []
  if (replay !== undefined) {
    const named = typeof replay === 'string' ? { key: replay, ttl: PROOF_LIFE } : replay
    entries.push({ key: proofKey(method.name, named.key), value: id, ttl: named.ttl })
  }
  if (visit.idempotencyKey !== null && payer !== undefined) {
    const name = sha256Text(
      // With price and body: what was paid for one request answers no other under the same key.
      [
        bound.challenge.realm,
        visit.scope,
        method.name,
        bound.offer.encoded,
        bound.challenge.digest ?? '',
        payer,
        visit.idempotencyKey,
      ].join('\n'),
    )
    entries.push({ key: IDEMPOTENCY + name, value: id, ttl: 0 })
  }
  return entries
}

/**
 * Looks up a payment that a stale or no longer provable credential may have made.
 *
 * @returns `undefined` when there is none, so that the refusal stands.
 */
export async function recall(bound: Bound, visit: Visit): Promise<Claimed | undefined> {
  const key = challengeKey(bound.challenge.id)
  const record = (await bound.offer.kernel.store.get(key)) as PaymentRecord | undefined
  const owed = record?.credential === visit.credential && record.state !== 'released'
  return owed ? resume(bound, visit, key) : undefined
}

/** Waits for whoever works on the payment, then takes it over or reports how it ended. */
async function resume(bound: Bound, visit: Visit, key: string): Promise<Claimed> {
  const { kernel } = bound.offer
  const giveUp = Date.now() + kernel.deadlines.wait
  for (let pause = 10; ; pause = Math.min(pause * 2, 250)) {
    const record = (await kernel.store.get(key)) as PaymentRecord | undefined
    if (record === undefined) return refuseBusy(1)
    const now = Date.now()
    const end = endOf(record, visit, { key, now })
    if (end) return end
    if (record.until <= now) {
      const fresh = record.state === 'released'
      const other = fresh && (await holdAgain(bound, visit))
      if (other) return other
      const lease = await takeOver(bound, key, record)
      if (lease) return { lease, fresh }
      continue
    }
    if (now >= giveUp) return refuseBusy((record.until - now) / 1000)
    const left = Math.min(giveUp, record.until) - now
    await nap(kernel.store, key, Math.min(left, kernel.store.wait ? LONGEST_NAP : pause))
  }
}

/** Claims the proof of a payment that was given back, unless another has paid with it since, or under its Idempotency-Key. */
async function holdAgain(bound: Bound, visit: Visit): Promise<Claimed | undefined> {
  const { offer, challenge } = bound
  // A refused or stale credential may be told what it paid for, but begins nothing.
  if (!visit.others) return refuseBusy(1)
  for (const entry of visit.others) {
    const found = await offer.kernel.store.claim([entry])
    if (found.claimed || found.existing[0] === challenge.id) continue
    const [holder] = found.existing
    if (holder === undefined) return refuseBusy(1)
    return entry.key.startsWith(IDEMPOTENCY)
      ? resume(bound, { ...visit, samePayer: true }, challengeKey(holder as string))
      : refuseSpent(offer.method)
  }
  return undefined
}

const OVER: ReadonlySet<PaymentRecord['state']> = new Set(['delivered', 'refunded', 'rejected'])

/** What a payment comes to for this visit, when it needs neither waiting nor work. */
function endOf(
  record: PaymentRecord,
  visit: Visit,
  { key, now }: { key: string; now: number },
): Claimed | undefined {
  if (record.credential !== visit.credential && !visit.samePayer)
    return refuse('invalid-challenge', { detail: 'This challenge has already been used.' })
  if (record.refunds) return refuseRefunding()
  if (OVER.has(record.state)) return { record, key }
  const unknown = record.state !== 'settled' && record.until <= now
  return visit.samePayer && unknown ? refuseOther(key) : undefined
}

/** A wake-up may come between the look and the wait. */
const LONGEST_NAP = 500

const nap = (store: Store, key: string, timeout: number): Promise<unknown> =>
  store.wait?.(key, { timeout }) ?? new Promise((again) => setTimeout(again, timeout))

const refuseBusy = (retryAfter: number): Refusal =>
  refuse('payment-in-progress', {}, { retryAfter: Math.ceil(retryAfter) })

/** What comes to nothing, or to a part, leaves the page owed: a fresh challenge would have it paid for twice. */
const refuseRefunding = (): Refusal =>
  refuse(
    'payment-in-progress',
    { detail: 'A refund of this payment is under way. Present the same credential again.' },
    { retryAfter: 2 },
  )

/** Only the credential of a payment whose outcome is unknown may ask for it; another would be settled in its name. */
const refuseOther = (key: string): Refusal =>
  refuse(
    'payment-indeterminate',
    {
      challengeId: idOf(key),
      detail:
        'The outcome of an earlier payment with this Idempotency-Key is not known yet. Present its credential again.',
    },
    { retryAfter: 2 },
  )

async function takeOver(
  { offer: { kernel }, expires }: Bound,
  key: string,
  seen: PaymentRecord,
): Promise<Lease | undefined> {
  const record: PaymentRecord = {
    ...seen,
    state: seen.state === 'released' ? 'claimed' : seen.state,
    owner: newOwner(),
    until: Date.now() + kernel.deadlines.lease,
  }
  const lease: Lease = { key, record, expires, kernel }
  const stands = await kernel.store.update(
    key,
    (current) => (isSame(current as PaymentRecord | undefined, seen) ? record : undefined),
    { ttl: lifeOf(record, expires), from: seen },
  )
  return (stands as PaymentRecord | undefined)?.owner === record.owner ? lease : undefined
}

const isSame = (one: PaymentRecord | undefined, other: PaymentRecord): boolean =>
  one?.owner === other.owner && one.until === other.until && one.state === other.state

/**
 * Writes the payment's next state, if the lease still holds.
 *
 * @param next - `lease.record`, changed.
 * @returns False when another server has taken the payment over meanwhile.
 */
export async function advance(lease: Lease, next: PaymentRecord): Promise<boolean> {
  const { record } = lease
  const options = { ttl: lifeOf(next, lease.expires), from: record }
  const ours = (current: unknown) => (ownerOf(current) === record.owner ? next : undefined)
  if (ownerOf(await lease.kernel.store.update(lease.key, ours, options)) !== record.owner)
    return false
  lease.record = next
  return true
}

/** Keeps the payment as it is, for so long and no longer. */
export const hold = (lease: Lease, until: number): Promise<boolean> =>
  advance(lease, { ...lease.record, until })

/** Keeps the payment for as long as a new claim would. */
export const renew = (lease: Lease): Promise<boolean> =>
  hold(lease, Date.now() + lease.kernel.deadlines.lease)

const ownerOf = (record: unknown): string | undefined =>
  (record as PaymentRecord | undefined)?.owner

/**
 * Records that the money moved: a fact, whoever holds the lease meanwhile and whatever they concluded.
 */
export async function impose(
  { key, record, expires, kernel }: Lease,
  receipt: Receipt,
): Promise<void> {
  const next: PaymentRecord = { ...record, state: 'settled', owner: newOwner(), until: 0, receipt }
  await kernel.store.update(
    key,
    (current) => (isPaid(current as PaymentRecord | undefined) ? undefined : next),
    { ttl: lifeOf(next, expires) },
  )
}

const PAID: ReadonlySet<PaymentRecord['state']> = new Set(['settled', 'delivered', 'refunded'])

const isPaid = (record: PaymentRecord | undefined): boolean =>
  record !== undefined && PAID.has(record.state)

/**
 * Gives everything back, so that the same credential may begin anew. Until the proof is free nobody
 * may: it would be taken from a claim that relies on it.
 *
 * @returns False when another server has taken the payment over meanwhile.
 */
export async function giveBack(lease: Lease): Promise<boolean> {
  const until = Date.now() + lease.kernel.deadlines.lease
  if (!(await advance(lease, { ...lease.record, state: 'released', until }))) return false
  await release(lease)
  return hold(lease, 0)
}

/** Gives the proof back. */
export async function release({ kernel: { store }, record }: Lease): Promise<void> {
  for (const key of record.others) await store.delete(key)
}
