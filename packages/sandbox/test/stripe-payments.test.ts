import { LocalStripe } from '@polyrail/sandbox/stripe'
import { Stripe } from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiVersion, call, connect, errorOf, pay, paying } from './stripe-client.js'

let local: LocalStripe.Sandbox
let stripe: Stripe

beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
  stripe = connect(local)
})
afterAll(() => local.stop())

const never = { automatic_payment_methods: { enabled: true, allow_redirects: 'never' as const } }
const visa = { amount: 500, currency: 'usd', payment_method: 'pm_card_visa', ...never }

describe('payment methods for tests', () => {
  test.each([
    ['pm_card_visa', 'card'],
    ['pm_card_visa_debit', 'card'],
    ['pm_card_mastercard', 'card'],
    ['pm_card_amex', 'card'],
    ['pm_card_threeDSecureOptional', 'card'],
    ['pm_link', 'link'],
  ])('%s pays', async (paymentMethod, type) => {
    const paid = await pay(local, paymentMethod)
    expect(paid.status).toBe('succeeded')
    const method = await stripe.paymentMethods.retrieve(String(paid.payment_method))
    expect(method).toMatchObject({ type, [type]: expect.anything() })
  })

  test.each([
    ['pm_card_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_visa_chargeDeclined', 'card_declined', 'generic_decline'],
    ['pm_card_chargeDeclinedInsufficientFunds', 'card_declined', 'insufficient_funds'],
    ['pm_card_chargeDeclinedLostCard', 'card_declined', 'lost_card'],
    ['pm_card_chargeDeclinedStolenCard', 'card_declined', 'stolen_card'],
    ['pm_card_chargeDeclinedExpiredCard', 'expired_card', 'expired_card'],
    ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc', 'incorrect_cvc'],
    ['pm_card_chargeDeclinedProcessingError', 'processing_error', 'processing_error'],
    ['pm_card_radarBlock', 'card_declined', 'fraudulent'],
  ])('%s is declined as %s, %s', async (paymentMethod, code, decline) => {
    const error = await errorOf(pay(local, paymentMethod))
    expect(error).toBeInstanceOf(Stripe.errors.StripeCardError)
    expect(error).toMatchObject({
      statusCode: 402,
      rawType: 'card_error',
      code,
      decline_code: decline,
      doc_url: `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`,
      charge: expect.stringMatching(/^ch_/),
      requestId: expect.stringMatching(/^req_/),
      payment_intent: {
        object: 'payment_intent',
        status: 'requires_payment_method',
        payment_method: null,
        last_payment_error: { code, decline_code: decline, type: 'card_error' },
      },
    })
    expect(error.headers).toMatchObject({ 'stripe-should-retry': 'false' })
    const charge = await stripe.charges.retrieve(String(error.charge))
    expect(charge).toMatchObject({ status: 'failed', paid: false, failure_code: code })
  })

  test('others are unknown', async () => {
    expect(
      await errorOf(stripe.paymentIntents.create({ ...visa, payment_method: 'pm_none' })),
    ).toMatchObject({
      statusCode: 400,
      code: 'resource_missing',
      param: 'payment_method',
    })
    await expect(local.grant({ amount: 1n, paymentMethod: 'pm_card___proto__' })).rejects.toThrow(
      /no test/,
    )
  })
})

describe('a payment that wants its customer', () => {
  test('waits, and is made when it has been authenticated', async () => {
    const waiting = await pay(local, 'pm_card_authenticationRequired')
    expect(waiting).toMatchObject({
      status: 'requires_action',
      amount_received: 0,
      next_action: { type: 'use_stripe_sdk', use_stripe_sdk: { type: 'three_d_secure_redirect' } },
    })
    const [booked] = local.paymentIntents.slice(-1)
    expect(local.tokens.find(({ id }) => id === booked!.token)?.deactivated).toBeUndefined()
    await local.complete(waiting.id)
    expect(await stripe.paymentIntents.retrieve(waiting.id)).toMatchObject({
      status: 'succeeded',
      next_action: null,
    })
    expect(local.tokens.find(({ id }) => id === booked!.token)?.deactivated).toBe('consumed')
    await expect(local.complete(waiting.id)).rejects.toThrow(/waits for nothing/)
  })

  test('fails when it has not, or when the card is declined after all', async () => {
    const waiting = await pay(local, 'pm_card_threeDSecure2Required')
    await local.fail(waiting.id)
    expect(await stripe.paymentIntents.retrieve(waiting.id)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { code: 'payment_intent_authentication_failure' },
    })
    const broke = await pay(local, 'pm_card_authenticationRequiredChargeDeclinedInsufficientFunds')
    await local.complete(broke.id)
    expect(await stripe.paymentIntents.retrieve(broke.id)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { decline_code: 'insufficient_funds' },
    })
  })

  test('fails when its token was used meanwhile', async () => {
    const token = await local.grant({
      amount: 500n,
      paymentMethod: 'pm_card_authenticationRequired',
    })
    const both = await Promise.all(
      [1, 2].map(() => stripe.paymentIntents.create(paying(token), { apiVersion })),
    )
    for (const { id } of both) await local.complete(id)
    const statuses = both.map(({ id }) => local.paymentIntents.find((one) => one.id === id)?.status)
    expect(statuses).toEqual(['succeeded', 'requires_payment_method'])
  })

  test.each(['error_on_requires_action', 'off_session'])('is declined with %s', async (flag) => {
    const error = await errorOf(pay(local, 'pm_card_authenticationRequired', { [flag]: true }))
    expect(error).toMatchObject({ statusCode: 402, code: 'authentication_required' })
  })

  test('says where to go when there is a way back', async () => {
    const waiting = await stripe.paymentIntents.create({
      ...visa,
      payment_method: 'pm_card_threeDSecureRequired',
      automatic_payment_methods: { enabled: true },
      confirm: true,
      return_url: 'https://shop.example/back',
    })
    expect(waiting.next_action).toMatchObject({
      type: 'redirect_to_url',
      redirect_to_url: { return_url: 'https://shop.example/back' },
    })
    const lost = stripe.paymentIntents.create({
      ...visa,
      automatic_payment_methods: { enabled: true },
      confirm: true,
    })
    expect(await errorOf(lost)).toMatchObject({ statusCode: 400, param: 'return_url' })
  })
})

describe('a payment that is processing', () => {
  test('succeeds on command', async () => {
    const slow = await pay(local, 'pm_usBankAccount_processing')
    expect(slow).toMatchObject({
      status: 'processing',
      amount_received: 0,
      processing: { type: 'us_bank_account' },
    })
    const charge = await stripe.charges.retrieve(String(slow.latest_charge))
    expect(charge).toMatchObject({ status: 'pending', captured: false })
    await local.complete(slow.id)
    expect(await stripe.paymentIntents.retrieve(slow.id)).toMatchObject({
      status: 'succeeded',
      amount_received: 500,
      processing: null,
    })
  })

  test('fails on command, and its token stays used', async () => {
    const slow = await pay(local, 'pm_usBankAccount_success')
    const { token } = local.paymentIntents.find(({ id }) => id === slow.id)!
    await local.fail(slow.id, 'insufficient_funds')
    expect(await stripe.paymentIntents.retrieve(slow.id)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { decline_code: 'insufficient_funds' },
    })
    expect(local.tokens.find(({ id }) => id === token)?.deactivated).toBe('consumed')
  })

  test('can be cancelled', async () => {
    const slow = await pay(local, 'pm_usBankAccount_processing')
    expect((await stripe.paymentIntents.cancel(slow.id)).status).toBe('canceled')
    await expect(local.complete(slow.id)).rejects.toThrow(/canceled/)
  })
})

describe('step by step', () => {
  test('a payment is created, confirmed and read', async () => {
    const bare = await stripe.paymentIntents.create({ amount: 500, currency: 'USD', ...never })
    expect(bare).toMatchObject({
      status: 'requires_payment_method',
      currency: 'usd',
      latest_charge: null,
    })
    expect(await errorOf(stripe.paymentIntents.confirm(bare.id))).toMatchObject({
      statusCode: 400,
      code: 'payment_intent_unexpected_state',
    })
    const declined = { payment_method: 'pm_card_chargeDeclined' }
    expect((await errorOf(stripe.paymentIntents.confirm(bare.id, declined))).statusCode).toBe(402)
    const paid = await stripe.paymentIntents.confirm(bare.id, { payment_method: 'pm_card_visa' })
    expect(paid).toMatchObject({ status: 'succeeded', last_payment_error: null })
    expect(await stripe.paymentIntents.retrieve(bare.id)).toEqual(paid)
    expect(local.paymentIntents.find(({ id }) => id === bare.id)?.charges).toBe(2)
    expect(await errorOf(stripe.paymentIntents.confirm(bare.id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
      payment_intent: { id: bare.id, status: 'succeeded' },
    })
  })

  test('a token may be given at either step', async () => {
    const token = await local.grant({ amount: 500n })
    const options = { apiVersion }
    const created = await stripe.paymentIntents.create(paying(token, { confirm: false }), options)
    expect(created.status).toBe('requires_confirmation')
    expect((await stripe.paymentIntents.confirm(created.id)).status).toBe('succeeded')
    const bare = await stripe.paymentIntents.create({ amount: 500, currency: 'usd', ...never })
    const data = `payment_method_data[shared_payment_granted_token]=${await local.grant({ amount: 500n })}`
    const confirmed = await call(local, `POST /v1/payment_intents/${bare.id}/confirm`, data)
    expect(confirmed.json()).toMatchObject({ status: 'succeeded' })
  })

  test('a payment is captured, wholly or in part', async () => {
    const manual = { capture_method: 'manual' as const }
    const held = await pay(local, 'pm_card_visa', manual)
    expect(held).toMatchObject({
      status: 'requires_capture',
      amount_capturable: 500,
      amount_received: 0,
    })
    const over = stripe.paymentIntents.capture(held.id, { amount_to_capture: 501 })
    expect(await errorOf(over)).toMatchObject({
      code: 'amount_too_large',
      param: 'amount_to_capture',
    })
    const part = await stripe.paymentIntents.capture(held.id, {
      amount_to_capture: 200,
      expand: ['latest_charge'],
    })
    expect(part).toMatchObject({
      status: 'succeeded',
      amount_received: 200,
      amount_capturable: 0,
      latest_charge: {
        captured: true,
        amount_captured: 200,
        amount_refunded: 300,
        refunded: false,
      },
    })
    expect(await errorOf(stripe.paymentIntents.capture(held.id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
    })
    const whole = await pay(local, 'pm_card_visa', manual)
    expect((await stripe.paymentIntents.capture(whole.id)).amount_received).toBe(500)
  })

  test('a capture says what is known by then: a note, and the part of the platform', async () => {
    const account = local.connect()
    const destination = { transfer_data: { destination: account.id } }
    const held = await pay(local, 'pm_card_visa', { capture_method: 'manual', ...destination })
    const made = await stripe.paymentIntents.capture(held.id, {
      amount_to_capture: 300,
      application_fee_amount: 40,
      final_capture: true,
      metadata: { served: 'yes' },
    })
    expect(made).toMatchObject({
      amount_received: 300,
      application_fee_amount: 40,
      metadata: { served: 'yes' },
    })
    expect(local.balance(account)).toEqual({ usd: 260n })
    const plain = await pay(local, 'pm_card_visa', { capture_method: 'manual' })
    for (const [param, value] of [
      ['application_fee_amount', 1],
      ['final_capture', false],
    ] as const)
      expect(
        await errorOf(stripe.paymentIntents.capture(plain.id, { [param]: value })),
      ).toMatchObject({ statusCode: 400, param })
  })

  test('what is authorised is held for seven days, and then cancelled', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const held = await pay(own, 'pm_card_visa', { capture_method: 'manual' })
    own.advance(7 * 86_400 - 5)
    expect((await client.paymentIntents.retrieve(held.id)).status).toBe('requires_capture')
    own.advance(5)
    expect(own.paymentIntents.at(-1)?.status).toBe('canceled')
    expect(await client.paymentIntents.retrieve(held.id)).toMatchObject({
      status: 'canceled',
      cancellation_reason: 'automatic',
      amount_capturable: 0,
    })
    expect(await errorOf(client.paymentIntents.capture(held.id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
    })
  })

  test('a payment is cancelled while it has not been made', async () => {
    const held = await pay(local, 'pm_card_visa', { capture_method: 'manual' })
    const reason = { cancellation_reason: 'abandoned' as const }
    expect(await stripe.paymentIntents.cancel(held.id, reason)).toMatchObject({
      status: 'canceled',
      cancellation_reason: 'abandoned',
      canceled_at: expect.any(Number),
    })
    const charge = await stripe.charges.retrieve(String(held.latest_charge))
    expect(charge).toMatchObject({ captured: false, refunded: true, amount_refunded: 500 })
    const made = await pay(local, 'pm_card_visa')
    expect(await errorOf(stripe.paymentIntents.cancel(made.id))).toMatchObject({
      code: 'payment_intent_unexpected_state',
    })
  })

  test('words are changed, terms are not', async () => {
    const { id } = await pay(local, 'pm_card_visa', { metadata: { order: '1' } })
    const changed = await stripe.paymentIntents.update(id, {
      metadata: { note: 'x' },
      description: 'changed',
    })
    expect(changed).toMatchObject({ metadata: { order: '1', note: 'x' }, description: 'changed' })
    const without = await stripe.paymentIntents.update(id, { metadata: { order: '' } })
    expect(without.metadata).toEqual({ note: 'x' })
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, 'v']))
    const full = stripe.paymentIntents.update(id, { metadata: many })
    expect(await errorOf(full)).toMatchObject({ statusCode: 400, param: 'metadata' })
    expect((await stripe.paymentIntents.update(id, { metadata: '' })).metadata).toEqual({})
    expect(await errorOf(stripe.paymentIntents.update(id, { amount: 600 }))).toMatchObject({
      code: 'parameter_unknown',
    })
  })

  test('what another account has is not there', async () => {
    const { id } = await pay(local, 'pm_card_visa')
    const other = new Stripe(local.seller().secretKey, local.options)
    expect(await errorOf(other.paymentIntents.retrieve(id))).toMatchObject({
      statusCode: 404,
      code: 'resource_missing',
      param: 'intent',
      message: `No such payment_intent: '${id}'`,
    })
  })
})

describe('the terms of a payment', () => {
  const refused = async (params: object) => {
    const all = { amount: 500, currency: 'usd', ...params }
    const error = await errorOf(stripe.paymentIntents.create(all))
    expect(error).toMatchObject({ statusCode: 400, rawType: 'invalid_request_error' })
    return error
  }

  test.each([
    ['usd', 49, 50],
    ['gbp', 29, 30],
    ['eur', 49, 50],
    ['jpy', 49, 50],
    ['huf', 17_499, 17_500],
    ['hkd', 399, 400],
    ['xof', 0, 1],
  ])('at least so much: %s', async (currency, under, least) => {
    const code = under === 0 ? 'parameter_invalid_integer' : 'amount_too_small'
    expect(await refused({ currency, amount: under })).toMatchObject({ code, param: 'amount' })
    const enough = await stripe.paymentIntents.create({ currency, amount: least })
    expect(enough).toMatchObject({ amount: least, currency })
  })

  test.each([
    [{ amount: 100_000_000 }, 'amount_too_large', 'amount'],
    [{ amount: -5 }, 'parameter_invalid_integer', 'amount'],
    [{ amount: 5.5 }, 'parameter_invalid_integer', 'amount'],
    [{ amount: '1e3' }, 'parameter_invalid_integer', 'amount'],
    [{ amount: undefined }, 'parameter_missing', 'amount'],
    [{ currency: undefined }, 'parameter_missing', 'currency'],
    [{ currency: 'xxx' }, undefined, 'currency'],
    [{ currency: 'kwd', amount: 5_124 }, 'invalid_charge_amount', 'amount'],
    [{ currency: 'isk', amount: 5_050 }, 'invalid_charge_amount', 'amount'],
    [{ amonut: 1 }, 'parameter_unknown', 'amonut'],
    [{ transfer_data: { destinaton: 'x' } }, 'parameter_missing', 'transfer_data[destination]'],
    [{ confirm: 'perhaps' }, undefined, 'confirm'],
    [{ capture_method: 'never' }, undefined, 'capture_method'],
    [{ description: '' }, 'parameter_invalid_empty', 'description'],
    [{ receipt_email: 'nobody' }, 'email_invalid', 'receipt_email'],
    [{ customer: 'cus_1' }, undefined, 'customer'],
    [{ payment_method_types: ['cash'] }, undefined, 'payment_method_types'],
    [{ payment_method_types: ['card'], ...never }, 'parameters_exclusive', 'payment_method_types'],
    [{ payment_method_types: 'card' }, undefined, 'payment_method_types'],
    [{ payment_method_data: { type: 'card' } }, undefined, 'payment_method_data'],
    [
      { shared_payment_granted_token: 'spt_1' },
      'parameter_unknown',
      'shared_payment_granted_token',
    ],
    [{ statement_descriptor: 'x'.repeat(23) }, undefined, 'statement_descriptor'],
  ])('%j is refused', async (params, code, param) => {
    const error = await refused(params)
    expect([error.code, error.param]).toEqual([code, param])
  })

  test.each([
    ['kwd', 5_120],
    ['isk', 5_000],
    ['usd', 99_999_999],
    ['idr', 999_999_999_999],
  ])('%s %i is taken', async (currency, amount) => {
    expect((await stripe.paymentIntents.create({ currency, amount })).amount).toBe(amount)
  })

  test('metadata has limits', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))
    const fits = { ...many(49), ['k'.repeat(40)]: 'v'.repeat(500) }
    const made = await stripe.paymentIntents.create({
      amount: 500,
      currency: 'usd',
      metadata: fits,
    })
    expect(made.metadata).toEqual(fits)
    for (const metadata of [many(51), { ['k'.repeat(41)]: 'v' }, { k: 'v'.repeat(501) }]) {
      expect((await refused({ metadata })).param).toBe('metadata')
    }
    const odd = {
      amount: 500,
      currency: 'usd',
      metadata: { __proto__key: 'é €', 'a.b c': '1&2=3' },
    }
    expect((await stripe.paymentIntents.create(odd)).metadata).toEqual(odd.metadata)
  })

  test('only the types that are named can pay', async () => {
    const named = { payment_method_types: ['link'] }
    const params = { ...paying(await local.grant({ amount: 500n })), ...named }
    delete params.automatic_payment_methods
    expect(await errorOf(stripe.paymentIntents.create(params, { apiVersion }))).toMatchObject({
      statusCode: 400,
      code: 'payment_intent_incompatible_payment_method',
    })
    const link = await local.grant({ amount: 500n, paymentMethod: 'pm_link' })
    const paid = { ...params, shared_payment_granted_token: link }
    expect(await stripe.paymentIntents.create(paid, { apiVersion })).toMatchObject({
      status: 'succeeded',
      payment_method_types: ['link'],
      automatic_payment_methods: null,
    })
    const bank = { payment_method: 'pm_usBankAccount', confirm: true, ...never }
    expect(await refused({ ...bank, capture_method: 'manual' })).toMatchObject({
      code: 'payment_intent_incompatible_payment_method',
    })
    // A method that is refused does not take the place of one that was there.
    const { id } = await stripe.paymentIntents.create({ ...visa, capture_method: 'manual' })
    await errorOf(stripe.paymentIntents.confirm(id, { payment_method: 'pm_usBankAccount' }))
    expect((await stripe.paymentIntents.confirm(id)).status).toBe('requires_capture')
    expect(await refused({ ...bank, currency: 'eur' })).toMatchObject({
      code: 'payment_method_currency_mismatch',
    })
  })
})

describe('refunds', () => {
  test('are of a part, then of the rest, and never of more', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const { id, latest_charge } = await pay(own, 'pm_card_visa')
    const part = await client.refunds.create({
      payment_intent: id,
      amount: 200,
      reason: 'requested_by_customer',
      metadata: { ticket: '7' },
    })
    expect(part).toMatchObject({
      id: expect.stringMatching(/^re_/),
      object: 'refund',
      amount: 200,
      status: 'succeeded',
      payment_intent: id,
      charge: latest_charge,
      reason: 'requested_by_customer',
    })
    const over = await errorOf(client.refunds.create({ payment_intent: id, amount: 301 }))
    expect(over).toMatchObject({ statusCode: 400, param: 'amount' })
    expect(over.message).toMatch(/3\.01 usd.*3\.00 usd/)
    const rest = await client.refunds.create({ charge: String(latest_charge) })
    expect(rest.amount).toBe(300)
    expect(await errorOf(client.refunds.create({ payment_intent: id }))).toMatchObject({
      code: 'charge_already_refunded',
    })
    expect(await client.charges.retrieve(String(latest_charge))).toMatchObject({
      refunded: true,
      amount_refunded: 500,
    })
    expect(await client.refunds.retrieve(part.id)).toEqual(part)
    const list = await client.refunds.list({ payment_intent: id })
    expect(list.data.map((one) => one.id)).toEqual([rest.id, part.id])
    expect(own.refunded).toEqual({ usd: { sum: 500n, count: 2 } })
    expect(own.refunds).toMatchObject([{ amount: 200n }, { amount: 300n }])
    expect(own.paymentIntents).toMatchObject([{ received: 500n, refunded: 500n }])
    // The fee is kept: 2.9 % and 30.
    expect(own.balance()).toEqual({ usd: -44n })
  })

  test('a hundred at once give back no more than there was', async () => {
    const { id } = await pay(local, 'pm_card_visa')
    const all = await Promise.allSettled(
      Array.from({ length: 100 }, () => stripe.refunds.create({ payment_intent: id, amount: 100 })),
    )
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(5)
  })

  test('are for what has been captured', async () => {
    const held = await pay(local, 'pm_card_visa', { capture_method: 'manual' })
    expect((await errorOf(stripe.refunds.create({ payment_intent: held.id }))).statusCode).toBe(400)
    const byCharge = stripe.refunds.create({ charge: String(held.latest_charge) })
    expect(await errorOf(byCharge)).toMatchObject({ code: 'charge_not_refundable' })
    expect(await errorOf(stripe.refunds.create({}))).toMatchObject({ code: 'parameter_missing' })
    expect(await errorOf(stripe.refunds.create({ charge: 'ch_none' }))).toMatchObject({
      code: 'resource_missing',
    })
    expect(await errorOf(stripe.refunds.retrieve('re_none'))).toMatchObject({ statusCode: 404 })
  })
})

describe('lists', () => {
  test('are newest first, a page at a time', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const ids: string[] = []
    for (let amount = 501; amount <= 512; amount++) {
      ids.unshift((await client.paymentIntents.create({ amount, currency: 'usd' })).id)
    }
    const first = await client.paymentIntents.list()
    expect(first).toMatchObject({ object: 'list', has_more: true, url: '/v1/payment_intents' })
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 10))
    const all: string[] = []
    for await (const { id } of client.paymentIntents.list({ limit: 5 })) all.push(id)
    expect(all).toEqual(ids)
    const before = await client.paymentIntents.list({ ending_before: ids[4]!, limit: 2 })
    expect(before.data.map(({ id }) => id)).toEqual([ids[2], ids[3]])
    expect(before.has_more).toBe(true)
    const old = await client.paymentIntents.list({ created: { lt: 1_000 } })
    expect(old.data).toEqual([])
    expect((await errorOf(client.paymentIntents.list({ limit: 101 }))).param).toBe('limit')
    expect((await errorOf(client.paymentIntents.list({ starting_after: 'pi_none' }))).code).toBe(
      'resource_missing',
    )
  })

  test('payments are searched', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const make = (amount: number, metadata: Record<string, string>) =>
      client.paymentIntents.create({ amount, currency: 'usd', metadata })
    const one = await make(500, { challenge: 'c1' })
    const two = await make(900, { challenge: 'c2' })
    const paid = await pay(own, 'pm_card_visa', { metadata: { challenge: 'c3' } })
    const find = async (query: string) =>
      (await client.paymentIntents.search({ query })).data.map(({ id }) => id)
    expect(await find(`metadata['challenge']:'c1'`)).toEqual([one.id])
    expect(await find(`status:'succeeded' AND metadata["challenge"]:"c3"`)).toEqual([paid.id])
    expect(await find(`amount>500`)).toEqual([two.id])
    expect(await find(`metadata['challenge']:'c1' OR metadata['challenge']:'c2'`)).toEqual([
      two.id,
      one.id,
    ])
    expect(await find(`-status:'succeeded' AND currency:'usd'`)).toEqual([two.id, one.id])
    expect(await find(`metadata['other']:null`)).toEqual([paid.id, two.id, one.id])
    const page = await client.paymentIntents.search({ query: 'amount>0', limit: 2 })
    expect(page).toMatchObject({ object: 'search_result', has_more: true, next_page: '2' })
    const rest = await client.paymentIntents.search({ query: 'amount>0', page: '2' })
    expect(rest.data.map(({ id }) => id)).toEqual([one.id])
    for (const query of [
      `status>'x'`,
      'amount:1 AND',
      `email:'x'`,
      `amount:1 AND amount:2 OR amount:3`,
    ]) {
      expect((await errorOf(client.paymentIntents.search({ query }))).param).toBe('query')
    }
  })

  test('ids are expanded on demand', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const client = connect(own)
    const { id } = await pay(own, 'pm_card_visa')
    const whole = await client.paymentIntents.retrieve(id, {
      expand: ['latest_charge.balance_transaction', 'payment_method'],
    })
    expect(whole).toMatchObject({
      payment_method: { object: 'payment_method', card: { brand: 'visa', last4: '4242' } },
      latest_charge: {
        object: 'charge',
        paid: true,
        balance_transaction: { object: 'balance_transaction', amount: 500, fee: 44, net: 456 },
      },
    })
    const list = await client.paymentIntents.list({ expand: ['data.latest_charge'] })
    expect(list.data[0]?.latest_charge).toMatchObject({ object: 'charge' })
    const charges = await client.charges.list({ payment_intent: id })
    expect(charges.data).toHaveLength(1)
    const entries = await client.balanceTransactions.list({ source: charges.data[0]!.id })
    const [entry] = entries.data
    expect(await client.balanceTransactions.retrieve(entry!.id)).toMatchObject({ net: 456 })
    expect(await client.balance.retrieve()).toMatchObject({
      available: [{ amount: 456, currency: 'usd' }],
    })
    const wrong = client.paymentIntents.retrieve(id, { expand: ['nothing'] })
    expect((await errorOf(wrong)).param).toBe('expand')
  })
})

test('the wire: nested forms, charsets, unknown paths, bodies of any kind', async () => {
  const nested =
    'amount=500&currency=usd&automatic_payment_methods%5Benabled%5D=true&metadata[a]=1&payment_method_types[]=card'
  const exclusive = await call(local, 'POST /v1/payment_intents', nested)
  expect(exclusive.json().error).toMatchObject({ code: 'parameters_exclusive' })
  expect(exclusive.headers.get('content-type')).toBe('application/json')
  expect(exclusive.headers.get('stripe-version')).toBe(apiVersion)
  expect(exclusive.headers.get('request-id')).toMatch(/^req_\w{14}$/)
  for (const body of [
    'amount[x]=1&amount=2',
    'amount=2&amount[x]=1',
    '%',
    '=',
    '[',
    'a[b][c][d][e][f][g][h][i][j]=1',
  ]) {
    expect((await call(local, 'POST /v1/payment_intents', body)).status).toBe(400)
  }
  const nowhere = await call(local, 'POST /v1/nothing', '')
  expect([nowhere.status, nowhere.json().error.message]).toEqual([
    404,
    'Unrecognized request URL (POST: /v1/nothing).',
  ])
  expect((await call(local, 'POST /v1/refunds', 'x'.repeat(1_100_000))).status).toBe(413)
  const form = `amount=500&currency=usd&metadata[__proto__]=x&metadata[constructor]=y`
  const made = await call(local, 'POST /v1/payment_intents', form)
  expect(made.text).toContain('"constructor": "y"')
  const long = { 'idempotency-key': 'k'.repeat(256) }
  expect((await call(local, 'POST /v1/payment_intents', form, long)).status).toBe(400)
})
