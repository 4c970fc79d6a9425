/**
 * The paying fetch on its good days: what it sends, what it keeps, what it tells.
 *
 * @module
 */
import { inspect } from 'node:util'
import { Credential, Method } from '@polyrail/core'
import { Mpp, type Account } from '@polyrail/core/client'
import { describe, expect, test } from 'vitest'
import {
  asks,
  charge,
  credentialOf,
  header,
  isPaid,
  open,
  pointsMethod,
  scripted,
  serves,
  shop,
  wallet,
} from './market.js'

const policy = { max: '10' }

describe('a fetch that meets a 402', () => {
  test('pays it and returns the answer, echoing the challenge as it came', async () => {
    const { url, seen } = await open(
      shop({ description: 'Tee — 1 cup "hot"', opaque: 'eyJhIjoiYiJ9' }),
    )
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    const response = await mpp.fetch(url)
    expect([response.status, await response.text()]).toEqual([200, 'goods'])
    expect(seen).toHaveLength(2)
    const credential = credentialOf(seen[1]!)
    expect(credential?.payload).toEqual({ token: 'points-1' })
    expect(credential?.challenge).toEqual(paid[0]?.wire)
    expect(credential?.challenge.opaque).toBe('eyJhIjoiYiJ9')
  })

  test('leaves alone what costs nothing', async () => {
    const { url, seen } = await open((_, response) => void response.end('free'))
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    expect(await (await mpp.fetch(url)).text()).toBe('free')
    expect(seen).toHaveLength(1)
  })

  test('keeps the caller’s headers, Bearer token and Idempotency-Key on the paid request', async () => {
    const { url, seen } = await open(shop())
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const headers = { authorization: 'Bearer abc', 'idempotency-key': 'k1', 'x-own': '1' }
    await mpp.fetch(url, { headers })
    expect(seen[0]?.headers.authorization).toBe('Bearer abc')
    expect(seen[1]?.headers.authorization).toMatch(/^Bearer abc, Payment [\w-]+$/)
    expect(seen.map((one) => one.headers['idempotency-key'])).toEqual(['k1', 'k1'])
    expect(seen.map((one) => one.headers['x-own'])).toEqual(['1', '1'])
  })

  test('leaves a payment that the caller brought to the caller', async () => {
    const { url, seen } = await open((_, response) => charge(response))
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    for (const authorization of ['Payment abc', 'Bearer x, payment abc']) {
      expect((await mpp.fetch(url, { headers: { authorization } })).status).toBe(402)
    }
    expect([paid.length, seen.length]).toEqual([0, 2])
  })

  test('hands context to the method, and the source it names to the server', async () => {
    const { url, seen } = await open(shop())
    const method = Method.toClient(pointsMethod('points'), {
      createCredential({
        context,
      }: Method.toClient.Parameters<ReturnType<typeof pointsMethod<'points'>>, { who: string }>) {
        return { payload: { token: context.who }, source: 'did:key:z6' }
      },
    })
    await Mpp.create({ methods: [method], policy }).fetch(url, { context: { who: 'ann' } })
    expect(credentialOf(seen[1]!)).toMatchObject({
      payload: { token: 'ann' },
      source: 'did:key:z6',
    })
  })

  test('gives the method the request as its schema reads it, and the wire untouched', async () => {
    const { url } = await open(
      shop({ request: { amount: '5', currency: 'pts', unknown: 'field' } }),
    )
    const { method, paid } = wallet()
    await Mpp.create({ methods: [method], policy }).fetch(url)
    expect(paid[0]?.request).toEqual({ amount: '5', currency: 'pts' })
  })
})

describe('Accept-Payment', () => {
  test('names every method once, the preferred first', async () => {
    const { url, seen } = await open(shop())
    const methods = [[wallet().method, wallet({ name: 'coins' }).method], wallet().method] as const
    await Mpp.create({ methods, policy: { max: { points: '1', coins: '1' } } }).fetch(url)
    expect(seen.map((one) => one.headers['accept-payment'])).toEqual(
      Array(2).fill('points/charge, coins/charge'),
    )
  })

  test('stays away where it is turned off or the caller has set it', async () => {
    const { url, seen } = await open((_, response) => void response.end())
    const methods = [wallet().method]
    await Mpp.create({ methods, policy, acceptPayment: false }).fetch(url)
    await Mpp.create({ methods, policy }).fetch(url, { headers: { 'accept-payment': '*/*' } })
    expect(seen.map((one) => one.headers['accept-payment'])).toEqual([undefined, '*/*'])
  })

  test('in a page goes only to its own origin, for it would cost others a preflight', async () => {
    const page = new URL('https://page.example/')
    Object.defineProperty(globalThis, 'location', { value: page, configurable: true })
    try {
      const { fetch, calls } = scripted(serves)
      const methods = [wallet().method]
      const mpp = Mpp.create({ methods, policy, fetch })
      await mpp.fetch('/relative')
      await mpp.fetch('https://other.example/')
      await Mpp.create({ methods, policy, fetch, acceptPayment: true }).fetch(
        'https://other.example/',
      )
      expect(calls.map(({ headers }) => headers.get('accept-payment'))).toEqual([
        'points/charge',
        null,
        'points/charge',
      ])
    } finally {
      Reflect.deleteProperty(globalThis, 'location')
    }
  })
})

describe('a fetch that does not pay', () => {
  test('gives the 402 back unread, and explain says why', async () => {
    const { url } = await open(shop({ amount: '5000' }))
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const response = await mpp.fetch(url)
    expect([response.status, response.bodyUsed]).toEqual([402, false])
    expect(await response.json()).toHaveProperty('type')
    expect(mpp.explain(response)).toMatchObject({
      status: 'declined',
      refusals: [{ code: 'over-max', offer: { method: 'points', intent: 'charge' } }],
    })
  })
})

describe('events', () => {
  const names = [
    'challenge',
    'selected',
    'response',
    'paid',
    'declined',
    'pending',
    'rejected',
  ] as const

  test('tell a payment from offer to answer, without the credential', async () => {
    const { url, seen } = await open(shop())
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const told: [string, object][] = []
    for (const name of names) mpp.on(name, (event) => told.push([name, event]))
    const response = await mpp.fetch(url)
    expect(told.map(([name]) => name)).toEqual(['challenge', 'selected', 'response', 'paid'])
    const secret = seen[1]!.headers.authorization!.slice('Payment '.length)
    expect(inspect(told, { depth: 9 })).not.toContain(secret)
    expect(inspect(told, { depth: 9 })).not.toContain('points-1')
    expect(mpp.explain(response)).toMatchObject({
      status: 'paid',
      price: { amount: 100n, currency: 'pts' },
    })
  })

  test('stop when they are not wanted any more', async () => {
    const { url } = await open(shop())
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const told: Account[] = []
    const off = mpp.on('paid', (event) => told.push(event))
    await mpp.fetch(url)
    off()
    await mpp.fetch(url)
    expect(told).toHaveLength(1)
  })

  test('change no payment when a listener throws or rejects', async () => {
    const { url } = await open(shop())
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    mpp.on('selected', () => {
      throw new Error('listener')
    })
    mpp.on('paid', async () => {
      throw new Error('listener')
    })
    expect((await mpp.fetch(url)).status).toBe(200)
  })
})

describe('createCredential, for a transport of one’s own', () => {
  test('answers a 402 under the same policy', async () => {
    const { url, seen } = await open(shop())
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    const authorization = await mpp.createCredential(await fetch(url))
    expect(Credential.deserialize(authorization)?.challenge).toEqual(paid[0]?.wire)
    expect(await (await fetch(url, { headers: { authorization } })).text()).toBe('goods')
    expect(isPaid(seen[1]!)).toBe(true)
  })

  test('refuses what the policy refuses, with a code', async () => {
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const tell = (response: Response, options: object) =>
      mpp.createCredential(response, options).catch((error: { code: string }) => error.code)
    const url = 'https://shop.example/'
    expect(await tell(asks({ amount: '1001' })(), { url })).toBe('over-max')
    expect(await tell(asks()(), { url: 'http://shop.example/' })).toBe('insecure-transport')
    expect(await tell(new Response('', { status: 402 }), { url })).toBe('no-offer')
  })

  test('pays one response once', async () => {
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    const response = asks()()
    const options = { url: 'https://shop.example/' }
    await mpp.createCredential(response, options)
    await expect(mpp.createCredential(response, options)).rejects.toMatchObject({
      code: 'already-paid',
    })
    expect(paid).toHaveLength(1)
  })

  test('wants to know the URL where the response does not say it', async () => {
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    await expect(mpp.createCredential(asks()())).rejects.toThrow(/url/)
  })

  test('checks the digest of the body that is going to be sent', async () => {
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const digest = 'sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:'
    const options = { url: 'https://shop.example/', method: 'POST' }
    await expect(
      mpp.createCredential(asks({ digest })(), { ...options, body: 'other' }),
    ).rejects.toMatchObject({
      code: 'digest-mismatch',
    })
    expect(await mpp.createCredential(asks({ digest })(), { ...options, body: 'hello' })).toMatch(
      /^Payment /,
    )
  })
})

test('one header may carry many challenges, some of them bad', async () => {
  const bad = [
    'Basic realm="x"',
    'Payment id="1", realm="r"',
    'Payment id="2", id="2"',
    'Bearer',
    'Payment nonsense',
    'garbage "',
  ]
  const { url } = await open((seen, response) => {
    if (isPaid(seen)) return void response.end('goods')
    response.writeHead(402, { 'www-authenticate': [...bad.slice(0, 5), header(), bad[5]!] })
    response.end()
  })
  expect((await Mpp.create({ methods: [wallet().method], policy }).fetch(url)).status).toBe(200)
})
