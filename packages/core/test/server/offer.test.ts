import { Challenge, PaymentRequest } from '@polyrail/core'
import { compose, Method, Mpp, Store } from '@polyrail/core/server'
import { describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import {
  challengeOf,
  challengesOf,
  createRail,
  createTill,
  credential,
  named,
  plain,
  present,
  price,
  problemOf,
  realm,
  refusal,
  secretKey,
  sleep,
  url,
  untyped,
} from './till.js'

/** A rail whose challenges carry an invoice of their own. */
function createInvoices(
  create: (visit: {
    count: number
    realm: string
    store: Store.Store
  }) => Record<string, unknown> | Promise<Record<string, unknown>> = ({ count }) => ({
    methodDetails: { invoice: `inv-${count}` },
  }),
) {
  const settled: string[] = []
  let count = 0
  const method = Method.from({
    name: 'invoices',
    intent: 'charge',
    schema: {
      request: z.object({
        amount: z.string(),
        currency: z.string(),
        methodDetails: z.object({ network: z.string(), invoice: z.string().optional() }),
      }),
      credential: { payload: z.object({ token: z.string() }) },
    },
  })
  const server = Method.toServer(method, {
    issued: {
      fields: ['methodDetails.invoice'],
      create: (visit) => create({ ...visit, count: ++count }),
    },
    replayKey: ({ challenge }) => challenge.request.methodDetails.invoice ?? '',
    settle({ challenge }) {
      settled.push(challenge.request.methodDetails.invoice ?? '')
      return { reference: challenge.request.methodDetails.invoice ?? '' }
    },
  })
  const invoice = { amount: '10', currency: 'sat', methodDetails: { network: 'test' } }
  return { server, settled, invoice }
}

describe('issued fields', () => {
  test('are made for each challenge, beside what the route asks', async () => {
    const { server, invoice } = createInvoices()
    const route = plain(
      Mpp.create({ methods: [server], realm, secretKey }).invoices.charge(invoice),
    )
    expect((await challengeOf(route)).request).toEqual({
      ...invoice,
      methodDetails: { network: 'test', invoice: 'inv-1' },
    })
    expect((await challengeOf(route)).request).toEqual({
      ...invoice,
      methodDetails: { network: 'test', invoice: 'inv-2' },
    })
  })

  test('come back with the credential, and everything else is still the route’s (threat 4)', async () => {
    const { server, settled, invoice } = createInvoices()
    const mpp = Mpp.create({ methods: [server], realm, secretKey })
    const route = plain(mpp.invoices.charge(invoice))
    expect((await route(present(credential(await challengeOf(route))))).status).toBe(200)
    expect(settled).toEqual(['inv-1'])
    for (const other of [
      { ...invoice, amount: '11' },
      { ...invoice, methodDetails: { network: 'main' } },
    ]) {
      const dear = plain(mpp.invoices.charge(other))
      expect(await refusal(dear(present(credential(await challengeOf(route)))))).toEqual([
        402,
        'invalid-challenge',
      ])
    }
    expect(settled).toEqual(['inv-1'])
  })

  test('changed by the payer are not ours', async () => {
    const { server, invoice } = createInvoices()
    const route = plain(
      Mpp.create({ methods: [server], realm, secretKey }).invoices.charge(invoice),
    )
    const { wire } = await challengeOf(route)
    const request = PaymentRequest.serialize({
      ...invoice,
      methodDetails: { network: 'test', invoice: 'inv-of-mine' },
    })
    expect(await refusal(route(present(credential({ ...wire, request }))))).toEqual([
      402,
      'invalid-challenge',
    ])
  })

  test('two prices of one issuing rail each pay for themselves', async () => {
    const { server, invoice } = createInvoices()
    const mpp = Mpp.create({ methods: [server], realm, secretKey })
    const route = plain(mpp.compose([server, invoice], [server, { ...invoice, amount: '20' }]))
    for (const challenge of (await challengesOf(route)).toReversed())
      expect((await route(present(credential(challenge)))).status).toBe(200)
  })

  test('that a route sets itself are the route’s: another value is not what it asks', async () => {
    const { server, settled, invoice } = createInvoices(() => ({}))
    const order = (name: string) => ({
      ...invoice,
      methodDetails: { network: 'test', invoice: name },
    })
    const mpp = Mpp.create({ methods: [server], realm, secretKey })
    const [first, second] = [
      plain(mpp.invoices.charge(order('a'))),
      mpp.invoices.charge(order('b')),
    ]
    const challenge = await challengeOf(first)
    expect(challenge.request).toEqual(order('a'))
    expect(await refusal(plain(second)(present(credential(challenge))))).toEqual([
      402,
      'invalid-challenge',
    ])
    expect((await first(present(credential(challenge)))).status).toBe(200)
    expect(settled).toEqual(['a'])
  })

  test('are made with the realm at hand, and the method’s own part of the store', async () => {
    const store = Store.memory()
    const { server, invoice } = createInvoices(async ({ realm: given, store: own }) => {
      await own.set('seen', given, { ttl: 60 })
      return { methodDetails: { invoice: given } }
    })
    const route = plain(
      Mpp.create({ methods: [server], realm, secretKey, store }).invoices.charge(invoice),
    )
    expect((await challengeOf(route)).request).toMatchObject({ methodDetails: { invoice: realm } })
    expect(await store.get('seen')).toBeUndefined()
    expect(await store.get('mpp:method:invoices:seen')).toBe(realm)
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('node offline')
      },
    ],
    ['rejects', () => Promise.reject(new Error('node offline'))],
    ['is late', () => new Promise<Record<string, unknown>>(() => undefined)],
    ['overwrites what the route asks', () => ({ amount: '1', methodDetails: { invoice: 'x' } })],
    [
      'makes what it did not declare',
      () => ({ methodDetails: { invoice: 'x', network: 'other' } }),
    ],
    ['makes nothing', () => undefined as unknown as Record<string, unknown>],
  ])(
    'a rail whose `create` %s drops out of the offer, and the others stand (threat 31)',
    async (_, create) => {
      const { server, invoice } = createInvoices(create)
      const { server: other } = createRail()
      const mpp = Mpp.create({
        methods: [server, other],
        realm,
        secretKey,
        deadlines: { offer: 30 },
      })
      const failed: unknown[] = []
      mpp.on('offer-failed', ({ rail, cause }) => failed.push(rail, cause))
      const both = plain(mpp.compose([server, invoice], [other, price]))
      expect((await challengesOf(both)).map(({ method }) => method)).toEqual(['points'])
      expect(failed).toEqual(['invoices/charge', expect.any(Error)])
      const alone = await plain(mpp.invoices.charge(invoice))(new Request(url))
      expect(alone.headers.get('retry-after')).toBe('5')
      expect(await refusal(alone)).toEqual([503, 'offer-unavailable'])
    },
  )

  test('are asked for in parallel, with a signal that ends at the deadline', async () => {
    const signals: AbortSignal[] = []
    const begun: number[] = []
    const slow = (name: string) =>
      Method.toServer(named(name), {
        issued: {
          fields: ['ticket'],
          async create({ signal }) {
            signals.push(signal)
            await sleep(100)
            begun.push(signals.length)
            return { ticket: name }
          },
        },
        verify: () => ({ reference: name }),
      })
    const mpp = Mpp.create({
      methods: [slow('one'), slow('two'), slow('three')],
      realm,
      secretKey,
      deadlines: { offer: 1000 },
    })
    const offered = await challengesOf(
      plain(
        mpp.compose(
          untyped(['one/charge', price]),
          untyped(['two/charge', price]),
          untyped(['three/charge', price]),
        ),
      ),
    )
    expect(offered.map(({ request }) => request['ticket'])).toEqual(['one', 'two', 'three'])
    // All three when the first was done.
    expect(begun).toEqual([3, 3, 3])
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false])
  })
})

describe('compose', () => {
  const [gold, silver, iron] = ['gold', 'silver', 'iron'].map((name) =>
    createRail({}, named(name)),
  ) as [ReturnType<typeof createRail>, ReturnType<typeof createRail>, ReturnType<typeof createRail>]
  const mpp = Mpp.create({
    methods: [gold.server, [silver.server, iron.server]],
    realm,
    secretKey,
  }) as unknown as Mpp.Mpp<(typeof gold)['server']> &
    Record<'gold' | 'silver' | 'iron', { charge(options: object): Mpp.Handler }>
  const names = async (request?: Request) =>
    (await challengesOf(all, request)).map(({ method }) => method)
  const all = plain(
    mpp.compose(
      mpp.gold.charge(price),
      [untyped('silver/charge'), { ...price, amount: '20' }],
      [iron.server, { ...price, amount: '30' }],
    ),
  )

  test('offers every rail at its own price in one 402, in the order given', async () => {
    const offered = await challengesOf(all)
    expect(offered.map(({ method, request }) => [method, request['amount']])).toEqual([
      ['gold', '10'],
      ['silver', '20'],
      ['iron', '30'],
    ])
    expect(new Set(offered.map(({ id }) => id)).size).toBe(3)
  })

  test('any of them pays, on its own rail alone', async () => {
    for (const challenge of await challengesOf(all))
      expect((await all(present(credential(challenge)))).status).toBe(200)
    expect([gold.settled.length, silver.settled.length, iron.settled.length]).toEqual([1, 1, 1])
  })

  test('composes what is composed already, and by itself too', async () => {
    const route = plain(
      compose(
        mpp.compose(mpp.gold.charge(price)),
        compose(mpp.silver.charge(price), mpp.iron.charge(price)),
      ),
    )
    expect((await challengesOf(route)).map(({ method }) => method)).toEqual([
      'gold',
      'silver',
      'iron',
    ])
  })

  test.each([
    ['nothing at all', () => compose()],
    [
      'a result instead of a handler',
      () => compose(untyped(mpp.gold.charge(price)(new Request(url)))),
    ],
    ['a wrapped route', () => compose(untyped(mpp.gold.charge(price)(() => new Response())))],
    ['an unknown key', () => mpp.compose([untyped('bronze/charge'), price])],
    ['an unknown intent', () => mpp.compose([untyped('gold/session'), price])],
    [
      'options that the rail refuses',
      () => mpp.compose([untyped('gold/charge'), { amount: '-1', currency: 'pts' }]),
    ],
  ])('fails where it is written, given %s', (_, write) => {
    expect(write).toThrow(TypeError)
  })

  test('mpp.<intent> that several rails take says how to choose', () => {
    expect(() => (mpp as unknown as { charge(options: object): void }).charge(price)).toThrow(
      /mpp\.gold\.charge.*mpp\.silver\.charge.*mpp\.iron\.charge.*mpp\.compose/s,
    )
  })

  describe('Accept-Payment', () => {
    const accept = (value: string) => new Request(url, { headers: { 'accept-payment': value } })

    test.each([
      ['iron/charge, gold/charge;q=0.5', ['iron', 'gold']],
      ['*/charge;q=0.1, silver/charge', ['silver', 'gold', 'iron']],
      ['silver/*', ['silver']],
      ['gold/charge;q=0, */*', ['silver', 'iron']],
      ['gold/session, iron/charge', ['iron']],
      ['gold/charge;q=0.5, silver/charge;q=0.5', ['gold', 'silver']],
    ])('%s: %j [core-038] [core-039]', async (value, expected) => {
      expect(await names(accept(value))).toEqual(expected)
    })

    test('absent, malformed or matching nothing, it changes nothing [core-040]', async () => {
      for (const request of [
        new Request(url),
        accept('gold'),
        accept('q=1;;'),
        accept('bronze/charge'),
        accept('*/*;q=0'),
      ])
        expect(await names(request)).toEqual(['gold', 'silver', 'iron'])
    })

    test('does not decide what may pay', async () => {
      const [challenge] = await challengesOf(all)
      const request = present(credential(challenge as Challenge.Challenge), {
        headers: { 'accept-payment': 'iron/charge' },
      })
      expect((await all(request)).status).toBe(200)
    })
  })

  test('past 4 kB of challenges it warns once a route, with the remedy (threat 25) [core-049]', async () => {
    const warnings: string[] = []
    mpp.on('warning', ({ message }) => warnings.push(message))
    const long = { ...price, description: 'x'.repeat(1200) }
    const route = plain(
      mpp.compose(mpp.gold.charge(long), mpp.silver.charge(long), mpp.iron.charge(long)),
    )
    await route(new Request(url))
    await route(new Request(url))
    await all(new Request(url))
    expect(warnings).toEqual([expect.stringMatching(/\d{4} bytes.*fewer rails/s)])
  })
})

describe('description', () => {
  test.each([
    ['a quote and a backslash', 'say "hi" \\ there', 'say "hi" \\ there'],
    ['an emoji', 'coffee ☕️ 🎉', 'coffee ☕️ 🎉'],
    ['a line break', 'a\r\nSet-Cookie: x=1', 'a  Set-Cookie: x=1'],
    ['NUL and DEL', 'a\0b\x7fc', 'a b c'],
    ['a lone surrogate', 'a\ud800b', 'a\ud800b'],
    ['Latin-1', 'Café für Ölmühle', 'Café für Ölmühle'],
    ['a forged challenge', '", Payment id="x", realm="y', '", Payment id="x", realm="y'],
  ])('%s breaks no header (threat 7)', async (_, description, read) => {
    const { mpp } = createTill()
    const response = await plain(mpp.charge({ ...price, description }))(new Request(url))
    const challenges = Challenge.parse(response.headers)
    expect(response.status).toBe(402)
    expect(challenges).toHaveLength(1)
    expect(challenges[0]?.description).toBe(read)
  })

  test('speaks the visitor’s language [core-053]', async () => {
    const description = ({ acceptLanguage }: { acceptLanguage: string | null }) =>
      acceptLanguage?.startsWith('de') ? 'Eine Seite' : 'A page'
    const route = plain(createTill().mpp.charge({ ...price, description }))
    expect((await challengeOf(route)).description).toBe('A page')
    expect(
      (await challengeOf(route, new Request(url, { headers: { 'accept-language': 'de-CH, en' } })))
        .description,
    ).toBe('Eine Seite')
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('no such language')
      },
    ],
    ['makes no text', () => undefined as unknown as string],
  ])(
    'a function that %s costs the description, not the offer (threat 7)',
    async (_, description) => {
      const { mpp } = createTill()
      const errors = vi.fn()
      mpp.on('error', errors)
      const challenge = await challengeOf(plain(mpp.charge({ ...price, description })))
      expect(challenge.description).toBeUndefined()
      expect(errors).toHaveBeenCalledOnce()
    },
  )
})

describe('a route that cannot be', () => {
  const { mpp, server } = createTill()
  const issuing = createInvoices()
  const bad = (options: object) => () => mpp.charge(options as typeof price)

  test.each([
    [
      'a price that the schema refuses',
      bad({ amount: '-1', currency: 'pts' }),
      /points\/charge: amount: /,
    ],
    ['a fraction of the smallest unit', bad({ amount: '0.5', currency: 'pts' }), /amount/],
    ['a number with an exponent', bad({ amount: '1e3', currency: 'pts' }), /amount/],
    ['a missing field', bad({ amount: '1' }), /currency/],
    ['no options', () => (mpp.charge as unknown as () => void)(), /amount/],
    ['a life of no seconds', bad({ ...price, expires: 0 }), /expires/],
    ['a life without end', bad({ ...price, expires: Infinity }), /expires/],
    ['a life that is no number', bad({ ...price, expires: Number.NaN }), /expires/],
    ['meta with the server’s own names', bad({ ...price, meta: { nonce: 'mine' } }), /nonce/],
    ['meta with the server’s scope', bad({ ...price, meta: { scope: 'mine' } }), /scope/],
    ['meta that is no text', bad({ ...price, meta: { order: 5 } }), /order/],
    ['meta that no header can carry', bad({ ...price, meta: { order: 'a\ud800' } }), /surrogate/],
  ])('fails where it is written: %s', (_, write, message) => {
    expect(write).toThrow(TypeError)
    expect(write).toThrow(message)
  })

  test('an expiry inside the request is refused [charge-005]', () => {
    const method = Method.from({
      name: 'points',
      intent: 'charge',
      schema: { ...server.schema, request: z.looseObject({ amount: z.string() }) },
    })
    const dated = Mpp.create({
      methods: [
        Method.toServer(method, {
          verify: () => ({ reference: 'r' }),
          request: (options) => ({ ...options, expires: '2999-01-01T00:00:00Z' }),
        }),
      ],
      realm,
      secretKey,
    })
    expect(() => dated.points.charge({ amount: '1' })).toThrow(/must not repeat the expiry/)
  })

  test('an asynchronous schema is refused: a route needs its price', () => {
    const request = z.object({ amount: z.string() }).refine(async () => true)
    const validate = (value: unknown) => Promise.resolve({ value: value as { amount: string } })
    const method = Method.from({
      name: 'points',
      intent: 'charge',
      schema: { ...server.schema, request: { '~standard': { ...request['~standard'], validate } } },
    })
    const late = Mpp.create({
      methods: [Method.toServer(method, { verify: () => ({ reference: 'r' }) })],
      realm,
      secretKey,
    })
    expect(() => late.points.charge({ amount: '1' })).toThrow(/asynchronous/)
  })

  test('defaults fill in what a route leaves out, and give way to what it says', async () => {
    const method = Method.toServer(issuing.server, {
      ...issuing.server,
      verify: () => ({ reference: 'r' }),
      issued: undefined,
      settle: undefined,
      defaults: { currency: 'sat', methodDetails: { network: 'test' } },
    })
    const filled = Mpp.create({ methods: [method], realm, secretKey })
    const handler = filled.invoices.charge as (options: object) => Mpp.Handler
    expect((await challengeOf(plain(handler({ amount: '7' })))).request).toEqual({
      amount: '7',
      currency: 'sat',
      methodDetails: { network: 'test' },
    })
    expect(
      (await challengeOf(plain(handler({ amount: '7', currency: 'eur' })))).request['currency'],
    ).toBe('eur')
  })

  test('what is undefined is not there, and never reaches the wire', async () => {
    const optional = Method.from({
      name: 'points',
      intent: 'charge',
      schema: {
        ...server.schema,
        request: z.object({ amount: z.string(), recipient: z.string().optional() }),
      },
    })
    const route = Mpp.create({
      methods: [Method.toServer(optional, { verify: () => ({ reference: 'r' }) })],
      realm,
      secretKey,
    }).points.charge({ amount: '1', recipient: undefined })
    expect(Object.keys((await challengeOf(plain(route))).request)).toEqual(['amount'])
  })
})

test('a rail’s own problem may have a type of its own', async () => {
  const { mpp } = createTill({
    validate: () => ({
      status: 'rejected',
      problem: {
        type: 'https://points.example/problems/asleep',
        title: 'Asleep',
        status: 402,
        detail: 'Come back.',
        code: 'asleep',
      },
    }),
  })
  const route = plain(mpp.charge(price))
  expect(await problemOf(await route(present(credential(await challengeOf(route)))))).toMatchObject(
    { type: 'https://points.example/problems/asleep', code: 'asleep' },
  )
})
