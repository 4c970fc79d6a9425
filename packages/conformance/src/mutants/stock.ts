/**
 * Mutants of a store by itself, which the store cases must catch.
 *
 * @module
 */
import { Store } from '@polyrail/core'
import { storeCases } from '../cases/store/index.js'
import { sleep } from '../cases/store/samples.js'
import { createStoreBench } from '../store.js'

/** A store with one bug put back in. */
export type StoreMutant = {
  readonly id: string
  /** What it does wrong, as a sentence. */
  readonly breaks: string
  /** Numbers of the threat list that it brings back. */
  readonly threats: readonly number[]
  /** The cases that must fail on it, each of them. */
  readonly caughtBy: readonly string[]
  /** Breaks one connection. */
  break(real: Store.Store): Store.Store
}

/** Every mutant of a store. */
export const storeMutants: readonly StoreMutant[] = [
  {
    id: 'stock/racing-claim',
    breaks: 'A claim looks first and writes a moment later, so that two servers both win.',
    threats: [2],
    caughtBy: ['claim/one-winner', 'claim/one-proof', 'claim/crosswise', 'claim/against-update'],
    break: (real) => ({
      ...real,
      async claim(entries) {
        const existing = await Promise.all(entries.map(({ key }) => real.get(key)))
        if (existing.some((value) => value !== undefined)) return { claimed: false, existing }
        await sleep(1)
        for (const { key, value, ttl } of entries) await real.set(key, value, { ttl })
        return { claimed: true }
      },
    }),
  },
  {
    id: 'stock/half-claim',
    breaks: 'A claim that loses keeps what it wrote before it lost.',
    threats: [3],
    caughtBy: ['claim/all-or-nothing', 'claim/one-proof'],
    break: (real) => ({
      ...real,
      async claim(entries) {
        const existing = await Promise.all(entries.map(({ key }) => real.get(key)))
        let claimed = true
        for (const entry of entries) claimed = (await real.claim([entry])).claimed && claimed
        return claimed ? { claimed } : { claimed, existing }
      },
    }),
  },
  {
    id: 'stock/claims-twice',
    breaks: 'A claim of the value that stands counts as won, so a token opens two pages.',
    threats: [1],
    caughtBy: ['claim/same-value'],
    break: (real) => ({
      ...real,
      async claim(entries) {
        const found = await real.claim(entries)
        const same = (value: unknown, index: number) => value === entries[index]?.value
        return !found.claimed && found.existing.every(same) ? { claimed: true } : found
      },
    }),
  },
  {
    id: 'stock/claims-over',
    breaks: 'A claim looks at its first key only and writes over the others.',
    threats: [3],
    caughtBy: ['claim/all-or-nothing', 'claim/one-proof'],
    break: (real) => ({
      ...real,
      async claim(entries) {
        const found = await real.claim(entries.slice(0, 1))
        if (!found.claimed) {
          const rest = await Promise.all(entries.slice(1).map(({ key }) => real.get(key)))
          return { claimed: false, existing: [...found.existing, ...rest] }
        }
        for (const { key, value, ttl } of entries.slice(1)) await real.set(key, value, { ttl })
        return found
      },
    }),
  },
  {
    id: 'stock/disordered',
    breaks: 'What stands is told in an order of its own, so a proof is taken for a challenge.',
    threats: [3],
    caughtBy: ['claim/all-or-nothing'],
    break: (real) => ({
      ...real,
      async claim(entries) {
        const found = await real.claim(entries)
        return found.claimed ? found : { claimed: false, existing: found.existing.toReversed() }
      },
    }),
  },
  {
    id: 'stock/lost-update',
    breaks: 'An update reads, and writes without looking again.',
    threats: [2, 18],
    caughtBy: ['update/contention', 'update/first'],
    break: (real) => ({
      ...real,
      async update(key, change, { ttl }) {
        const current = await real.get(key)
        await sleep(1)
        const next = change(current)
        if (next !== undefined) await real.set(key, next, { ttl })
        return next ?? current
      },
    }),
  },
  {
    id: 'stock/believes-guesses',
    breaks: 'A guess is taken for what stands, and written upon.',
    threats: [2],
    caughtBy: ['update/guess', 'update/leaves'],
    break: (real) => ({
      ...real,
      async update(key, change, options) {
        if (options.from === undefined) return real.update(key, change, options)
        const next = change(options.from)
        if (next !== undefined) await real.set(key, next, { ttl: options.ttl })
        return next ?? options.from
      },
    }),
  },
  {
    id: 'stock/gives-up',
    breaks: 'An update whose key has changed since it looked fails, and does not look again.',
    threats: [18],
    caughtBy: ['update/crowd'],
    break: (real) => ({
      ...real,
      async update(key, change, options) {
        const seen = await real.get(key)
        await sleep(1)
        const alter = (current: unknown) => {
          if (current !== seen) throw new Error('the key has changed')
          return change(current)
        }
        return real.update(key, alter, options)
      },
    }),
  },
  {
    id: 'stock/endless-update',
    breaks: 'An update ignores its time to live, so the store only grows.',
    threats: [28],
    caughtBy: ['life/ends', 'life/anew'],
    break: (real) => ({
      ...real,
      update: (key, change, options) => real.update(key, change, { ...options, ttl: 86_400 }),
    }),
  },
  {
    id: 'stock/endless-claim',
    breaks: 'A claim ignores the time to live of its keys.',
    threats: [28],
    caughtBy: ['life/ends', 'life/own'],
    break: (real) => ({
      ...real,
      claim: (entries) => real.claim(entries.map((entry) => ({ ...entry, ttl: 86_400 }))),
    }),
  },
  {
    id: 'stock/one-life',
    breaks: 'All keys of a claim live as long as the first, so a proof is soon good again.',
    threats: [1, 3],
    caughtBy: ['life/own'],
    break: (real) => ({
      ...real,
      claim: (entries) =>
        real.claim(entries.map((entry) => ({ ...entry, ttl: entries[0]?.ttl ?? 1 }))),
    }),
  },
  {
    id: 'stock/first-life',
    breaks: 'A key keeps the time to live of its first write.',
    threats: [1],
    caughtBy: ['life/anew'],
    break(real) {
      const ends = new Map<string, number>()
      const left = (key: string, ttl: number) => {
        const end = ends.get(key) ?? Date.now() + ttl * 1000
        ends.set(key, end)
        return Math.max(0.01, (end - Date.now()) / 1000)
      }
      return {
        ...real,
        set: (key, value, { ttl }) => real.set(key, value, { ttl: left(key, ttl) }),
        update: (key, change, options) =>
          real.update(key, change, { ...options, ttl: left(key, options.ttl) }),
      }
    },
  },
  {
    id: 'stock/sliding-life',
    breaks: 'Reading a key lengthens its life.',
    threats: [28],
    caughtBy: ['life/left-alone'],
    break: (real) => ({
      ...real,
      async get(key) {
        const value = await real.get(key)
        if (value !== undefined) await real.set(key, value, { ttl: 86_400 })
        return value
      },
    }),
  },
  {
    id: 'stock/own-clock',
    breaks: 'Lives are counted by the clock of the server that writes.',
    threats: [1],
    caughtBy: ['life/other-clock'],
    break: (real) => {
      type Slot = { value: unknown; expires: number } | undefined
      const open = (slot: Slot) => (slot && slot.expires > Date.now() ? slot.value : undefined)
      const close = (value: unknown, ttl: number) => ({ value, expires: Date.now() + ttl * 1000 })
      return {
        ...real,
        get: async (key) => open((await real.get(key)) as Slot),
        set: (key, value, { ttl }) => real.set(key, close(value, ttl), { ttl: 86_400 }),
        claim: (entries) =>
          real.claim(
            entries.map(({ key, value, ttl }) => ({ key, value: close(value, ttl), ttl })),
          ),
      }
    },
  },
  {
    id: 'stock/loses-bigint',
    breaks: 'A bigint becomes a number, which holds no more than 53 bits.',
    threats: [23],
    caughtBy: ['value/bigint', 'value/not-changed'],
    break: (real) => rewriting(real, (part) => (typeof part === 'bigint' ? Number(part) : part)),
  },
  {
    id: 'stock/asks-to-json',
    breaks: 'A bigint is written as its toJSON says, where an application has given it one.',
    threats: [23],
    caughtBy: ['value/bigint'],
    break: (real) =>
      rewriting(real, (part) =>
        typeof part === 'bigint' && 'toJSON' in BigInt.prototype ? String(part) : part,
      ),
  },
  {
    id: 'stock/loses-null',
    breaks: 'A null within a value is dropped.',
    threats: [10],
    caughtBy: ['value/json'],
    break: (real) => rewriting(real, (part) => (part === null ? undefined : part)),
  },
  {
    id: 'stock/cuts-text',
    breaks: 'A text ends at 64 KiB, so an answer that is recovered is half of one.',
    threats: [10],
    caughtBy: ['value/large'],
    break: (real) =>
      rewriting(real, (part) => (typeof part === 'string' ? part.slice(0, 65_536) : part)),
  },
  {
    id: 'stock/folds-keys',
    breaks: 'Keys that differ in case, in spaces at their end or after a NUL are one.',
    threats: [1, 7],
    caughtBy: ['key/odd'],
    break: (real) => rekeyed(real, (key) => key.split('\0', 1)[0]?.trimEnd().toLowerCase() ?? ''),
  },
  {
    id: 'stock/writes-values',
    breaks: 'A value that is handed in is marked with the time of its writing.',
    threats: [],
    caughtBy: ['value/not-changed'],
    break: (real) => ({
      ...real,
      set(key, value, options) {
        if (typeof value === 'object' && value !== null && !mark(value))
          throw new TypeError('a value was not taken')
        return real.set(key, value, options)
      },
    }),
  },
  {
    id: 'stock/sleeps-on',
    breaks: 'Nobody is woken, so that every copy of a request waits out its time.',
    threats: [2],
    caughtBy: ['wait/wakes', 'wait/many'],
    break: (real) => ({ ...real, wait: (_, { timeout }) => sleep(timeout) }),
  },
  {
    id: 'stock/wakes-one',
    breaks: 'A change wakes one of those who wait, and the others sleep on.',
    threats: [2],
    caughtBy: ['wait/many'],
    break(real) {
      const waited = new Set<string>()
      return {
        ...real,
        wait(key, options) {
          if (waited.has(key)) return sleep(options.timeout)
          waited.add(key)
          return real.wait?.(key, options) ?? sleep(0)
        },
      }
    },
  },
  {
    id: 'stock/never-rests',
    breaks: 'Waiting ends at once, so that callers spin.',
    threats: [31],
    caughtBy: ['wait/rests'],
    break: (real) => ({ ...real, wait: () => sleep(1) }),
  },
  {
    id: 'stock/deaf',
    breaks: 'Waiting goes on for a visitor who is gone.',
    threats: [28],
    caughtBy: ['wait/aborts'],
    break: (real) => ({ ...real, wait: (_, { timeout }) => sleep(Math.min(timeout, 4000)) }),
  },
  {
    id: 'stock/one-a-server',
    breaks: 'Each connection keeps its own data, so what is used here is fresh there.',
    threats: [1, 2],
    caughtBy: ['store/durable', 'claim/same-value', 'update/contention'],
    break: () => Store.memory(),
  },
  {
    id: 'stock/poses-durable',
    breaks: 'A store that dies with its process does not say so.',
    threats: [1],
    caughtBy: ['store/volatile'],
    break: (real) => ({ ...real, volatile: false }),
  },
]

/** Runs the cases that must catch a mutant of a store, on it or, `cured`, on the real thing. */
export async function huntStore(
  mutant: StoreMutant,
  { cured = false }: { cured?: boolean } = {},
): Promise<{ id: string; failure: unknown }[]> {
  const caught: { id: string; failure: unknown }[] = []
  for (const id of mutant.caughtBy) {
    const found = storeCases.find((one) => one.id === id)
    if (!found)
      throw new TypeError(`Mutant "${mutant.id}" names the case "${id}", which is not there.`)
    const one = Store.memory()
    // Another object for each connection, as the connections of a real backend are.
    const create = () => {
      const { wait, ...rest } = one
      const volatile = found.needs?.includes('volatile') ?? false
      const real: Store.Store = { ...rest, wait, volatile }
      return cured ? real : mutant.break(real)
    }
    const failure = await found.run(createStoreBench(create)).then(
      () => undefined,
      (cause: unknown) => cause,
    )
    caught.push({ id, failure })
  }
  return caught
}

/** The store with each part of a value changed on its way in. */
const rewriting = (real: Store.Store, change: (part: unknown) => unknown): Store.Store => {
  const rewrite = (value: unknown): unknown => {
    const changed = change(value)
    if (Array.isArray(changed)) return changed.map(rewrite)
    if (typeof changed !== 'object' || changed === null) return changed
    const parts = Object.entries(changed).map(([name, part]) => [name, rewrite(part)])
    return Object.fromEntries(parts)
  }
  return {
    ...real,
    set: (key, value, options) => real.set(key, rewrite(value), options),
    update: (key, alter, options) =>
      real.update(key, (current) => rewrite(alter(current)), options),
    claim: (entries) =>
      real.claim(entries.map((entry) => ({ ...entry, value: rewrite(entry.value) }))),
  }
}

/** The store under other keys. */
const rekeyed = (real: Store.Store, name: (key: string) => string): Store.Store => ({
  ...real,
  get: (key) => real.get(name(key)),
  set: (key, value, options) => real.set(name(key), value, options),
  delete: (key) => real.delete(name(key)),
})

const mark = (value: object): boolean => Reflect.set(value, 'written', Date.now())
