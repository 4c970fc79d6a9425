/**
 * Mutants of the store: claims that are not atomic, not kept, or kept for ever.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { token } from '../reference/token.js'
import type { Mutant } from './mutant.js'

export const store: readonly Mutant[] = [
  {
    id: 'store/forgets',
    breaks: 'Every claim succeeds, so nothing is ever used up.',
    threats: [1, 3],
    caughtBy: ['replay/same-credential', 'replay/second-use', 'replay/other-proof-same-challenge'],
    seams: () => ({
      store: (real) => ({
        ...real,
        async claim(entries) {
          for (const { key, value, ttl } of entries) await real.set(key, value, { ttl })
          return { claimed: true }
        },
      }),
    }),
  },
  {
    id: 'store/races',
    breaks: 'A claim reads first and writes a moment later, so that two copies both find nothing.',
    threats: [2],
    caughtBy: ['concurrency/copies', 'concurrency/two-servers'],
    seams: () => ({
      store: (real) => ({
        ...real,
        async claim(entries) {
          const existing = await Promise.all(entries.map(({ key }) => real.get(key)))
          if (existing.some((value) => value !== undefined)) return { claimed: false, existing }
          await new Promise((resolve) => setImmediate(resolve))
          for (const { key, value, ttl } of entries) await real.set(key, value, { ttl })
          return { claimed: true }
        },
      }),
    }),
  },
  {
    id: 'store/one-key-of-many',
    breaks: 'A claim looks at its first key only, so the proof key guards nothing.',
    threats: [3],
    rail: () => token({ form: 'split' }),
    caughtBy: ['replay/proof-under-another-challenge', 'concurrency/one-proof-many-challenges'],
    seams: () => ({
      store: (real) => ({ ...real, claim: (entries) => real.claim(entries.slice(0, 1)) }),
    }),
  },
  {
    id: 'store/forgets-renewals',
    breaks: 'A lease is never renewed, so whoever comes after it has the page made again.',
    threats: [2],
    caughtBy: ['concurrency/slow-page'],
    seams: () => ({
      store: (real) => ({
        ...real,
        update(key, change, options) {
          const next = change(options.from)
          return isRenewal(options.from, next)
            ? Promise.resolve(next)
            : real.update(key, change, options)
        },
      }),
    }),
  },
  {
    id: 'store/one-a-server',
    breaks: 'Each server keeps its own store, so what is used here is fresh there.',
    threats: [1, 2],
    caughtBy: ['replay/other-server', 'concurrency/two-servers'],
    seams: () => ({ store: () => Store.memory() }),
  },
  {
    id: 'store/short-memory',
    breaks: 'Claims are forgotten after a minute, while challenges live for longer.',
    threats: [1],
    caughtBy: ['replay/claims-outlive-challenges'],
    seams: () => ({ store: (real) => living(real, () => 60) }),
  },
  {
    id: 'store/endless-memory',
    breaks: 'Claims are kept for ever, so the store only grows.',
    threats: [28],
    caughtBy: ['replay/claims-outlive-challenges'],
    seams: () => ({ store: (real) => living(real, () => Number.POSITIVE_INFINITY) }),
  },
  {
    id: 'store/sells-blind',
    breaks:
      'A store that is down counts as one that has nothing, so everything is sold unrecorded.',
    threats: [2],
    caughtBy: ['operator/store-down'],
    seams: () => ({
      store: (real) => ({
        ...real,
        claim: (entries) => real.claim(entries).catch(() => ({ claimed: true })),
        update: (key, change, options) =>
          real.update(key, change, options).catch(() => change(options.from)),
      }),
    }),
  },
]

/** The store with other times to live. */
function living(real: Store.Store, life: (ttl: number) => number): Store.Store {
  return {
    ...real,
    set: (key, value, { ttl }) => real.set(key, value, { ttl: life(ttl) }),
    update: (key, change, { ttl, ...more }) =>
      real.update(key, change, { ...more, ttl: life(ttl) }),
    claim: (entries) => real.claim(entries.map((entry) => ({ ...entry, ttl: life(entry.ttl) }))),
  }
}

/** True when nothing changes but the end of a lease that runs on. */
function isRenewal(from: unknown, next: unknown): boolean {
  const [before, after] = [from ?? {}, next ?? {}] as [Lease, Lease]
  const isSame = before.state === after.state && before.owner === after.owner
  return isSame && Number(after.until) > Number(before.until)
}

type Lease = { state?: string; owner?: string; until?: number }
