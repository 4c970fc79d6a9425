/**
 * The payments that have no final answer yet, by what they were made for, so that they are found again and not made again.
 *
 * @module
 */
import type { Challenge, Store } from '@polyrail/core'
import { sha256 } from '#sha256'

/** A payment under way. Its preimage is the wallet's to keep. */
export type Payment = {
  /** The challenge that it answers, as it came. */
  wire: Challenge.Wire
  /** BOLT11. */
  invoice: string
  paymentHash: string
  /** Whole satoshis. */
  amount: string
  /** Epoch milliseconds after which it is not begun: the end of the challenge or of the invoice. */
  latest: number
}

type Entry = Payment & {
  /** The process that works on it. */
  owner: string
  /** Epoch milliseconds after which, unless it says otherwise, that process is dead. */
  until: number
}

/** What a journal is kept in: any store of this kit, or a thing with its `update`. */
export type JournalStore = Pick<Store.Store, 'update'>

/** A journal of one kind of request. */
export type Journal = {
  /** Takes over a payment that nobody works on any more. */
  take(): Promise<Payment | undefined>
  /** Notes a payment before it is made. */
  add(payment: Payment): Promise<void>
  /** Leaves a payment to whoever asks next. */
  leave(paymentHash: string): Promise<void>
  /** Forgets a payment that is over. */
  remove(paymentHash: string): Promise<void>
}

/** Milliseconds for which a process is believed to live without a sign of it. */
const LEASE = 5000
/** Milliseconds between two signs. */
const BEAT = 2000
/** Signs that a process gives of one payment: ten minutes, which no answer takes. */
const MOST_BEATS = 300
/** Seconds: longer than a payment can be stuck in the network, which is two weeks. */
const KEPT = 30 * 86_400
/** Seconds, once there is nothing to remember: a store need not delete. */
const EMPTY = 60
/** Milliseconds between two looks at what others hold. */
const GLANCE = 200

const me = crypto.randomUUID()

/** Processes that gave a sign since this one began, the latest: none of them was killed before it, to be found again by it. */
const contemporaries = new Set<string>()
const MOST_CONTEMPORARIES = 1000

/**
 * Opens the journal of a request.
 *
 * @param request - URL, body digest and whatever else tells one request from another.
 */
export async function openJournal(
  store: JournalStore,
  request: readonly (string | undefined)[],
): Promise<Journal> {
  const name = await sha256(new TextEncoder().encode(JSON.stringify(request)))
  const key = `mpp:lightning:paying:${name}`
  const beats = new Map<string, ReturnType<typeof setInterval>>()

  const change = (edit: (entries: readonly Entry[]) => readonly Entry[] | undefined) =>
    store.update(key, (value) => edit((value as readonly Entry[] | undefined) ?? []), { ttl: KEPT })
  const set = (paymentHash: string, until: number) =>
    change((entries) =>
      entries.map((entry) => (entry.paymentHash === paymentHash ? { ...entry, until } : entry)),
    )

  function beat(paymentHash: string): void {
    let left = MOST_BEATS
    const timer = setInterval(() => {
      if (left-- === 0) clearInterval(timer)
      // A sign that the store does not take costs no payment: somebody else looks it up, and shows the same proof.
      else void set(paymentHash, Date.now() + LEASE).catch(() => undefined)
    }, BEAT)
    // Node: a process that has nothing else to do may end.
    ;(timer as { unref?: () => void }).unref?.()
    beats.set(paymentHash, timer)
  }
  const rest = (paymentHash: string): void => clearInterval(beats.get(paymentHash))

  return {
    async take() {
      const seen: Seen = new Map()
      for (;;) {
        const { taken, doubtful } = await look(change, seen)
        if (taken) beat(taken.paymentHash)
        if (!doubtful) return taken
        await new Promise((resolve) => setTimeout(resolve, GLANCE))
      }
    },
    async add(payment) {
      rest(payment.paymentHash)
      await change((entries) => [
        ...entries.filter(({ paymentHash }) => paymentHash !== payment.paymentHash),
        { ...payment, owner: me, until: Date.now() + LEASE },
      ])
      beat(payment.paymentHash)
    },
    async leave(paymentHash) {
      rest(paymentHash)
      await set(paymentHash, 0)
    },
    async remove(paymentHash) {
      rest(paymentHash)
      const left = await change((entries) =>
        entries.filter((entry) => entry.paymentHash !== paymentHash),
      )
      const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0
      if (isEmpty(left))
        await store.update(key, (value) => (isEmpty(value) ? [] : undefined), { ttl: EMPTY })
    },
  }
}

/** What other processes held at the last look, and since when (by a clock that never jumps) they have given no sign of it. */
type Seen = Map<string, { until: number; since: number }>
type Found = { taken?: Entry | undefined; doubtful: boolean }

/**
 * Takes what is free. What another process holds, of which nothing is known, may be free in a moment: a process that was killed
 * and starts again comes sooner than its time is over.
 */
async function look(
  change: (edit: (entries: readonly Entry[]) => readonly Entry[] | undefined) => Promise<unknown>,
  seen: Seen,
): Promise<Found> {
  let standing: readonly Entry[] = []
  let found: Found = { doubtful: false }
  await change((entries) => {
    standing = entries
    const now = Date.now()
    const free = entries.find((entry) => entry.until <= now || isSilent(entry, seen))
    const taken = free && { ...free, owner: me, until: now + LEASE }
    found = { taken, doubtful: false }
    return taken && entries.map((entry) => (entry === free ? taken : entry))
  })
  if (found.taken) return found
  return { doubtful: watch(standing, seen) }
}

/** Its owner's clock may be ahead of ours, or ours have been set back. */
const isSilent = ({ paymentHash, until }: Entry, seen: Seen): boolean => {
  const last = seen.get(paymentHash)
  return last?.until === until && performance.now() - last.since > LEASE
}

/**
 * Compares what others hold with what they held at the last look: whoever changed something lives.
 *
 * @returns Whether there is one of whom this is not known.
 */
function watch(entries: readonly Entry[], seen: Seen): boolean {
  const isFirst = seen.size === 0
  for (const { owner, paymentHash, until } of entries) {
    if (seen.get(paymentHash)?.until === until) continue
    if (!isFirst) contemporaries.add(owner)
    seen.set(paymentHash, { until, since: performance.now() })
  }
  const [oldest] = contemporaries
  if (contemporaries.size > MOST_CONTEMPORARIES && oldest !== undefined)
    contemporaries.delete(oldest)
  return entries.some(({ owner }) => owner !== me && !contemporaries.has(owner))
}

/** A journal that dies with its process. */
export function createMemory(): JournalStore {
  const values = new Map<string, unknown>()
  return {
    async update(key, change) {
      const value = change(values.get(key))
      if (Array.isArray(value) && value.length === 0) values.delete(key)
      else if (value !== undefined) values.set(key, value)
      return value
    },
  }
}
