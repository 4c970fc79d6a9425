/**
 * Money that is authorized first, captured for a good answer and let go without one.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
const CAPTURE = 'POST /v1/payment_intents/:id/capture'
const CANCEL = 'POST /v1/payment_intents/:id/cancel'

/** An authorization whose answer nobody hears, also at the second try of the package `stripe`. */
const lost: LocalStripe.StripeFault = { call: CREATE, fail: 'drop', executed: true, times: 2 }

const open = (options: Options = {}) => openShop(local, { capture: 'after', ...options })
const last = () => local.paymentIntents.at(-1)

describe('a good answer', () => {
  test('is made while the money is set aside, and goes out once it is captured', async () => {
    const seen: unknown[] = []
    const shop = open({
      page: () => {
        seen.push(last()?.status, captured())
        return Response.json({ data: 1 }, { headers: { 'set-cookie': 'a=1' } })
      },
    })
    const { answer, authorization } = await buy(local, shop)
    expect(answer.status).toBe(200)
    expect(seen).toEqual(['requires_capture', 0])
    expect([last()?.status, captured()]).toEqual(['succeeded', 1])
    expect(Receipt.fromResponse(answer)).toMatchObject({ method: 'stripe', reference: last()?.id })
    expect(answer.headers.getSetCookie()).toEqual(['a=1'])
    const again = await shop.ask(authorization)
    expect([again.status, await again.json(), shop.served()]).toEqual([200, { data: 1 }, 1])
    expect(captured()).toBe(1)
    expect(shop.told.map(({ name }) => name)).toEqual([
      'claimed',
      'settled',
      'delivered',
      'replayed',
    ])
  })

  test('that is a stream is captured for when it begins', async () => {
    const shop = open({
      page: () =>
        new Response(new Blob(['data: 1\n\n']).stream(), {
          headers: { 'content-type': 'text/event-stream' },
        }),
    })
    const { answer } = await buy(local, shop)
    expect([answer.status, captured()]).toEqual([200, 1])
    expect(Receipt.fromResponse(answer)?.reference).toBe(last()?.id)
    expect(await answer.text()).toBe('data: 1\n\n')
  })

  test('can be asked for by the route, and not to have it too', async () => {
    await buy(local, openShop(local, { route: { capture: 'after' } }))
    expect(last()?.status).toBe('succeeded')
    expect(local.calls.filter(({ call }) => call === CAPTURE).length).toBeGreaterThan(0)
    const before = local.calls.length
    await buy(local, open({ route: { capture: 'before' } }))
    expect(local.calls.slice(before).map(({ call }) => call)).not.toContain(CAPTURE)
    expect(captured()).toBe(2)
  })

  test('copies of one credential have one capture and one page', async () => {
    const shop = open()
    const { authorization } = await prepare(local, shop)
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.ask(authorization)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect([shop.served(), captured()]).toEqual([1, 1])
  })
})

describe('no good answer', () => {
  test.each([400, 404, 500, 503])('of status %s costs nothing', async (status) => {
    const shop = open({ page: () => new Response('no', { status }) })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, await answer.text()]).toEqual([status, 'no'])
    expect(answer.headers.has('payment-receipt')).toBe(false)
    expect([last()?.status, captured()]).toEqual(['canceled', 0])
    // The token is used: the payer is asked anew.
    const again = await shop.ask(authorization)
    expect([again.status, again.headers.has('www-authenticate')]).toEqual([402, true])
    expect(shop.told.map(({ name }) => name)).toEqual(['claimed', 'canceled', 'rejected'])
  })

  test('but a throw costs nothing, and is the application’s own', async () => {
    const shop = open({
      page: () => {
        throw new Error('out of order')
      },
    })
    const { authorization } = await prepare(local, shop)
    await expect(shop.ask(authorization)).rejects.toThrow('out of order')
    expect([last()?.status, captured()]).toEqual(['canceled', 0])
  })

  test('but a body that breaks off costs nothing', async () => {
    const broken = new ReadableStream({
      pull: (controller) => controller.error(new Error('broken')),
    })
    const shop = open({ page: () => new Response(broken) })
    const { authorization } = await prepare(local, shop)
    await expect(shop.ask(authorization)).rejects.toThrow('broken')
    expect([last()?.status, captured()]).toEqual(['canceled', 0])
  })

  test('and Stripe does not hear of it: the same credential has the page later, for one payment', async () => {
    using _ = local.fault({ call: CANCEL, fail: 'drop', times: 2 })
    const shop = open({ page: (n) => new Response(String(n), { status: n > 1 ? 200 : 500 }) })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, last()?.status, captured()]).toEqual([500, 'requires_capture', 0])
    expect(shop.told.at(-1)).toMatchObject({ name: 'canceled', outcome: 'indeterminate' })
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([2, 1])
  })
})

describe(
  'a capture whose answer is lost keeps the page, which is made once',
  { timeout: 30_000 },
  () => {
    test.each([
      ['after it was done', true],
      ['before', false],
    ])('%s', async (_, executed) => {
      const retrieve = 'GET /v1/payment_intents/:id'
      using _capture = local.fault({ call: CAPTURE, fail: 'drop', executed, times: 2 })
      using _retrieve = local.fault({ call: retrieve, fail: { status: 500 }, times: 1 })
      const shop = open()
      const { answer, authorization } = await buy(local, shop)
      expect([answer.status, (await problemOf(answer)).code]).toEqual([
        503,
        'payment-indeterminate',
      ])
      const again = await shop.ask(authorization)
      expect([again.status, await again.json()]).toEqual([200, { page: 1 }])
      expect(Receipt.fromResponse(again)?.reference).toBe(last()?.id)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })

    test('and is told at once when Stripe can say', async () => {
      using _ = local.fault({ call: CAPTURE, fail: 'drop', executed: true, times: 2 })
      const { answer } = await buy(local, open())
      expect([answer.status, captured()]).toEqual([200, 1])
    })

    test('a key that may not capture takes nothing, and the page waits until it may', async () => {
      const store = Store.memory()
      const fail = { status: 403, body: '{"error":{"type":"invalid_request_error"}}' }
      const fault = local.fault({ call: CAPTURE, fail })
      const shop = open({ store })
      const { answer, authorization } = await buy(local, shop)
      expect([answer.status, captured()]).toEqual([503, 0])
      expect(shop.told.find(({ name }) => name === 'indeterminate')?.cause).toBeDefined()
      fault[Symbol.dispose]()
      expect((await open({ store }).ask(authorization)).status).toBe(200)
      expect([shop.served(), captured()]).toEqual([1, 1])
    })
  },
)

test('an authorization that has ended meanwhile gives no page away', async () => {
  const shop = open({
    async page() {
      await connect(local).paymentIntents.cancel(last()?.id ?? '')
      return Response.json({})
    },
  })
  const { answer } = await buy(local, shop)
  expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([402, true])
  expect(answer.headers.has('payment-receipt')).toBe(false)
  expect([last()?.status, captured()]).toEqual(['canceled', 0])
})

test('an authorization of which a part was captured by hand gives no page away', async () => {
  const shop = open({
    async page() {
      await connect(local).paymentIntents.capture(last()?.id ?? '', { amount_to_capture: 10 })
      return Response.json({})
    },
  })
  const { answer } = await buy(local, shop)
  expect([answer.status, answer.headers.has('payment-receipt')]).toEqual([503, false])
  const [unknown] = shop.told.filter(({ name }) => name === 'indeterminate')
  expect(String(unknown?.cause)).toMatch(/only 10 of 50 was captured/)
})

test('a lost authorization is found again, and captured for the page', async () => {
  using _ = local.fault(lost)
  const shop = open()
  const { answer, authorization } = await buy(local, shop)
  expect([answer.status, captured(), shop.served()]).toEqual([503, 0, 0])
  expect((await shop.ask(authorization)).status).toBe(200)
  expect([shop.served(), captured()]).toEqual([1, 1])
})

test('what was authorized for after is captured before, where the server has changed its mind', async () => {
  using _ = local.fault(lost)
  const store = Store.memory()
  const { authorization } = await buy(local, open({ store }))
  const changed = openShop(local, { store, page: () => Response.json(last()?.status) })
  const answer = await changed.ask(authorization)
  expect([answer.status, await answer.json(), captured()]).toEqual([200, 'succeeded', 1])
})

test('the plain form says at once that it cannot wait for the handler', async () => {
  const { mpp } = open()
  await expect(
    mpp.charge({ amount: '0.50' })(new Request('https://shop.example/')),
  ).rejects.toThrow(/needs the handler inside/)
})
