/**
 * Store cases: reading, changing and writing one key as a single step.
 *
 * @module
 */
import { must, type Case } from '../../case.js'
import type { StoreBench } from '../../store.js'
import { equal } from './samples.js'

const TTL = 600
const increment = (current: unknown): bigint => ((current as bigint | undefined) ?? 0n) + 1n

export const update: readonly Case<StoreBench>[] = [
  {
    id: 'update/changes',
    requirements: [],
    title: 'an update is given what stands, and answers what stands afterwards',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('update')
      const seen: unknown[] = []
      const note = (next: unknown) => (current: unknown) => (seen.push(current), next)
      must(
        (await one.update(at, note({ n: 1 }), { ttl: TTL })) !== undefined,
        'nothing was written',
      )
      const stands = await other.update(at, note({ n: 2 }), { ttl: TTL })
      must(equal(stands, { n: 2 }), 'an update does not answer what it wrote')
      must(equal(await one.get(at), { n: 2 }), 'an update is not seen by another connection')
      must(
        equal([seen[0], seen.at(-1)], [undefined, { n: 1 }]),
        'an update is not given what stands',
      )
    },
  },
  {
    id: 'update/leaves',
    requirements: [],
    title: 'an update that returns undefined leaves all as it is and answers what stands',
    async run({ open, key }) {
      const store = await open()
      const at = key('leave')
      must((await store.update(at, () => undefined, { ttl: TTL })) === undefined, 'it made a value')
      must((await store.get(at)) === undefined, 'leaving a missing key as it is made one')
      await store.set(at, 'stands', { ttl: TTL })
      for (const from of [undefined, 'stands', 'a wrong guess'])
        must(
          (await store.update(at, () => undefined, { ttl: TTL, from })) === 'stands',
          'an update that leaves all as it is does not answer what stands',
        )
      must((await store.get(at)) === 'stands', 'an update that leaves all as it is wrote')
    },
  },
  {
    id: 'update/guess',
    requirements: ['core-072'],
    threats: [2],
    title: 'a right guess is written upon; a wrong one never is',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('guess')
      const own = { owner: 'one', n: 1n }
      await one.set(at, own, { ttl: TTL })
      const mine = (next: unknown) => (current: unknown) =>
        (current as { owner?: string } | undefined)?.owner === 'one' ? next : undefined
      const taken = { owner: 'other', n: 2n }
      must(
        equal(await other.update(at, mine(taken), { ttl: TTL, from: own }), taken),
        'a right guess is not written upon',
      )
      const stale = await one.update(at, mine({ owner: 'one', n: 3n }), { ttl: TTL, from: own })
      must(equal(stale, taken), 'a wrong guess is not answered with what stands')
      must(equal(await one.get(at), taken), 'a wrong guess was written upon: two servers both won')
      const gone = key('gone')
      const made = await one.update(gone, mine('made'), { ttl: TTL, from: own })
      must(made === undefined, 'a guess at a missing key was taken for the truth')
      must((await other.get(gone)) === undefined, 'a guess at a missing key was written upon')
    },
  },
  {
    id: 'update/contention',
    requirements: ['core-072'],
    threats: [2, 18],
    title: 'updates of one key from several connections at once: none is lost',
    async run({ open, key }) {
      const stores = await Promise.all([open(), open(), open(), open()])
      const at = key('contention')
      const rounds = 25
      const seen: unknown[] = []
      await Promise.all(
        stores.map(async (store) => {
          for (let round = 0; round < rounds; round++)
            seen.push(await store.update(at, increment, { ttl: TTL }))
        }),
      )
      const total = BigInt(stores.length * rounds)
      must((await stores[0]?.get(at)) === total, 'updates at the same moment are lost')
      must(new Set(seen).size === seen.length, 'two updates were told the same result')
    },
  },
  {
    id: 'update/crowd',
    requirements: ['core-072'],
    threats: [18],
    title: 'of a crowd that updates one key at the same moment everybody gets through',
    async run({ open, key }) {
      const stores = await Promise.all([open(), open(), open(), open()])
      const at = key('crowd')
      const updates = Array.from({ length: 100 }, (_, index) =>
        stores[index % stores.length]?.update(at, increment, { ttl: TTL }),
      )
      const failed = (await Promise.allSettled(updates)).filter(
        ({ status }) => status === 'rejected',
      )
      must(failed.length === 0, `${failed.length} of ${updates.length} updates at once fail`)
      must((await stores[0]?.get(at)) === BigInt(updates.length), 'updates in a crowd are lost')
    },
  },
  {
    id: 'update/first',
    requirements: ['core-072'],
    threats: [2],
    title: 'of many updates that each find nothing, one is the first',
    async run({ open, key }) {
      const stores = await Promise.all([open(), open(), open(), open()])
      for (let round = 0; round < 10; round++) {
        const at = key('first')
        const answers = await Promise.all(
          Array.from({ length: 12 }, (_, index) =>
            stores[index % stores.length]?.update(
              at,
              (current) => (current === undefined ? `by ${index}` : undefined),
              { ttl: TTL },
            ),
          ),
        )
        must(new Set(answers).size === 1, 'two updates both found nothing, and both wrote')
        must((await stores[0]?.get(at)) === answers[0], 'what stands is not what all were told')
      }
    },
  },
]
