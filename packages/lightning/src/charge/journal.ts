/**
 * The payments that have no final answer yet, by what they were made for, so that they are found again and not made again.
 *
 * @module
 */
import type { Challenge, Store } from '@polyrail/core'
import { sha256 } from '#sha256'

/** A payment under way. Its preimage is the wallet's to keep. */
export type Entry = {
  /** The challenge that it answers, as it came. */
  wire: Challenge.Wire
  /** BOLT11. */
  invoice: string
  paymentHash: string
  /** Whole satoshis. */
  amount: string
  /** Somebody works on it until then: epoch milliseconds. */
  until: number
}

/** What a journal is kept in: any store of this kit, or a thing with its `update`. */
export type JournalStore = Pick<Store.Store, 'update'>

/** A journal of one kind of request. */
export type Journal = {
  /** Takes over a payment that nobody works on. */
  take(): Promise<Entry | undefined>
  add(entry: Omit<Entry, 'until'>): Promise<void>
  /** Leaves a payment to whoever asks next. */
  leave(paymentHash: string): Promise<void>
  remove(paymentHash: string): Promise<void>
}

/** Seconds: longer than a payment can be stuck in the network, which is two weeks. */
const KEPT = 30 * 86_400

/**
 * Opens the journal of a request.
 *
 * @param request - URL, body digest and whatever else tells one request from another.
 * @param options.lease - Milliseconds for which a payment is its beginner's alone.
 */
export async function openJournal(
  store: JournalStore,
  request: readonly (string | undefined)[],
  { lease }: { lease: number },
): Promise<Journal> {
  const name = await sha256(new TextEncoder().encode(JSON.stringify(request)))
  const key = `mpp:lightning:paying:${name}`
  const change = (edit: (entries: readonly Entry[]) => readonly Entry[] | undefined) =>
    store.update(key, (value) => edit((value as readonly Entry[] | undefined) ?? []), { ttl: KEPT })
  return {
    async take() {
      let taken: Entry | undefined
      await change((entries) => {
        const now = Date.now()
        const free = entries.find(({ until }) => until <= now)
        taken = free && { ...free, until: now + lease }
        return taken && entries.map((entry) => (entry === free ? (taken as Entry) : entry))
      })
      return taken
    },
    async add(entry) {
      await change((entries) => [...entries, { ...entry, until: Date.now() + lease }])
    },
    async leave(paymentHash) {
      await change((entries) =>
        entries.map((entry) =>
          entry.paymentHash === paymentHash ? { ...entry, until: 0 } : entry,
        ),
      )
    },
    async remove(paymentHash) {
      await change((entries) => entries.filter((entry) => entry.paymentHash !== paymentHash))
    },
  }
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
