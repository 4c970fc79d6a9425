/**
 * The server's side of a Stripe charge: what it asks for, what it asks of Stripe, and what it makes of each answer.
 *
 * @module
 */
import { Mpp } from '@polyrail/core/server'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { decimalsOf, leastOf } from '@polyrail/stripe'
import { stripe } from '@polyrail/stripe/server'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeIn,
  connect,
  CREATE,
  openShop,
  prepare,
  problemOf,
  realm,
  secretKey,
  write,
  type Options,
} from './shop.js'

let local: LocalStripe.Sandbox
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
})
afterAll(() => local.stop())

let before: LocalStripe.Total
beforeEach(() => {
  before = total()
})
const total = () => local.captured['usd'] ?? { sum: 0n, count: 0 }
/** What was captured in this test, in dollars. */
const captured = () => ({ sum: total().sum - before.sum, count: total().count - before.count })
const once = { sum: 50n, count: 1 }
const never = { sum: 0n, count: 0 }

/** The last call that was made, as it went over the wire. */
function lastCall() {
  const logged = local.calls.findLast(({ call }) => call === CREATE)
  if (!logged) throw new Error('nothing was asked')
  return { ...logged, parameters: Object.fromEntries(new URLSearchParams(logged.parameters)) }
}

describe('a charge', () => {
  test('asks for a price in cents and brings the page for a token [stripe-charge-001 stripe-charge-002 stripe-charge-003 stripe-charge-004 stripe-charge-005 stripe-charge-006 stripe-charge-007 stripe-charge-008]', async () => {
    const metadata = { order: '7' }
    const shop = openShop(local, { route: { externalId: 'o-1', metadata } })
    const { challenge, answer } = await buy(local, shop)
    expect(challenge).toMatchObject({
      method: 'stripe',
      intent: 'charge',
      request: {
        amount: '50',
        currency: 'usd',
        externalId: 'o-1',
        methodDetails: {
          networkId: local.networkId,
          paymentMethodTypes: ['card', 'link'],
          metadata,
        },
      },
    })
    const canonical = `{"amount":"50","currency":"usd","externalId":"o-1","methodDetails":{"metadata":{"order":"7"},"networkId":"${local.networkId}","paymentMethodTypes":["card","link"]}}`
    expect(Buffer.from(challenge.wire.request, 'base64url').toString()).toBe(canonical)
    expect([answer.status, await answer.json()]).toEqual([200, { page: 1 }])
    expect(captured()).toEqual(once)
  })

  test('has a receipt with the PaymentIntent and the payer’s reference [stripe-charge-013 stripe-charge-016]', async () => {
    const shop = openShop(local)
    const { challenge, spt } = await prepare(local, shop)
    const answer = await shop.ask(write(challenge, { spt, externalId: 'mine-9' }))
    const header = answer.headers.get('payment-receipt') ?? ''
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
      method: 'stripe',
      challengeId: challenge.id,
      reference: local.paymentIntents.at(-1)?.id,
      status: 'success',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      externalId: 'mine-9',
    })
  })

  test('asks of Stripe what the draft says, under its version and key [stripe-charge-012]', async () => {
    const { challenge, spt } = await buy(local, openShop(local))
    expect(lastCall()).toMatchObject({
      version: '2026-07-29.preview',
      idempotencyKey: `${challenge.id}_${spt}`,
      parameters: {
        amount: '50',
        currency: 'usd',
        shared_payment_granted_token: spt,
        confirm: 'true',
        'automatic_payment_methods[enabled]': 'true',
        'automatic_payment_methods[allow_redirects]': 'never',
        'metadata[challenge_id]': challenge.id,
      },
    })
  })

  test('puts the token where newer previews want it', async () => {
    const shop = openShop(local, { tokenParameter: 'payment_method_data' })
    const { spt, answer } = await buy(local, shop)
    expect(answer.status).toBe(200)
    const { parameters } = lastCall()
    expect(parameters['payment_method_data[shared_payment_granted_token]']).toBe(spt)
    expect(parameters).not.toHaveProperty('shared_payment_granted_token')
  })

  test('speaks another version, under another key, when it is told to', async () => {
    const shop = openShop(local, {
      apiVersion: '2026-09-30.preview',
      idempotencyKey: ({ challengeId, spt }) => `mpp_${challengeId}_${spt}`,
    })
    const { challenge, spt } = await buy(local, shop)
    expect(lastCall()).toMatchObject({
      version: '2026-09-30.preview',
      idempotencyKey: `mpp_${challenge.id}_${spt}`,
    })
  })

  test('keeps the merchant’s metadata beside its own keys', async () => {
    const route = { externalId: 'o-2', metadata: { order: '8' } }
    const { challenge } = await buy(local, openShop(local, { route }))
    expect(local.paymentIntents.at(-1)?.metadata).toEqual({
      order: '8',
      challenge_id: challenge.id,
      mpp_external_id: 'o-2',
      mpp_attempt: expect.stringMatching(/^[\da-f-]{36}$/),
    })
  })

  test.each([['challenge_id'], ['mpp_attempt'], ['mpp_anything']])(
    'lets no route write our own %s',
    (key) => {
      const route = { metadata: { [key]: 'x' } }
      expect(() => openShop(local, { route })).toThrow(/written by this rail/)
    },
  )

  test('is not made over plain http, which carries neither challenge nor token [stripe-charge-027 stripe-charge-028]', async () => {
    const shop = openShop(local)
    const { authorization } = await prepare(local, shop)
    const plain = new Request('http://shop.example/page', { headers: { authorization } })
    const answer = await shop.page(plain)
    expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([403, false])
    expect(captured()).toEqual(never)
  })
})

describe('a price', () => {
  const open = (route: Options['route'], options: Options = {}) =>
    challengeIn0(openShop(local, { ...options, ...(route && { route }) }))
  const challengeIn0 = async (shop: ReturnType<typeof openShop>) =>
    challengeIn(await shop.ask()).request['amount']

  test.each([
    ['0.50', 'usd', '50'],
    ['1', 'usd', '100'],
    ['999999.99', 'USD', '99999999'],
    ['50', 'jpy', '50'],
    ['1.230', 'kwd', '1230'],
    ['100', 'isk', '10000'],
    ['5', 'ugx', '500'],
    ['0.30', 'gbp', '30'],
    ['175', 'huf', '17500'],
    ['1500000', 'idr', '150000000'],
    ['9999999999.99', 'idr', '999999999999'],
    ['1', 'xcg', '100'],
  ])('of %s %s is %s of its smallest unit', async (amount, currency, expected) => {
    expect(await open({ amount, currency })).toBe(expected)
  })

  test.each([
    ['0.49', 'usd', /below the least/],
    ['0.29', 'gbp', /below the least/],
    ['49', 'jpy', /below the least/],
    ['0', 'eur', /below the least/],
    ['0', 'pkr', /below the least/],
    ['1000000', 'usd', /above the most/],
    ['10000000000', 'idr', /above the most/],
    ['0.505', 'usd', /more than 2 decimals/],
    ['50.0', 'jpy', /more than 0 decimals/],
    ['1.0005', 'kwd', /more than 3 decimals/],
    ['1.005', 'kwd', /multiple of 10/],
    ['1.50', 'isk', /multiple of 100/],
    ['', 'usd', /decimal string/],
    ['-1', 'usd', /decimal string/],
    ['1e3', 'usd', /decimal string/],
    ['+5', 'usd', /decimal string/],
    ['1,50', 'usd', /decimal string/],
    ['.5', 'usd', /decimal string/],
    ['1.00', 'xyz', /not a currency/],
    ['1.00', 'dollars', /not a currency/],
    ['1.00', '', /not a currency/],
  ])('of %j %s cannot be paid, and no offer is made of it', (amount, currency, message) => {
    expect(() => openShop(local, { route: { amount, currency } })).toThrow(message)
  })

  test('of a number is no price', () => {
    const route: object = { amount: 0.5 }
    expect(() => openShop(local, { route })).toThrow(/decimal string/)
  })

  test.each([
    'jpy',
    'krw',
    'kwd',
    'isk',
    'ugx',
    'eur',
    'czk',
    'huf',
    'mxn',
    'thb',
    'pkr',
    'idr',
    'xcg',
  ])('is charged at the least that Stripe takes of %s', async (currency) => {
    const least = String(leastOf(currency)).padStart(decimalsOf(currency) + 1, '0')
    const at = least.length - decimalsOf(currency)
    const amount = at === least.length ? least : `${least.slice(0, at)}.${least.slice(at)}`
    const { answer } = await buy(local, openShop(local, { currency, route: { amount } }))
    expect(answer.status).toBe(200)
    expect(local.paymentIntents.at(-1)).toMatchObject({ currency, amount: leastOf(currency) })
  })

  test.each([
    [{ metadata: Object.fromEntries(Array.from({ length: 41 }, (_, at) => [`k${at}`, ''])) }],
    [{ metadata: { long: 'x'.repeat(501) } }],
    [{ metadata: { ['x'.repeat(41)]: '' } }],
    [{ metadata: { 'a[b]': '' } }],
    [{ externalId: 'x'.repeat(501) }],
  ])('cannot carry what Stripe would refuse (%#)', (route) => {
    expect(() => openShop(local, { route })).toThrow(/at most/)
  })
})

describe('a refusal is a 402 with a fresh challenge and a reason for the public [stripe-charge-011 stripe-charge-017]', () => {
  async function refused(more: Partial<LocalStripe.GrantOptions>, options: Options = {}) {
    const shop = openShop(local, options)
    const { challenge, answer } = await buy(local, shop, more)
    expect([answer.status, answer.headers.has('payment-receipt')]).toEqual([402, false])
    expect(challengeIn(answer).id).not.toBe(challenge.id)
    expect([shop.served(), captured()]).toEqual([0, never])
    return (await problemOf(answer)).detail
  }

  test.each([
    ['pm_card_chargeDeclined', /declined: ask the issuer/],
    ['pm_card_chargeDeclinedInsufficientFunds', /too little money/],
    ['pm_card_chargeDeclinedLostCard', /declined: ask the issuer/],
    ['pm_card_chargeDeclinedStolenCard', /declined: ask the issuer/],
    ['pm_card_chargeDeclinedFraudulent', /declined: ask the issuer/],
    ['pm_card_chargeDeclinedExpiredCard', /the card has expired/],
    ['pm_card_chargeDeclinedIncorrectCvc', /security code/],
    ['pm_card_chargeDeclinedProcessingError', /may be tried again/],
    ['pm_card_chargeDeclinedVelocityLimitExceeded', /limit of the card/],
  ])('%s', async (paymentMethod, reason) => {
    expect(await refused({ paymentMethod })).toMatch(reason)
  })

  test('a payer who must authenticate is told so, and the PaymentIntent is canceled', async () => {
    const paymentMethod = 'pm_card_authenticationRequired'
    expect(await refused({ paymentMethod })).toMatch(/Authenticate when the token is made/)
    expect(local.paymentIntents.at(-1)?.status).toBe('canceled')
  })

  test('a decline code that nobody has heard of says no more than that', async () => {
    const error = {
      type: 'card_error' as const,
      code: 'card_declined',
      decline_code: 'blabla',
      message: 'Inside.',
    }
    using _ = local.fault({ call: CREATE, fail: { status: 402, error }, times: 1 })
    expect(await refused({})).toBe(
      'The payment was declined: ask the issuer of the payment method.',
    )
  })

  test('a token for less, in another currency, of another seller', async () => {
    expect(await refused({ amount: 49n })).toMatch(/lower amount/)
    expect(await refused({ currency: 'eur' })).toMatch(/another currency/)
    expect(await refused({ seller: local.seller().networkId })).toMatch(/not known to Stripe/)
  })

  test.each<[string, Options, string]>([
    ['that cannot be captured later', { capture: 'after' }, 'usd'],
    ['in a currency that it does not have', { currency: 'eur' }, 'eur'],
  ])('a payment method %s', async (_, options, currency) => {
    const paymentMethod = 'pm_usBankAccount'
    expect(await refused({ paymentMethod, currency }, options)).toBe(
      'The payment method cannot be charged.',
    )
  })

  test('a challenge that is altered or over, before anything is asked of Stripe [stripe-charge-009 stripe-charge-010]', async () => {
    const shop = openShop(local)
    const { challenge, spt } = await prepare(local, shop)
    const request = Buffer.from(JSON.stringify({ ...challenge.request, amount: '51' })).toString(
      'base64url',
    )
    const asked = local.calls.length
    for (const wire of [
      { ...challenge.wire, request },
      { ...challenge.wire, id: 'nobody-knows-it' },
      { ...challenge.wire, expires: '2020-01-01T00:00:00Z' },
    ]) {
      const answer = await shop.ask(write({ ...challenge, wire }, { spt }))
      expect(answer.status).toBe(402)
    }
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    const late = await shop.ask(write(challenge, { spt })).finally(() => vi.useRealTimers())
    expect([late.status, local.calls.length, captured()]).toEqual([402, asked, never])
  })
})

describe('options that cannot work say what to do', () => {
  const networkId = 'profile_1'
  const client = 'sk_test_1'
  test.each([
    [{ client: 'pk_test_1', networkId }, /sk_ or rk_/],
    [{ client: '', networkId }, /sk_ or rk_/],
    [{ client: {}, networkId }, /new Stripe/],
    [{ networkId }, /new Stripe/],
    [{ client }, /Business Network Profile/],
    [{ client, networkId, paymentMethodTypes: [] }, /paymentMethodTypes/],
    [{ client, networkId, paymentMethodTypes: 'card' }, /paymentMethodTypes/],
    [{ client, networkId, currency: 'xyz' }, /not a currency/],
    [{ client, networkId, tokenParameter: 'payment_method' }, /shared_payment_granted_token or/],
    [{ client, networkId, connect: { accounts: ['acct_1'] } }, /connect needs accounts/],
    [{ client, networkId, connect: { accounts: 'acct_1', settlement: Object } }, /connect needs/],
    [{ client, networkId, idempotencyKey: () => 'shop' }, /another for another/],
    [{ client, networkId, idempotencyKey: () => crypto.randomUUID() }, /the same for the same/],
  ])('%#', (options, message) => {
    expect(() => stripe.charge(options as stripe.Options)).toThrow(message)
  })

  test('and a key does in place of a client', () => {
    const methods = stripe({ client, networkId })
    expect(Mpp.create({ methods, realm, secretKey }).charge({ amount: '1' })).toBeTypeOf('function')
    expect(connect(local)).toHaveProperty('paymentIntents')
  })
})
