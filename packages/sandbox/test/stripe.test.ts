import { LocalStripe } from '@polyrail/sandbox/stripe'
import { Stripe } from 'stripe'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { apiVersion, call, connect, errorOf, paying } from './stripe-client.js'

let local: LocalStripe.Sandbox
let stripe: Stripe

beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
  stripe = connect(local)
})
afterAll(() => local.stop())

const create = (params: object, options: Stripe.RequestOptions = {}) =>
  stripe.paymentIntents.create(params as Stripe.PaymentIntentCreateParams, {
    apiVersion,
    ...options,
  })

describe('a payment with a token', () => {
  test('is made once, and is in the books', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const token = await own.grant({ amount: 500n, currency: 'usd', seller: own.networkId })
    const params = paying(token, { metadata: { challenge_id: 'c1' }, description: 'a page' })
    const options = { apiVersion, idempotencyKey: `c1_${token}` }
    const paid = await connect(own).paymentIntents.create(params, options)
    expect(paid).toMatchObject({
      id: expect.stringMatching(/^pi_3\w{23}$/),
      object: 'payment_intent',
      status: 'succeeded',
      amount: 500,
      amount_received: 500,
      currency: 'usd',
      livemode: false,
      metadata: { challenge_id: 'c1' },
      description: 'a page',
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      latest_charge: expect.stringMatching(/^ch_/),
      payment_method: expect.stringMatching(/^pm_/),
      last_payment_error: null,
    })
    expect(paid.client_secret).toMatch(new RegExp(`^${paid.id}_secret_`))
    expect(paid.lastResponse).toMatchObject({
      requestId: expect.stringMatching(/^req_/),
      apiVersion,
      idempotencyKey: options.idempotencyKey,
    })
    expect(own.captured).toEqual({ usd: { sum: 500n, count: 1 } })
    expect(own.paymentIntents).toEqual([
      {
        id: paid.id,
        account: own.account.id,
        amount: 500n,
        currency: 'usd',
        status: 'succeeded',
        received: 500n,
        refunded: 0n,
        charges: 1,
        token,
        metadata: { challenge_id: 'c1' },
      },
    ])
    expect(own.tokens).toMatchObject([{ id: token, deactivated: 'consumed', captured: 500n }])
    expect(own.calls).toMatchObject([
      {
        call: 'POST /v1/payment_intents',
        idempotencyKey: `c1_${token}`,
        status: 200,
        replayed: false,
      },
    ])
  })

  test('takes it in either place', async () => {
    const token = await local.grant({ amount: 500n })
    const { shared_payment_granted_token: _, ...params } = paying(token)
    const data = { shared_payment_granted_token: token }
    expect(await create({ ...params, payment_method_data: data })).toMatchObject({
      status: 'succeeded',
    })
    const other = await local.grant({ amount: 500n })
    const twice = create({
      ...paying(other),
      payment_method_data: { shared_payment_granted_token: other },
    })
    expect(await errorOf(twice)).toMatchObject({ statusCode: 400, code: 'parameters_exclusive' })
  })

  test('needs a preview of the API', async () => {
    const token = await local.grant({ amount: 500n })
    for (const version of [undefined, '2026-10-28.endive', '2025-08-27.preview']) {
      const options = version === undefined ? {} : { apiVersion: version }
      const error = await errorOf(stripe.paymentIntents.create(paying(token), options))
      expect(error).toMatchObject({
        statusCode: 400,
        code: 'parameter_unknown',
        param: 'shared_payment_granted_token',
      })
    }
    const path = `/v1/shared_payment/granted_tokens/${token}`
    expect(await errorOf(stripe.rawRequest('GET', path))).toMatchObject({ statusCode: 404 })
    const odd = await call(local, 'GET /v1/account', undefined, { 'stripe-version': 'soon' })
    expect(odd).toMatchObject({ status: 400, text: expect.stringMatching(/API version/) })
  })
})

describe('a token is refused', () => {
  const refused = async (token: string, more: object = {}) => {
    const before = local.paymentIntents.length
    const error = await errorOf(create({ ...paying(token), ...more }))
    expect(local.paymentIntents).toHaveLength(before)
    expect(error).toMatchObject({ statusCode: 400, rawType: 'invalid_request_error' })
    return error
  }
  const dead = /already in a deactivated state/

  test('when it has been used', async () => {
    const token = await local.grant({ amount: 500n })
    await create(paying(token))
    const error = await refused(token)
    expect(error.message).toMatch(dead)
    expect(error.code).toBeUndefined()
  })

  test('over its limit', async () => {
    const error = await refused(await local.grant({ amount: 499n }))
    expect(error.message).toMatch(/greater than the remaining amount/)
    expect(error.code).toBeUndefined()
  })

  test('in another currency', async () => {
    const error = await refused(await local.grant({ amount: 500n, currency: 'eur' }))
    expect(error.message).toMatch(
      /currency usd is not that of the shared payment granted token, eur/,
    )
  })

  test('when its time is over', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const token = await own.grant({ amount: 500n, expiresAt: own.now() + 60 })
    own.advance(60)
    const error = await errorOf(connect(own).paymentIntents.create(paying(token), { apiVersion }))
    expect(error.message).toMatch(dead)
    expect(own.tokens).toMatchObject([{ deactivated: 'expired' }])
  })

  test('when it was revoked', async () => {
    const token = await local.grant({ amount: 500n })
    await local.revoke(token)
    expect((await refused(token)).message).toMatch(dead)
  })

  test('when nobody knows it, or it is for another seller', async () => {
    const foreign = await local.grant({ amount: 500n, seller: local.seller().networkId })
    for (const token of ['spt_none', foreign]) {
      expect(await refused(token)).toMatchObject({
        code: 'resource_missing',
        param: 'shared_payment_granted_token',
        message: `No such shared_payment_token: '${token}'`,
      })
    }
  })

  test('but not when the card was declined: nothing has been taken', async () => {
    const token = await local.grant({ amount: 500n, paymentMethod: 'pm_card_chargeDeclined' })
    await errorOf(create(paying(token)))
    await errorOf(create(paying(token)))
    expect(local.tokens.find(({ id }) => id === token)).toMatchObject({ deactivated: undefined })
  })
})

describe('an idempotency key', () => {
  test('gives the same answer again, and says so', async () => {
    const token = await local.grant({ amount: 500n })
    const options = { idempotencyKey: `key ${token}` }
    const first = await create(paying(token), options)
    const second = await create(paying(token), options)
    expect(second).toEqual(first)
    expect(first.lastResponse.headers).not.toHaveProperty('idempotent-replayed')
    expect(second.lastResponse.headers).toMatchObject({
      'idempotent-replayed': 'true',
      'original-request': first.lastResponse.requestId,
      'idempotency-key': options.idempotencyKey,
    })
    expect(second.lastResponse.requestId).not.toBe(first.lastResponse.requestId)
  })

  test('keeps declines, and refusals of tokens', async () => {
    const paymentMethod = 'pm_card_chargeDeclinedInsufficientFunds'
    const token = await local.grant({ amount: 500n, paymentMethod })
    const options = { idempotencyKey: `declined ${token}` }
    const [first, second] = [
      await errorOf(create(paying(token), options)),
      await errorOf(create(paying(token), options)),
    ]
    expect(second.payment_intent).toEqual(first.payment_intent)
    expect(second.headers).toMatchObject({ 'idempotent-replayed': 'true' })
    const unknown = { idempotencyKey: `unknown ${token}` }
    await errorOf(create(paying('spt_none'), unknown))
    const again = await errorOf(create(paying('spt_none'), unknown))
    expect(again.headers).toMatchObject({ 'idempotent-replayed': 'true' })
  })

  test('is free again when the parameters were at fault', async () => {
    const token = await local.grant({ amount: 500n })
    const options = { idempotencyKey: `wrong ${token}` }
    const wrong = await errorOf(create(paying(token, { amount: 1 }), options))
    expect(wrong.code).toBe('amount_too_small')
    expect(await create(paying(token), options)).toMatchObject({ status: 'succeeded' })
  })

  test('does not do for other parameters, nor for another endpoint', async () => {
    const token = await local.grant({ amount: 900n })
    const options = { idempotencyKey: `other ${token}` }
    const paid = await create(paying(token), options)
    const other = await errorOf(create(paying(token, { amount: 501 }), options))
    expect(other).toBeInstanceOf(Stripe.errors.StripeIdempotencyError)
    expect(other).toMatchObject({ statusCode: 400, rawType: 'idempotency_error' })
    expect(other.message).toMatch(/same parameters/)
    const refund = await errorOf(stripe.refunds.create({ payment_intent: paid.id }, options))
    expect(refund.message).toMatch(/same endpoint/)
  })

  test('does for the same parameters in another order', async () => {
    const token = await local.grant({ amount: 500n })
    const key = { 'idempotency-key': `order ${token}` }
    const rest = `confirm=true&shared_payment_granted_token=${token}`
    const one = await call(
      local,
      'POST /v1/payment_intents',
      `amount=500&currency=usd&${rest}`,
      key,
    )
    const two = await call(
      local,
      'POST /v1/payment_intents',
      `${rest}&currency=usd&amount=500`,
      key,
    )
    expect([one.status, two.text]).toEqual([200, one.text])
  })

  test('is of one account', async () => {
    const connected = local.connect()
    const options = { idempotencyKey: 'of one account' }
    const own = await create(paying(await local.grant({ amount: 500n })), options)
    const token = await local.grant({ amount: 500n, seller: connected.networkId })
    const other = await create(paying(token), { ...options, stripeAccount: connected.id })
    expect(other.id).not.toBe(own.id)
  })

  test('is forgotten after a day', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const options = { apiVersion, idempotencyKey: 'daily' }
    const token = await own.grant({ amount: 500n, expiresAt: own.now() + 1_000_000 })
    const paid = await client.paymentIntents.create(paying(token), options)
    own.advance(86_399)
    expect((await client.paymentIntents.create(paying(token), options)).id).toBe(paid.id)
    own.advance(1)
    const error = await errorOf(client.paymentIntents.create(paying(token), options))
    expect(error.message).toMatch(/deactivated/)
  })

  test('in use is a conflict, which the package tries again', async () => {
    const token = await local.grant({ amount: 500n })
    const options = { idempotencyKey: `in use ${token}` }
    using hold = local.hold('POST /v1/payment_intents')
    const first = create(paying(token), options)
    await hold.arrived()
    const error = await errorOf(create(paying(token), options))
    expect(error).toMatchObject({ statusCode: 409, code: 'idempotency_key_in_use' })
    expect(error.headers).toMatchObject({ 'stripe-should-retry': 'true' })
    expect(await errorOf(create(paying(token, { amount: 499 }), options))).toMatchObject({
      rawType: 'idempotency_error',
    })
    const conflicts = () => local.calls.filter(({ status }) => status === 409).length
    const before = conflicts()
    const patient = create(paying(token), { ...options, maxNetworkRetries: 5 })
    await vi.waitFor(() => expect(conflicts()).toBe(before + 1))
    hold.release()
    const paid = await patient
    expect(paid.id).toBe((await first).id)
    expect(paid.lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true' })
  })

  test('lets one of a hundred through', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const token = await own.grant({ amount: 500n })
    const client = connect(own)
    const options = { apiVersion, idempotencyKey: 'hundred' }
    const all = await Promise.allSettled(
      Array.from({ length: 100 }, () => client.paymentIntents.create(paying(token), options)),
    )
    const paid = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const failed = all.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
    expect(new Set(paid.map(({ id }) => id)).size).toBe(1)
    const original = paid.filter(
      ({ lastResponse }) => !('idempotent-replayed' in lastResponse.headers),
    )
    expect(original).toHaveLength(1)
    expect(new Set(failed)).toEqual(
      failed.length === 0 ? new Set() : new Set(['idempotency_key_in_use']),
    )
    expect(own.captured).toEqual({ usd: { sum: 500n, count: 1 } })
  })

  test('lets one of a hundred through, and refuses the rest while it is at work', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const token = await own.grant({ amount: 500n })
    const hold = own.hold()
    const client = connect(own)
    const options = { apiVersion, idempotencyKey: 'hundred' }
    const all = Array.from({ length: 100 }, () =>
      client.paymentIntents.create(paying(token), options),
    )
    let refused = 0
    const outcomes = all.map(async (one) => {
      const outcome = await one.then(({ status }) => status).catch(({ code }) => code)
      if (outcome === 'idempotency_key_in_use' && ++refused === 99) hold.release()
      return outcome
    })
    const counted = await Promise.all(outcomes)
    expect(counted.filter((outcome) => outcome === 'succeeded')).toHaveLength(1)
    expect(counted.filter((outcome) => outcome === 'idempotency_key_in_use')).toHaveLength(99)
  })

  test('without one, a token is still used once', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const token = await own.grant({ amount: 500n })
    const client = connect(own)
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, () => client.paymentIntents.create(paying(token), { apiVersion })),
    )
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(own.captured).toEqual({ usd: { sum: 500n, count: 1 } })
  })
})

test('a key of this Stripe is needed, and never a live one', async () => {
  const tell = async (authorization: string) => {
    const { status, json, headers } = await call(local, 'GET /v1/account', undefined, {
      authorization,
    })
    return [status, json().error?.message ?? json().id, headers.get('www-authenticate')] as const
  }
  const basic = (key: string) => `Basic ${btoa(`${key}:`)}`
  expect(await tell(basic(local.secretKey))).toEqual([200, local.account.id, null])
  expect(await tell(`Bearer ${local.secretKey}`)).toEqual([200, local.account.id, null])
  expect((await tell('Bearer sk_test_wrong'))[1]).toBe('Invalid API Key provided: sk_test_***')
  expect((await tell(''))[0]).toBe(401)
  expect((await tell(basic(local.account.publishableKey)))[0]).toBe(401)
  for (const key of ['sk_live_51secret', 'rk_live_51secret', 'pk_live_51secret']) {
    const [status, message] = await tell(`Bearer ${key}`)
    expect(status).toBe(401)
    expect(message).toMatch(/refuses live keys/)
    expect(message).not.toMatch(/51secret/)
  }
  await expect(LocalStripe.start({ secretKey: 'sk_live_51secret' })).rejects.toThrow(/live keys/)
  await expect(LocalStripe.start({ secretKey: 'secret' })).rejects.toThrow(/sk_test_/)
  const error = await errorOf(new Stripe('sk_live_1', local.options).balance.retrieve())
  expect(error).toBeInstanceOf(Stripe.errors.StripeAuthenticationError)
})
