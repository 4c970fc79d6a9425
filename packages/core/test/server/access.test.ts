import { describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  createTill,
  credential,
  plain,
  present,
  price,
  problemOf,
  refusal,
  sleep,
  url,
  untyped,
} from './till.js'

describe('free', () => {
  test.each(['GET', 'HEAD', 'OPTIONS', 'POST', 'PURGE'])(
    '%s is charged unless it is named (threat 6)',
    async (method) => {
      const response = await plain(createTill().mpp.charge(price))(new Request(url, { method }))
      expect(response.status).toBe(402)
    },
  )

  test('what is named goes through untouched, in both forms, and nothing else does', async () => {
    const { mpp } = createTill({}, { free: ['options', 'PURGE'] })
    const application = () => new Response('free', { headers: { 'cache-control': 'max-age=5' } })
    for (const route of [plain(mpp.charge(price), application), mpp.charge(price)(application)]) {
      for (const method of ['OPTIONS', 'PURGE']) {
        const response = await route(new Request(url, { method }))
        expect([
          response.status,
          await response.text(),
          response.headers.get('cache-control'),
        ]).toEqual([200, 'free', 'max-age=5'])
        expect(response.headers.has('payment-receipt')).toBe(false)
      }
      expect((await route(new Request(url, { method: 'HEAD' }))).status).toBe(402)
    }
  })

  test('a free visit has no receipt and no challenge to tell of', async () => {
    const payment = await createTill({}, { free: ['OPTIONS'] }).mpp.charge(price)(
      new Request(url, { method: 'OPTIONS' }),
    )
    expect(payment).toMatchObject({ status: 200, receipt: undefined, challenge: undefined })
  })
})

describe('policy', () => {
  test('403 without a challenge for a good proof, before any money moves [core-001] [core-004]', async () => {
    const { mpp, settled, store } = createTill({}, { policy: () => false })
    const { response } = await buy(plain(mpp.charge(price)))
    expect(await refusal(response)).toEqual([403, 'policy-denied'])
    expect(settled).toEqual([])
    expect((store as unknown as { size: number }).size).toBe(0)
  })

  test('a bad proof is 402 whatever the policy would say', async () => {
    const policy = vi.fn(() => false)
    const { mpp } = createTill({}, { policy })
    expect(await refusal((await buy(plain(mpp.charge(price)), 'bad')).response)).toEqual([
      402,
      'verification-failed',
    ])
    expect(policy).not.toHaveBeenCalled()
  })

  test('knows the visit, and who provably pays beside who they say they are', async () => {
    const policy = vi.fn((_visit: object) => true)
    const { mpp } = createTill({ payer: () => 'account-7' }, { policy })
    const route = plain(mpp.charge(price))
    const challenge = await challengeOf(route)
    expect((await route(present(credential(challenge, 'token', 'did:key:z6Mk')))).status).toBe(200)
    expect(policy.mock.calls[0]?.[0]).toMatchObject({
      method: 'GET',
      url,
      source: 'did:key:z6Mk',
      payer: 'account-7',
      challenge: { id: challenge.id },
    })
  })

  test.each([
    ['undefined', undefined],
    ['a truthy text', 'yes'],
    ['a promise of false', Promise.resolve(false)],
  ])('%s is a no: only true lets in (threat 13)', async (_, answer) => {
    const { mpp, settled } = createTill({}, { policy: () => untyped(answer) })
    expect((await refusal((await buy(plain(mpp.charge(price)))).response))[0]).toBe(403)
    expect(settled).toEqual([])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('the list of the denied is down')
      },
    ],
    ['rejects', () => Promise.reject(new Error('the list of the denied is down'))],
  ])(
    'a policy that %s lets nobody in, and asks nobody to pay again (threat 9) (threat 13)',
    async (_, policy) => {
      const { mpp, settled } = createTill({}, { policy })
      const { response } = await buy(plain(mpp.charge(price)))
      expect((await problemOf(response)).status).toBe(503)
      expect(settled).toEqual([])
    },
  )
})

describe('limit', () => {
  test('429 with Retry-After and no challenge, for challenges and for credentials [core-044] [core-086] (threat 27)', async () => {
    const kinds: string[] = []
    const limit = ({ kind }: { kind: string }) => {
      kinds.push(kind)
      return kinds.length > 2 ? 7.2 : undefined
    }
    const { mpp, settled } = createTill({}, { limit })
    const route = plain(mpp.charge(price))
    const authorization = credential(await challengeOf(route))
    await route(new Request(url))
    for (const request of [new Request(url), present(authorization)]) {
      const response = await route(request)
      expect(response.headers.get('retry-after')).toBe('8')
      expect(await refusal(response)).toEqual([429, 'rate-limited'])
    }
    expect(kinds).toEqual(['challenge', 'challenge', 'challenge', 'credential'])
    expect(settled).toEqual([])
  })

  test('may be asynchronous and look at any header', async () => {
    const limit = async ({ header }: { header: (name: string) => string | null }) => {
      await sleep(1)
      return header('x-client') === 'greedy' ? 60 : undefined
    }
    const route = plain(createTill({}, { limit }).mpp.charge(price))
    expect((await route(new Request(url, { headers: { 'X-Client': 'greedy' } }))).status).toBe(429)
    expect((await route(new Request(url))).status).toBe(402)
  })

  test('that throws is a 503, never a throw (threat 7)', async () => {
    const limit = () => {
      throw new Error('redis is down')
    }
    const route = plain(createTill({}, { limit }).mpp.charge(price))
    expect((await problemOf(await route(new Request(url)))).status).toBe(503)
    expect((await problemOf(await route(present('Payment e30')))).status).toBe(503)
  })
})

describe('transport', () => {
  const at = async (to: string, headers: HeadersInit = {}, config = {}) =>
    (await plain(createTill({}, config).mpp.charge(price))(new Request(to, { headers }))).status

  test.each([
    'http://api.example.com/paid',
    'http://localhost.example.com/',
    'http://127.0.0.1.example.com/',
    'http://10.0.0.7/',
    'http://user@example.com/',
    'http://[::2]/',
    'http://notlocalhost/',
  ])('%s: 403 and no challenge [core-055] [core-056] [core-058] [charge-020]', async (to) => {
    const request = to.includes('@') ? 'http://example.com/' : to
    const response = await plain(createTill().mpp.charge(price))(new Request(request))
    expect(await refusal(response)).toEqual([403, 'insecure-transport'])
  })

  test('a credential over plain http is not even read [core-058]', async () => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge(price))
    const authorization = credential(await challengeOf(route))
    expect(await refusal(route(present(authorization, {}, 'http://api.example.com/paid')))).toEqual(
      [403, 'insecure-transport'],
    )
    expect(settled).toEqual([])
  })

  test.each([
    'http://localhost:3000/',
    'http://LOCALHOST/',
    'http://app.localhost/',
    'http://127.0.0.1:80/',
    'http://127.8.9.1/',
    'http://[::1]:8080/x',
    'https://api.example.com/',
  ])('%s is offered', async (to) => {
    expect(await at(to)).toBe(402)
  })

  test.each([
    [{ 'x-forwarded-proto': 'https' }, 402],
    [{ 'x-forwarded-proto': 'HTTPS' }, 402],
    [{ 'x-forwarded-proto': 'https, http' }, 402],
    [{ forwarded: 'for=192.0.2.60;proto=https;by=203.0.113.43' }, 402],
    [{ forwarded: 'for="[2001:db8::1]";proto="https", for=10.0.0.1' }, 402],
    [{ 'x-forwarded-proto': 'http' }, 403],
    [{ 'x-forwarded-proto': 'http, https' }, 403],
    [{ 'x-forwarded-proto': 'httpsish' }, 403],
    [{ 'x-forwarded-proto': '' }, 403],
    [{ forwarded: 'for=192.0.2.60;proto=http, proto=https' }, 403],
    [{ 'x-forwarded-for': 'proto=https' }, 403],
  ])('behind a proxy that says %j: %d', async (headers, status) => {
    expect(await at('http://api.example.com/paid', headers as unknown as HeadersInit)).toBe(status)
  })

  test('insecure: true is the operator’s word for it', async () => {
    expect(await at('http://10.0.0.7/paid', {}, { insecure: true })).toBe(402)
  })
})
