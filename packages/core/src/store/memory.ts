/**
 * The store for one process: bounded, expiring, gone when the process ends.
 *
 * @module
 */
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
  const shelves: readonly Shelf[] = SHELVES.map(() => new Map())
  const waiting = new Map<string, Set<() => void>>()
  let nextSweep = 0

  function shelfOf(key: string): Shelf | undefined {
    for (const shelf of shelves) if (shelf.has(key)) return shelf
    return undefined
  }

  function count(): number {
    let sum = 0
    for (const shelf of shelves) sum += shelf.size
    return sum
  }

  function read(key: string, at: number): Value | undefined {
    const slot = shelfOf(key)?.get(key)
    return slot !== undefined && slot.expires > at ? slot.value : undefined
  }

  function write(key: string, value: Value, { ttl, at }: { ttl: number; at: number }): void {
    const from = shelfOf(key)
    const to = shelves[SHELVES.findIndex((most) => ttl <= most)] as Shelf
    if (!from && count() >= maxKeys && sweep(at) === 0)
      throw new Error(`The memory store is full (${maxKeys} keys): raise maxKeys or use a durable store.`)
    // Deleting first puts the key last, where its new expiry belongs.
    from?.delete(key)
    to.set(key, { value, expires: at + ttl * 1000 })
    wake(key)
  }

  function sweep(at: number): number {
    const before = count()
    for (const shelf of shelves)
      for (const [key, slot] of shelf) {
        if (slot.expires > at) break
        shelf.delete(key)
      }
    return before - count()
  }

  function sweepWhenDue(at: number): void {
    if (at < nextSweep) return
    nextSweep = at + 1000
    sweep(at)
  }

  function wake(key: string): void {
    if (waiting.size === 0) return
    const waiters = waiting.get(key)
    waiting.delete(key)
    waiters?.forEach((resolve) => resolve())
  }

  return {
    name: 'memory',
    volatile: true,
    get size() {
      sweep(now())
      return count()
    },
    async get(key) {
      return read(key, now())
    },
    async set(key, value, { ttl }) {
      const at = now()
      sweepWhenDue(at)
      write(key, value, { ttl, at })
    },
    async delete(key) {
      shelfOf(key)?.delete(key)
      wake(key)
    },
    async update(key, change: update.Change, { ttl }) {
      const at = now()
      const current = read(key, at)
      const next = change(current)
      if (next === undefined) return current
      write(key, next, { ttl, at })
      return next
    },
    async claim(entries: readonly Entry[]): Promise<Claim> {
      const at = now()
      sweepWhenDue(at)
      for (const { key } of entries)
        if (read(key, at) !== undefined) return { claimed: false, existing: entries.map((entry) => read(entry.key, at)) }
      for (const { key, value, ttl } of entries) write(key, value, { ttl, at })
      return { claimed: true }
    },
    wait(key, { timeout, signal }) {
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

export declare namespace memory {
  type Options = { maxKeys?: number | undefined; now?: (() => number) | undefined }
  /** A store that can also say how many unexpired keys it holds. */
  type Memory = Store & { readonly size: number; wait: NonNullable<Store['wait']> }
}
