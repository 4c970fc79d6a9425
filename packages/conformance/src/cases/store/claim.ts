/**
 * Store cases: several keys written in one step, or none.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { must, type Case } from '../../case.js'
import type { StoreBench } from '../../store.js'
import { equal } from './samples.js'

const TTL = 600
const entry = (key: string, value: unknown): Store.Entry => ({ key, value, ttl: TTL })

export const claim: readonly Case<StoreBench>[] = [
  {
    id: 'claim/all-or-nothing',
    requirements: ['core-066', 'core-072'],
    threats: [1, 3],
    title: 'a claim writes all its keys, or none and tells what stands at each, in order',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const keys = [key('challenge'), key('proof'), key('name')]
      const entries = keys.map((at, index) => entry(at, { n: BigInt(index) }))
      must((await one.claim(entries)).claimed, 'keys that nobody has cannot be claimed')
      for (const { key, value } of entries)
        must(equal(await other.get(key), value), 'a key of a claim that won was not written')
      for (const place of [0, 1, 2]) {
        const fresh = [key('a'), key('b'), key('c')]
        fresh[place] = keys[place] ?? ''
        const found = await other.claim(fresh.map((at) => entry(at, 'late')))
        must(!found.claimed, `a claim whose key ${place + 1} of 3 is taken wins`)
        const existing = fresh.map((_, index) =>
          index === place ? entries[place]?.value : undefined,
        )
        must(equal(found.existing, existing), 'a claim that lost is not told what stands, in order')
        for (const at of fresh.filter((_, index) => index !== place))
          must((await one.get(at)) === undefined, 'a claim that lost wrote one of its keys')
      }
    },
  },
  {
    id: 'claim/one-winner',
    requirements: ['core-071', 'core-072'],
    threats: [2],
    title: 'of many claims of the same keys at once one wins, and the others see what it wrote',
    async run({ open, key }) {
      const stores = await Promise.all([open(), open(), open(), open()])
      for (let round = 0; round < 5; round++) {
        const [challenge, proof] = [key('challenge'), key('proof')]
        const claims = await race(stores, 24, (index) => [
          entry(challenge, { owner: index }),
          entry(proof, 'the same'),
        ])
        const winners = claims.flatMap(({ claimed }, index) => (claimed ? [index] : []))
        must(winners.length === 1, `${winners.length} of 24 claims of the same keys won`)
        const written = [{ owner: winners[0] }, 'the same']
        // A backend that takes key after key may show some before the others.
        for (const found of claims)
          must(
            found.claimed ||
              found.existing.every((value, at) => value === undefined || equal(value, written[at])),
            'a claim that lost is told something else than the winner wrote',
          )
        const late = await stores[1]?.claim([entry(challenge, 'late'), entry(proof, 'late')])
        must(
          late && !late.claimed && equal(late.existing, written),
          'a claim that comes later is not told what the winner wrote',
        )
      }
    },
  },
  {
    id: 'claim/same-value',
    requirements: ['core-066'],
    threats: [1],
    title: 'a second claim of the same key with the same value loses all the same',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('token')
      must((await one.claim([entry(at, true)])).claimed, 'a key that nobody has cannot be claimed')
      must(!(await other.claim([entry(at, true)])).claimed, 'a key is claimed twice')
      must(!(await one.claim([entry(at, true)])).claimed, 'a key is claimed twice by one server')
    },
  },
  {
    id: 'claim/one-proof',
    requirements: ['core-066', 'core-072'],
    threats: [3],
    title: 'of many claims with one key in common one wins at most, and the others leave nothing',
    async run({ open, key }) {
      const stores = await Promise.all([open(), open(), open(), open()])
      for (let round = 0; round < 5; round++) {
        const proof = key('proof')
        const own = Array.from({ length: 16 }, () => [key('challenge'), key('name')] as const)
        const claims = await race(stores, own.length, (index) => [
          entry(own[index]?.[0] ?? '', index),
          entry(proof, index),
          entry(own[index]?.[1] ?? '', index),
        ])
        const winners = claims.flatMap(({ claimed }, index) => (claimed ? [index] : []))
        must(winners.length === 1, `one proof was claimed ${winners.length} times`)
        must((await stores[0]?.get(proof)) === winners[0], 'the proof is not the winner’s')
        for (const [index, keys] of own.entries())
          for (const at of keys) {
            const expected = index === winners[0] ? index : undefined
            must((await stores[0]?.get(at)) === expected, 'a claim that lost left a key behind')
          }
      }
    },
  },
  {
    id: 'claim/crosswise',
    requirements: ['core-072'],
    threats: [2, 31],
    title: 'claims of the same keys in different order end, and one wins at most',
    async run({ open, key }) {
      const stores = await Promise.all([open(), open(), open(), open()])
      for (let round = 0; round < 10; round++) {
        const keys = [key('a'), key('b'), key('c')]
        const claims = await race(stores, 12, (index) =>
          (index % 2 ? keys : keys.toReversed()).map((at) => entry(at, index)),
        )
        const won = claims.filter(({ claimed }) => claimed).length
        must(won <= 1, `${won} of 12 claims of the same keys in different order won`)
      }
    },
  },
  {
    id: 'claim/given-back',
    requirements: [],
    threats: [9],
    title: 'a claimed key that is deleted can be claimed again, and a set one cannot',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('back')
      await one.claim([entry(at, 1)])
      await one.delete(at)
      must((await other.claim([entry(at, 2)])).claimed, 'a key that was given back stays taken')
      await one.set(at, 3, { ttl: TTL })
      must(!(await other.claim([entry(at, 4)])).claimed, 'a key that was set is free to claim')
      must((await one.get(at)) === 3, 'a claim that lost wrote over what stood')
    },
  },
  {
    id: 'claim/against-update',
    requirements: ['core-072'],
    threats: [2],
    title: 'of a claim and an update that both want to be first, one is',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      for (let round = 0; round < 20; round++) {
        const at = key('first')
        const first = (current: unknown) => (current === undefined ? 'updated' : undefined)
        const claiming = () => other.claim([entry(key('before'), 1), entry(at, 'claimed')])
        const early = round % 2 ? claiming() : undefined
        const [updated, claimed] = await Promise.all([
          one.update(at, first, { ttl: TTL }),
          early ?? claiming(),
        ])
        must((updated === 'updated') !== claimed.claimed, 'an update and a claim were both first')
      }
    },
  },
]

function race(
  stores: readonly Store.Store[],
  times: number,
  entries: (index: number) => readonly Store.Entry[],
): Promise<Store.Claim[]> {
  return Promise.all(
    Array.from({ length: times }, (_, index) => {
      const store = stores[index % stores.length]
      must(store, 'there is no store to race on')
      return store.claim(entries(index))
    }),
  )
}
