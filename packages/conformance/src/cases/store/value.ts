/**
 * Store cases: what is put there comes back, under the key that it was put at.
 *
 * @module
 */
import { must, type Case } from '../../case.js'
import type { StoreBench } from '../../store.js'
import { equal, freeze, ODD_KEYS, VALUES } from './samples.js'

const TTL = 600

export const value: readonly Case<StoreBench>[] = [
  {
    id: 'value/json',
    requirements: [],
    threats: [10],
    title: 'every JSON value comes back as it was, to another connection',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      for (const [name, sample] of Object.entries(VALUES)) {
        const at = key(name)
        await one.set(at, sample, { ttl: TTL })
        must(equal(await other.get(at), sample), `${name} comes back changed from get`)
      }
    },
  },
  {
    id: 'value/bigint',
    requirements: [],
    threats: [23],
    title: 'a bigint of any size comes back as a bigint from every step',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const sample = {
        max: 2n ** 255n,
        least: -(2n ** 64n),
        list: [0n, { deep: 9007199254740993n }],
      }
      const at = key('bigint')
      await one.set(at, sample, { ttl: TTL })
      must(equal(await other.get(at), sample), 'a bigint comes back changed from get')
      let seen: unknown
      const change = (current: unknown) => ((seen = current), { total: 2n ** 70n })
      const stands = await other.update(at, change, { ttl: TTL })
      must(equal(seen, sample), 'a bigint comes changed to the change of an update')
      must(equal(stands, { total: 2n ** 70n }), 'a bigint comes back changed from an update')
      const found = await one.claim([{ key: at, value: 1n, ttl: TTL }])
      must(
        !found.claimed && equal(found.existing, [{ total: 2n ** 70n }]),
        'a bigint comes back changed from a claim that lost',
      )
      await withToJson(() => one.set(at, sample, { ttl: TTL }))
      must(
        equal(await other.get(at), sample),
        'a bigint is lost where the application has given bigints a toJSON',
      )
    },
  },
  {
    id: 'value/large',
    requirements: [],
    threats: [10],
    title: 'an answer of a MiB, as text, comes back whole',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('large')
      const body = 'Zm9v'.repeat((1024 * 1024) / 3)
      await one.set(at, { state: 'settled' }, { ttl: TTL })
      const change = () => ({ state: 'delivered', answer: { body } })
      await one.update(at, change, { ttl: TTL, from: { state: 'settled' } })
      const found = (await other.get(at)) as { answer?: { body?: string } } | undefined
      must(found?.answer?.body === body, `a value of ${body.length} characters comes back changed`)
    },
  },
  {
    id: 'value/not-changed',
    requirements: [],
    title: 'a value that is handed in is never written to',
    async run({ open, key }) {
      const store = await open()
      const at = key('frozen')
      const sample = () => freeze({ list: [1n, { deep: true }], text: 'x' })
      await store.set(at, sample(), { ttl: TTL })
      await store.update(at, () => sample(), { ttl: TTL, from: sample() })
      await store.claim(freeze([{ key: key('claimed'), value: sample(), ttl: TTL }]))
      must(equal(await store.get(at), sample()), 'a frozen value comes back changed')
    },
  },
  {
    id: 'key/odd',
    requirements: [],
    threats: [7],
    title: 'keys of any text are taken, and no two are one',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('odd')
      const keys = ODD_KEYS.map((odd) => at + odd)
      for (const odd of [...keys, ...ODD_KEYS]) await one.delete(odd)
      await Promise.all(keys.map((odd, index) => one.set(odd, index, { ttl: TTL })))
      for (const [index, odd] of keys.entries())
        must((await other.get(odd)) === index, `the key ${show(odd)} is lost, or another's`)
      for (const odd of ODD_KEYS) {
        await one.set(odd, 'here', { ttl: TTL })
        must((await other.get(odd)) === 'here', `the key ${show(odd)} is lost`)
        await one.delete(odd)
      }
      const claimed = await one.claim(keys.map((odd) => ({ key: `${odd}.`, value: odd, ttl: TTL })))
      must(claimed.claimed, 'odd keys that nobody has cannot be claimed')
    },
  },
  {
    id: 'key/apart',
    requirements: [],
    title: 'a key that is missing or deleted is undefined; setting it again replaces it',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('apart')
      must((await one.get(at)) === undefined, 'a missing key is not undefined')
      await one.delete(at)
      await one.set(at, { version: 1 }, { ttl: TTL })
      await other.set(at, { version: 2 }, { ttl: TTL })
      must(equal(await one.get(at), { version: 2 }), 'a second set does not replace the first')
      await one.delete(at)
      must((await other.get(at)) === undefined, 'a deleted key still stands')
    },
  },
  {
    id: 'store/durable',
    requirements: ['core-071'],
    threats: [1, 2],
    title:
      'what one connection wrote stands for another, and the store does not call itself volatile',
    needs: ['!volatile'],
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      must(!one.volatile, 'the store calls itself volatile and is declared durable')
      must(one.name !== '', 'the store has no name')
      must(
        one !== other,
        'each connection is the same object: nothing shows that two servers share it',
      )
      const at = key('durable')
      await one.claim([{ key: at, value: 'mine', ttl: TTL }])
      must((await other.get(at)) === 'mine', 'a claim of one server is unknown to the next')
    },
  },
  {
    id: 'store/volatile',
    requirements: [],
    threats: [1],
    title: 'a store that dies with its process says so',
    needs: ['volatile'],
    async run({ open }) {
      const store = await open()
      must(store.volatile, 'the store does not say that it is volatile: nobody would be warned')
      must(store.name !== '', 'the store has no name')
    },
  },
]

/** Many applications do this, so that their own answers may hold bigints. */
async function withToJson(act: () => Promise<unknown>): Promise<void> {
  Reflect.set(BigInt.prototype, 'toJSON', function (this: bigint) {
    return String(this)
  })
  try {
    await act()
  } finally {
    Reflect.deleteProperty(BigInt.prototype, 'toJSON')
  }
}

const show = (key: string): string => JSON.stringify(key.length > 80 ? key.slice(-80) : key)
