/**
 * An acquirer that does not answer, answers with an error, or is asked with what is wrong: nothing is lost, nothing is taken twice.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { EnablerError, httpEnabler, type ServerEnabler } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  acquirer,
  buy,
  CHARGE,
  countCaptures,
  LOOKUP,
  openShop,
  prepare,
  problemOf,
  type Options,
} from './shop.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

const captured = countCaptures(() => local)

/** Says that nobody knows, or that it cannot be had now: no challenge, and when to come back. */
async function expectUnknown(answer: Response, code = 'payment-indeterminate') {
  expect([answer.status, (await problemOf(answer)).code]).toEqual([503, code])
  expect(answer.headers.has('www-authenticate')).toBe(false)
  expect(answer.headers.has('payment-receipt')).toBe(false)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
}

describe('a PSP that says when to come again is heard', () => {
  const pauseAfter = async (more: {
    status: number
    headers?: Record<string, string>
    body?: unknown
  }) => {
    using _ = local.fault({ call: CHARGE, fail: more, times: 1 })
    const { answer } = await buy(local, openShop(local))
    await expectUnknown(answer)
    return Number(answer.headers.get('retry-after'))
  }

  test('in seconds, or by a date, and an hour at most is waited for', async () => {
    const after = (value: string) => pauseAfter({ status: 429, headers: { 'retry-after': value } })
    expect(await after('7')).toBe(7)
    expect(await after('86400')).toBe(3600)
    const byDate = await after(new Date(Date.now() + 600_000).toUTCString())
    expect(byDate).toBeGreaterThan(500)
    expect(byDate).toBeLessThanOrEqual(600)
    expect(await after('soon')).toBe(2)
  })

  test('with what is pending', async () => {
    const enabler = acquirer(local)
    for (const [retryAfter, seconds] of [
      [1.5, 2],
      [86_400, 3600],
      [-1, 5],
    ]) {
      const charge: ServerEnabler['charge'] = async (_, { idempotencyKey }) => ({
        status: 'pending',
        idempotencyKey,
        retryAfter: retryAfter as number,
      })
      const { answer } = await buy(local, openShop(local, { enabler: { ...enabler, charge } }))
      expect(answer.headers.get('retry-after')).toBe(String(seconds))
    }
  })

  test('with a throw of an enabler’s own', async () => {
    const charge = () => Promise.reject(new EnablerError('unknown', { retryAfter: 7.5 }))
    const enabler = { ...acquirer(local), charge }
    const { answer } = await buy(local, openShop(local, { enabler }))
    expect(answer.headers.get('retry-after')).toBe('8')
  })
})

const lost: LocalCards.CardFault = { call: CHARGE, fail: 'drop', executed: true, times: 1 }

describe('an outcome that nobody knows is a 503, and the same credential then has its page, for one payment', () => {
  const faults: [string, LocalCards.CardFault, number][] = [
    ['too many requests', { call: CHARGE, fail: { status: 429 }, times: 1 }, 0],
    ['an error', { call: CHARGE, fail: { status: 500 }, times: 1 }, 0],
    [
      'an outage',
      { call: CHARGE, fail: { status: 503, headers: { 'retry-after': '7' } }, times: 1 },
      0,
    ],
    ['a page of a proxy', { call: CHARGE, fail: { status: 502, body: '<html>' }, times: 1 }, 0],
    [
      'a page of a proxy that says all is well',
      { call: CHARGE, fail: { status: 200, body: '<html>' }, times: 1 },
      0,
    ],
    ['an answer of nothing', { call: CHARGE, fail: { status: 204, body: '' }, times: 1 }, 0],
    [
      'an answer without end',
      {
        call: CHARGE,
        executed: true,
        fail: { status: 200, body: { more: 'x'.repeat(70_000) } },
        times: 1,
      },
      1,
    ],
    [
      'a redirect',
      {
        call: CHARGE,
        fail: { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
        times: 1,
      },
      0,
    ],
    ['a key that is in use', { call: CHARGE, fail: { status: 409 }, times: 1 }, 0],
    [
      'a key that was used for something else',
      { call: CHARGE, fail: { status: 422 }, times: 1 },
      0,
    ],
    ['a lost connection', { call: CHARGE, fail: 'drop', times: 1 }, 0],
    ['a lost answer', lost, 1],
    [
      'an error after all was done',
      { call: CHARGE, fail: { status: 500 }, executed: true, times: 1 },
      1,
    ],
  ]
  test.each(faults)('%s', async (_, fault, taken) => {
    using _fault = local.fault(fault)
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer)
    expect(captured()).toBe(taken)
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test.each([
    ['never answered', false],
    ['never answered, and done', true],
  ])('%s', async (_, executed) => {
    using _fault = local.fault({ call: CHARGE, fail: 'hang', executed, times: 1 })
    const shop = openShop(local, { timeout: 1000 })
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer)
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('answered after the server’s deadline', async () => {
    using _fault = local.fault({ call: CHARGE, delay: 300, executed: true, times: 1 })
    const config = { deadlines: { settle: 100, lease: 200 } }
    const shop = openShop(local, { config })
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer)
    await vi.waitFor(async () => expect((await shop.ask(authorization)).status).toBe(200), 5000)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('arrived twice: one payment, whichever answer comes back', async () => {
    using fault = local.fault({ call: CHARGE, twice: true, times: 1 })
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop)
    expect(fault.hits).toBe(1)
    if (answer.status !== 200) await expectUnknown(answer)
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test.each([
    ['does not answer', { call: LOOKUP, fail: 'drop' }],
    ['fails', { call: LOOKUP, fail: { status: 500 } }],
    ['is forbidden', { call: LOOKUP, fail: { status: 403 } }],
    ['is a page that is not there', { call: LOOKUP, fail: { status: 404, body: '<html>' } }],
    [
      'is of another payment',
      {
        call: LOOKUP,
        fail: { status: 200, body: { status: 'declined', idempotencyKey: 'other' } },
      },
    ],
  ] satisfies [string, LocalCards.CardFault][])(
    'looked up, and the look-up %s',
    async (_, fault) => {
      using _lost = local.fault(lost)
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer)
      const looking = local.fault(fault)
      await expectUnknown(await shop.ask(authorization))
      looking.clear()
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    },
  )

  test('looked up before the challenge’s end and after it', async () => {
    using _lost = local.fault(lost)
    const shop = openShop(local)
    const { answer, authorization, challenge } = await buy(local, shop)
    await expectUnknown(answer)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(challenge.expires ?? '') + 60_000 })
    const late = await shop.ask(authorization).finally(() => vi.useRealTimers())
    expect([late.status, shop.served(), captured()]).toEqual([200, 1, 1])
  })

  test('a decline whose answer is lost is a refusal', async () => {
    using _lost = local.fault(lost)
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop, { cardId: 'card_insufficient_funds' })
    await expectUnknown(answer)
    const refused = await shop.ask(authorization)
    expect([refused.status, shop.served(), captured()]).toEqual([402, 0, 0])
  })

  test('a token that expires before its charge arrives is a refusal, and nothing is taken', async () => {
    await using other = await LocalCards.start({ quiet: true })
    using _ = other.fault({ call: CHARGE, fail: 'drop', times: 1 })
    const shop = openShop(other)
    const { answer, authorization } = await buy(other, shop)
    await expectUnknown(answer)
    other.advance(3600)
    const refused = await shop.ask(authorization)
    expect((await problemOf(refused)).detail).toMatch(/cryptogram has expired/)
    expect([shop.served(), other.captured]).toEqual([0, {}])
  })
})

describe('a payment that the issuer has not decided', () => {
  const cardId = 'card_pending'
  test('is pending until it is approved', async () => {
    const shop = openShop(local)
    const { answer, authorization, challenge } = await buy(local, shop, { cardId })
    await expectUnknown(answer)
    await expectUnknown(await shop.ask(authorization))
    local.complete(challenge.id)
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('is pending until it is declined', async () => {
    const shop = openShop(local)
    const { answer, authorization, challenge } = await buy(local, shop, { cardId })
    await expectUnknown(answer)
    local.complete(challenge.id, 'do_not_honor')
    const refused = await shop.ask(authorization)
    expect([refused.status, shop.served(), captured()]).toEqual([402, 0, 0])
    expect((await shop.ask(authorization)).status).toBe(409)
  })
})

describe('what is wrong with us is a 503 and an event, and the same token pays when it is mended', () => {
  const cases: [string, (network: typeof local) => Options, RegExp][] = [
    [
      'a key that is unknown',
      ({ acquirer: { url } }) => ({ enabler: httpEnabler({ url, apiKey: 'wrong' }) }),
      /refuses.*401/,
    ],
    [
      'a key that may not',
      ({ acquirer: { url }, vault: { apiKey } }) => ({ enabler: httpEnabler({ url, apiKey }) }),
      /refuses.*403/,
    ],
    ['a recipient of somebody else', () => ({ recipient: 'merch_other' }), /refuses.*403/],
    [
      'a path that is none',
      ({ acquirer: { url, apiKey } }) => ({
        enabler: httpEnabler({ url: `${url}/nowhere`, apiKey }),
      }),
      /refuses.*404/,
    ],
  ]
  test.each(cases)('%s', async (name, options, message) => {
    const store = Store.memory()
    const shop = openShop(local, { store, ...options(local) })
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer, 'settlement-unavailable')
    expect(String(shop.told.map(({ cause }) => cause).join())).toMatch(message)
    // The recipient is in the challenge: with it, another is asked for.
    const mended = openShop(local, { store })
    const paid = await mended.ask(authorization)
    expect([name, paid.status]).toEqual([name, /recipient/.test(name) ? 402 : 200])
    expect([shop.served(), captured()]).toEqual([0, mended.served()])
  })

  test('a request that the acquirer cannot read', async () => {
    using _ = local.fault({ call: CHARGE, fail: { status: 400 }, times: 1 })
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer, 'settlement-unavailable')
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('a store that cannot note the attempt: the acquirer is not asked', async () => {
    const memory = Store.memory()
    let isDown = true
    const store: Store.Store = {
      ...memory,
      update: (key, ...rest) =>
        isDown && key.includes('attempt:')
          ? Promise.reject(new Error('full'))
          : memory.update(key, ...rest),
    }
    const shop = openShop(local, { store })
    const before = local.calls.length
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer, 'settlement-unavailable')
    expect(local.calls).toHaveLength(before)
    isDown = false
    expect((await shop.ask(authorization)).status).toBe(200)
    expect(captured()).toBe(1)
  })
})

describe('after a lost answer nothing that is said of us unsays the payment', () => {
  test.each<[string, (network: typeof local) => Options]>([
    [
      'a key that is revoked meanwhile',
      ({ acquirer: { url } }) => ({ enabler: httpEnabler({ url, apiKey: 'revoked' }) }),
    ],
    [
      'a key without rights',
      ({ acquirer: { url }, vault: { apiKey } }) => ({ enabler: httpEnabler({ url, apiKey }) }),
    ],
  ])('%s', async (_, options) => {
    using _fault = local.fault(lost)
    const store = Store.memory()
    const { answer, authorization } = await buy(local, openShop(local, { store }))
    await expectUnknown(answer)
    const broken = openShop(local, { store, ...options(local) })
    await expectUnknown(await broken.ask(authorization))
    const mended = openShop(local, { store })
    expect((await mended.ask(authorization)).status).toBe(200)
    expect([broken.served() + mended.served(), captured()]).toEqual([1, 1])
  })

  test('what never arrived and is refused now stays unknown', async () => {
    using _fault = local.fault({ call: CHARGE, fail: 'drop', times: 1 })
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop)
    await expectUnknown(answer)
    const refusing = local.fault({ call: CHARGE, fail: { status: 401 }, times: 1 })
    await expectUnknown(await shop.ask(authorization))
    expect(refusing.hits).toBe(1)
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('a server that died while it asked: its twin finds the payment', async () => {
    const store = Store.memory()
    const config = { deadlines: { settle: 100, lease: 200 } }
    using _fault = local.fault({ call: CHARGE, fail: 'hang', executed: true, times: 1 })
    const dying = openShop(local, { store, config })
    const { authorization } = await prepare(local, dying)
    void dying.ask(authorization)
    const twin = openShop(local, { store, config })
    await vi.waitFor(async () => expect((await twin.ask(authorization)).status).toBe(200), {
      timeout: 5000,
      interval: 50,
    })
    expect([dying.served() + twin.served(), captured()]).toEqual([1, 1])
  })
})

test('an acquirer that is slow answers many at once, each once', async () => {
  await using slow = await LocalCards.start({ quiet: true, latency: 50 })
  const shop = openShop(slow, { enabler: acquirer(slow) })
  const visits = await Promise.all(Array.from({ length: 20 }, () => prepare(slow, shop)))
  const answers = await Promise.all(
    [...visits, ...visits].map(({ authorization }) => shop.ask(authorization)),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 200))
  expect([shop.served(), slow.captured['usd']]).toEqual([20, { sum: 1000n, count: 20 }])
})
