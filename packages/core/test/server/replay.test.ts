import { Challenge, Receipt } from '@polyrail/core'
import { Method, Mpp, Store } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import {
  buy,
  challengeOf,
  createRail,
  createTill,
  credential,
  named,
  newToken,
  plain,
  present,
  price,
  realm,
  refusal,
  secretKey,
  sleep,
  url,
  type Route,
} from './till.js'

/** The memory store without its wake-up, as most remote stores are. */
function withoutWait(): Store.Store {
  const { wait: _, ...store } = Store.memory()
  return store
}

/** A store over a backend that answers after a while, in no certain order, and cannot claim several keys at once. */
function remote(latency = 3): Store.Store {
  const rows = new Map<string, string>()
  const later = async <value>(act: () => value): Promise<value> => {
    await sleep(Math.random() * latency)
    const value = act()
    await sleep(Math.random() * latency)
    return value
  }
  return Store.from({
    name: 'remote',
    get: (key) => later(() => rows.get(key)),
    set: (key, value) => later(() => rows.set(key, value)),
    delete: (key) => later(() => rows.delete(key)),
    compareAndSet: (key, expected, next) =>
      later(() => {
        if (rows.get(key) !== expected) return false
        rows.set(key, next)
        return true
      }),
  })
}

describe('a proof', () => {
  const used = [402, 'verification-failed']

  test('pays once, whatever the challenge [charge-011] [core-065] [core-066] (threat 3)', async () => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge(price))
    expect((await buy(route, 'one')).response.status).toBe(200)
    expect(await refusal((await buy(route, 'one')).response)).toEqual(used)
    expect(settled).toEqual(['one'])
  })

  test('pays once across routes, prices and HTTP methods (threat 1)', async () => {
    const { mpp, settled } = createTill()
    await buy(plain(mpp.charge(price)), 'one')
    const dear = plain(mpp.charge({ ...price, amount: '99', scope: '/other' }))
    expect(await refusal((await buy(dear, 'one')).response)).toEqual(used)
    const post = { method: 'POST', body: 'x' }
    const challenge = await challengeOf(dear, new Request(url, post))
    expect(await refusal(dear(present(credential(challenge, 'one'), post)))).toEqual(used)
    expect(settled).toEqual(['one'])
  })

  test('pays once across intents of its method (threat 1)', async () => {
    const charge = createRail()
    const session = Method.toServer(
      Method.from({ name: 'points', intent: 'session', schema: charge.server.schema }),
      {
        settle: () => ({ reference: 'second' }),
        replayKey: ({ credential: { payload } }) => payload.token,
      },
    )
    const mpp = Mpp.create({ methods: [charge.server, session], realm, secretKey })
    await buy(plain(mpp.points.charge(price)), 'one')
    expect(await refusal((await buy(plain(mpp.points.session(price)), 'one')).response)).toEqual(
      used,
    )
  })

  test('pays once across servers with secrets of their own on one store (threat 1)', async () => {
    const store = Store.memory()
    const first = createTill({}, { store })
    const second = createTill({}, { store, realm: 'other.example.com', secretKey: 'z'.repeat(32) })
    await buy(plain(first.mpp.charge(price)), 'one')
    expect(await refusal((await buy(plain(second.mpp.charge(price)), 'one')).response)).toEqual(
      used,
    )
  })

  test('has its recorded answer with padding or without, in any spacing (threat 1)', async () => {
    const { mpp, settled } = createTill()
    let served = 0
    const route = mpp.charge(price)(() => Response.json({ page: ++served }))
    // A token of a length that leaves room for padding.
    const challenge = await challengeOf(route)
    const [bare = ''] = ['one', 'four', 'fives']
      .map((token) => credential(challenge, token))
      .filter((one) => one.slice('Payment '.length).length % 4 === 2)
    expect(await (await route(present(bare))).json()).toEqual({ page: 1 })
    for (const spelling of [`${bare}==`, bare.replace(' ', '   '), bare.replace('P', 'p')])
      expect(await (await route(present(spelling))).json()).toEqual({ page: 1 })
    expect([served, settled.length]).toEqual([1, 1])
  })

  test('of one method is no proof of another', async () => {
    const store = Store.memory()
    const coins = createRail({}, named('coins'))
    const mpp = Mpp.create({ methods: [coins.server], realm, secretKey, store })
    await buy(plain(createTill({}, { store }).mpp.charge(price)), 'one')
    expect((await buy(plain(mpp.charge(price)), 'one')).response.status).toBe(200)
  })

  test('as long as a page is known by its hash, and pays once', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const long = 'x'.repeat(5000)
    expect((await buy(route, long)).response.status).toBe(200)
    expect(await refusal((await buy(route, long)).response)).toEqual(used)
    expect((await buy(route, `${long}y`)).response.status).toBe(200)
  })

  test('is remembered for as long as its network takes it, and never less than its challenge', async () => {
    let now = Date.now()
    const store = Store.memory({ now: () => now })
    const { mpp } = createTill(
      { replayKey: ({ credential: { payload } }) => ({ key: payload.token, ttl: 10 }) },
      { store },
    )
    const route = plain(mpp.charge(price))
    await buy(route, 'one')
    now += 400_000
    expect(await refusal((await buy(route, 'one')).response)).toEqual(used)
    const forever = plain(createTill({}, { store }).mpp.charge(price))
    await buy(forever, 'two')
    now += 399 * 86_400_000
    expect(await refusal((await buy(forever, 'two')).response)).toEqual(used)
    now += 2 * 86_400_000
    expect(store.size).toBe(0)
  })

  test('at the same moment on two challenges pays one of them (threat 2)', async () => {
    for (const store of [Store.memory(), withoutWait(), remote()]) {
      const { mpp, settled } = createTill({}, { store })
      const route = plain(mpp.charge(price))
      const token = newToken()
      const challenges = await Promise.all(Array.from({ length: 20 }, () => challengeOf(route)))
      const answers = await Promise.all(
        challenges.map((challenge) => route(present(credential(challenge, token)))),
      )
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      expect(answers.filter(({ status }) => status === 402)).toHaveLength(19)
      expect(settled).toEqual([token])
    }
  })
})

describe('1,000 copies of one credential at once', () => {
  const COPIES = 1000

  type Setting = {
    routes: Route[]
    challenge: Challenge.Challenge
    counts: { settled: number; delivered: number }
  }

  async function setUp(stores: Store.Store[], form: 'plain' | 'wrapped'): Promise<Setting> {
    const counts = { settled: 0, delivered: 0 }
    const application = async () => {
      counts.delivered++
      await sleep(20)
      return Response.json({ serial: counts.delivered })
    }
    const settle = async () => {
      counts.settled++
      await sleep(20)
      return { reference: `r${counts.settled}` }
    }
    const routes = stores.map((store) => {
      const { mpp } = createTill({ settle }, { store, deadlines: { wait: 9000 } })
      return form === 'plain'
        ? plain(mpp.charge(price), application)
        : mpp.charge(price)(application)
    })
    return { routes, challenge: await challengeOf(routes[0] as Route), counts }
  }

  async function storm({ routes, challenge }: Setting, copies = COPIES): Promise<Response[]> {
    const authorization = credential(challenge)
    return Promise.all(
      Array.from({ length: copies }, (_, copy) =>
        (routes[copy % routes.length] as Route)(present(authorization)),
      ),
    )
  }

  const shared = (store: Store.Store) => [store, store]
  const places: [string, () => Store.Store[], number][] = [
    ['one server', () => [Store.memory()], COPIES],
    ['two servers and a store that cannot wake', () => shared(withoutWait()), COPIES],
    ['two servers and a remote backend', () => shared(remote()), 300],
  ]

  test.each(places)(
    'on %s, plain: one settlement, one delivery [core-071] [core-072] [core-073] [charge-010] (threat 2)',
    async (_, stores, copies) => {
      const setting = await setUp(stores(), 'plain')
      const began = performance.now()
      const answers = await storm(setting, copies)
      expect(setting.counts).toEqual({ settled: 1, delivered: 1 })
      const paid = answers.filter(({ status }) => status === 200)
      expect(paid).toHaveLength(1)
      expect(paid.filter((answer) => Receipt.fromResponse(answer))).toHaveLength(1)
      for (const answer of answers)
        if (answer.status !== 200) expect([402, 409]).toContain(answer.status)
      expect(performance.now() - began).toBeLessThan(8000)
    },
    30_000,
  )

  test.each(places)(
    'on %s, wrapped: one settlement, one run, the same answer for all [core-070] [core-071] (threat 2) (threat 10)',
    async (_, stores, copies) => {
      const setting = await setUp(stores(), 'wrapped')
      const began = performance.now()
      const answers = await storm(setting, copies)
      expect(setting.counts).toEqual({ settled: 1, delivered: 1 })
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(answers.map(({ headers }) => headers.get('payment-receipt'))).size).toBe(1)
      expect(new Set(await Promise.all(answers.map((answer) => answer.text())))).toEqual(
        new Set(['{"serial":1}']),
      )
      expect(performance.now() - began).toBeLessThan(8000)
    },
    30_000,
  )

  test('copies are woken when the answer is there, and do not sit out their wait', async () => {
    for (let round = 0; round < 20; round++) {
      const { mpp } = createTill({ settle: async () => ({ reference: 'r' }) })
      let runs = 0
      const route = mpp.charge(price)(async () => {
        runs++
        for (let turn = 0; turn < round * 3; turn++) await undefined
        return new Response('ok')
      })
      const authorization = credential(await challengeOf(route))
      const began = performance.now()
      const answers = await Promise.all(
        Array.from({ length: 40 }, () => route(present(authorization))),
      )
      expect(answers.every(({ status }) => status === 200)).toBe(true)
      expect(runs).toBe(1)
      expect(performance.now() - began).toBeLessThan(1500)
    }
  })

  test('a wake-up missed on the way costs a moment, not the whole wait', async () => {
    const memory = Store.memory()
    const get = async (key: string) => {
      const value = await memory.get(key)
      await sleep(15)
      return value
    }
    const { mpp } = createTill({}, { store: { ...memory, get } })
    const route = mpp.charge(price)(async () => (await sleep(40), new Response('ok')))
    const authorization = credential(await challengeOf(route))
    const began = performance.now()
    const answers = await Promise.all(
      Array.from(
        { length: 60 },
        async (_, copy) => (await sleep(copy), route(present(authorization))),
      ),
    )
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(performance.now() - began).toBeLessThan(3000)
  })

  test('a copy that waits too long gets 409 with Retry-After, and no challenge', async () => {
    const { mpp, settled } = createTill(
      { settle: async () => (await sleep(200), { reference: 'r' }) },
      { deadlines: { wait: 30 } },
    )
    const route = plain(mpp.charge(price))
    const authorization = credential(await challengeOf(route))
    const first = route(present(authorization))
    await sleep(5)
    const second = await route(present(authorization))
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refusal(second)).toEqual([409, 'payment-in-progress'])
    expect((await first).status).toBe(200)
    expect(settled).toEqual([])
  })
})
