import { Challenge } from '@polyrail/core'
import { Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import {
  challengeOf,
  challengesOf,
  createRail,
  createTill,
  credential,
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

const post = (key: string | undefined, body = 'the order'): RequestInit => ({
  method: 'POST',
  body,
  headers: key === undefined ? {} : { 'idempotency-key': key },
})

/** Pays a POST; tokens begin with the payer's name. */
async function order(
  route: Route,
  {
    payer = 'ann',
    key,
    token = `${payer}:${newToken()}`,
    body,
  }: { payer?: string; key?: string; token?: string; body?: string },
) {
  const challenge = await challengeOf(route, new Request(url, post(key, body)))
  return route(present(credential(challenge, token), post(key, body)))
}

const payer = ({ credential }: { credential: { payload: { token: string } } }) =>
  credential.payload.token.split(':')[0]

/** A shop whose application counts its orders. */
function createShop(
  hooks: Parameters<typeof createTill>[0] = {},
  config: Parameters<typeof createTill>[1] = {},
) {
  const till = createTill({ payer, ...hooks }, config)
  const orders: number[] = []
  const route = till.mpp.charge(price)(() => {
    orders.push(orders.length + 1)
    return Response.json(
      { order: orders.length },
      { status: 201, headers: { 'x-order': String(orders.length) } },
    )
  })
  return { ...till, route, orders }
}

describe('Idempotency-Key', () => {
  test('of the same payer with a new credential: the recorded answer, one settlement, one run [core-069] [core-070]', async () => {
    const { route, orders, settled } = createShop()
    const first = await order(route, { key: 'k1' })
    const again = await order(route, { key: 'k1' })
    expect([again.status, await again.text(), again.headers.get('x-order')]).toEqual([
      first.status,
      await first.text(),
      '1',
    ])
    expect(again.headers.get('payment-receipt')).toBe(first.headers.get('payment-receipt'))
    expect([orders.length, settled.length]).toEqual([1, 1])
  })

  test('leaves the new proof unspent, to pay for something else', async () => {
    const { route, settled } = createShop()
    await order(route, { key: 'k1', token: 'ann:1' })
    await order(route, { key: 'k1', token: 'ann:2' })
    expect((await order(route, { key: 'k2', token: 'ann:2' })).status).toBe(201)
    expect(settled).toEqual(['ann:1', 'ann:2'])
  })

  test('of another payer is their own payment', async () => {
    const { route, orders, settled } = createShop()
    await order(route, { key: 'k1', payer: 'ann' })
    expect(await (await order(route, { key: 'k1', payer: 'bob' })).json()).toEqual({ order: 2 })
    expect([orders.length, settled.length]).toEqual([2, 2])
  })

  test('of another key, or of none, is another payment', async () => {
    const { route, orders } = createShop()
    for (const key of ['k1', 'k2', undefined]) await order(route, key === undefined ? {} : { key })
    expect(orders).toHaveLength(3)
  })

  test('without a proven payer is not heeded: a name anyone may claim joins nobody to a payment', async () => {
    for (const unproven of [undefined, () => undefined]) {
      const { route, orders } = createShop({ payer: unproven })
      await order(route, { key: 'k1' })
      await order(route, { key: 'k1' })
      expect(orders).toHaveLength(2)
    }
  })

  test('with another body is another payment: it must not be answered for the first', async () => {
    const { route, orders } = createShop()
    expect((await order(route, { key: 'one' })).status).toBe(201)
    expect((await order(route, { key: 'one', body: 'another order' })).status).toBe(201)
    expect(orders).toEqual([1, 2])
  })

  test('is for one route and HTTP method', async () => {
    const { mpp } = createShop()
    const served: string[] = []
    const at = (scope: string) =>
      mpp.charge({ ...price, scope })(() => (served.push(scope), new Response(scope)))
    await order(at('/a'), { key: 'k1' })
    expect(await (await order(at('/b'), { key: 'k1' })).text()).toBe('/b')
    expect(served).toEqual(['/a', '/b'])
  })

  test('at once with the first copy waits for its answer', async () => {
    const { mpp } = createShop()
    let runs = 0
    const route = mpp.charge(price)(
      async () => (runs++, await sleep(30), new Response('the answer')),
    )
    const answers = await Promise.all(Array.from({ length: 10 }, () => order(route, { key: 'k1' })))
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(
      Array.from({ length: 10 }, () => 'the answer'),
    )
    expect(runs).toBe(1)
  })

  test('of a payment that was refused pays anew', async () => {
    const { route, settled } = createShop({
      settle: undefined,
      broadcast: ({ credential: { payload } }) =>
        payload.token === 'ann:poor'
          ? Outcome.rejected('payment-insufficient')
          : (settled.push(payload.token), { reference: 'r' }),
    })
    expect((await order(route, { key: 'k1', token: 'ann:poor' })).status).toBe(402)
    expect((await order(route, { key: 'k1', token: 'ann:rich' })).status).toBe(201)
  })

  test('of a payment that was given back, and made by another credential since, leads to that one', async () => {
    let isDown = true
    const { route, orders, settled } = createShop({
      settle: ({ credential: { payload } }) => {
        if (isDown) return Outcome.unsettled()
        settled.push(payload.token)
        return { reference: payload.token }
      },
    })
    const first = credential(await challengeOf(route, new Request(url, post('k1'))), 'ann:1')
    expect(await refusal(route(present(first, post('k1'))))).toEqual([
      503,
      'settlement-unavailable',
    ])
    isDown = false
    expect((await order(route, { key: 'k1', token: 'ann:2' })).status).toBe(201)
    const answer = await route(present(first, post('k1')))
    expect([answer.status, await answer.json()]).toEqual([201, { order: 1 }])
    expect([orders, settled]).toEqual([[1], ['ann:2']])
  })

  test('of a payment whose answer was an error runs the application again without a second settlement', async () => {
    const { mpp, settled } = createTill({ payer })
    let runs = 0
    const route = mpp.charge(price)(() =>
      ++runs === 1 ? new Response('broken', { status: 500 }) : new Response('mended'),
    )
    expect((await order(route, { key: 'k1' })).status).toBe(500)
    expect(await (await order(route, { key: 'k1' })).text()).toBe('mended')
    expect([runs, settled.length]).toEqual([2, 1])
  })

  test('of a payment that nobody knows of never settles the new credential under it (threat 9)', async () => {
    const tokens: string[] = []
    const reconciled: string[] = []
    const { route } = createShop({
      settle: ({ credential: { payload } }) => (
        tokens.push(payload.token),
        Outcome.indeterminate()
      ),
      reconcile: ({ credential: { payload } }) => (
        reconciled.push(payload.token),
        payload.token === 'ann:1'
          ? Outcome.settled({ reference: 'found' })
          : Outcome.rejected('payment-expired')
      ),
    })
    const challenge = await challengeOf(route, new Request(url, post('k1')))
    const first = present(credential(challenge, 'ann:1'), post('k1'))
    expect((await route(first.clone())).status).toBe(503)
    expect(await refusal(order(route, { key: 'k1', token: 'ann:2' }))).toEqual([
      503,
      'payment-indeterminate',
    ])
    expect(reconciled).toEqual([])
    expect((await route(first)).status).toBe(201)
    expect([tokens, reconciled]).toEqual([['ann:1'], ['ann:1']])
    expect(await (await order(route, { key: 'k1', token: 'ann:2' })).json()).toEqual({ order: 1 })
  })

  test('in the one-hook form too: an unknown payment is not asked for with another credential (threat 9)', async () => {
    const asked: string[] = []
    const { server } = createRail()
    const { settle: _, replayKey: __, validate: ___, ...bare } = server
    const oneHook = {
      ...bare,
      payer,
      oneHook: true,
      settle: async ({
        credential: { payload },
      }: {
        credential: { payload: { token: string } }
      }) => {
        asked.push(payload.token)
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      },
    } as unknown as typeof server
    const mpp = Mpp.create({ methods: [oneHook], realm, secretKey })
    const route = mpp.charge(price)(() => new Response('x'))
    await order(route, { key: 'k1', token: 'ann:1' })
    await order(route, { key: 'k1', token: 'ann:2' })
    expect(asked).toEqual(['ann:1'])
  })

  test('of a cheap offer opens no dear one on the same route (threat 4)', async () => {
    const { mpp } = createTill({ payer })
    const served: unknown[] = []
    const route = plain(
      mpp.compose(['points/charge', price], ['points/charge', { ...price, amount: '1000' }]),
      (payment) => {
        const amount = payment.status === 200 && payment.challenge?.request['amount']
        served.push([amount, payment.status === 200 && payment.receipt?.reference])
        return new Response('not there', { status: 404 })
      },
    )
    const offered = await challengesOf(route, new Request(url, post('k1')))
    const [cheap, dear] = offered as [Challenge.Challenge, Challenge.Challenge]
    await route(present(credential(cheap, 'ann:1'), post('k1')))
    await route(present(credential(dear, 'ann:2'), post('k1')))
    expect(served).toEqual([
      ['10', 'ref-ann:1'],
      ['1000', 'ref-ann:2'],
    ])
  })

  test('is good for a day, as long as the answer that it leads to', async () => {
    let now = Date.now()
    const store = Store.memory({ now: () => now })
    const { route, orders } = createShop({}, { store })
    await order(route, { key: 'k1' })
    for (const hours of [0.2, 1, 22]) {
      now += hours * 3_600_000
      expect(await (await order(route, { key: 'k1' })).json()).toEqual({ order: 1 })
    }
    now += 24 * 3_600_000
    expect(await (await order(route, { key: 'k1' })).json()).toEqual({ order: 2 })
    expect(orders).toHaveLength(2)
  })
})
