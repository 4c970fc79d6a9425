import { Challenge, ChallengeId, Credential, PaymentRequest, Receipt } from '@polyrail/core'
import { Errors, Mpp, Outcome } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import {
  buy,
  challengeOf,
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

const base = 'https://paymentauth.org/problems/'
const encode = (text: string) => Buffer.from(text).toString('base64url')

describe('without a credential', () => {
  test('402 with a fresh challenge and a payment-required problem that names it [core-001] [core-002] [core-005] [core-042]', async () => {
    const { mpp } = createTill()
    const response = await plain(mpp.charge(price))(new Request(url))
    const challenge = Challenge.deserialize(response.headers.get('www-authenticate') ?? '')
    expect(response.status).toBe(402)
    const problem = await problemOf(response)
    expect(problem).toMatchObject({
      type: `${base}payment-required`,
      code: 'payment-required',
      status: 402,
      challengeId: challenge?.id,
    })
  })

  test('the challenge has every required parameter and an expiry, bound by the HMAC of the seven slots [core-007] [core-008] [core-009] [core-011] [core-012] [core-018] [core-026] [core-028]', async () => {
    const { mpp } = createTill()
    const before = Date.now()
    const challenge = await challengeOf(plain(mpp.charge(price)))
    expect(challenge).toMatchObject({ realm, method: 'points', intent: 'charge', request: price })
    expect(Date.parse(challenge.expires ?? '')).toBeGreaterThanOrEqual(before + 299_000)
    expect(Date.parse(challenge.expires ?? '')).toBeLessThanOrEqual(Date.now() + 300_000)
    expect(challenge.id).toBe(ChallengeId.create(challenge.wire, ChallengeId.keyring(secretKey)))
  })

  test('the request is canonical JSON in base64url without padding [core-014] [core-015] [charge-002]', async () => {
    const { mpp } = createTill()
    const { wire } = await challengeOf(plain(mpp.charge({ currency: 'pts', amount: '10' })))
    expect(wire.request).toBe(encode('{"amount":"10","currency":"pts"}'))
  })

  test('opaque is a flat map of strings in canonical JSON, and bound [core-021] [core-023] [core-024]', async () => {
    const { mpp } = createTill()
    const { wire } = await challengeOf(
      plain(mpp.charge({ ...price, meta: { zebra: 'zürich', apple: '☃' } })),
    )
    const opaque = JSON.parse(Buffer.from(wire.opaque ?? '', 'base64url').toString()) as Record<
      string,
      unknown
    >
    expect(opaque).toMatchObject({ zebra: 'zürich', apple: '☃' })
    expect(Object.values(opaque).every((value) => typeof value === 'string')).toBe(true)
    expect(wire.opaque).toBe(PaymentRequest.serialize(opaque))
  })

  test('two visitors never get the same challenge (threat 33)', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const ids = new Set<string>()
    for (let visit = 0; visit < 1000; visit++) ids.add((await challengeOf(route)).id)
    expect(ids.size).toBe(1000)
  })

  test('nothing is written to the store [core-068]', async () => {
    const { mpp, store } = createTill()
    for (let visit = 0; visit < 20; visit++) await plain(mpp.charge(price))(new Request(url))
    expect((store as unknown as { size: number }).size).toBe(0)
  })

  test('another scheme alone counts as no payment', async () => {
    const { mpp } = createTill()
    expect(await refusal(plain(mpp.charge(price))(present('Bearer abc')))).toEqual([
      402,
      'payment-required',
    ])
  })
})

describe('a malformed credential', () => {
  test.each([
    ['nothing after the scheme', 'Payment'],
    ['characters that base64url lacks', 'Payment !!!'],
    ['padding', `Payment ${encode('{"a":1}')}==`],
    ['bad JSON', `Payment ${encode('{')}`],
    ['bytes that are no UTF-8', `Payment ${Buffer.from([0xff, 0xfe]).toString('base64url')}`],
    ['JSON that is no object', `Payment ${encode('[]')}`],
    ['null', `Payment ${encode('null')}`],
    ['no challenge', `Payment ${encode('{"payload":{}}')}`],
    [
      'no payload',
      `Payment ${encode('{"challenge":{"id":"a","realm":"r","method":"points","intent":"charge","request":"e30"}}')}`,
    ],
    [
      'an empty id',
      `Payment ${encode('{"challenge":{"id":"","realm":"r","method":"points","intent":"charge","request":"e30"},"payload":{}}')}`,
    ],
    ['auth-params instead', 'Payment id="a", realm="b"'],
    [
      'nesting without end',
      `Payment ${encode(`{"challenge":${'['.repeat(5000)}${']'.repeat(5000)},"payload":{}}`)}`,
    ],
    [
      'a polluting member',
      `Payment ${encode('{"challenge":{"id":"a","realm":"r","method":"points","intent":"charge","request":"e30"},"payload":{"__proto__":{"token":"x"}}}')}`,
    ],
  ])('%s: 402 malformed-credential with a fresh challenge (threat 7)', async (_, authorization) => {
    const { mpp, settled } = createTill()
    expect(await refusal(plain(mpp.charge(price))(present(authorization)))).toEqual([
      402,
      'malformed-credential',
    ])
    expect(settled).toEqual([])
  })

  test('a payload that its method does not know: 402 malformed-credential', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const authorization = Credential.serialize({
      challenge: await challengeOf(route),
      payload: { token: 5 },
    })
    expect(await refusal(route(present(authorization)))).toEqual([402, 'malformed-credential'])
  })

  test('a payload that makes the method’s schema throw: 402 malformed-credential (threat 7)', async () => {
    const { server } = createTill()
    const validate = (value: unknown) => ({
      value: { token: (value as { token: { deep: string } }).token.deep.trim() },
    })
    const method = {
      ...server,
      schema: {
        ...server.schema,
        credential: { payload: { '~standard': { version: 1 as const, vendor: 'test', validate } } },
      },
    }
    const mpp = Mpp.create({ methods: [method], realm, secretKey })
    const route = plain(mpp.charge(price))
    expect(await refusal(route(present(credential(await challengeOf(route)))))).toEqual([
      402,
      'malformed-credential',
    ])
  })

  test('its problem says nothing of what was sent (threat 16) [core-059]', async () => {
    const { mpp } = createTill()
    const response = await plain(mpp.charge(price))(
      present(`Payment ${encode('{"secret":"s3cr3t"}')}`),
    )
    expect(await response.text()).not.toMatch(/s3cr3t|secret/)
  })
})

describe('an invalid challenge', () => {
  test('an unknown id: 402 invalid-challenge with a fresh one [core-027] [charge-012]', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const { wire } = await challengeOf(route)
    const response = await route(present(credential({ ...wire, id: 'x7Tg2pLqR9mKvNwY3hBcZa' })))
    expect(Challenge.deserialize(response.headers.get('www-authenticate') ?? '')?.id).not.toBe(
      wire.id,
    )
    expect(await refusal(response)).toEqual([402, 'invalid-challenge'])
  })

  test('an expired challenge: 402 invalid-challenge, and no money moves [charge-012]', async () => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge({ ...price, expires: 1 }))
    const authorization = credential(await challengeOf(route))
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const response = await route(present(authorization))
    expect(await problemOf(response)).toMatchObject({
      code: 'invalid-challenge',
      detail: expect.stringContaining('expired') as string,
    })
    expect(settled).toEqual([])
  })

  test('a used challenge: 402 invalid-challenge, and no second settlement [charge-010] [charge-011] [charge-016] [charge-017] [charge-018] (threat 1)', async () => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(response.status).toBe(200)
    expect(await refusal(route(present(authorization)))).toEqual([402, 'invalid-challenge'])
    expect(settled).toHaveLength(1)
  })

  test('a used challenge with another proof: 402 invalid-challenge, and the proof is not spent [charge-017]', async () => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge(price))
    const challenge = await challengeOf(route)
    expect((await route(present(credential(challenge, 'one')))).status).toBe(200)
    expect(await refusal(route(present(credential(challenge, 'two'))))).toEqual([
      402,
      'invalid-challenge',
    ])
    expect(settled).toEqual(['one'])
    expect((await route(present(credential(await challengeOf(route), 'two')))).status).toBe(200)
  })
})

describe('a bad proof', () => {
  test('402 verification-failed with a fresh challenge [core-035] [charge-001]', async () => {
    const { mpp, settled } = createTill()
    expect(await refusal((await buy(plain(mpp.charge(price)), 'bad')).response)).toEqual([
      402,
      'verification-failed',
    ])
    expect(settled).toEqual([])
  })

  test('the problem that the method names, its code and its public details [core-043]', async () => {
    const { mpp } = createTill({
      validate: () =>
        Outcome.rejected(
          'payment-insufficient',
          { detail: 'Two short.', short: 2 },
          { cause: 'inner workings' },
        ),
    })
    const problem = await problemOf((await buy(plain(mpp.charge(price)))).response)
    expect(problem).toEqual({
      type: `${base}payment-insufficient`,
      title: 'Payment Insufficient',
      status: 402,
      detail: 'Two short.',
      code: 'payment-insufficient',
      short: 2,
    })
  })

  test('a PaymentError thrown is the problem that it carries', async () => {
    const { mpp } = createTill({
      validate() {
        throw new Errors.PaymentError('payment-expired', {}, { cause: new Error('the inside') })
      },
    })
    const { response } = await buy(plain(mpp.charge(price)))
    expect(await response.clone().text()).not.toContain('inside')
    expect(await refusal(response)).toEqual([402, 'payment-expired'])
  })

  test('any other throw says nothing of itself', async () => {
    const { mpp } = createTill({
      validate() {
        throw new Error('postgres://user:password@host')
      },
    })
    const { response } = await buy(plain(mpp.charge(price)))
    expect(await response.clone().text()).not.toContain('password')
    expect(await refusal(response)).toEqual([402, 'verification-failed'])
  })

  test('does not use up its challenge, which pays with a good one', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const challenge = await challengeOf(route)
    await route(present(credential(challenge, 'bad')))
    expect((await route(present(credential(challenge, 'good')))).status).toBe(200)
  })
})

describe('a good payment', () => {
  test('200 with the resource and a receipt [core-032] [core-033] [core-034]', async () => {
    const { mpp } = createTill()
    const { response } = await buy(plain(mpp.charge(price)), 'mine')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ data: 'paid for' })
    const receipt = Receipt.fromResponse(response)
    expect(receipt).toMatchObject({ status: 'success', method: 'points', reference: 'ref-mine' })
    expect(Date.now() - Date.parse(receipt?.timestamp ?? '')).toBeLessThan(5000)
  })

  test('the receipt keeps the fields and the time of the method, and nothing of `settlement`', async () => {
    const timestamp = '2026-01-02T03:04:05Z'
    const { mpp } = createTill({
      settle: () =>
        Outcome.settled({
          reference: 'r',
          timestamp,
          receipt: { chain: 4217, status: 'failed', method: 'other' },
          settlement: { balance: 'private' },
        }),
    })
    let settlement: unknown
    const { response } = await buy(
      plain(mpp.charge(price), (payment) => {
        settlement = payment.status === 200 && payment.settlement
        return new Response('x')
      }),
    )
    expect(Receipt.fromResponse(response)).toEqual({
      status: 'success',
      method: 'points',
      reference: 'r',
      timestamp,
      chain: 4217,
    })
    expect(settlement).toEqual({ balance: 'private' })
  })

  test('needs no account: no header but the credential [core-076]', async () => {
    const { mpp } = createTill()
    expect((await buy(plain(mpp.charge(price)))).response.status).toBe(200)
  })

  test('a credential of 12 kB is read [core-051]', async () => {
    const { mpp } = createTill()
    expect((await buy(plain(mpp.charge(price)), 'x'.repeat(9000))).response.status).toBe(200)
  })

  test('unknown fields of a credential and of its echoed challenge are ignored [core-046] [core-048]', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const { wire } = await challengeOf(route)
    const text = JSON.stringify({
      challenge: { ...wire, novel: 'x', count: 5 },
      payload: { token: 't1', extra: [] },
      version: 9,
    })
    expect((await route(present(`Payment ${encode(text)}`))).status).toBe(200)
  })

  test('a changed description changes nothing: it is bound to nothing [core-020]', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge({ ...price, description: 'A page' }))
    const { wire } = await challengeOf(route)
    expect((await route(present(credential({ ...wire, description: 'Free!' })))).status).toBe(200)
  })
})

describe('the other refusals', () => {
  test('a method that the route does not offer: 400 method-unsupported, without a challenge', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const { wire } = await challengeOf(route)
    expect(await refusal(route(present(credential({ ...wire, method: 'doubloons' }))))).toEqual([
      400,
      'method-unsupported',
    ])
    expect(await refusal(route(present(credential({ ...wire, intent: 'session' }))))).toEqual([
      400,
      'method-unsupported',
    ])
  })

  test('two credentials: 400 multiple-credentials, and neither is spent', async () => {
    const { mpp, settled } = createTill()
    const route = plain(mpp.charge(price))
    const one = credential(await challengeOf(route))
    const two = credential(await challengeOf(route))
    expect(await refusal(route(present(`${one}, ${two}`)))).toEqual([400, 'multiple-credentials'])
    const headers = new Headers([
      ['authorization', one],
      ['authorization', one],
    ])
    expect(await refusal(route(new Request(url, { headers })))).toEqual([
      400,
      'multiple-credentials',
    ])
    expect(settled).toEqual([])
  })

  test('a credential beside a bearer token of another scheme pays [core-006]', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const headers = new Headers([['authorization', 'Bearer a.b.c']])
    headers.append('authorization', credential(await challengeOf(route)))
    expect((await route(new Request(url, { headers }))).status).toBe(200)
  })

  test('the scheme is read in any case', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const authorization = credential(await challengeOf(route)).replace('Payment', 'pAYMENT')
    expect((await route(present(authorization))).status).toBe(200)
  })
})
