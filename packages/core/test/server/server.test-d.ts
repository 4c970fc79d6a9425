import { Method, Mpp, Outcome } from '@polyrail/core/server'
import { describe, expectTypeOf, test } from 'vitest'
import * as z from 'zod'
import * as mini from 'zod/mini'

const secretKey = 'x'.repeat(32)

const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: {
    request: z.object({ amount: z.string(), currency: z.string(), memo: z.optional(z.string()) }),
    credential: { payload: z.object({ token: z.string(), count: z.coerce.number() }) },
  },
})

const sats = Method.from({
  name: 'sats',
  intent: 'session',
  schema: {
    request: mini.object({ amount: mini.string(), unit: mini.optional(mini.string()) }),
    credential: {
      payload: mini.object({
        preimage: mini.string(),
        at: mini.pipe(
          mini.string(),
          mini.transform((text) => new Date(text)),
        ),
      }),
    },
  },
})

const reference = () => ({ reference: 'r' })
const pointsServer = Method.toServer(points, { verify: reference })
const satsServer = Method.toServer(sats, { verify: reference })
const mpp = Mpp.create({ methods: [pointsServer, [satsServer]], realm: 'r', secretKey })

describe('Method.from', () => {
  test('keeps the very name and intent', () => {
    expectTypeOf(points.name).toEqualTypeOf<'points'>()
    expectTypeOf(points.intent).toEqualTypeOf<'charge'>()
    expectTypeOf(sats.name).toEqualTypeOf<'sats'>()
  })

  test('types a request and a payload by the schemas’ outputs, zod or zod/mini', () => {
    expectTypeOf<Method.RequestOf<typeof points>>().toEqualTypeOf<{
      amount: string
      currency: string
      memo?: string | undefined
    }>()
    expectTypeOf<Method.PayloadOf<typeof points>>().toEqualTypeOf<{
      token: string
      count: number
    }>()
    expectTypeOf<Method.PayloadOf<typeof sats>>().toEqualTypeOf<{ preimage: string; at: Date }>()
  })
})

describe('hooks', () => {
  test('what validate found is typed without what says no', () => {
    Method.toServer(points, {
      async validate({ credential }) {
        if (credential.payload.count < 0) return false
        if (credential.payload.count === 0) return null
        if (credential.payload.count > 9) return Outcome.unsettled()
        if (credential.payload.token === '') return Outcome.rejected('verification-failed')
        return { worth: credential.payload.count }
      },
      replayKey({ validated }) {
        expectTypeOf(validated).toEqualTypeOf<{ worth: number }>()
        return 'key'
      },
      settle({ validated }) {
        expectTypeOf(validated.worth).toEqualTypeOf<number>()
        return reference()
      },
    })
    Method.toServer(points, {
      validate: ({ credential }) => credential.payload.token === 'ours',
      replayKey: ({ validated }) => (expectTypeOf(validated).toEqualTypeOf<true>(), 'key'),
      settle: reference,
    })
    // As the field's guides write it.
    Method.toServer(points, {
      async validate() {},
      async broadcast() {
        return reference()
      },
    })
  })

  test('see the request and the payload typed', () => {
    Method.toServer(points, {
      validate({ challenge, credential, signal }) {
        expectTypeOf(challenge.request.amount).toEqualTypeOf<string>()
        expectTypeOf(challenge.request.memo).toEqualTypeOf<string | undefined>()
        expectTypeOf(credential.payload).toEqualTypeOf<{ token: string; count: number }>()
        expectTypeOf(credential.source).toEqualTypeOf<string | undefined>()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        return true
      },
      replayKey: ({ credential }) => credential.payload.token,
      settle: ({ challenge }) => ({ reference: challenge.id }),
    })
    Method.toServer(sats, {
      verify({ credential }) {
        expectTypeOf(credential.payload.at).toEqualTypeOf<Date>()
        return reference()
      },
    })
  })

  test('refuse what is not there', () => {
    Method.toServer(points, {
      // @ts-expect-error no such field of the payload
      verify: ({ credential }) => ({ reference: credential.payload.hash }),
    })
    Method.toServer(points, {
      // @ts-expect-error no such field of the request
      verify: ({ challenge }) => ({ reference: challenge.request.recipient }),
    })
    // @ts-expect-error a settlement has a reference
    Method.toServer(points, { verify: () => ({}) })
    // @ts-expect-error no such outcome
    Method.toServer(points, { verify: () => ({ status: 'done', reference: 'r' }) })
    // @ts-expect-error what reconcile finds is an outcome
    Method.toServer(points, { verify: reference, reconcile: () => 'settled' })
  })

  test('may answer by any outcome, at once or later', () => {
    Method.toServer(points, { verify: () => Outcome.settled({ reference: 'r' }) })
    Method.toServer(points, { verify: async () => Outcome.rejected('payment-expired') })
    Method.toServer(points, { verify: async () => Outcome.indeterminate({ attempt: { hash: 1 } }) })
    Method.toServer(points, {
      verify: async () => (Math.random() > 1 ? Outcome.unsettled() : { reference: 'r' }),
    })
  })
})

describe('routes', () => {
  test('mpp.<intent> and mpp.<rail>.<intent> ask for what the rail asks for', () => {
    expectTypeOf(mpp.charge).toBeCallableWith({ amount: '1', currency: 'pts' })
    expectTypeOf(mpp.points.charge).toBeCallableWith({ amount: '1', currency: 'pts', memo: 'x' })
    expectTypeOf(mpp.session).toBeCallableWith({ amount: '1' })
    expectTypeOf(mpp.sats.session).toBeCallableWith({ amount: '1', unit: 'msat' })
  })

  test('and take what every route takes', () => {
    expectTypeOf(mpp.charge).toBeCallableWith({
      amount: '1',
      currency: 'pts',
      description: ({ acceptLanguage }: { acceptLanguage: string | null }) => acceptLanguage ?? '',
      expires: 60,
      meta: { order: '7' },
      scope: '/x',
      bind: { scope: false, body: false },
    })
  })

  test('refuse what the rail does not know', () => {
    // @ts-expect-error currency is missing
    mpp.charge({ amount: '1' })
    // @ts-expect-error the amount is a text
    mpp.points.charge({ amount: 1, currency: 'pts' })
    // @ts-expect-error the rail has no such intent
    void mpp.points.session
    // @ts-expect-error there is no such rail
    void mpp.coins
    // @ts-expect-error meta is text
    mpp.charge({ amount: '1', currency: 'pts', meta: { order: 7 } })
  })

  test('defaults make what they fill in optional, and nothing else', () => {
    const filled = Mpp.create({
      methods: [Method.toServer(points, { defaults: { currency: 'pts' }, verify: reference })],
      realm: 'r',
      secretKey,
    })
    expectTypeOf(filled.charge).toBeCallableWith({ amount: '1' })
    expectTypeOf(filled.charge).toBeCallableWith({ amount: '1', currency: 'other' })
    // @ts-expect-error the amount has no default
    filled.charge({ currency: 'pts' })
    // @ts-expect-error a default is of the option's type
    Method.toServer(points, { defaults: { currency: 5 }, verify: reference })
  })

  test('a request hook sets what a route says', () => {
    const decimal = Method.toServer(points, {
      request: ({ amount }: { amount: number }) => ({
        amount: String(amount * 100),
        currency: 'pts',
      }),
      verify: reference,
    })
    const server = Mpp.create({ methods: [decimal], realm: 'r', secretKey })
    expectTypeOf(server.charge).toBeCallableWith({ amount: 0.5 })
    // @ts-expect-error not what the hook takes
    server.charge({ amount: '0.5' })
  })
})

describe('compose', () => {
  test('takes handlers, keys and methods with the options of their own rail', () => {
    const handler: Mpp.Handler = mpp.compose(
      mpp.charge({ amount: '1', currency: 'pts' }),
      ['points/charge', { amount: '1', currency: 'pts' }],
      ['sats/session', { amount: '1' }],
      [pointsServer, { amount: '1', currency: 'pts', description: 'x' }],
    )
    mpp.compose(handler, handler)
  })

  test('refuses a key that is not there and options of another rail', () => {
    // @ts-expect-error no such rail
    mpp.compose(['coins/charge', { amount: '1' }])
    // @ts-expect-error no such intent of this rail
    mpp.compose(['points/session', { amount: '1', currency: 'pts' }])
    // @ts-expect-error the options of sats
    mpp.compose(['points/charge', { amount: '1', unit: 'msat' }])
    // @ts-expect-error the options lack the currency
    mpp.compose([pointsServer, { amount: '1' }])
  })
})

describe('payments', () => {
  test('status tells which of the two it is', async () => {
    const payment = await mpp.charge({ amount: '1', currency: 'pts' })(new Request('https://x/'))
    expectTypeOf(payment).toEqualTypeOf<Mpp.Payment>()
    if (payment.status === 402) expectTypeOf(payment.challenge).toEqualTypeOf<Response>()
    else expectTypeOf(payment.withReceipt).toEqualTypeOf<(response: Response) => Response>()
    // @ts-expect-error only what is paid carries a receipt
    payment.withReceipt(new Response())
  })

  test('a wrapped route keeps the further parameters of its function', () => {
    const route = mpp.charge({ amount: '1', currency: 'pts' })(
      (_request, context: { id: number }) => Response.json(context.id),
    )
    expectTypeOf(route).toBeCallableWith(new Request('https://x/'), { id: 1 })
    expectTypeOf(route).returns.toEqualTypeOf<Promise<Response>>()
    // @ts-expect-error the context is missing
    void route(new Request('https://x/'))
  })

  test('a wrapped route takes the Request that its framework makes', () => {
    class NextRequest extends Request {
      readonly geo = 'somewhere'
    }
    const route = mpp.charge({ amount: '1', currency: 'pts' })((request: NextRequest) =>
      Response.json(request.geo),
    )
    expectTypeOf(route).toBeCallableWith(new NextRequest('https://x/'))
    // @ts-expect-error not what the framework makes
    void route(new Request('https://x/'))
    mpp.charge({ amount: '1', currency: 'pts' })((request) => {
      expectTypeOf(request).toEqualTypeOf<Request>()
      return new Response()
    })
  })

  test('listeners know their event', () => {
    mpp.on('settled', ({ receipt, challenge, url }) => {
      expectTypeOf(receipt.reference).toEqualTypeOf<string>()
      expectTypeOf(challenge.id).toEqualTypeOf<string>()
      expectTypeOf(url).toEqualTypeOf<string>()
    })
    // @ts-expect-error no such event
    mpp.on('paid', () => undefined)
  })

  test('toNodeListener of a handler resolves to the payment, of a route to nothing', () => {
    const handler = mpp.charge({ amount: '1', currency: 'pts' })
    expectTypeOf(Mpp.toNodeListener(handler)).returns.toEqualTypeOf<Promise<Mpp.Payment>>()
    expectTypeOf(Mpp.toNodeListener(handler(() => new Response()))).returns.toEqualTypeOf<
      Promise<void>
    >()
    expectTypeOf(Mpp.toNodeListener(() => new Response())).returns.toEqualTypeOf<Promise<void>>()
  })
})
