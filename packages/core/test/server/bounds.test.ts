/**
 * Challenges that cost something to make: who asks again gets the same, who asks too much waits, who pays may go on.
 *
 * @module
 */
import { Challenge } from '@polyrail/core'
import { Method, Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import {
  challengeOf,
  createRail,
  credential,
  named,
  plain,
  present,
  price,
  problemOf,
  realm,
  refusal,
  secretKey,
  url,
  type Route,
} from './till.js'

const method = Method.from({
  name: 'invoices',
  intent: 'charge',
  schema: {
    request: z.object({
      amount: z.string(),
      currency: z.string(),
      invoice: z.string().optional(),
    }),
    credential: { payload: z.object({ token: z.string() }) },
  },
})

type Config = Partial<Parameters<typeof Mpp.create>[0]>

/** A shop whose invoices are counted. */
function open(bounds: Partial<Method.Bounds> = {}, config: Config = {}) {
  let made = 0
  let isDown = false
  const server = Method.toServer(method, {
    issued: {
      fields: ['invoice'],
      create() {
        if (isDown) throw new Error('the wallet is down')
        return { invoice: `inv-${++made}` }
      },
      bounds: { total: 100, perClient: 5, period: 100, reuse: 60, ...bounds },
    },
    validate: ({ credential }) => !credential.payload.token.startsWith('bad'),
    replayKey: ({ challenge }) => challenge.request.invoice ?? '',
    settle: ({ challenge }) => ({ reference: challenge.request.invoice ?? '' }),
  })
  const client: Config['client'] = ({ header }) => header('x-client') ?? undefined
  const mpp = Mpp.create({ realm, secretKey, client, ...config, methods: [server] })
  mpp.on('error', () => undefined)
  return {
    mpp,
    server,
    route: plain(mpp.charge(price)),
    made: () => made,
    setDown: (down: boolean) => void (isDown = down),
  }
}

const from = (client: string, init: RequestInit = {}, to = url): Request => {
  const headers = new Headers(init.headers)
  headers.set('x-client', client)
  return new Request(to, { ...init, headers })
}

const invoiceOf = async (route: Route, request: Request): Promise<unknown> =>
  (await challengeOf(route, request)).request['invoice']

const pay = (challenge: Challenge.Challenge, client: string, token?: string): Request =>
  present(credential(challenge, token), { headers: { 'x-client': client } })

describe('a named client that asks again', () => {
  test('gets the very same challenge until it answers (threat 27)', async () => {
    const { route, made } = open()
    const first = await challengeOf(route, from('ann'))
    const second = await challengeOf(route, from('ann'))
    expect(second.wire).toEqual(first.wire)
    expect(made()).toBe(1)
    expect((await route(pay(second, 'ann'))).status).toBe(200)
    const third = await challengeOf(route, from('ann'))
    expect([third.id === first.id, third.request['invoice'], made()]).toEqual([false, 'inv-2', 2])
  })

  test('gets another after a proof that was no good', async () => {
    const { route } = open()
    const first = await challengeOf(route, from('ann'))
    const answer = await route(pay(first, 'ann', 'bad'))
    const [fresh] = Challenge.parse(answer.headers)
    expect([answer.status, fresh?.request['invoice']]).toEqual([402, 'inv-2'])
    expect(await invoiceOf(route, from('ann'))).toBe('inv-2')
  })

  test('gets another when the first was answered under another name, or on another server', async () => {
    const store = Store.memory()
    const [one, two] = [open({}, { store }), open({}, { store })]
    const first = await challengeOf(one.route, from('ann'))
    expect((await two.route(pay(first, 'nobody'))).status).toBe(200)
    expect(await invoiceOf(one.route, from('ann'))).toBe('inv-2')
  })

  test('shares no challenge between clients, routes, bodies, or keys of its own', async () => {
    const { route, mpp, made } = open()
    const other = plain(mpp.charge({ ...price, meta: { of: 'another' } }))
    const body = (text: string) => from('ann', { method: 'POST', body: text })
    const key = (name: string) => from('ann', { headers: { 'idempotency-key': name } })
    const asked: [Route, () => Request][] = [
      [route, () => from('ann')],
      [route, () => from('bob')],
      [route, () => from('ann', {}, `${url}/other`)],
      [route, () => body('one')],
      [route, () => body('two')],
    ]
    for (const [to, request] of [...asked, ...asked]) await invoiceOf(to, request())
    expect(made()).toBe(5)
    const fresh = open()
    for (const name of ['a', 'b', 'a']) await invoiceOf(fresh.route, key(name))
    expect(fresh.made()).toBe(2)
    await invoiceOf(other, from('cyd'))
    await invoiceOf(route, from('cyd'))
    expect(made()).toBe(7)
  })

  test('has at least half of the time left to pay', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const { route } = open({ reuse: 600 }, { expires: 100 })
      await invoiceOf(route, from('ann'))
      vi.advanceTimersByTime(49_000)
      expect(await invoiceOf(route, from('ann'))).toBe('inv-1')
      vi.advanceTimersByTime(2000)
      expect(await invoiceOf(route, from('ann'))).toBe('inv-2')
    } finally {
      vi.useRealTimers()
    }
  })

  test('is asked anew each time where nothing is reused', async () => {
    const { route } = open({ reuse: 0 })
    await invoiceOf(route, from('ann'))
    expect(await invoiceOf(route, from('ann'))).toBe('inv-2')
  })
})

describe('who has no name', () => {
  test('never shares a challenge (threat 33)', async () => {
    const { route } = open()
    const ids = new Set<string>()
    for (let visit = 0; visit < 20; visit++) ids.add((await challengeOf(route)).id)
    expect(ids.size).toBe(20)
  })

  test('is bounded with all others: 429, with the seconds until there is room (threat 27)', async () => {
    const { route, made } = open({ total: 10, period: 100 })
    for (let visit = 0; visit < 10; visit++) await challengeOf(route)
    const answer = await route(new Request(url))
    expect(await refusal(answer.clone())).toEqual([429, 'rate-limited'])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(10)
    expect(made()).toBe(10)
  })

  test('is who the operator cannot name, because naming failed', async () => {
    const client = () => {
      throw new Error('no database')
    }
    const { route, made } = open({}, { client })
    await challengeOf(route)
    const challenge = await challengeOf(route)
    expect(made()).toBe(2)
    expect((await route(present(credential(challenge)))).status).toBe(200)
  })
})

describe('a name', () => {
  test.each([
    ['null, as a header that is missing', () => null],
    ['empty', () => ''],
    ['a number', () => 7],
    ['a promise of nothing', async () => undefined],
    ['never told', () => new Promise<never>(() => undefined)],
  ])('is none: %s', async (_, name) => {
    const { route, made } = open(
      {},
      { client: name as NonNullable<Config['client']>, deadlines: { offer: 30 } },
    )
    await challengeOf(route)
    const challenge = await challengeOf(route)
    expect(made()).toBe(2)
    expect((await route(present(credential(challenge)))).status).toBe(200)
  })
})

test('a store that keeps nothing costs no offer', async () => {
  const memory = Store.memory()
  const set = () => Promise.reject(new Error('read only'))
  const { route, made } = open({}, { store: { ...memory, set } })
  for (let visit = 1; visit <= 3; visit++) {
    await challengeOf(route, from('ann'))
    expect(made()).toBe(visit)
  }
})

test('no challenge is given again that a changed secret would not know', async () => {
  const store = Store.memory()
  const first = await challengeOf(open({}, { store }).route, from('ann'))
  const { route } = open({}, { store, secretKey: `another ${secretKey}` })
  const second = await challengeOf(route, from('ann'))
  expect(second.id).not.toBe(first.id)
  expect((await route(pay(second, 'ann'))).status).toBe(200)
})

describe('the bounds', () => {
  test('hold for each client by itself', async () => {
    const { route } = open({ perClient: 3, reuse: 0 })
    for (let visit = 0; visit < 3; visit++) await challengeOf(route, from('ann'))
    expect(await refusal(route(from('ann')))).toEqual([429, 'rate-limited'])
    expect(await invoiceOf(route, from('bob'))).toBe('inv-4')
  })

  test('give way at once to who pays', async () => {
    const { route } = open({ perClient: 2, total: 2, reuse: 0 })
    for (let bought = 0; bought < 20; bought++) {
      const challenge = await challengeOf(route, from('ann'))
      expect((await route(pay(challenge, 'ann'))).status).toBe(200)
    }
  })

  test('give way again with time', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const { route } = open({ total: 2, period: 100 })
      for (let visit = 0; visit < 2; visit++) await challengeOf(route)
      expect((await route(new Request(url))).status).toBe(429)
      vi.advanceTimersByTime(51_000)
      await challengeOf(route)
      expect((await route(new Request(url))).status).toBe(429)
    } finally {
      vi.useRealTimers()
    }
  })

  test('do not count what could not be made', async () => {
    const { route, setDown } = open({ total: 2, perClient: 2 })
    setDown(true)
    for (let visit = 0; visit < 5; visit++)
      expect(await refusal(route(from('ann')))).toEqual([503, 'offer-unavailable'])
    setDown(false)
    await challengeOf(route, from('ann'))
  })

  test('count what was late: it may be made all the same (threat 27)', async () => {
    let asked = 0
    const create = async () => {
      asked++
      await new Promise((resolve) => setTimeout(resolve, 200))
      return { invoice: `inv-${asked}` }
    }
    const bounds = { total: 3, perClient: 3, period: 100, reuse: 60 }
    const slow = Method.toServer(method, {
      issued: { fields: ['invoice'], create, bounds },
      verify: () => ({ reference: 'x' }),
    })
    const deadlines = { offer: 30 }
    const mpp = Mpp.create({ realm, secretKey, deadlines, methods: [slow] })
    const route = plain(mpp.charge(price))
    const answers = []
    for (let visit = 0; visit < 6; visit++) answers.push((await route(new Request(url))).status)
    expect([asked, answers]).toEqual([3, [503, 503, 503, 429, 429, 429]])
  })

  test('take one rail out of an offer, and leave the others', async () => {
    const { server } = open({ total: 1 })
    const mpp = Mpp.create({ realm, secretKey, methods: [server, createRail().server] })
    const route = plain(mpp.compose(['invoices/charge', price], ['points/charge', price]))
    const offered = async () =>
      Challenge.parse((await route(new Request(url))).headers).map((challenge) => challenge.method)
    expect(await offered()).toEqual(['invoices', 'points'])
    expect(await offered()).toEqual(['points'])
  })
})

test('a challenge ends when it was said to, however long its making took', async () => {
  let promised = ''
  const server = Method.toServer(method, {
    issued: {
      fields: ['invoice'],
      async create({ expires }) {
        promised = expires
        await new Promise((resolve) => setTimeout(resolve, 1100))
        return { invoice: 'slow' }
      },
    },
    verify: () => ({ reference: 'x' }),
  })
  const mpp = Mpp.create({ realm, secretKey, methods: [server] })
  expect((await challengeOf(plain(mpp.charge(price)))).expires).toBe(promised)
})

describe('problem types of a method’s own draft', () => {
  const problems = {
    'malformed-credential': { type: 'https://own.example/unreadable', title: 'Unreadable' },
    'invalid-challenge': { type: 'https://own.example/unknown', title: 'Unknown' },
    'expired-challenge': { type: 'https://own.example/over', title: 'Over' },
  } satisfies Method.Problems
  const { server } = createRail({ problems })
  const mpp = Mpp.create({ realm, secretKey, methods: [server] })
  const route = plain(mpp.charge(price))
  const typeOf = async (authorization: string, to: Route = route) => {
    const { type, code } = await problemOf(await to(present(authorization)))
    return [type, code]
  }

  test('stand in the place of core’s, whose code stays', async () => {
    const challenge = await challengeOf(route)
    expect(await typeOf('Payment !!!')).toEqual([
      problems['malformed-credential'].type,
      'malformed-credential',
    ])
    expect(await typeOf(credential({ ...challenge.wire, id: 'other' }))).toEqual([
      problems['invalid-challenge'].type,
      'invalid-challenge',
    ])
    const paid = credential(challenge)
    expect((await route(present(paid))).status).toBe(200)
    expect((await typeOf(paid))[0]).toBe(problems['invalid-challenge'].type)
  })

  test('say when a challenge is over', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const paid = credential(await challengeOf(route))
      vi.advanceTimersByTime(301_000)
      expect(await typeOf(paid)).toEqual([problems['expired-challenge'].type, 'invalid-challenge'])
    } finally {
      vi.useRealTimers()
    }
  })

  test('may give another status to what was refused before, while its challenge lives', async () => {
    const refused = {
      type: 'https://own.example/refused',
      title: 'Refused',
      status: 409,
      detail: 'Refused before.',
      code: 'verification-failed',
    }
    const rejecting = createRail({
      problems: { 'refused-before': refused },
      settle: () => Outcome.rejected('verification-failed'),
    })
    const shop = Mpp.create({ realm, secretKey, methods: [rejecting.server] })
    const till = plain(shop.charge(price))
    const challenge = await challengeOf(till)
    const paid = credential(challenge)
    const first = await till(present(paid))
    expect([first.status, first.headers.has('www-authenticate')]).toEqual([402, true])
    const again = await till(present(paid))
    expect([again.status, again.headers.has('www-authenticate')]).toEqual([409, false])
    expect(await problemOf(again)).toEqual(refused)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(challenge.expires ?? '') + 1000 })
    const late = await till(present(paid)).finally(() => vi.useRealTimers())
    expect([late.status, late.headers.has('www-authenticate')]).toEqual([402, true])
  })

  test('are not used for what names another method, or none where several are offered', async () => {
    const gold = createRail({}, named('gold')).server
    const both = Mpp.create({ realm, secretKey, methods: [server, gold] })
    const several = plain(both.compose([server, price], [gold, price]))
    expect((await typeOf('Payment !!!', several))[0]).toMatch(/\/problems\/malformed-credential$/)
    const [, offered] = Challenge.parse((await several(new Request(url))).headers)
    const forged = credential({ ...offered!.wire, id: 'other' })
    expect((await typeOf(forged, several))[0]).toMatch(/\/problems\/invalid-challenge$/)
  })
})
