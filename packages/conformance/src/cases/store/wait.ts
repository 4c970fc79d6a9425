/**
 * Store cases: waiting for a key to change.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { must, type Case } from '../../case.js'
import type { StoreBench } from '../../store.js'
import { sleep } from './samples.js'

const TTL = 600
/** Milliseconds: at once, over a network, on a busy machine. */
const PROMPT = 2000

type Change = (store: Store.Store, key: string) => Promise<unknown>

const CHANGES: Readonly<Record<string, Change>> = {
  'a set': (store, key) => store.set(key, 'after', { ttl: TTL }),
  'an update': (store, key) => store.update(key, () => 'after', { ttl: TTL }),
  'an update with a guess': (store, key) =>
    store.update(key, () => 'after', { ttl: TTL, from: 'before' }),
  'a delete': (store, key) => store.delete(key),
}

export const wait: readonly Case<StoreBench>[] = [
  {
    id: 'wait/wakes',
    requirements: ['core-073'],
    threats: [2],
    title: 'who waits for a key is woken when another connection changes it, in any way',
    needs: ['wakes'],
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      for (const [how, change] of Object.entries(CHANGES)) {
        const at = key('wakes')
        await one.set(at, 'before', { ttl: TTL })
        const woken = until(other, at, (value) => value !== 'before')
        await sleep(150)
        await change(one, at)
        must((await woken) < PROMPT, `${how} does not wake who waits for its key`)
      }
      const at = key('claimed')
      const woken = until(other, at, (value) => value !== undefined)
      await sleep(150)
      await one.claim([
        { key: key('first'), value: 1, ttl: TTL },
        { key: at, value: 1, ttl: TTL },
      ])
      must((await woken) < PROMPT, 'a claim does not wake who waits for one of its keys')
    },
  },
  {
    id: 'wait/many',
    requirements: ['core-073'],
    threats: [2],
    title: 'all who wait for a key are woken, on every connection',
    needs: ['wakes'],
    async run({ open, key }) {
      const [one, other, third] = [await open(), await open(), await open()]
      const at = key('many')
      await one.set(at, 'before', { ttl: TTL })
      const waiting = Array.from({ length: 40 }, (_, index) =>
        until(index % 2 ? other : third, at, (value) => value !== 'before'),
      )
      await sleep(150)
      await one.update(at, () => 'after', { ttl: TTL, from: 'before' })
      const slowest = Math.max(...(await Promise.all(waiting)))
      must(slowest < PROMPT, 'some of those who wait for a key are not woken')
    },
  },
  {
    id: 'wait/rests',
    requirements: [],
    title: 'waiting for a key that does not change takes its time, and ends with it',
    needs: ['wakes'],
    async run({ open, key }) {
      const [one, other] = [await open(), await open()]
      const at = key('rests')
      await one.set(at, 'still', { ttl: TTL })
      const end = Date.now() + 1000
      let times = 0
      while (Date.now() < end) {
        await other.wait?.(at, { timeout: 200 })
        times += 1
      }
      must(times <= 20, `waiting ended ${times} times in a second without a change: a busy loop`)
      must(Date.now() < end + PROMPT, 'waiting goes on long after its timeout')
    },
  },
  {
    id: 'wait/aborts',
    requirements: [],
    title: 'waiting ends when its signal is aborted, or was before',
    needs: ['wakes'],
    async run({ open, key }) {
      const store = await open()
      const at = key('aborts')
      const started = Date.now()
      await store.wait?.(at, { timeout: 20_000, signal: AbortSignal.abort() })
      const controller = new AbortController()
      const waiting = (async () => {
        while (!controller.signal.aborted)
          await store.wait?.(at, { timeout: 20_000, signal: controller.signal })
      })()
      await sleep(50)
      controller.abort()
      await waiting
      must(Date.now() - started < PROMPT, 'waiting goes on after its signal is aborted')
    },
  },
  {
    id: 'wait/none',
    requirements: [],
    title: 'a store that cannot wake has no wait, so that callers look by themselves',
    needs: ['!wakes'],
    async run({ open }) {
      const store = await open()
      must(store.wait === undefined, 'the store has a wait, and is declared not to wake')
    },
  },
]

/** Looks and waits in turn, as servers do; resolves with the milliseconds that it took. */
async function until(
  store: Store.Store,
  key: string,
  holds: (value: unknown) => boolean,
): Promise<number> {
  const started = Date.now()
  must(store.wait, 'the store has no wait, and is declared to wake')
  while (!holds(await store.get(key))) {
    if (Date.now() - started > PROMPT * 2) break
    await store.wait(key, { timeout: PROMPT * 2 })
  }
  return Date.now() - started
}
