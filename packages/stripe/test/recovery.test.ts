/**
 * Stripe that does not answer, answers with an error, or is asked with what is wrong: nothing is lost, nothing is taken twice.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  buy,
  connect,
  countCaptures,
  CREATE,
  openShop,
  prepare,
  problemOf,
  type Options,
} from './shop.js'

let local: LocalStripe.Sandbox
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
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

const lost: LocalStripe.StripeFault = { call: CREATE, fail: 'drop', executed: true, times: 2 }

describe(
  'an outcome that nobody knows is a 503, and the same credential then has its page, for one payment',
  { timeout: 30_000 },
  () => {
    const faults: [string, LocalStripe.StripeFault, number][] = [
      ['too many requests', { call: CREATE, fail: { status: 429 }, times: 1 }, 0],
      ['an error of Stripe', { call: CREATE, fail: { status: 500 }, times: 1 }, 0],
      ['an outage', { call: CREATE, fail: { status: 503 }, times: 1 }, 0],
      ['a page of a proxy', { call: CREATE, fail: { status: 502, body: '<html>' }, times: 1 }, 0],
      ['a conflict', { call: CREATE, fail: { status: 409 }, times: 1 }, 0],
      ['a lost connection', { call: CREATE, fail: 'drop', times: 2 }, 0],
      ['a lost answer', lost, 1],
      [
        'an error after all was done',
        { call: CREATE, fail: { status: 500 }, executed: true, times: 1 },
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
      ['and nothing was done', false],
      ['and all was done', true],
    ])('an error that Stripe keeps under the key, %s', async (_, executed) => {
      const fail = { status: 500, recorded: true }
      using _fault = local.fault({ call: CREATE, fail, executed, times: 1 })
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer)
      const again = await shop.ask(authorization)
      // What was not done is done under another key, at the next visit.
      if (!executed) await expectUnknown(again, 'settlement-unavailable')
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test.each([
      ['never answered', false],
      ['never answered, and done', true],
    ])('%s', async (_, executed) => {
      using _fault = local.fault({ call: CREATE, fail: 'hang', executed, times: 1 })
      const shop = openShop(local, { timeout: 200 })
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer)
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('an answer that the package stripe gets at its second try is an answer', async () => {
      using _ = local.fault({ ...lost, times: 1 })
      const { answer } = await buy(local, openShop(local))
      expect([answer.status, captured()]).toEqual([200, 1])
      expect(local.calls.findLast(({ call }) => call === CREATE)?.replayed).toBe(true)
    })

    test('a payment under way that succeeds', async () => {
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop, {
        paymentMethod: 'pm_usBankAccount',
      })
      await expectUnknown(answer)
      await expectUnknown(await shop.ask(authorization))
      await local.complete(local.paymentIntents.at(-1)?.id ?? '')
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('a payment under way that fails is a refusal', async () => {
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop, {
        paymentMethod: 'pm_usBankAccount',
      })
      await expectUnknown(answer)
      await local.fail(local.paymentIntents.at(-1)?.id ?? '')
      expect((await shop.ask(authorization)).status).toBe(402)
      expect([local.paymentIntents.at(-1)?.status, captured()]).toEqual(['canceled', 0])
    })

    test('a payment that cannot be undone at once is undone later', async () => {
      const call = 'POST /v1/payment_intents/:id/cancel'
      using _ = local.fault({ call, fail: { status: 500, recorded: true }, times: 1 })
      const shop = openShop(local)
      const paymentMethod = 'pm_card_authenticationRequired'
      const { answer, authorization } = await buy(local, shop, { paymentMethod })
      await expectUnknown(answer)
      expect((await shop.ask(authorization)).status).toBe(402)
      expect(local.paymentIntents.at(-1)?.status).toBe('canceled')
    })

    test('a payment that its payer finishes before it is undone is a payment', async () => {
      const call = 'POST /v1/payment_intents/:id/cancel'
      using _ = local.fault({ call, fail: { status: 500 }, times: 1 })
      const shop = openShop(local)
      const paymentMethod = 'pm_card_authenticationRequired'
      const { answer, authorization } = await buy(local, shop, { paymentMethod })
      await expectUnknown(answer)
      await local.complete(local.paymentIntents.at(-1)?.id ?? '')
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })
  },
)

describe(
  'what is wrong with us is a 503 and an event, and the same token pays when it is mended',
  { timeout: 30_000 },
  () => {
    const invalid: LocalStripe.StripeFault = {
      call: CREATE,
      fail: { status: 400, recorded: true },
      times: 1,
    }
    const other = 'acct_1nobody'
    const cases: [string, (shop: typeof local) => Options, RegExp][] = [
      [
        'a key that is unknown',
        () => ({ client: connect(local, 'sk_test_wrong') }),
        /Invalid API Key/,
      ],
      [
        'an account that is not ours',
        () => ({ connect: { accounts: [other], settlement: () => ({ stripeAccount: other }) } }),
        /no access to the account/,
      ],
      [
        'a destination that is not ours',
        () => ({ connect: { accounts: [other], settlement: () => ({ onBehalfOf: other }) } }),
        /No such destination/,
      ],
      [
        'a policy that fails',
        () => ({
          connect: {
            accounts: [],
            settlement: () => {
              throw new Error('the order is not found')
            },
          },
        }),
        /the order is not found/,
      ],
      [
        'a version that knows no tokens',
        () => ({ apiVersion: '2026-10-28.endive' }),
        /shared_payment|Unrecognized/,
      ],
      ['a version that is none', () => ({ apiVersion: 'newest' }), /Invalid Stripe API version/],
      [
        'a key for idempotency that is none',
        () => ({ idempotencyKey: (payment) => (payment.spt.length < 9 ? payment.spt : '') }),
        /1 to 251/,
      ],
      [
        'a key for idempotency that no header carries',
        () => ({ idempotencyKey: ({ spt }) => `für ${spt} €` }),
        /of ASCII/,
      ],
    ]
    test.each(cases)('%s', async (_, options, message) => {
      const store = Store.memory()
      const shop = openShop(local, { store, ...options(local) })
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer, 'settlement-unavailable')
      expect(String(shop.told.map(({ cause }) => cause).join())).toMatch(message)
      const mended = openShop(local, { store })
      expect((await mended.ask(authorization)).status).toBe(200)
      expect([shop.served(), mended.served(), captured()]).toEqual([0, 1, 1])
    })

    test('parameters that Stripe refuses, also where its key keeps the refusal', async () => {
      using _ = local.fault(invalid)
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer, 'settlement-unavailable')
      expect((await shop.ask(authorization)).status).toBe(200)
      expect(local.calls.findLast(({ call }) => call === CREATE)?.idempotencyKey).toMatch(/_2$/)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('a version that tells a token otherwise', async () => {
      using _refused = local.fault(invalid)
      const call = 'GET /v1/shared_payment/granted_tokens/:id'
      const body = JSON.stringify({ usage_limits: { currency: 'usd', most: 50 } })
      using _ = local.fault({ call, fail: { status: 200, body }, times: 1 })
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer, 'settlement-unavailable')
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('a network id of somebody else: tokens for it are not ours', async () => {
      const shop = openShop(local, { networkId: 'profile_test_other' })
      const { answer } = await buy(local, shop, { seller: 'profile_test_other' })
      expect([answer.status, (await problemOf(answer)).detail]).toEqual([
        402,
        'This token is not known to Stripe, or not granted to this seller.',
      ])
    })
  },
)

describe(
  'after a lost answer nothing that is said of us unsays the payment',
  { timeout: 30_000 },
  () => {
    const wrong: [string, Options][] = [
      ['a key that is revoked meanwhile', { client: 'revoked' }],
      ['a key of another account', { client: 'another' }],
      ['a version that is none', { apiVersion: 'newest' }],
      ['a version that knows no tokens', { apiVersion: '2026-10-28.endive' }],
    ]
    test.each(wrong)('%s', async (_, given) => {
      using _fault = local.fault(lost)
      const store = Store.memory()
      const { answer, authorization } = await buy(local, openShop(local, { store }))
      await expectUnknown(answer)
      const key = given.client === 'another' ? local.seller().secretKey : 'sk_test_revoked'
      const options = given.client ? { client: connect(local, key) } : given
      const broken = openShop(local, { store, ...options })
      const unknown = await broken.ask(authorization)
      // A version may do to find it all the same.
      if (unknown.status !== 200) await expectUnknown(unknown)
      const mended = openShop(local, { store })
      expect((await mended.ask(authorization)).status).toBe(200)
      expect([broken.served() + mended.served(), captured()]).toEqual([1, 1])
    })

    test('another place for the token, or another policy of Connect, finds the same payment', async () => {
      using _ = local.fault(lost)
      const store = Store.memory()
      const account = local.connect().id
      const { answer, authorization } = await buy(local, openShop(local, { store }))
      await expectUnknown(answer)
      const changed = openShop(local, {
        store,
        tokenParameter: 'payment_method_data',
        connect: { accounts: [account], settlement: () => ({ onBehalfOf: account }) },
      })
      expect((await changed.ask(authorization)).status).toBe(200)
      expect(captured()).toBe(1)
    })

    test('another key for idempotency finds the same payment', async () => {
      using _ = local.fault(lost)
      const store = Store.memory()
      const { answer, authorization } = await buy(local, openShop(local, { store }))
      await expectUnknown(answer)
      const changed = openShop(local, { store, idempotencyKey: ({ spt }) => `new_${spt}` })
      expect((await changed.ask(authorization)).status).toBe(200)
      expect(captured()).toBe(1)
    })

    const dear = { amount: 500n }
    const blind: LocalStripe.StripeFault = {
      call: 'GET /v1/payment_intents/search',
      fail: { status: 200, body: '{"object":"search_result","data":[]}' },
    }

    test('another key takes nothing again of a token for more', async () => {
      using _fault = local.fault(lost)
      const store = Store.memory()
      const { answer, authorization } = await buy(local, openShop(local, { store }), dear)
      await expectUnknown(answer)
      const changed = openShop(local, { store, idempotencyKey: ({ spt }) => `new_${spt}` })
      {
        using _blind = local.fault(blind)
        await expectUnknown(await changed.ask(authorization))
        await expectUnknown(await changed.ask(authorization))
      }
      expect((await changed.ask(authorization)).status).toBe(200)
      expect([changed.served(), captured()]).toEqual([1, 1])
    })

    test('an error that Stripe keeps under the key is no reason to take of a token for more again', async () => {
      const fail = { status: 500, recorded: true }
      using _ = local.fault({ call: CREATE, fail, executed: true, times: 1 })
      const shop = openShop(local)
      const { authorization } = await buy(local, shop, dear)
      {
        using _blind = local.fault(blind)
        await expectUnknown(await shop.ask(authorization))
        await expectUnknown(await shop.ask(authorization))
      }
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('a key that Stripe has forgotten is not asked again: the attempt is found by its metadata', async () => {
      using _ = local.fault(lost)
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer)
      const asked = local.calls.filter(({ call }) => call === CREATE).length
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 23.5 * 3_600_000 })
      local.advance(2 * 3600)
      const later = await shop.ask(authorization).finally(() => vi.useRealTimers())
      expect([later.status, shop.served(), captured()]).toEqual([200, 1, 1])
      expect(local.calls.filter(({ call }) => call === CREATE)).toHaveLength(asked)
    })

    test('a key that Stripe has forgotten too soon takes nothing a second time', async () => {
      using _ = local.fault(lost)
      const shop = openShop(local)
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer)
      local.advance(25 * 3600)
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })
  },
)

describe(
  'a policy of Connect that decides after the settlement is given up',
  { timeout: 30_000 },
  () => {
    /** A shop whose policy decides on command. */
    function openSlow(store: Store.Store, deadlines = { settle: 50, lease: 100 }) {
      let decide = () => {}
      const decided = new Promise<void>((resolve) => {
        decide = resolve
      })
      const settlement = () => decided.then(() => ({}))
      const config = { deadlines }
      const shop = openShop(local, { store, config, connect: { accounts: [], settlement } })
      return { shop, decide: () => decide() }
    }

    test('takes no money that nobody waits for, and the same credential pays afterwards', async () => {
      const { shop, decide } = openSlow(Store.memory())
      const { answer, authorization } = await buy(local, shop)
      await expectUnknown(answer)
      await expectUnknown(await shop.ask(authorization), 'settlement-unavailable')
      const asked = local.calls.length
      decide()
      await new Promise((resolve) => setTimeout(resolve, 150))
      expect([local.calls.length, captured()]).toEqual([asked, 0])
      expect((await shop.ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('is no refusal at a server that has taken over: the money may be on its way', async () => {
      const store = Store.memory()
      const { shop: slow, decide } = openSlow(withoutLeases(store), {
        settle: 30_000,
        lease: 45_000,
      })
      const twin = openShop(local, { store })
      const { authorization } = await prepare(local, slow)
      const sleeping = slow.ask(authorization)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await expectUnknown(await twin.ask(authorization), 'settlement-unavailable')
      using hold = local.hold(CREATE)
      decide()
      await hold.arrived()
      await expectUnknown(await twin.ask(authorization))
      hold.release()
      await sleeping
      expect((await twin.ask(authorization)).status).toBe(200)
      expect([slow.served() + twin.served(), captured()]).toEqual([1, 1])
    })
  },
)

/** As a server writes it whose clock is behind: what it claims is free for everybody else. */
function withoutLeases(store: Store.Store): Store.Store {
  const free = (value: unknown) =>
    typeof value === 'object' && value !== null ? { ...value, until: 0 } : value
  return {
    name: store.name,
    get: (key) => store.get(key),
    set: (key, value, options) => store.set(key, value, options),
    delete: (key) => store.delete(key),
    update: (key, change, options) => store.update(key, change, options),
    claim: (entries) =>
      store.claim(entries.map((entry) => ({ ...entry, value: free(entry.value) }))),
  }
}

describe('an attempt that never reached Stripe', { timeout: 30_000 }, () => {
  const nothing: LocalStripe.StripeFault = { call: CREATE, fail: 'drop', times: 2 }

  test('is refused when its token has been taken back', async () => {
    using _ = local.fault(nothing)
    const shop = openShop(local)
    const { answer, authorization, spt } = await buy(local, shop)
    await expectUnknown(answer)
    await local.revoke(spt)
    const refused = await shop.ask(authorization)
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      402,
      'This token is revoked.',
    ])
  })

  test('stays unknown while its token has paid and the search may not know it yet, then is refused', async () => {
    using _ = local.fault(nothing)
    const shop = openShop(local)
    const { authorization, spt } = await prepare(local, shop)
    await expectUnknown(await shop.ask(authorization))
    // The same seller takes it elsewhere, by hand.
    const payment = {
      amount: 50,
      currency: 'usd',
      confirm: true,
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' as const },
    }
    await connect(local).paymentIntents.create(
      Object.assign(payment, { shared_payment_granted_token: spt }),
      { apiVersion: '2026-07-29.preview' },
    )
    await expectUnknown(await shop.ask(authorization))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 3_600_000 })
    const later = await shop.ask(authorization).finally(() => vi.useRealTimers())
    expect([later.status, shop.served(), captured()]).toEqual([402, 0, 1])
  })
})
