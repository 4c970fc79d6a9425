/**
 * A small seeded generator, so that any failing input can be made again from its number.
 *
 * @module
 */
export type Random = {
  /** From 0 to below `limit`. */
  below(limit: number): number
  pick<item>(items: readonly item[]): item
  /** True once in `times`. */
  once(times: number): boolean
  /** From 0 to `most`, small ones more often, up to the largest. */
  size(most: number): number
}

/** Mulberry32: 32 bits of state, quick, and good enough to wander. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    once: (times) => below(times) === 0,
    size: (most) => Math.floor(Math.exp(next() * Math.log(most + 1))),
  }
}
