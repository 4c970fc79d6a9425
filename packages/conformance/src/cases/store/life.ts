/**
 * Store cases: every key has an end, and not before its time.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { must, type Case } from '../../case.js'
import type { StoreBench } from '../../store.js'
import { sleep } from './samples.js'

const LONG = 600
/** Milliseconds after which a life of one second is surely over. */
const OVER = 1300

type Write = (store: Store.Store, key: string, ttl: number) => Promise<unknown>

/** Every way to write a key that is not there. */
const WRITES: Readonly<Record<string, Write>> = {
  'a set': (store, key, ttl) => store.set(key, 'v', { ttl }),
  'an update': (store, key, ttl) => store.update(key, () => 'v', { ttl }),
  'a claim': (store, key, ttl) => store.claim([{ key, value: 'v', ttl }]),
  'a claim of several keys': (store, key, ttl) =>
    store.claim([
      { key: `${key}:first`, value: 'v', ttl: LONG },
      { key, value: 'v', ttl },
    ]),
}

/** Every way to write a key that is there. */
const REWRITES: Readonly<Record<string, Write>> = {
  'a set': (store, key, ttl) => store.set(key, 'w', { ttl }),
  'an update': (store, key, ttl) => store.update(key, () => 'w', { ttl }),
  'an update with a guess': (store, key, ttl) => store.update(key, () => 'w', { ttl, from: 'v' }),
}

export const life: readonly Case<StoreBench>[] = [
  {
    id: 'life/ends',
    requirements: [],
    threats: [28],
    title: 'a key is gone after its time to live, whoever wrote it, and can be claimed again',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const writes = Object.entries(WRITES).map(([how, write]) => ({ how, write, at: key('ends') }))
      for (const { how, write, at } of writes) {
        await write(one, at, 1)
        must((await other.get(at)) === 'v', `what ${how} wrote for a second is gone at once`)
      }
      await sleep(OVER)
      for (const { how, at } of writes) {
        must((await other.get(at)) === undefined, `what ${how} wrote for a second outlives it`)
        let seen: unknown = 'nothing'
        await one.update(at, (current) => ((seen = current), undefined), { ttl: LONG })
        must(seen === undefined, `an update is given what ${how} wrote and is over`)
        const found = await other.claim([{ key: at, value: 'again', ttl: LONG }])
        must(found.claimed, `what ${how} wrote and is over bars a claim`)
      }
    },
  },
  {
    id: 'life/own',
    requirements: ['core-066'],
    threats: [1, 28],
    title: 'each key of a claim has its own time to live',
    async run({ open, key }) {
      const store = await open()
      const [challenge, proof] = [key('challenge'), key('proof')]
      await store.claim([
        { key: challenge, value: 1, ttl: 1 },
        { key: proof, value: 2, ttl: LONG },
      ])
      await sleep(OVER)
      must((await store.get(challenge)) === undefined, 'a claim’s key outlives its time to live')
      must((await store.get(proof)) === 2, 'a claim’s key ends with another key’s time to live')
    },
  },
  {
    id: 'life/anew',
    requirements: [],
    threats: [1, 28],
    title: 'writing a key again gives it the new time to live, longer or shorter',
    async run({ open, key }) {
      const store = await open()
      const cases = Object.entries(REWRITES).map(([how, write]) => {
        const [longer, shorter] = [key('longer'), key('shorter')]
        return { how, write, longer, shorter }
      })
      for (const { write, longer, shorter } of cases) {
        await store.set(longer, 'v', { ttl: 1 })
        await write(store, longer, LONG)
        await store.set(shorter, 'v', { ttl: LONG })
        await write(store, shorter, 1)
      }
      await sleep(OVER)
      for (const { how, longer, shorter } of cases) {
        must(
          (await store.get(longer)) === 'w',
          `${how} does not lengthen a life: a claim is forgotten`,
        )
        must((await store.get(shorter)) === undefined, `${how} does not shorten a life`)
      }
    },
  },
  {
    id: 'life/left-alone',
    requirements: [],
    threats: [28],
    title: 'reading a key, or leaving it as it is, does not lengthen its life',
    async run({ open, key }) {
      const store = await open()
      const at = key('alone')
      await store.set(at, 'v', { ttl: 1 })
      await store.update(at, () => undefined, { ttl: LONG, from: 'v' })
      await store.claim([{ key: at, value: 'w', ttl: LONG }])
      await store.get(at)
      await sleep(OVER)
      must((await store.get(at)) === undefined, 'a key that was only looked at outlives its time')
    },
  },
  {
    id: 'life/long',
    requirements: ['core-066'],
    threats: [3, 28],
    title: 'a life of 400 days is taken, for a proof is good once',
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const [claimed, written] = [key('claimed'), key('written')]
      const ttl = 400 * 86_400
      await one.claim([{ key: claimed, value: 1, ttl }])
      await one.set(written, 1, { ttl })
      for (const at of [claimed, written])
        must((await other.get(at)) === 1, 'what lives for 400 days is gone at once')
    },
  },
  {
    id: 'life/other-clock',
    requirements: ['core-071'],
    threats: [1],
    title: 'a server whose clock is an hour off writes keys that live neither longer nor shorter',
    needs: ['!volatile'],
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const { now } = Date
      const cases = [-1, 1].map((hours) => ({ hours, stands: key('stands'), ends: key('ends') }))
      for (const { hours, stands, ends } of cases) {
        Date.now = () => now() + hours * 3_600_000
        try {
          await one.claim([{ key: stands, value: 1, ttl: 1000 }])
          await one.set(ends, 1, { ttl: 1 })
        } finally {
          Date.now = now
        }
      }
      await sleep(OVER)
      for (const { stands, ends } of cases) {
        must(
          (await other.get(stands)) === 1,
          'a claim of a server whose clock is slow is forgotten',
        )
        must((await other.get(ends)) === undefined, 'a key of a server whose clock is fast stays')
      }
    },
  },
]
