import { runInNewContext } from 'node:vm'
import { Receipt } from '@polyrail/core'
import { Errors, Method, Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  createRail,
  createTill,
  credential,
  named,
  newToken,
  plain,
  present,
  price,
  problemOf,
  realm,
  refusal,
  secretKey,
  sleep,
  untyped,
} from './till.js'

const failed: [number, string] = [402, 'verification-failed']
const unavailable: [number, string] = [503, 'settlement-unavailable']

/** A till, and what its operator hears of. */
function listening(...given: Parameters<typeof createTill>) {
  const till = createTill(...given)
  const errors = vi.fn()
  till.mpp.on('error', errors)
  return { ...till, errors, route: plain(till.mpp.charge(price)) }
}

describe('validate says no', () => {
  test.each<[string, unknown, [number, string]]>([
    ['false', false, failed],
    ['null', null, failed],
    ['rejected', Outcome.rejected('payment-insufficient'), [402, 'payment-insufficient']],
    ['rejected without a problem', { status: 'rejected' }, failed],
    ['rejected with half a problem', { status: 'rejected', problem: { type: 'about:x' } }, failed],
    [
      'rejected with a problem of a good status',
      { status: 'rejected', problem: { type: 'about:x', title: 'Fine', status: 200 } },
      failed,
    ],
    [
      'rejected with what no JSON can carry',
      Outcome.rejected('payment-insufficient', untyped({ paid: 5n })),
      failed,
    ],
    ['unsettled', Outcome.unsettled(), unavailable],
    ['indeterminate', Outcome.indeterminate(), unavailable],
    ['a problem', Errors.problem('payment-expired'), [402, 'payment-expired']],
    ['a PaymentError', new Errors.PaymentError('payment-expired'), [402, 'payment-expired']],
    ['an Error', new Error('no such transfer'), failed],
    ['an Error of another realm', runInNewContext('new Error("no")'), failed],
  ])('by %s, and nothing is claimed or moved (threat 21) [charge-012]', async (_, no, expected) => {
    for (const say of [() => no, async () => no]) {
      const validate = vi.fn((): unknown => undefined).mockImplementationOnce(say)
      const { route, settled } = listening({ validate })
      const { response, authorization } = await buy(route)
      expect(response.headers.has('retry-after')).toBe(expected[0] === 503)
      expect(await refusal(response)).toEqual(expected)
      expect(settled).toEqual([])
      expect((await route(present(authorization))).status).toBe(200)
    }
  })

  test('and says when to come again', async () => {
    for (const [retryAfter, expected] of [
      [7.2, '8'],
      [-1, '1'],
      [Number.NaN, '1'],
      [5n, '5'],
      ['soon', '1'],
    ]) {
      const { route } = listening({ validate: () => Outcome.unsettled(untyped({ retryAfter })) })
      const { headers } = (await buy(route)).response
      expect(headers.get('retry-after')).toBe(expected)
    }
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['true', true],
    ['an empty text', ''],
    ['zero', 0],
    ['evidence with a status of its own', { status: 'confirmed', reference: 'x' }],
    ['evidence that a thing is settled', { status: 'settled' }],
    ['evidence with a type', { type: 'transfer', status: 1 }],
  ])('by none of these: %s', async (_, evidence) => {
    const seen: unknown[] = []
    const { route } = listening({
      validate: () => evidence,
      settle: ({ validated }) => (seen.push(validated), { reference: 'r' }),
    })
    expect((await buy(route)).response.status).toBe(200)
    expect(seen).toEqual([evidence])
  })
})

describe('a settlement', () => {
  const forms: [string, (answer: () => unknown) => Parameters<typeof createTill>[0]][] = [
    ['settle', (answer) => ({ settle: untyped(answer) })],
    [
      'verify',
      (answer) => ({
        validate: undefined,
        replayKey: undefined,
        settle: undefined,
        verify: untyped(answer),
      }),
    ],
  ]

  test.each(
    ['failed', 'pending', 'requires_action', 'declined', 'Rejected', '', 0, null, {}].flatMap(
      (status) => forms.map(([name, hooks]) => ({ status, name, hooks })),
    ),
  )(
    'of the status $status is none, whatever its reference, $name: nobody knows [core-033] [core-035]',
    async ({ status, hooks }) => {
      const { mpp } = createTill(hooks(() => ({ status, reference: 'pi_1' })))
      const causes: unknown[] = []
      mpp.on('indeterminate', ({ cause }) => void causes.push(cause))
      const { response } = await buy(plain(mpp.charge(price)))
      expect(await refusal(response)).toEqual([503, 'payment-indeterminate'])
      expect(causes).toEqual([expect.objectContaining({ name: 'TypeError' })])
      expect(String(causes[0])).toContain(`"${String(status)}"`)
    },
  )

  test.each(['settled', 'success', undefined])('of the status %s is one', async (status) => {
    for (const [, hooks] of forms) {
      const { mpp } = createTill(hooks(() => ({ status, reference: 'r' })))
      expect((await buy(plain(mpp.charge(price)))).response.status).toBe(200)
    }
  })

  test.each(forms)('rejected without a problem has the usual one, %s', async (_, hooks) => {
    const { route } = listening(hooks(() => ({ status: 'rejected' })))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual(failed)
    expect(await refusal(route(present(authorization)))).toEqual(failed)
  })

  const circular: Record<string, unknown> = {}
  circular['self'] = circular

  test.each<[string, object]>([
    ['a receipt with a bigint', { receipt: { units: 5n } }],
    ['a receipt with a cycle', { receipt: circular }],
    ['a receipt that is text', { receipt: 'paid' }],
    ['a time that is a number', { timestamp: Date.now() }],
    ['a time that is zero', { timestamp: 0 }],
    ['a time that is no time', { timestamp: new Date(Number.NaN) }],
  ])('with %s is recorded and delivered without it (threat 9) (threat 10)', async (_, more) => {
    for (const [, hooks] of forms) {
      let taken = 0
      const { mpp, errors } = listening(hooks(() => (taken++, { reference: 'r', ...more })))
      const route = mpp.charge(price)(() => new Response('page'))
      const { response, authorization } = await buy(route)
      const again = await route(present(authorization))
      expect([await response.text(), await again.text(), taken]).toEqual(['page', 'page', 1])
      expect(Receipt.fromResponse(response)).toEqual({
        status: 'success',
        method: 'points',
        reference: 'r',
        timestamp: expect.stringMatching(/^20\d\d-/) as string,
      })
      expect(errors.mock.calls).toEqual([[{ cause: expect.any(TypeError) as Error }]])
    }
  })

  test('may be dated by a Date, and leave out what it likes by null', async () => {
    const date = new Date('2026-01-02T03:04:05.006Z')
    for (const [timestamp, expected] of [
      [date, date.toISOString()],
      [null, expect.stringMatching(/^20\d\d-/)],
    ]) {
      const settle = untyped<() => Outcome.Settled>(() => ({
        reference: 'r',
        timestamp,
        receipt: null,
      }))
      const { route, errors } = listening({ settle })
      expect(Receipt.fromResponse((await buy(route)).response)?.timestamp).toEqual(expected)
      expect(errors).not.toHaveBeenCalled()
    }
  })
})

describe('a proof that its method does not name', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty text', ''],
    ['a number', 5],
    ['an object without a key', { ttl: 60 }],
    ['a key without a life', { key: 'x' }],
    ['a life that is no number', { key: 'x', ttl: Number.NaN }],
    ['a life without end', { key: 'x', ttl: Infinity }],
    ['no life', { key: 'x', ttl: 0 }],
  ])(
    'but by %s: 503, the operator hears of it, and nothing is claimed or moved (threat 3) [core-065]',
    async (_, name) => {
      let isMended = false
      const { route, settled, errors } = listening({
        replayKey: untyped(() => (isMended ? 'a name' : name)),
      })
      const { response, authorization } = await buy(route)
      expect(await refusal(response)).toEqual(unavailable)
      expect(errors.mock.calls).toEqual([[{ cause: expect.any(TypeError) as Error }]])
      expect(settled).toEqual([])
      isMended = true
      expect((await route(present(authorization))).status).toBe(200)
    },
  )

  test('nor whose payer it is proves none: nobody gets what another paid for under the same Idempotency-Key', async () => {
    for (const payer of [{ id: 1 }, '', null, 0]) {
      const { mpp, settled } = createTill({ payer: untyped(() => payer) })
      const route = mpp.charge(price)(() => new Response('page'))
      for (let visit = 0; visit < 2; visit++)
        await route(
          present(credential(await challengeOf(route)), { headers: { 'idempotency-key': 'k' } }),
        )
      expect(settled).toHaveLength(2)
    }
  })

  const broadcasting = (method = named('points')) => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const moved: string[] = []
    const server = Method.toServer(method, {
      async validate() {},
      async broadcast({ credential: { payload } }) {
        return { reference: String(moved.push(payload.token)) }
      },
    })
    const mpp = Mpp.create({ methods: [server], realm, secretKey, store: Store.memory() })
    expect(warned.mock.calls).toEqual([[expect.stringMatching(/points\/charge.*replayKey/s)]])
    warned.mockRestore()
    return { mpp, moved, route: plain(mpp.charge(price)) }
  }

  test('in the form of the field’s guides, validate and broadcast, pays once by what it says, with one warning (threat 3)', async () => {
    const { route, moved } = broadcasting()
    const token = newToken()
    expect((await buy(route, token)).response.status).toBe(200)
    expect(await refusal((await buy(route, token)).response)).toEqual(failed)
    expect((await buy(route)).response.status).toBe(200)
    expect(moved).toHaveLength(2)
  })

  test('is named by what its schema made of it, in whatever order it comes', async () => {
    const { server } = createRail()
    const validate = (value: unknown) => ({ value: value as { token: string } })
    const payload = { '~standard': { version: 1 as const, vendor: 'test', validate } }
    const method = Method.from({
      name: 'points',
      intent: 'charge',
      schema: { request: server.schema.request, credential: { payload } },
    })
    const { route, moved } = broadcasting(untyped(method))
    for (const [shown, expected] of [
      [{ token: 'one', more: 1 }, 200],
      [{ more: 1, token: 'one' }, 402],
    ] as const) {
      const challenge = await challengeOf(route)
      const { wire } = challenge
      const text = JSON.stringify({ challenge: wire, payload: shown })
      const authorization = `Payment ${Buffer.from(text).toString('base64url')}`
      expect((await route(present(authorization))).status).toBe(expected)
    }
    expect(moved).toEqual(['one'])
  })

  test('and whose payload has no canonical form, pays nothing', async () => {
    const { server } = createRail()
    const validate = () => ({ value: { token: 'x', at: new Date() } })
    const payload = { '~standard': { version: 1 as const, vendor: 'test', validate } }
    const schema = { request: server.schema.request, credential: { payload } }
    const { route, mpp, moved } = broadcasting(
      untyped(Method.from({ name: 'points', intent: 'charge', schema })),
    )
    mpp.on('error', () => undefined)
    expect(await refusal((await buy(route)).response)).toEqual(unavailable)
    expect(moved).toEqual([])
  })
})

describe('a hook that never answers', () => {
  const deadlines = { settle: 40, wait: 30, lease: 60 }
  const never = () => new Promise<never>(() => undefined)

  test('policy: 503, and nothing moves', async () => {
    const { route, settled } = listening({}, { policy: never, deadlines })
    expect(await refusal((await buy(route)).response)).toEqual(unavailable)
    expect(settled).toEqual([])
  })

  test('limit: 503, for visitors with and without a credential', async () => {
    const { route } = listening({}, { limit: never, deadlines })
    for (const request of [new Request('https://api.example.com/paid'), present('Payment e30')])
      expect((await problemOf(await route(request))).status).toBe(503)
  })

  test('the payload’s schema: 503, and nothing moves', async () => {
    const { route, settled } = withSchema(never, deadlines)
    expect(await refusal((await buy(route)).response)).toEqual(unavailable)
    expect(settled).toEqual([])
  })
})

test('a schema may answer by any thenable', async () => {
  const result = { value: { token: 'read' } }
  const { route, settled } = withSchema(() => ({
    // oxlint-disable-next-line unicorn/no-thenable -- what is tested
    then: (resolve: (value: unknown) => void) => void sleep(1).then(() => resolve(result)),
  }))
  expect((await buy(route)).response.status).toBe(200)
  expect(settled).toEqual(['read'])
})

/** A till whose payload schema answers so. */
function withSchema(validate: () => unknown, deadlines = {}) {
  const { server, settled } = createRail()
  const payload = { '~standard': { version: 1, vendor: 'test', validate } }
  const schema = { ...server.schema, credential: { payload } }
  const method = untyped<typeof server>({ ...server, schema })
  const mpp = Mpp.create({ methods: [method], realm, secretKey, deadlines, store: Store.memory() })
  return { route: plain(mpp.charge(price)), settled }
}
