/**
 * What a hostile server tries, and what the client refuses by default.
 *
 * @module
 */
import { Expires, Method } from '@polyrail/core'
import { Mpp, type Policy } from '@polyrail/core/client'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  asks,
  charge,
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

/** Fetches a URL whose server asks for this; tells whether it was paid, and why not. */
async function buy(
  ask: Parameters<typeof asks>[0],
  rules: Policy = policy,
  url = 'https://shop.example/a',
) {
  const { fetch, calls } = scripted(asks(ask), serves)
  const { method, paid } = wallet()
  const mpp = Mpp.create({ methods: [method], policy: rules, fetch })
  const response = await mpp.fetch(url)
  const codes = mpp.explain(response)?.refusals.map(({ code }) => code) ?? []
  return {
    calls: calls.length,
    paid: paid.length,
    code: codes.join(),
    status: response.status,
    response,
    mpp,
  }
}

describe('one payment a fetch', () => {
  test('a server that asks again and again is paid once, and its next 402 is handed over', async () => {
    let price = 10
    const { url, seen } = await open((_, response) =>
      charge(response, { amount: String((price *= 10)) }),
    )
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy: { max: '1000000' } })
    const response = await mpp.fetch(url)
    expect([response.status, seen.length, paid.length]).toEqual([402, 2, 1])
    expect(mpp.explain(response)?.status).toBe('rejected')
    expect(paid[0]?.request.amount).toBe('100')
  })

  test('a second 402 that is cheaper is not paid either', async () => {
    let amount = 512
    const { url } = await open((_, response) => charge(response, { amount: String((amount /= 2)) }))
    const { method, paid } = wallet()
    await Mpp.create({ methods: [method], policy }).fetch(url)
    expect(paid).toHaveLength(1)
  })
})

describe('the price', () => {
  beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}))
  afterEach(() => void vi.restoreAllMocks())

  test('is never paid without a cap or a consent, and the refusal says what to set', async () => {
    const { paid, code, mpp, response } = await buy({}, {})
    expect([paid, code]).toEqual([0, 'policy-missing'])
    expect(mpp.explain(response)?.refusals[0]?.detail).toContain('policy.max.points')
    expect(vi.mocked(console.warn).mock.lastCall?.[0]).toContain('policy.max.points')
  })

  test.each([
    ['1000', 'paid'],
    ['1001', 'over-max'],
    ['99999999999999999999999999', 'over-max'],
  ])('of %s base units of two decimals under a cap of 10: %s', async (amount, outcome) => {
    const { paid, code } = await buy({ amount })
    expect(paid ? 'paid' : code).toBe(outcome)
  })

  test.each(['1e3', '-1', '+1', '1.0', '0x1', '', ' 1', '01', '1 ', 'NaN', '1_000', '１'])(
    'is not read from an amount that is not digits alone: %j',
    async (amount) => {
      const { method } = wallet()
      const { price: _, ...plain } = method
      const { fetch } = scripted(asks({ amount }), serves)
      const mpp = Mpp.create({ methods: [plain], policy: { max: '9999' }, fetch })
      const response = await mpp.fetch('https://shop.example/')
      expect(mpp.explain(response)?.refusals[0]?.code).toBe('price-unreadable')
    },
  )

  test('in a number beyond 2^53 is compared exactly', async () => {
    const { method } = wallet()
    const { price: _, ...plain } = method
    const outcomes = await Promise.all(
      ['9007199254740993', '9007199254740992'].map(async (amount) => {
        const { fetch } = scripted(asks({ amount }), serves)
        return (
          await Mpp.create({ methods: [plain], policy: { max: '9007199254740992' }, fetch }).fetch(
            'https://a.b/',
          )
        ).status
      }),
    )
    expect(outcomes).toEqual([402, 200])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    ['is negative', () => ({ amount: -1n, currency: 'pts', decimals: 0 })],
    ['is a number', () => ({ amount: 1 as unknown as bigint, currency: 'pts', decimals: 0 })],
    ['has absurd decimals', () => ({ amount: 1n, currency: 'pts', decimals: 37 })],
    ['has half a decimal', () => ({ amount: 1n, currency: 'pts', decimals: 0.5 })],
  ])('that the method misreads is not paid: it %s', async (_, price) => {
    const pay = vi.fn(() => ({ payload: { token: 't' } }))
    const method = Method.toClient({ ...pointsMethod('points'), price }, { createCredential: pay })
    const { fetch } = scripted(asks(), serves)
    const response = await Mpp.create({
      methods: [method],
      policy: { max: '10', approve: () => true },
      fetch,
    }).fetch('https://a.b/')
    expect([response.status, pay.mock.calls.length]).toEqual([402, 0])
  })

  test('may have a cap for each method, intent and currency; what is not named is refused', async () => {
    const dear = { request: { amount: '500', currency: 'eur' } }
    expect((await buy(dear, { max: { 'points:eur': '5' } })).paid).toBe(1)
    expect((await buy(dear, { max: { 'points:EUR': '4', points: '9' } })).code).toBe('over-max')
    expect((await buy(dear, { max: { 'points/charge': '5', points: '1' } })).paid).toBe(1)
    expect((await buy(dear, { max: { 'points:usd': '5' } })).code).toBe('policy-missing')
    expect((await buy(dear, { max: { pionts: '5' }, approve: () => true })).code).toBe(
      'policy-missing',
    )
  })

  test.each(['1e3', '-1', '', '.5', '1.', 'ten', 1])(
    'a cap of %j is a mistake that shows at once',
    (max) => {
      expect(() =>
        Mpp.create({ methods: [wallet().method], policy: { max: max as string } }),
      ).toThrow(/policy\.max\.points/)
    },
  )

  test('may be agreed for one call', async () => {
    const { fetch } = scripted(asks({ amount: '5000' }), serves)
    const mpp = Mpp.create({ methods: [wallet().method], policy, fetch })
    expect((await mpp.fetch('https://a.b/', { policy: { max: '50' } })).status).toBe(200)
  })
})

describe('currency and recipient', () => {
  test('must be on the lists that the policy states', async () => {
    expect((await buy({}, { ...policy, currencies: ['usd'] })).code).toBe('currency-refused')
    expect((await buy({}, { ...policy, currencies: ['usd', 'PTS'] })).paid).toBe(1)
    expect((await buy({}, { ...policy, recipients: ['other'] })).code).toBe('recipient-refused')
    expect((await buy({}, { ...policy, recipients: ['shop'] })).paid).toBe(1)
    const nobody = { request: { amount: '1', currency: 'pts' } }
    expect((await buy(nobody, { ...policy, recipients: ['shop'] })).code).toBe('recipient-refused')
  })

  test('differ by case where case matters, and not in hexadecimal', async () => {
    const to = (recipient: string) => ({ request: { amount: '1', currency: 'pts', recipient } })
    expect((await buy(to('0xABCD'), { ...policy, recipients: ['0xabcd'] })).paid).toBe(1)
    expect((await buy(to('Gabcd'), { ...policy, recipients: ['GABCD'] })).code).toBe(
      'recipient-refused',
    )
  })
})

describe('transport', () => {
  test.each([
    'http://shop.example/',
    'http://127.0.0.1.evil.example/',
    'http://localhost.evil.example/',
    'http://10.0.0.1/',
    'http://[::2]/',
    'http://0.0.0.0/',
    'http://notlocalhost/',
  ])('over plain http is refused: %s', async (url) => {
    expect(await buy({}, policy, url)).toMatchObject({ paid: 0, code: 'insecure-transport' })
  })

  test.each([
    'https://shop.example/',
    'http://127.0.0.1:81/',
    'http://127.9.9.9/',
    'http://[::1]/',
    'http://localhost/',
    'http://a.localhost/',
  ])('secure or on loopback is accepted: %s', async (url) =>
    expect((await buy({}, policy, url)).paid).toBe(1),
  )
})

describe('realm', () => {
  const at = (url: string) => async (realm: string) => {
    const { paid, code } = await buy({ realm }, policy, url)
    return paid ? 'paid' : code
  }

  test.each([
    'shop.example',
    'SHOP.example',
    'shop.example:8443',
    'https://shop.example',
    'https://shop.example/path',
    'Point Shop',
    'points',
    'v1.0',
    '',
    'a/b',
    'urn:shop',
  ])('%j speaks for api.shop.example, or is a label', async (realm) => {
    expect(await at('https://api.shop.example/')(realm)).toBe('paid')
  })

  test.each([
    'evil.example',
    'shop.example.evil',
    'notshop.example',
    'v2.api.shop.example',
    'https://evil.example/shop.example',
    'localhost',
    '10.0.0.1',
    '[::1]',
    'evil.example:443',
    'evil.example/api.shop.example',
    'user@evil.example',
    'evil.example.',
  ])('%j does not speak for api.shop.example', async (realm) => {
    expect(await at('https://api.shop.example/')(realm)).toBe('foreign-realm')
  })

  test('of another loopback name is our own machine', async () => {
    expect(await at('http://127.0.0.1:3000/')('localhost:3000')).toBe('paid')
    expect(await at('http://127.0.0.1:3000/')('api.example')).toBe('foreign-realm')
  })

  test('that the policy names is accepted', async () => {
    expect(
      (await buy({ realm: 'pay.other.example' }, { ...policy, realms: ['pay.other.example'] }))
        .paid,
    ).toBe(1)
  })
})

describe('expiry', () => {
  const times: [string | undefined, string][] = [
    [undefined, 'expiry-missing'],
    ['9999-12-31T23:59:59Z', 'expiry-too-far'],
    ['2020-01-01T00:00:00Z', 'expired'],
    ['tomorrow', 'expired'],
    ['', 'expired'],
    ['0', 'expired'],
    [Expires.seconds(-1), 'expired'],
    [Expires.hours(2), 'expiry-too-far'],
  ]
  test.each(times)('%j is refused: %s', async (expires, code) => {
    expect(await buy({ expires } as { expires: string })).toMatchObject({ paid: 0, code })
  })

  test('in the past is nothing to ask a person about', async () => {
    const approve = vi.fn(() => true)
    const { code } = await buy({ expires: Expires.seconds(-1) }, { approve })
    expect([code, approve.mock.calls.length]).toEqual(['expired', 0])
  })

  test('may be as far as the policy says', async () => {
    expect((await buy({ expires: Expires.hours(2) }, { ...policy, maxExpiry: 7201 })).paid).toBe(1)
    expect((await buy({ expires: Expires.minutes(5) }, { ...policy, maxExpiry: 60 })).code).toBe(
      'expiry-too-far',
    )
  })

  test('is read with offsets, fractions and small letters', async () => {
    const later = new Date(Date.now() + 7_500_000)
      .toISOString()
      .replace('Z', '+02:00')
      .toLowerCase()
    expect((await buy({ expires: later })).paid).toBe(1)
  })

  test('that comes while the method signs keeps the credential at home', async () => {
    const { fetch, calls } = scripted(asks({ expires: Expires.from(120) }), serves)
    const slow = Method.toClient(pointsMethod('points'), {
      async createCredential() {
        await new Promise((resolve) => setTimeout(resolve, 200))
        return { payload: { token: 't' }, authorization: true }
      },
    })
    const mpp = Mpp.create({ methods: [slow], policy: { ...policy, total: '1' }, fetch })
    const response = await mpp.fetch('https://a.b/')
    expect(mpp.explain(response)?.refusals[0]?.code).toBe('expired')
    expect(calls).toHaveLength(1)
  })

  test('that comes after the money moved does not keep the payment from being shown, once', async () => {
    const late = (): Response => new Response('', { status: 503, headers: { 'retry-after': '0' } })
    const { fetch, calls } = scripted(asks({ expires: Expires.from(120) }), late, serves)
    const slow = Method.toClient(pointsMethod('points'), {
      async createCredential() {
        await new Promise((resolve) => setTimeout(resolve, 200))
        return { payload: { token: 't' } }
      },
    })
    const mpp = Mpp.create({ methods: [slow], policy, fetch })
    const response = await mpp.fetch('https://a.b/')
    expect([response.status, calls.length]).toEqual([503, 2])
    expect((await mpp.explain(response)!.resume!()).status).toBe(200)
  })
})

describe('redirects', () => {
  test('a 402 from another origin is not paid', async () => {
    const other = await open(shop())
    const { url } = await open(
      (_, response) => void response.writeHead(307, { location: other.url }).end(),
    )
    const { method, paid } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    const response = await mpp.fetch(url)
    expect([response.status, paid.length]).toEqual([402, 0])
    expect(mpp.explain(response)?.refusals[0]?.code).toBe('redirected')
  })

  test('a 402 after a redirect within the origin is paid there, if nothing but a GET can have come through', async () => {
    const { url, seen } = await open((one, response) => {
      if (one.url === '/') return void response.writeHead(302, { location: '/final' }).end()
      return shop()(one, response)
    })
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    expect(await (await mpp.fetch(url)).text()).toBe('goods')
    expect(seen.map((one) => [one.url, isPaid(one)])).toEqual([
      ['/', false],
      ['/final', false],
      ['/final', true],
    ])
    const posted = await mpp.fetch(url, { method: 'POST', body: 'x' })
    expect([posted.status, mpp.explain(posted)?.refusals[0]?.code]).toEqual([402, 'redirected'])
  })

  test('after the payment are followed without the credential, and leave the caller’s secrets at home', async () => {
    const other = await open((_, response) => void response.end('elsewhere'))
    const { url, seen } = await open((one, response) =>
      isPaid(one) ? void response.writeHead(302, { location: other.url }).end() : charge(response),
    )
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    const response = await mpp.fetch(url, {
      headers: { authorization: 'Bearer t', cookie: 'a=b', 'x-api-key': 'k' },
    })
    expect(await response.text()).toBe('elsewhere')
    expect(seen).toHaveLength(2)
    for (const name of ['authorization', 'cookie', 'x-api-key'])
      expect(other.seen[0]?.headers[name]).toBe(undefined)
  })

  test('after the payment keep the caller’s headers within the origin, still without the credential', async () => {
    const { url, seen } = await open((one, response) => {
      if (one.url === '/done') return void response.end('done')
      return isPaid(one)
        ? void response.writeHead(303, { location: '/done' }).end()
        : charge(response)
    })
    const init = { method: 'POST', body: 'x', headers: { authorization: 'Bearer t' } }
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    expect(await (await mpp.fetch(url, init)).text()).toBe('done')
    expect(seen[2]).toMatchObject({ method: 'GET', headers: { authorization: 'Bearer t' } })
    expect(seen[2]?.body).toHaveLength(0)
  })

  test('after the payment that lead to another 402 are not paid', async () => {
    const other = await open(shop())
    const { url } = await open((one, response) =>
      isPaid(one) ? void response.writeHead(302, { location: other.url }).end() : charge(response),
    )
    const { method, paid } = wallet()
    const response = await Mpp.create({ methods: [method], policy }).fetch(url)
    expect([response.status, paid.length, other.seen.length]).toEqual([402, 1, 1])
  })

  const to =
    (location: string, status = 302) =>
    () =>
      new Response(null, { status, headers: { location } })
  test.each([
    ['from https to http', to('http://shop.example/'), 'GET'],
    ['to a script', to('javascript:alert(1)'), 'GET'],
    ['that would carry a body along', to('https://shop.example/b', 307), 'POST'],
  ])('after the payment are handed over when they lead %s', async (_, redirect, method) => {
    const { fetch, calls } = scripted(asks(), redirect)
    const mpp = Mpp.create({ methods: [wallet().method], policy, fetch })
    const response = await mpp.fetch(
      'https://shop.example/',
      method === 'POST' ? { method, body: 'x' } : {},
    )
    expect([response.status >= 300 && response.status < 400, calls.length]).toEqual([true, 2])
  })

  test('after the payment obey redirect: manual and error', async () => {
    const { fetch, calls } = scripted(asks(), to('/b'))
    const mpp = Mpp.create({ methods: [wallet().method], policy, fetch })
    expect((await mpp.fetch('https://a.b/', { redirect: 'manual' })).status).toBe(302)
    expect(calls).toHaveLength(2)
    const strict = scripted(asks(), to('/b'))
    const own = Mpp.create({ methods: [wallet().method], policy, fetch: strict.fetch })
    await expect(own.fetch('https://a.b/', { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(strict.calls).toHaveLength(2)
  })

  test('the paid request itself never follows one', async () => {
    const { fetch, calls } = scripted(asks(), serves)
    await Mpp.create({ methods: [wallet().method], policy, fetch }).fetch('https://a.b/')
    expect(calls[1]?.init.redirect).toBe('manual')
  })
})

describe('approve', () => {
  test('is asked for every payment, in the unit people read', async () => {
    const approve = vi.fn(() => true)
    expect((await buy({ amount: '105' }, { approve })).paid).toBe(1)
    expect(approve.mock.calls[0]).toMatchObject([
      { url: 'https://shop.example/a', amount: '1.05', challenge: { method: 'points' } },
    ])
    expect((await buy({ amount: '5' }, { approve })).paid).toBe(1)
    expect(approve.mock.calls[1]).toMatchObject([{ amount: '0.05' }])
  })

  test('cannot lift the cap', async () => {
    const approve = vi.fn(() => true)
    expect((await buy({ amount: '1001' }, { ...policy, approve })).code).toBe('over-max')
    expect(approve).not.toHaveBeenCalled()
  })

  const never = () => new Promise<boolean>(() => {})
  const boom = () => {
    throw new Error('boom')
  }
  test.each<[string, () => unknown, string]>([
    ['false', () => false, 'not-approved'],
    ['undefined', () => undefined, 'not-approved'],
    ['something true-like', () => 'yes', 'not-approved'],
    ['a throw', boom, 'approval-failed'],
    ['a rejection', async () => boom(), 'approval-failed'],
    ['silence', never, 'approval-failed'],
  ])('vetoes by %s', async (_, approve, code) => {
    const rules = { approve: approve as () => boolean, approveTimeout: 30 }
    expect(await buy({}, rules)).toMatchObject({ paid: 0, code })
  })

  test('that fails ends the payment; one that declines passes on to the next offer', async () => {
    const outcome = async (approve: Policy['approve']) => {
      const [one, two] = [wallet(), wallet({ name: 'coins' })]
      const both = () =>
        new Response('', {
          status: 402,
          headers: { 'www-authenticate': `${header()}, ${header({ method: 'coins' })}` },
        })
      const { fetch } = scripted(both, serves)
      await Mpp.create({ methods: [one.method, two.method], policy: { approve }, fetch }).fetch(
        'https://a.b/',
      )
      return [one.paid.length, two.paid.length]
    }
    expect(await outcome(({ challenge }) => challenge.method === 'coins')).toEqual([0, 1])
    expect(await outcome(({ challenge }) => challenge.method === 'coins' || boom())).toEqual([0, 0])
  })

  test('has no longer than the challenge lives', async () => {
    const started = Date.now()
    expect((await buy({ expires: Expires.from(80) }, { approve: never })).paid).toBe(0)
    expect(Date.now() - started).toBeLessThan(2_000)
  })
})

describe('malformed challenges', () => {
  test.each([
    ['no header', undefined],
    ['another scheme', 'Bearer realm="x"'],
    ['an unclosed quote', 'Payment id="x, realm="y'],
    ['a request that is no JSON', header().replace(/request="[^"]*"/, 'request="bm8"')],
    ['a request that is an array', header().replace(/request="[^"]*"/, 'request="W10"')],
    ['a request the schema refuses', header({ request: { amount: 5, currency: 'pts' } })],
    [
      '__proto__ in the request',
      header().replace(/request="[^"]*"/, `request="${btoa('{"__proto__":{"amount":"1"}}')}"`),
    ],
    ['a doubled id', header().replace('id=', 'id="a", id=')],
  ])('are not paid: %s', async (_, value) => {
    const answer = () =>
      new Response('', { status: 402, ...(value && { headers: { 'www-authenticate': value } }) })
    const { fetch, calls } = scripted(answer)
    const { method, paid } = wallet()
    const response = await Mpp.create({ methods: [method], policy, fetch }).fetch('https://a.b/')
    expect([response.status, paid.length, calls.length]).toEqual([402, 0, 1])
  })

  test('of 300 kB are read in a moment', async () => {
    const value =
      Array(2_000)
        .fill(header({ realm: 'x'.repeat(50), method: 'nobody' }))
        .join(', ') +
      ', Payment a="' +
      '\\'.repeat(50_000)
    const { fetch } = scripted(
      () => new Response('', { status: 402, headers: { 'www-authenticate': value } }),
    )
    const started = performance.now()
    await Mpp.create({ methods: [wallet().method], policy, fetch }).fetch('https://a.b/')
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  test('without end do not ask a person without end', async () => {
    const approve = vi.fn(() => false)
    const value = Array.from({ length: 500 }, () => header()).join(', ')
    const { fetch } = scripted(
      () => new Response('', { status: 402, headers: { 'www-authenticate': value } }),
    )
    await Mpp.create({ methods: [wallet().method], policy: { approve }, fetch }).fetch(
      'https://a.b/',
    )
    expect(approve.mock.calls.length).toBeLessThanOrEqual(16)
  })
})
