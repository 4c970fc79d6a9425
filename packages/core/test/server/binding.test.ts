import { BodyDigest, Challenge, ChallengeId, PaymentRequest } from '@polyrail/core'
import { compose, Mpp } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import {
  challengeOf,
  createRail,
  createTill,
  credential,
  plain,
  present,
  price,
  problemOf,
  realm,
  refusal,
  secretKey,
  url,
} from './till.js'

const invalid = [402, 'invalid-challenge']

describe('the id', () => {
  test.each([
    ['realm', 'other.example.com'],
    ['method', 'coins'],
    ['intent', 'session'],
    ['request', PaymentRequest.serialize({ amount: '1', currency: 'pts' })],
    ['expires', '2999-01-01T00:00:00Z'],
    ['digest', BodyDigest.create('another body')],
    ['opaque', PaymentRequest.serialize({ scope: 'x' })],
  ])(
    'no longer fits when %s is changed [core-009] [core-024] [core-026] [core-027] (threat 4)',
    async (slot, value) => {
      const { server, settled } = createRail()
      const coins = { ...server, name: 'coins' as 'points' }
      const session = { ...server, intent: 'session' as 'charge' }
      const mpp = Mpp.create({ methods: [server, coins, session], realm, secretKey })
      const route = plain(mpp.compose([server, price], [coins, price], [session, price]))
      const [challenge] = Challenge.parse((await route(new Request(url))).headers)
      const wire = { ...(challenge as Challenge.Challenge).wire, [slot]: value }
      expect(await refusal(route(present(credential(wire))))).toEqual(invalid)
      expect(settled).toEqual([])
    },
  )

  test.each(['expires', 'opaque', 'digest'] as const)(
    'no longer fits when %s is left out',
    async (slot) => {
      const { mpp } = createTill()
      const route = plain(mpp.charge(price))
      const body = 'the order'
      const { [slot]: left, ...wire } = (
        await challengeOf(route, new Request(url, { method: 'POST', body }))
      ).wire
      expect(left).toBeDefined()
      expect(
        await refusal(route(present(credential(wire as Challenge.Wire), { method: 'POST', body }))),
      ).toEqual(invalid)
    },
  )

  test('cannot be made by moving text from slot to slot', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const { wire } = await challengeOf(route)
    const moved = { ...wire, realm: `${wire.realm}|points`, method: 'charge', intent: wire.request }
    expect((await refusal(route(present(credential(moved)))))[0]).toBe(400)
    const shifted = { ...wire, request: `${wire.request}|${wire.expires}`, expires: '' }
    expect((await refusal(route(present(credential(shifted)))))[0]).toBe(402)
  })

  test('of another server’s secret is unknown here', async () => {
    const mine = plain(createTill().mpp.charge(price))
    const theirs = plain(createTill({}, { secretKey: 'b'.repeat(32) }).mpp.charge(price))
    expect(await refusal(mine(present(credential(await challengeOf(theirs)))))).toEqual(invalid)
  })

  test('of another realm is unknown here, though the secret is the same', async () => {
    const mine = plain(createTill().mpp.charge(price))
    const theirs = plain(createTill({}, { realm: 'other.example.com' }).mpp.charge(price))
    expect(await refusal(mine(present(credential(await challengeOf(theirs)))))).toEqual(invalid)
  })
})

describe('a challenge of our own signing that no route issued', () => {
  /** Whoever knows the secret can sign what they like; the terms must still be the route's. */
  const sign = (wire: Omit<Challenge.Wire, 'id'>) =>
    ({
      ...wire,
      id: ChallengeId.create(wire as Challenge.Wire, ChallengeId.keyring(secretKey)),
    }) as Challenge.Wire

  test('without an expiry is refused', async () => {
    const route = plain(createTill().mpp.charge(price))
    const { expires: _, id: __, ...wire } = (await challengeOf(route)).wire
    expect(await refusal(route(present(credential(sign(wire as Challenge.Wire)))))).toEqual(invalid)
  })

  test('with an expiry that is no time is refused', async () => {
    const route = plain(createTill().mpp.charge(price))
    const { wire } = await challengeOf(route)
    for (const expires of ['soon', '', '9999', '2026-13-45T00:00:00Z'])
      expect(await refusal(route(present(credential(sign({ ...wire, expires })))))).toEqual(invalid)
  })

  test('with opaque that is no object is refused', async () => {
    const route = plain(createTill().mpp.charge(price))
    const { wire } = await challengeOf(route)
    for (const opaque of ['', 'e30', 'bnVsbA', '!!!', Buffer.from('[]').toString('base64url')])
      expect(await refusal(route(present(credential(sign({ ...wire, opaque })))))).toEqual(invalid)
  })
})

describe('the keyring', () => {
  const [old, fresh] = ['o'.repeat(32), 'n'.repeat(40)]

  test('verifies what an older secret signed, and signs with the first [core-064] (threat 29)', async () => {
    const before = plain(createTill({}, { secretKey: old }).mpp.charge(price))
    const after = plain(createTill({}, { secretKey: [fresh, old] }).mpp.charge(price))
    expect((await after(present(credential(await challengeOf(before))))).status).toBe(200)
    const { wire } = await challengeOf(after)
    expect(wire.id).toBe(ChallengeId.create(wire, ChallengeId.keyring(fresh)))
  })

  test('refuses what a retired secret signed', async () => {
    const before = plain(createTill({}, { secretKey: old }).mpp.charge(price))
    const after = plain(createTill({}, { secretKey: [fresh] }).mpp.charge(price))
    expect(await refusal(after(present(credential(await challengeOf(before)))))).toEqual(invalid)
  })
})

describe('the route', () => {
  const route = plain(createTill().mpp.charge(price))

  test.each([
    ['another path', 'https://api.example.com/other'],
    ['a doubled slash', 'https://api.example.com//paid'],
    ['a trailing slash', 'https://api.example.com/paid/'],
    ['another case', 'https://api.example.com/PAID'],
    ['an escaped letter', 'https://api.example.com/p%61id'],
    ['an escaped dot', 'https://api.example.com/paid%2e'],
    ['a path below', 'https://api.example.com/paid/more'],
    ['a path parameter', 'https://api.example.com/paid;v=2'],
    ['another origin', 'https://www.example.com/paid'],
    ['another port', 'https://api.example.com:8443/paid'],
    ['another scheme', 'http://localhost/paid'],
  ])('%s is paid for by itself (threat 1) (threat 6)', async (_, to) => {
    const authorization = credential(await challengeOf(route))
    expect((await route(new Request(to))).status).toBe(402)
    expect(await refusal(route(present(authorization, {}, to)))).toEqual(invalid)
    expect((await route(present(authorization))).status).toBe(200)
  })

  test('dot segments are the path that they come to, escaped or not (threat 6)', async () => {
    for (const to of [
      'https://api.example.com/a/../paid',
      'https://api.example.com/%2e%2E/paid',
      'https://api.example.com/./paid',
    ])
      expect((await route(present(credential(await challengeOf(route)), {}, to))).status).toBe(200)
  })

  test('the query is not part of it', async () => {
    const authorization = credential(await challengeOf(route, new Request(`${url}?page=1`)))
    expect((await route(present(authorization, {}, `${url}?page=2#top`))).status).toBe(200)
  })

  test.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])(
    '%s is paid for by itself, not with what GET was paid for (threat 1) (threat 6)',
    async (method) => {
      const authorization = credential(await challengeOf(route))
      expect((await route(new Request(url, { method }))).status).toBe(402)
      expect(await refusal(route(present(authorization, { method })))).toEqual(invalid)
      const own = credential(await challengeOf(route, new Request(url, { method })))
      expect((await route(present(own, { method }))).status).toBe(200)
    },
  )

  test('a scope names it in place of its path', async () => {
    const article = plain(createTill().mpp.charge({ ...price, scope: '/articles/:id' }))
    const one = await challengeOf(article, new Request('https://api.example.com/articles/1'))
    expect(
      (await article(present(credential(one), {}, 'https://api.example.com/articles/2'))).status,
    ).toBe(200)
    const other = await challengeOf(article, new Request('https://api.example.com/articles/1'))
    expect(
      await refusal(article(present(credential(other), {}, 'https://evil.example.com/articles/1'))),
    ).toEqual(invalid)
    const third = await challengeOf(article, new Request('https://api.example.com/articles/1'))
    expect(
      await refusal(
        article(
          present(credential(third), { method: 'DELETE' }, 'https://api.example.com/articles/1'),
        ),
      ),
    ).toEqual(invalid)
  })

  test('an adapter may name it for each request', async () => {
    const { mpp } = createTill()
    const handler = mpp.charge(price)
    const at = async (request: Request, scope: string) => {
      const payment = await handler(request, { scope })
      return payment.status === 402 ? payment.challenge : payment.withReceipt(new Response('ok'))
    }
    const [challenge] = Challenge.parse((await at(new Request(url), '/a/:x')).headers)
    const authorization = credential(challenge as Challenge.Challenge)
    expect(await refusal(at(present(authorization), '/b/:x'))).toEqual(invalid)
    expect(
      (await at(present(authorization, {}, 'https://api.example.com/a/other'), '/a/:x')).status,
    ).toBe(200)
  })

  test('opting out is said in so many words', async () => {
    const open = plain(createTill().mpp.charge({ ...price, bind: { scope: false } }))
    const challenge = await challengeOf(open)
    expect(challenge.opaque).toEqual({ nonce: expect.any(String) as string })
    expect(
      (
        await open(
          present(credential(challenge), { method: 'DELETE' }, 'https://api.example.com/elsewhere'),
        )
      ).status,
    ).toBe(200)
  })

  test('an opt-out of one offer opens nothing to its neighbours', async () => {
    const { mpp, settled } = createTill()
    const open = { ...price, amount: '1', bind: { scope: false } }
    for (const route of [
      plain(mpp.compose(['points/charge', open], ['points/charge', { ...price, amount: '99' }])),
      plain(mpp.compose(['points/charge', { ...price, amount: '99' }], ['points/charge', open])),
    ]) {
      const challenges = Challenge.parse((await route(new Request(url))).headers)
      const bound = challenges.find(
        ({ request }) => request['amount'] === '99',
      ) as Challenge.Challenge
      expect(
        await refusal(route(present(credential(bound), {}, 'https://api.example.com/elsewhere'))),
      ).toEqual(invalid)
    }
    expect(settled).toEqual([])
  })
})

describe('the body', () => {
  const post = (body: BodyInit | null, headers = {}): RequestInit => ({
    method: 'POST',
    body,
    headers,
  })

  test('is bound by its RFC 9530 digest [core-016] [core-029]', async () => {
    const route = plain(createTill().mpp.charge(price))
    const { digest } = await challengeOf(route, new Request(url, post('{"item":1}')))
    expect(digest).toBe(BodyDigest.create('{"item":1}'))
  })

  test.each([
    ['another body', 'the order', 'the odder'],
    ['a longer body', 'the order', 'the order '],
    ['a body where there was none', null, 'surprise'],
    ['no body where there was one', 'the order', null],
    ['an empty body where there was one', 'the order', ''],
  ])('%s is refused, and no money moves [core-030] (threat 5)', async (_, asked, sent) => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge(price))
    const authorization = credential(await challengeOf(route, new Request(url, post(asked))))
    const response = await route(present(authorization, post(sent)))
    expect(await problemOf(response)).toMatchObject({
      code: 'invalid-challenge',
      detail: expect.stringContaining('body') as string,
    })
    expect(settled).toEqual([])
  })

  test('the same bytes pay, however they are cut into chunks, and the application reads them all [core-030]', async () => {
    const { mpp } = createTill()
    const handler = mpp.charge(price)
    const seen: string[] = []
    const route = async (request: Request) => {
      const payment = await handler(request)
      if (payment.status === 402) return payment.challenge
      seen.push(await request.text())
      return payment.withReceipt(new Response('ok'))
    }
    const authorization = credential(
      await challengeOf(route, new Request(url, post('one two three'))),
    )
    const parts = ['one', ' two', ' three'].map((part) => new TextEncoder().encode(part))
    const body = new ReadableStream({
      pull(controller) {
        const part = parts.shift()
        if (part) controller.enqueue(part)
        else controller.close()
      },
    })
    const streamed = { ...post(body), duplex: 'half' } as RequestInit
    expect((await route(present(authorization, streamed))).status).toBe(200)
    expect(seen).toEqual(['one two three'])
  })

  test('an empty body is none', async () => {
    const route = plain(createTill().mpp.charge(price))
    const challenge = await challengeOf(route, new Request(url, post('')))
    expect(challenge.digest).toBeUndefined()
    expect((await route(present(credential(challenge), post(null)))).status).toBe(200)
  })

  test('bytes that are no text are bound too', async () => {
    const route = plain(createTill().mpp.charge(price))
    const bytes = new Uint8Array([0, 255, 128, 10, 13])
    const challenge = await challengeOf(route, new Request(url, post(bytes)))
    expect((await route(present(credential(challenge), post(bytes)))).status).toBe(200)
  })

  test('who has read it already passes the bytes', async () => {
    const handler = createTill().mpp.charge(price)
    const unpaid = await handler(new Request(url, post('x')), { body: 'x' })
    const [challenge] = unpaid.status === 402 ? Challenge.parse(unpaid.challenge.headers) : []
    const request = present(credential(challenge as Challenge.Challenge), post('x'))
    await request.text()
    expect((await handler(request, { body: new TextEncoder().encode('x') })).status).toBe(200)
  })

  test('a body that was read before the payment check fails loudly, with the remedy', async () => {
    const handler = createTill().mpp.charge(price)
    const request = new Request(url, post('x'))
    await request.text()
    await expect(handler(request)).rejects.toThrow(
      /read before the payment check.*handler\(request, \{ body \}\)/s,
    )
  })

  test('a body beyond maxBodyBytes: 413, without a challenge', async () => {
    const route = plain(createTill({}, { maxBodyBytes: 10 }).mpp.charge(price))
    expect((await route(new Request(url, post('x'.repeat(10))))).status).toBe(402)
    expect(await refusal(route(new Request(url, post('x'.repeat(11)))))).toEqual([
      413,
      'body-too-large',
    ])
  })

  test('a body that breaks off: 400, not a throw (threat 7)', async () => {
    const route = plain(createTill().mpp.charge(price))
    const body = new ReadableStream({
      pull: (controller) => controller.error(new Error('aborted')),
    })
    expect(
      await refusal(route(new Request(url, { ...post(body), duplex: 'half' } as RequestInit))),
    ).toEqual([400, 'bad-request'])
  })

  test('opting out leaves it unread', async () => {
    const route = plain(
      createTill({}, { maxBodyBytes: 1 }).mpp.charge({ ...price, bind: { body: false } }),
    )
    const challenge = await challengeOf(route, new Request(url, post('one body')))
    expect(challenge.digest).toBeUndefined()
    expect((await route(present(credential(challenge), post('another')))).status).toBe(200)
  })
})

describe('the price', () => {
  test('is the route’s as it is now: what was asked before the change no longer pays (threat 4) [charge-012]', async () => {
    const { mpp, settled } = createTill()
    const cheap = plain(mpp.charge({ ...price, amount: '1' }))
    const dear = plain(mpp.charge({ ...price, amount: '1000' }))
    const response = await dear(present(credential(await challengeOf(cheap))))
    const [fresh] = Challenge.parse(response.headers)
    expect(fresh?.request['amount']).toBe('1000')
    expect(await problemOf(response)).toMatchObject({
      code: 'invalid-challenge',
      detail: expect.stringContaining('price') as string,
    })
    expect(settled).toEqual([])
  })

  test('includes the currency and all else that the request says', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge({ ...price, currency: 'gold' }))
    expect(
      await refusal(route(present(credential(await challengeOf(plain(mpp.charge(price))))))),
    ).toEqual(invalid)
  })

  test('two prices of one rail on one route each pay for themselves', async () => {
    const { server } = createRail()
    const mpp = Mpp.create({ methods: [server], realm, secretKey })
    const paid: unknown[] = []
    const route = plain(
      mpp.compose([server, price], [server, { ...price, amount: '20' }]),
      (payment) => {
        if (payment.status === 200) paid.push(payment.challenge?.request['amount'])
        return new Response('ok')
      },
    )
    const [low, high] = Challenge.parse((await route(new Request(url))).headers)
    for (const challenge of [high, low])
      expect((await route(present(credential(challenge as Challenge.Challenge)))).status).toBe(200)
    expect(paid).toEqual(['20', '10'])
  })
})

describe('compose across servers', () => {
  const first = createTill({}, { secretKey: '1'.repeat(32), realm: 'one.example.com' })
  const second = createTill({}, { secretKey: '2'.repeat(32), realm: 'two.example.com' })

  test.each([
    ['at two prices', '10', '20'],
    ['at one price', '10', '10'],
  ])('each challenge is judged by its own server’s secret and realm, %s', async (_, low, high) => {
    const route = plain(
      compose(
        first.mpp.charge({ ...price, amount: low }),
        second.mpp.charge({ ...price, amount: high }),
      ),
    )
    const challenges = Challenge.parse((await route(new Request(url))).headers)
    expect(challenges.map((challenge) => challenge.realm)).toEqual([
      'one.example.com',
      'two.example.com',
    ])
    for (const challenge of challenges)
      expect((await route(present(credential(challenge)))).status).toBe(200)
  })

  test('a secret of one signs nothing for the other', async () => {
    const route = plain(compose(first.mpp.charge(price), second.mpp.charge(price)))
    const [challenge] = Challenge.parse((await route(new Request(url))).headers)
    const wire = { ...(challenge as Challenge.Challenge).wire, realm: 'two.example.com' }
    const forged = { ...wire, id: ChallengeId.create(wire, ChallengeId.keyring('1'.repeat(32))) }
    expect(await refusal(route(present(credential(forged))))).toEqual(invalid)
  })
})
