/**
 * The storage contract: where claims, settlements and answers live, and what must be atomic.
 *
 * @module
 */
export { memory } from './store/memory.js'
export { from } from './store/adapter.js'

/** Anything JSON can carry, and bigint. Values handed to a store are never changed afterwards. */
export type Value = unknown

/** One key of a claim, with what to write there and for how long (seconds). */
export type Entry = { key: string; value: Value; ttl: number }

/** What `claim` found: all keys written, or none written and what already stood at each key. */
export type Claim = { claimed: true } | { claimed: false; existing: readonly (Value | undefined)[] }

/**
 * A store. Every method is atomic for the keys that it names, across all processes that share the
 * backend; every write carries a time to live in seconds.
 */
export interface Store {
  /** Shown in warnings and traces: `memory`, `redis`, … */
  readonly name: string
  /** True for a store that dies with its process. */
  readonly volatile?: boolean
  get(key: string): Promise<Value | undefined>
  set(key: string, value: Value, options: { ttl: number }): Promise<void>
  delete(key: string): Promise<void>
  /**
   * Reads, changes and writes one key as a single step. `change` may run several times; it returns
   * the next value, or `undefined` to leave all as it is. With `from` (the value last seen there)
   * a backend can write in one round trip and read only if that guess was wrong.
   *
   * @returns The value that stands there afterwards.
   */
  update(key: string, change: update.Change, options: update.Options): Promise<Value | undefined>
  /** Writes every entry if none of the keys exists, else writes nothing. */
  claim(entries: readonly Entry[]): Promise<Claim>
  /** Resolves when the key may have changed, or after `timeout` ms. Without it, callers poll. */
  wait?(key: string, options: { timeout: number; signal?: AbortSignal }): Promise<void>
}

export declare namespace update {
  type Change = (current: Value | undefined) => Value | undefined
  type Options = { ttl: number; from?: Value | undefined }
}
