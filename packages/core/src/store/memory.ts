/**
 * The store for one process: bounded, expiring, gone when the process ends.
 *
 * @module
 */
import type { Claim, Entry, Store, update, Value } from '../Store.js'

type Slot = { value: Value; expires: number; bucket: number }

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
  const slots = new Map<string, Slot>()
  const calendar = createCalendar(slots)
  const waiting = new Map<string, Set<() => void>>()

  function live(key: string): Slot | undefined {
    const slot = slots.get(key)
    if (slot === undefined || slot.expires > now()) return slot
    remove(key, slot)
    return undefined
  }

  function remove(key: string, slot: Slot): void {
    slots.delete(key)
    calendar.forget(key, slot.bucket)
    wake(key)
  }

  function write(key: string, value: Value, ttl: number): void {
    const at = now()
    const old = slots.get(key)
    if (old) calendar.forget(key, old.bucket)
    else if (slots.size >= maxKeys && calendar.sweep(at) === 0)
      throw new Error(`The memory store is full (${maxKeys} keys): raise maxKeys or use a durable store.`)
    const expires = at + ttl * 1000
    slots.set(key, { value, expires, bucket: calendar.note(key, at, expires) })
    wake(key)
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
      calendar.sweep(now())
      return slots.size
    },
    async get(key) {
      return live(key)?.value
    },
    async set(key, value, { ttl }) {
      calendar.sweepWhenDue(now())
      write(key, value, ttl)
    },
    async delete(key) {
      const slot = slots.get(key)
      if (slot) remove(key, slot)
    },
    async update(key, change: update.Change, { ttl }) {
      calendar.sweepWhenDue(now())
      const current = live(key)?.value
      const next = change(current)
      if (next === undefined) return current
      write(key, next, ttl)
      return next
    },
    async claim(entries: readonly Entry[]): Promise<Claim> {
      calendar.sweepWhenDue(now())
      for (const { key } of entries) {
        if (live(key) === undefined) continue
        return { claimed: false, existing: entries.map((entry) => live(entry.key)?.value) }
      }
      for (const { key, value, ttl } of entries) write(key, value, ttl)
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

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/** Files keys by the time at which they expire, coarsely, so that a sweep only looks at what is due. */
function createCalendar(slots: Map<string, Slot>) {
  const buckets = new Map<number, Set<string>>()
  let nextSweep = 0

  function sweep(at: number): number {
    const before = slots.size
    for (const [due, keys] of buckets) {
      if (due > at) continue
      for (const key of keys) slots.delete(key)
      buckets.delete(due)
    }
    return before - slots.size
  }

  return {
    sweep,
    sweepWhenDue(at: number): void {
      if (at < nextSweep) return
      nextSweep = at + 1000
      sweep(at)
    },
    note(key: string, at: number, expires: number): number {
      const life = expires - at
      const step = life <= 10 * MINUTE ? 5000 : life <= DAY ? 10 * MINUTE : DAY
      const bucket = Math.ceil(expires / step) * step
      const keys = buckets.get(bucket)
      if (keys) keys.add(key)
      else buckets.set(bucket, new Set([key]))
      return bucket
    },
    forget(key: string, bucket: number): void {
      const keys = buckets.get(bucket)
      if (keys?.delete(key) && keys.size === 0) buckets.delete(bucket)
    },
  }
}
