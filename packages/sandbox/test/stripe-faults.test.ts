import { LocalStripe } from '@polyrail/sandbox/stripe'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Stripe } from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiVersion, call, connect, errorOf, paying } from './stripe-client.js'

const run = promisify(execFile)
const owner = fileURLToPath(new URL('stripe-owner.mjs', import.meta.url))

let local: LocalStripe.Sandbox
let stripe: Stripe

beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
  stripe = connect(local)
})
afterAll(() => local.stop())

const creating = 'POST /v1/payment_intents'

/** A payment with a token and a key of its own, to be asked for as often as one likes. */
async function order() {
  const token = await local.grant({ amount: 500n })
  const state = () => local.tokens.find(({ id }) => id === token)?.deactivated
  const options = { apiVersion, idempotencyKey: `order ${token}` }
  const make = (more: Stripe.RequestOptions = {}) =>
    stripe.paymentIntents.create(paying(token), { ...options, ...more })
  const raw = () =>
    call(
      local,
      creating,
      `amount=500&currency=usd&confirm=true&shared_payment_granted_token=${token}`,
      {
        'idempotency-key': options.idempotencyKey,
      },
    )
  return { make, raw, state }
}

describe('a lost answer', () => {
  test('of a payment that was made is replayed, and the package asks again by itself', async () => {
    const { make, state } = await order()
    using fault = local.fault({ call: creating, executed: true, fail: 'drop', times: 1 })
    const paid = await make()
    expect(fault.hits).toBe(1)
    expect(paid.status).toBe('succeeded')
    expect(paid.lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true' })
    expect(state()).toBe('consumed')
    const [first, second] = local.calls.slice(-2)
    expect([first?.status, first?.replayed]).toEqual([undefined, false])
    expect([second?.status, second?.replayed]).toEqual([200, true])
  })

  test('twice is an error of the connection, and the payment is made', async () => {
    const { make, state } = await order()
    using fault = local.fault({ call: creating, executed: true, fail: 'drop', times: 2 })
    expect(await errorOf(make())).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    expect([fault.hits, state()]).toEqual([2, 'consumed'])
    expect((await make()).status).toBe('succeeded')
  })

  test('of a payment that was not made leaves no trace', async () => {
    const { make, state } = await order()
    using _ = local.fault({ call: creating, fail: 'drop', times: 2 })
    expect(await errorOf(make())).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    expect(state()).toBeUndefined()
    const paid = await make()
    expect(paid.lastResponse.headers).not.toHaveProperty('idempotent-replayed')
  })
})

describe('an answer with a status', () => {
  test('429 is a rate limit, and the key stays free', async () => {
    const { make, raw } = await order()
    using _ = local.fault({ call: creating, fail: { status: 429 }, times: 2 })
    const error = await errorOf(make())
    expect(error).toBeInstanceOf(Stripe.errors.StripeRateLimitError)
    expect(error).toMatchObject({ statusCode: 429, code: 'rate_limit' })
    expect((await raw()).headers.get('retry-after')).toBe('1')
    expect((await make()).status).toBe('succeeded')
  })

  test('500 before the work leaves the key free', async () => {
    const { make, state } = await order()
    using _ = local.fault({ call: creating, fail: { status: 500 }, times: 1 })
    const error = await errorOf(make())
    expect(error).toBeInstanceOf(Stripe.errors.StripeAPIError)
    expect(error).toMatchObject({ statusCode: 500, rawType: 'api_error' })
    expect(state()).toBeUndefined()
    expect((await make()).lastResponse.headers).not.toHaveProperty('idempotent-replayed')
  })

  test('500 after the work can be tried again by the package', async () => {
    const { make, state } = await order()
    using _ = local.fault({ call: creating, executed: true, fail: { status: 500 }, times: 1 })
    const paid = await make({ maxNetworkRetries: 1 })
    expect(paid.lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true' })
    expect(state()).toBe('consumed')
  })

  test.each([true, false])(
    '500 that is recorded is given for ever: executed %s',
    async (executed) => {
      const { make, state } = await order()
      const fail = { status: 500, recorded: true }
      using fault = local.fault({ call: creating, executed, fail, times: 1 })
      expect((await errorOf(make({ maxNetworkRetries: 2 }))).statusCode).toBe(500)
      expect(fault.hits).toBe(1)
      const again = await errorOf(make())
      expect(again).toMatchObject({ statusCode: 500, headers: { 'idempotent-replayed': 'true' } })
      expect(state()).toBe(executed ? 'consumed' : undefined)
    },
  )

  test('of any kind', async () => {
    const { raw } = await order()
    using _ = local.fault({
      fail: { status: 502, body: '<h1>Bad gateway</h1>', headers: { server: 'proxy' } },
      times: 1,
    })
    const proxy = await raw()
    expect([proxy.status, proxy.text, proxy.headers.get('server')]).toEqual([
      502,
      '<h1>Bad gateway</h1>',
      'proxy',
    ])
    using _lock = local.fault({ fail: { status: 409 }, times: 1 })
    expect((await raw()).json().error.code).toBe('lock_timeout')
    const error = { code: 'testmode_charges_only', message: 'not yet' }
    using _own = local.fault({ fail: { status: 403, error }, times: 1 })
    expect((await raw()).json().error).toMatchObject({ ...error, type: 'invalid_request_error' })
  })
})

test('an outage is of every call, until it is over', async () => {
  const outage = local.fault({ fail: { status: 503 } })
  expect((await errorOf(stripe.balance.retrieve())).statusCode).toBe(503)
  expect((await errorOf(stripe.paymentIntents.list())).statusCode).toBe(503)
  expect(outage.hits).toBe(2)
  outage.clear()
  expect((await stripe.balance.retrieve()).object).toBe('balance')
})

test('a fault strikes the call that it names alone', async () => {
  using fault = local.fault({ call: 'POST /v1/refunds', fail: { status: 500 } })
  const { make } = await order()
  const { id } = await make()
  expect((await errorOf(stripe.refunds.create({ payment_intent: id }))).statusCode).toBe(500)
  expect(fault.hits).toBe(1)
})

test('a late answer comes', async () => {
  const { make } = await order()
  using fault = local.fault({ call: creating, delay: 30, times: 1 })
  expect((await make()).status).toBe('succeeded')
  expect(fault.hits).toBe(1)
})

test('an answer that never comes ends when the caller gives up, and the payment is made', async () => {
  const { make, state } = await order()
  using fault = local.fault({ call: creating, executed: true, fail: 'hang' })
  const error = await errorOf(make({ timeout: 50 }))
  expect(error).toBeInstanceOf(Stripe.errors.StripeConnectionError)
  expect(state()).toBe('consumed')
  fault.clear()
  expect((await make()).lastResponse.headers).toMatchObject({ 'idempotent-replayed': 'true' })
})

describe('a hold', () => {
  test('is of calls that have begun, in their order', async () => {
    const [one, two] = [await order(), await order()]
    const hold = local.hold(creating)
    const both = [one.make(), two.make()]
    await hold.arrived(2)
    expect([hold.waiting, one.state(), two.state()]).toEqual([2, undefined, undefined])
    hold.release()
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([
      'succeeded',
      'succeeded',
    ])
    expect(hold.waiting).toBe(0)
    await hold.arrived(0)
  })

  test('lets other calls pass', async () => {
    using hold = local.hold('POST /v1/refunds')
    const { make } = await order()
    expect((await make()).status).toBe('succeeded')
    expect(hold.waiting).toBe(0)
  })
})

describe('chaos', () => {
  const storm = async (seed: number) => {
    await using own = await LocalStripe.start({ quiet: true })
    using chaos = own.chaos({ seed, rate: 0.5 })
    const answers: string[] = []
    for (let turn = 0; turn < 40; turn++) {
      const answer = call(own, 'GET /v1/account').then(({ status }) => String(status))
      answers.push(await answer.catch(() => 'lost'))
    }
    return { answers, sequence: chaos.sequence, hits: chaos.hits }
  }

  test('is the same for the same seed', async () => {
    const [one, two, other] = [await storm(7), await storm(7), await storm(8)]
    expect(two).toEqual(one)
    expect(other.sequence).not.toEqual(one.sequence)
    const told: Record<string, string> = {
      '': '200',
      conflict: '409',
      error: '500',
      'kept error': '500',
      late: '200',
      lost: 'lost',
      outage: '503',
      'rate limit': '429',
      refused: 'lost',
      'work kept as error': '500',
    }
    expect(one.answers).toEqual(one.sequence.map((kind) => told[kind]))
    expect(new Set(one.sequence).size).toBe(10)
    expect(one.hits).toBe(one.sequence.filter((kind) => kind !== '').length)
  })

  test('never makes one token pay twice', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const tokens = await Promise.all(Array.from({ length: 30 }, () => own.grant({ amount: 500n })))
    const chaos = own.chaos({
      seed: 402,
      rate: 0.5,
      call: creating,
      kinds: ['lost', 'error', 'refused'],
    })
    const attempts = tokens.flatMap((token) => [token, token, token])
    const options = (token: string) => ({ apiVersion, idempotencyKey: token })
    await Promise.allSettled(
      attempts.map((token) => client.paymentIntents.create(paying(token), options(token))),
    )
    chaos.clear()
    expect(chaos.hits).toBeGreaterThan(0)
    for (const token of tokens) {
      expect((await client.paymentIntents.create(paying(token), options(token))).status).toBe(
        'succeeded',
      )
    }
    expect(own.captured).toEqual({ usd: { sum: 15_000n, count: 30 } })
  })

  test('does nothing at rate 0, and something to every call at rate 1', async () => {
    using calm = local.chaos({ seed: 1, rate: 0 })
    using wild = local.chaos({ seed: 1, rate: 1, kinds: ['outage'], call: 'GET /v1/balance' })
    expect((await errorOf(stripe.balance.retrieve())).statusCode).toBe(503)
    expect((await stripe.accounts.retrieveCurrent()).object).toBe('account')
    expect([calm.hits, calm.sequence]).toEqual([0, ['', '']])
    expect([wild.hits, wild.sequence]).toEqual([1, ['outage']])
  })
})

describe('its life', () => {
  test('one line at the start, where it is told, unless quiet', async () => {
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    await using own = await LocalStripe.start({ log, secretKey: 'sk_test_mine' })
    await using _quiet = await LocalStripe.start({ log, quiet: true })
    expect(lines).toEqual([
      expect.stringMatching(/^Stripe at http:\/\/127\.0\.0\.1:\d+, ready in \d+ ms$/),
    ])
    expect(own.secretKey).toBe('sk_test_mine')
    expect(own.url).toBe(`http://127.0.0.1:${own.options.port}`)
  })

  test('stop ends what hangs and what is held, and may be called twice', async () => {
    const own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const hanging = own.fault({ call: 'GET /v1/balance', fail: 'hang' })
    const looking = errorOf(client.balance.retrieve())
    const hold = own.hold(creating)
    const paying = errorOf(client.paymentIntents.create({ amount: 500, currency: 'usd' }))
    await hold.arrived()
    await expect.poll(() => hanging.hits).toBe(1)
    await Promise.all([own.stop(), own.stop()])
    expect(hold.waiting).toBe(0)
    expect(await looking).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    expect(await paying).toBeInstanceOf(Stripe.errors.StripeConnectionError)
    expect(await errorOf(client.balance.retrieve())).toBeInstanceOf(
      Stripe.errors.StripeConnectionError,
    )
  })

  test('the process ends by itself after stop', { timeout: 20_000 }, async () => {
    const { stdout } = await run(process.execPath, [owner])
    expect(stdout).toMatch(
      /^Stripe at http:\/\/127\.0\.0\.1:\d+, ready in \d+ ms\nsucceeded 500\n$/,
    )
  })

  test('several at once are apart', async () => {
    await using one = await LocalStripe.start({ quiet: true, latency: 1 })
    await using two = await LocalStripe.start({ quiet: true })
    const token = await one.grant({ amount: 500n })
    expect(
      (await errorOf(connect(two).paymentIntents.create(paying(token), { apiVersion }))).code,
    ).toBe('resource_missing')
    const stranger = new Stripe(one.secretKey, two.options)
    expect((await errorOf(stranger.balance.retrieve())).statusCode).toBe(401)
    expect((await connect(one).paymentIntents.create(paying(token), { apiVersion })).status).toBe(
      'succeeded',
    )
  })
})
