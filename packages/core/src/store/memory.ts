/**
 * The store for one process: bounded, expiring, gone when the process ends.
 *
 * @module
 */
import { isShared } from '../server/timers.js'
import type { Claim, Entry, Store, update, Value } from '../Store.js'

type Slot = { value: Value; expires: number }
type Shelf = Map<string, Slot>

/**
 * Longest life, in seconds, of what stands on each shelf. On a shelf, keys stand in the order of
 * their writing and so about in the order of their expiry: a sweep looks at the front alone.
 */
const SHELVES = [60, 900, 7200, 90_000, 40 * 86_400, Infinity] as const

/**
 * Makes a store in this process's memory. Good for tests, demos and single-process services that
 * may forget on a restart; servers that keep money for their payers want a durable one.
 *
 * When `maxKeys` unexpired keys stand, new ones are refused rather than old claims forgotten: a
 * forgotten claim would let a proof buy twice.
 *
 * @param options.maxKeys - Most keys at once (default 1,000,000).
 * @param options.now - Clock in epoch milliseconds.
 * @example
 * const mpp = Mpp.create({ methods, realm, secretKey, store: Store.memory() })
 */
export function memory(options: memory.Options = {}): memory.Memory {
  const { maxKeys = 1_000_000, now = Date.now } = options
  const shelves = createShelves(maxKeys)
  const waiters = createWaiters()

  function write(key: string, value: Value, { ttl, at }: { ttl: number; at: number }): void {
    shelves.write(key, { value, expires: at + ttl * 1000 }, at)
    waiters.wake(key)
  }

  return {
    name: 'memory',
    volatile: true,
    get size() {
      shelves.search(now())
      return shelves.count()
    },
    async get(key) {
      return shelves.read(key, now())
    },
    async set(key, value, { ttl }) {
      write(key, value, { ttl, at: now() })
    },
    async delete(key) {
      shelves.remove(key)
      waiters.wake(key)
    },
    async update(key, change: update.Change, { ttl }) {
      const at = now()
      const current = shelves.read(key, at)
      const next = change(current)
      if (next === undefined) return current
      write(key, next, { ttl, at })
      return next
    },
    async claim(entries: readonly Entry[]): Promise<Claim> {
      const at = now()
      const taken = entries.some(({ key }) => shelves.read(key, at) !== undefined)
      if (taken)
        return { claimed: false, existing: entries.map(({ key }) => shelves.read(key, at)) }
      shelves.makeRoom(entries.length, at)
      for (const { key, value, ttl } of entries) write(key, value, { ttl, at })
      return { claimed: true }
    },
    wait: waiters.wait,
  }
}

export declare namespace memory {
  type Options = { maxKeys?: number | undefined; now?: (() => number) | undefined }
  /** A store that can also say how many unexpired keys it holds. */
  type Memory = Store & { readonly size: number; wait: NonNullable<Store['wait']> }
}

/** Keys by how long they live, so that what has expired is found without looking at the rest. */
function createShelves(maxKeys: number) {
  const { shelves, slotOf, shelfOf, shelfFor } = createRack()
  let nextSweep = 0
  let nextSearch = 0

  function count(): number {
    let sum = 0
    for (const shelf of shelves) sum += shelf.size
    return sum
  }

  function sweep(at: number): number {
    const before = count()
    for (const shelf of shelves)
      for (const [key, slot] of shelf) {
        if (slot.expires > at) break
        shelf.delete(key)
      }
    nextSweep = at + 1000
    return before - count()
  }

  /** Also finds what has expired behind something that lives longer; looks at every key. */
  function search(at: number): void {
    for (const shelf of shelves)
      for (const [key, slot] of shelf) if (slot.expires <= at) shelf.delete(key)
    nextSearch = at + 1000
  }

  /** All keys of a claim find room, or none is written. */
  function makeRoom(keys: number, at: number): void {
    if (count() + keys <= maxKeys) return
    sweep(at)
    if (count() + keys > maxKeys && at >= nextSearch) search(at)
    if (count() + keys > maxKeys)
      throw new Error(
        `The memory store is full (${maxKeys} keys): raise maxKeys or use a durable store.`,
      )
  }

  return {
    count,
    search,
    read(key: string, at: number): Value | undefined {
      const slot = slotOf(key)
      return slot !== undefined && slot.expires > at ? slot.value : undefined
    },
    remove(key: string): void {
      shelfOf(key)?.delete(key)
    },
    makeRoom,
    write(key: string, slot: Slot, at: number): void {
      if (at >= nextSweep) sweep(at)
      const from = shelfOf(key)
      if (!from) makeRoom(1, at)
      const to = shelfFor((slot.expires - at) / 1000)
      // Deleting first puts the key last, where its new expiry belongs.
      from?.delete(key)
      to.set(key, slot)
    },
  }
}

/** The shelves in use: a key that is nowhere has to be looked for on each. */
function createRack() {
  const shelves: Shelf[] = []
  const byLife: (Shelf | undefined)[] = []
  return {
    shelves: shelves as readonly Shelf[],
    slotOf(key: string): Slot | undefined {
      for (const shelf of shelves) {
        const slot = shelf.get(key)
        if (slot) return slot
      }
      return undefined
    },
    shelfOf(key: string): Shelf | undefined {
      for (const shelf of shelves) if (shelf.has(key)) return shelf
      return undefined
    },
    shelfFor(life: number): Shelf {
      let index = 0
      while (life > (SHELVES[index] as number)) index++
      let shelf = byLife[index]
      if (!shelf) shelves.push((shelf = byLife[index] = new Map()))
      return shelf
    },
  }
}

/** Who waits for a key to change. */
function createWaiters() {
  const waiting = new Map<string, Set<() => void>>()
  return {
    wake(key: string): void {
      // Who cannot be woken looks again by itself.
      if (waiting.size === 0 || !isShared) return
      const waiters = waiting.get(key)
      waiting.delete(key)
      waiters?.forEach((resolve) => resolve())
    },
    wait(
      key: string,
      { timeout, signal }: { timeout: number; signal?: AbortSignal },
    ): Promise<void> {
      if (signal?.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const waiters = waiting.get(key) ?? new Set()
        const done = () => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', done)
          waiters.delete(done)
          if (waiters.size === 0 && waiting.get(key) === waiters) waiting.delete(key)
          resolve()
        }
        const timer = setTimeout(done, timeout)
        signal?.addEventListener('abort', done, { once: true })
        waiting.set(key, waiters.add(done))
      })
    },
  }
}
