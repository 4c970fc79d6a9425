/**
 * What comes again: the same answer for the same credential, 409 for one that was refused, a fresh challenge for one that is
 * over, and nothing for anything else.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { httpEnabler } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { change, respell } from './forge.js'
import {
  acquirer,
  buy,
  challengeIn,
  CHARGE,
  countCaptures,
  createClient,
  issue,
  openShop,
  prepare,
  problemOf,
  receiptOf,
  secretKey,
  url,
  write,
} from './shop.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())
afterEach(() => void vi.useRealTimers())

const captured = countCaptures(() => local)
const charges = () => local.calls.filter(({ call }) => call === CHARGE).length
const after = (expires: string | undefined, seconds: number) =>
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(expires ?? '') + seconds * 1000 })

describe('the identical credential', () => {
  test('gets the recorded answer with its receipt, however often [card-charge-069] [card-charge-072]', async () => {
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop)
    const before = charges()
    for (let tries = 0; tries < 3; tries++) {
      const again = await shop.ask(authorization)
      expect([again.status, await again.json()]).toEqual([200, { page: 1 }])
      expect(receiptOf(again)).toEqual(receiptOf(answer))
    }
    expect([shop.served(), captured(), charges()]).toEqual([1, 1, before])
  })

  test('gets it after the challenge’s end too, while it is kept', async () => {
    const shop = openShop(local)
    const { challenge, authorization } = await buy(local, shop)
    after(challenge.expires, 10)
    const again = await shop.ask(authorization)
    expect([again.status, await again.json(), shop.served()]).toEqual([200, { page: 1 }, 1])
  })

  test('of 200 copies at once at two servers with one store: one payment, one page', async () => {
    const store = Store.memory()
    const shops = [openShop(local, { store }), openShop(local, { store })] as const
    const { authorization } = await prepare(local, shops[0])
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) => shops[at % 2 === 0 ? 0 : 1].ask(authorization)),
    )
    for (const answer of answers)
      expect([answer.status, await answer.json()]).toEqual([200, { page: 1 }])
    expect([shops[0].served() + shops[1].served(), captured()]).toEqual([1, 1])
  })

  test('on another route, by another method, with another body buys nothing [card-charge-070]', async () => {
    const shop = openShop(local)
    const { authorization } = await buy(local, shop)
    const others: [string, RequestInit][] = [
      ['https://shop.example/other', {}],
      [url, { method: 'POST' }],
      [url, { method: 'POST', body: 'more' }],
      ['https://other.example/page', {}],
    ]
    for (const [to, init] of others) {
      const answer = await shop.page(new Request(to, { ...init, headers: { authorization } }))
      expect([to, answer.status, (await problemOf(answer)).code]).toEqual([
        to,
        402,
        'invalid-challenge',
      ])
    }
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('at a server that does not know of the first buys nothing: the approval is not of its attempt', async () => {
    const [shop, stranger] = [openShop(local), openShop(local)]
    const { authorization } = await buy(local, shop)
    const unknown = await stranger.ask(authorization)
    expect([unknown.status, unknown.headers.has('www-authenticate')]).toEqual([503, false])
    const refused = await stranger.ask(authorization)
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      402,
      'This token has been used for this challenge before.',
    ])
    expect([shop.served(), stranger.served(), captured()]).toEqual([1, 0, 1])
  })
})

describe('a token that has paid', () => {
  test('does not pay for another challenge, in whatever spelling [card-charge-070]', async () => {
    const shop = openShop(local)
    const { payload } = await buy(local, shop)
    const spellings = [
      payload,
      { ...payload, panLastFour: '0000' },
      { ...payload, more: 'x' },
      ...[1, 4].map((at) => ({
        ...payload,
        encryptedPayload: change(payload.encryptedPayload, at, respell),
      })),
    ]
    for (const spelling of spellings) {
      const answer = await shop.ask(write(challengeIn(await shop.ask()), spelling))
      expect(answer.status).toBe(402)
    }
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('does not pay at another server either: its cryptogram is spent', async () => {
    const { payload } = await buy(local, openShop(local))
    const other = openShop(local)
    const refused = await other.ask(write(challengeIn(await other.ask()), payload))
    expect([refused.status, (await problemOf(refused)).detail]).toMatchObject([
      402,
      /cryptogram is not good/,
    ])
    expect([other.served(), captured()]).toEqual([0, 1])
  })

  test('of 100 challenges at once pays for one', async () => {
    const store = Store.memory()
    const shops = [openShop(local, { store }), openShop(local, { store })] as const
    const { payload } = await prepare(local, shops[0])
    const visit = async (_: unknown, at: number) => {
      const shop = shops[at % 2 === 0 ? 0 : 1]
      return (await shop.ask(write(challengeIn(await shop.ask()), payload))).status
    }
    const statuses = await Promise.all(Array.from({ length: 100 }, visit))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect([shops[0].served() + shops[1].served(), captured()]).toEqual([1, 1])
  })

  test('and its challenge take no other token: neither does the acquirer, under that key', async () => {
    const shop = openShop(local)
    const { challenge } = await buy(local, shop)
    const second = write(challenge, issue(local, challenge))
    const used = await shop.ask(second)
    expect([used.status, (await problemOf(used)).code]).toEqual([402, 'invalid-challenge'])
    const stranger = openShop(local)
    const answer = await stranger.ask(second)
    // Another order under one key: the acquirer refuses it, and what it made of the first is no page here.
    expect([answer.status, stranger.served(), captured()]).toEqual([503, 0, 1])
  })
})

describe('a credential that was refused', () => {
  test('gets 409 and no challenge, and the acquirer is not asked again [card-charge-073] [card-charge-081]', async () => {
    const shop = openShop(local)
    const { answer, authorization } = await buy(local, shop, { cardId: 'card_do_not_honor' })
    expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([402, true])
    const before = charges()
    for (let tries = 0; tries < 3; tries++) {
      const again = await shop.ask(authorization)
      expect([again.status, (await problemOf(again)).code]).toEqual([409, 'verification-failed'])
      for (const name of ['www-authenticate', 'payment-receipt', 'retry-after'])
        expect(again.headers.has(name)).toBe(false)
    }
    expect([charges(), shop.served(), captured()]).toEqual([before, 0, 0])
  })

  test('gets a fresh 402 once its challenge is over [card-charge-074]', async () => {
    const shop = openShop(local)
    const { challenge, authorization } = await buy(local, shop, { cardId: 'card_do_not_honor' })
    after(challenge.expires, 1)
    const again = await shop.ask(authorization)
    expect([again.status, (await problemOf(again)).code]).toEqual([402, 'invalid-challenge'])
    expect(challengeIn(again).id).not.toBe(challenge.id)
  })

  test('leaves its challenge used: another card wants a fresh one', async () => {
    const shop = openShop(local)
    const { challenge } = await buy(local, shop, { cardId: 'card_do_not_honor' })
    const other = await shop.ask(write(challenge, issue(local, challenge)))
    expect([other.status, (await problemOf(other)).code]).toEqual([402, 'invalid-challenge'])
    expect(
      (await shop.ask(write(challengeIn(other), issue(local, challengeIn(other))))).status,
    ).toBe(200)
  })

  test('before anything was asked of the acquirer is not used up', async () => {
    const shop = openShop(local, { billingRequired: true })
    const { challenge, payload, answer } = await buy(local, shop, { billingRequired: false })
    expect(answer.status).toBe(402)
    const whole = { ...payload, billingAddress: { zip: '94102' } }
    expect((await shop.ask(write(challenge, whole))).status).toBe(200)
  })

  test('is not tried again by a client, which tells its owner', async () => {
    const shop = openShop(local)
    let presented = 0
    const client = createClient(
      local,
      async (request) => {
        if (request.headers.has('authorization')) presented++
        return shop.page(request)
      },
      { cardId: 'card_insufficient_funds' },
    )
    const answer = await client.fetch(url)
    expect([answer.status, presented, client.explain(answer)?.status]).toEqual([402, 1, 'rejected'])
  })
})

describe('a credential whose challenge is over', () => {
  test('and that was never shown gets a fresh 402, and nothing is charged [card-charge-074]', async () => {
    const shop = openShop(local)
    const { challenge, authorization } = await prepare(local, shop)
    const before = charges()
    after(challenge.expires, 0)
    const late = await shop.ask(authorization)
    expect([late.status, (await problemOf(late)).code]).toEqual([402, 'invalid-challenge'])
    expect(challengeIn(late).id).not.toBe(challenge.id)
    expect([charges(), captured()]).toEqual([before, 0])
  })
})

describe('what is remembered', () => {
  /** A store that tells how long it keeps what. */
  function timed() {
    const store = Store.memory()
    const lives: [key: string, ttl: number][] = []
    const note = (key: string, ttl: number | undefined) => lives.push([key, ttl ?? Infinity])
    const shown: Store.Store = {
      ...store,
      set: (key, value, options) => (note(key, options?.ttl), store.set(key, value, options)),
      update: (key, next, options) => (note(key, options?.ttl), store.update(key, next, options)),
      claim: (entries) => {
        for (const { key, ttl } of entries) note(key, ttl)
        return store.claim(entries)
      },
    }
    return { store: shown, lives }
  }

  test('outlives its challenge by five minutes at least, and ends some day [card-charge-076] [card-charge-077]', async () => {
    const { store, lives } = timed()
    await buy(local, openShop(local, { store }))
    await buy(local, openShop(local, { store }), { cardId: 'card_do_not_honor' })
    expect(lives.length).toBeGreaterThan(4)
    const challenge = 300
    for (const [key, ttl] of lives) {
      expect([key, ttl >= challenge + 300 - 2]).toEqual([key, true])
      expect([key, ttl <= 400 * 86_400]).toEqual([key, true])
    }
  })

  test('is not the token, nor its key at the acquirer', async () => {
    const { store, lives } = timed()
    const { payload } = await buy(local, openShop(local, { store, config: { secretKey } }))
    const keys = lives.map(([key]) => key).join()
    expect(keys).not.toContain(payload.encryptedPayload.slice(0, 40))
    expect(keys).not.toContain(local.acquirer.apiKey)
    expect(keys).toMatch(/attempt:/)
  })
})

describe('another enabler', () => {
  test('is not asked for a payment that was begun at the first', async () => {
    const store = Store.memory()
    using _ = local.fault({ call: CHARGE, fail: 'drop', executed: true, times: 1 })
    const { answer, authorization } = await buy(local, openShop(local, { store }))
    expect(answer.status).toBe(503)
    await using second = await LocalCards.start({ quiet: true })
    const moved = openShop(local, { store, enabler: httpEnabler(second.acquirer) })
    const unknown = await moved.ask(authorization)
    expect([unknown.status, (await problemOf(unknown)).code]).toEqual([
      503,
      'payment-indeterminate',
    ])
    expect(second.calls).toHaveLength(0)
    expect(String(moved.told.map(({ cause }) => cause).join())).toMatch(/was begun at http/)
    const back = openShop(local, { store, enabler: acquirer(local) })
    expect((await back.ask(authorization)).status).toBe(200)
    expect(captured()).toBe(1)
  })
})
