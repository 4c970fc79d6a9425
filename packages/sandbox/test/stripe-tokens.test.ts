import { LocalStripe } from '@polyrail/sandbox/stripe'
import { Stripe } from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiVersion, call, connect, errorOf, paying } from './stripe-client.js'

let local: LocalStripe.Sandbox
let seller: Stripe
let agent: Stripe

beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
  seller = connect(local)
  agent = new Stripe(local.agent.secretKey, local.options)
})
afterAll(() => local.stop())

const issued = '/v1/shared_payment/issued_tokens'
const granted = '/v1/shared_payment/granted_tokens'
const helper = '/v1/test_helpers/shared_payment/granted_tokens'

/** A token as the API tells it. */
type Shown = Record<string, unknown> & { id: string }

const post = async (client: Stripe, path: string, params: object = {}) =>
  (await client.rawRequest('POST', path, { ...params }, { apiVersion })) as unknown as Shown
const get = async (client: Stripe, path: string) =>
  (await client.rawRequest('GET', path, undefined, { apiVersion })) as unknown as Shown

const issue = (more: object = {}) =>
  post(agent, issued, {
    payment_method: 'pm_card_visa',
    usage_limits: { currency: 'usd', max_amount: 500, expires_at: local.now() + 600 },
    seller_details: { network_business_profile: local.networkId },
    ...more,
  })

describe('an issued token', () => {
  test('is seen by its agent and by its seller, each in a form of their own', async () => {
    const expiresAt = local.now() + 600
    const token = await issue({
      usage_limits: { currency: 'usd', max_amount: 500, expires_at: expiresAt },
      seller_details: { network_business_profile: local.networkId, external_id: 'cart 1' },
      shared_metadata: { order: '1' },
      return_url: 'https://agent.example/back',
    })
    const limits = {
      id: expect.stringMatching(/^spt_1\w{23}$/),
      created: expect.any(Number),
      deactivated_at: null,
      deactivated_reason: null,
      livemode: false,
      shared_metadata: { order: '1' },
      usage_details: { amount_captured: { currency: 'usd', value: 0 } },
      usage_limits: { currency: 'usd', expires_at: expiresAt, max_amount: 500 },
    }
    expect(token).toMatchObject({
      ...limits,
      object: 'shared_payment.issued_token',
      payment_method: 'pm_card_visa',
      seller_details: { external_id: 'cart 1', network_business_profile: local.networkId },
      return_url: 'https://agent.example/back',
      status: 'active',
      next_action: null,
    })
    expect(await get(agent, `${issued}/${token.id}`)).toEqual(token)
    expect(await get(seller, `${granted}/${token.id}`)).toMatchObject({
      ...limits,
      object: 'shared_payment.granted_token',
      agent_details: { network_business_profile: local.agent.networkId },
      payment_method_details: { type: 'card', card: { brand: 'visa', last4: '4242' } },
    })
  })

  test('is used up by its payment', async () => {
    const { id } = await issue()
    await seller.paymentIntents.create(paying(id), { apiVersion })
    const used = {
      deactivated_at: expect.any(Number),
      deactivated_reason: 'consumed',
      usage_details: { amount_captured: { currency: 'usd', value: 500 } },
    }
    expect(await get(seller, `${granted}/${id}`)).toMatchObject(used)
    expect(await get(agent, `${issued}/${id}`)).toMatchObject({ ...used, status: 'deactivated' })
  })

  test('pays until its limit is reached, and not beyond', async () => {
    const limits = { currency: 'usd', max_amount: 1_200, expires_at: local.now() + 600 }
    const { id } = await issue({ usage_limits: limits })
    const pay = () => seller.paymentIntents.create(paying(id), { apiVersion })
    await pay()
    await pay()
    expect(await get(seller, `${granted}/${id}`)).toMatchObject({
      deactivated_reason: null,
      usage_details: { amount_captured: { value: 1_000 } },
    })
    const error = await errorOf(pay())
    expect([error.statusCode, error.code]).toEqual([400, undefined])
    expect(error.message).toMatch(/remaining amount/)
    await seller.paymentIntents.create({ ...paying(id), amount: 200 }, { apiVersion })
    expect(await get(seller, `${granted}/${id}`)).toMatchObject({ deactivated_reason: 'consumed' })
  })

  test('is taken of by what is authorised, before it is captured', async () => {
    const limits = { currency: 'usd', max_amount: 900, expires_at: local.now() + 600 }
    const { id } = await issue({ usage_limits: limits })
    const held = { ...paying(id), capture_method: 'manual' as const }
    await seller.paymentIntents.create(held, { apiVersion })
    const error = await errorOf(seller.paymentIntents.create(held, { apiVersion }))
    expect(error.message).toMatch(/remaining amount/)
  })

  test('is revoked by its agent, once', async () => {
    const { id } = await issue()
    const stranger = post(seller, `${issued}/${id}/revoke`)
    expect(await errorOf(stranger)).toMatchObject({ statusCode: 404, code: 'resource_missing' })
    expect(await post(agent, `${issued}/${id}/revoke`)).toMatchObject({
      deactivated_reason: 'revoked',
    })
    expect(await errorOf(post(agent, `${issued}/${id}/revoke`))).toMatchObject({ statusCode: 400 })
    const error = await errorOf(seller.paymentIntents.create(paying(id), { apiVersion }))
    expect(error.message).toMatch(/deactivated/)
  })

  test.each(['network_business_profile', 'network_id', 'networkId'])(
    'names its seller by %s',
    async (name) => {
      const { id } = await issue({ seller_details: { [name]: local.networkId } })
      const paid = await seller.paymentIntents.create(paying(id), { apiVersion })
      expect(paid.status).toBe('succeeded')
    },
  )

  test.each([
    [{ payment_method: undefined }, 'parameter_missing', 'payment_method'],
    [{ payment_method: 'pm_none' }, 'resource_missing', 'payment_method'],
    [{ usage_limits: undefined }, 'parameter_missing', 'usage_limits'],
    [{ usage_limits: { currency: 'usd' } }, 'parameter_missing', 'usage_limits[max_amount]'],
    [{ usage_limits: { max_amount: 1 } }, 'parameter_missing', 'usage_limits[currency]'],
    [
      { usage_limits: { currency: 'usd', max_amount: 0 } },
      'parameter_invalid_integer',
      'usage_limits[max_amount]',
    ],
    [
      { usage_limits: { currency: 'usd', max_amount: 1, expires_at: 1_000 } },
      undefined,
      'usage_limits[expires_at]',
    ],
    [{ seller_details: undefined }, 'parameter_missing', 'seller_details'],
    [
      { seller_details: { network_id: 'profile_none' } },
      'resource_missing',
      'seller_details[network_business_profile]',
    ],
    [{ metadata: { a: 'b' } }, 'parameter_unknown', 'metadata'],
  ])('is refused with %j', async (more, code, param) => {
    const error = await errorOf(issue(more))
    expect([error.statusCode, error.code, error.param]).toEqual([400, code, param])
  })
})

describe('a granted token', () => {
  const terms = {
    payment_method: 'pm_card_visa',
    usage_limits: { currency: 'usd', max_amount: 700 },
  }

  test('is made by the seller for tests, without an expiry if need be', async () => {
    const token = await post(seller, helper, terms)
    expect(token).toMatchObject({
      object: 'shared_payment.granted_token',
      agent_details: { network_business_profile: null },
      usage_limits: { expires_at: null, max_amount: 700 },
    })
    expect((await seller.paymentIntents.create(paying(token.id), { apiVersion })).status).toBe(
      'succeeded',
    )
    const internal = { ...terms, seller_details: { network_id: 'internal', external_id: 'any' } }
    const other = await post(seller, helper, internal)
    expect(await post(seller, `${helper}/${other.id}/revoke`)).toMatchObject({
      deactivated_reason: 'revoked',
    })
  })

  test('is nobody else’s', async () => {
    const { id } = await post(seller, helper, terms)
    const other = new Stripe(local.seller().secretKey, local.options)
    for (const client of [agent, other]) {
      expect(await errorOf(get(client, `${granted}/${id}`))).toMatchObject({
        statusCode: 404,
        code: 'resource_missing',
      })
    }
  })

  test('expires while nobody looks', async () => {
    await using own = await LocalStripe.start({ quiet: true, networkId: 'profile_test_own' })
    expect(own.networkId).toBe('profile_test_own')
    const token = await own.grant({ amount: 500n, metadata: { a: 'b' }, externalId: 'x' })
    own.advance(3_600)
    expect(await get(connect(own), `${granted}/${token}`)).toMatchObject({
      deactivated_reason: 'expired',
      shared_metadata: { a: 'b' },
    })
    await expect(own.grant({ amount: 0n })).rejects.toThrow(/one minor unit/)
    await expect(own.grant({ amount: 1n, currency: 'xxx' })).rejects.toThrow(/xxx/)
    await expect(own.revoke('spt_none')).rejects.toThrow(/spt_none/)
  })
})

describe('Connect', () => {
  const pay = async (more: object, options: Stripe.RequestOptions = {}) => {
    const params = { ...paying(await local.grant({ amount: 1_000n })), amount: 1_000, ...more }
    return seller.paymentIntents.create(params, { apiVersion, ...options })
  }
  const refused = async (more: object, options: Stripe.RequestOptions = {}) =>
    errorOf(pay(more, options))

  test('a direct payment is the connected account’s, with a fee for its platform', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const shop = own.connect()
    const token = await own.grant({ amount: 1_000n, seller: shop.networkId })
    const paid = await connect(own).paymentIntents.create(
      paying(token, { amount: 1_000, application_fee_amount: 100, transfer_group: 'order 1' }),
      { apiVersion, stripeAccount: shop.id },
    )
    expect(paid).toMatchObject({
      status: 'succeeded',
      application_fee_amount: 100,
      transfer_group: 'order 1',
    })
    expect(paid.lastResponse.stripeAccount).toBe(shop.id)
    expect(own.paymentIntents).toMatchObject([{ account: shop.id }])
    // 1,000 less 2.9 %, 30 and the fee.
    expect(own.balance(shop)).toEqual({ usd: 841n })
    expect(own.balance()).toEqual({ usd: 100n })
    expect((await errorOf(connect(own).paymentIntents.retrieve(paid.id))).statusCode).toBe(404)
    const there = await connect(own).paymentIntents.retrieve(
      paid.id,
      {},
      { stripeAccount: shop.id },
    )
    expect(there.id).toBe(paid.id)
    const itself = new Stripe(shop.secretKey, own.options)
    expect((await itself.accounts.retrieveCurrent()).id).toBe(shop.id)
  })

  test('a token for the platform pays on a connected account', async () => {
    const paid = await pay({}, { stripeAccount: local.connect().id })
    expect(paid.status).toBe('succeeded')
  })

  test('a payment is transferred to a destination, less a fee or in part', async () => {
    await using own = await LocalStripe.start({ quiet: true })
    const [whole, part] = [own.connect(), own.connect()]
    const create = async (more: Partial<Stripe.PaymentIntentCreateParams>) => {
      const token = await own.grant({ amount: 1_000n })
      const params = paying(token, { amount: 1_000, ...more })
      return connect(own).paymentIntents.create(params, { apiVersion })
    }
    const paid = await create({
      transfer_data: { destination: whole.id },
      application_fee_amount: 150,
      on_behalf_of: whole.id,
    })
    expect(paid).toMatchObject({ transfer_data: { destination: whole.id }, on_behalf_of: whole.id })
    const charge = await connect(own).charges.retrieve(String(paid.latest_charge))
    expect(charge).toMatchObject({
      transfer: expect.stringMatching(/^tr_/),
      application_fee: expect.stringMatching(/^fee_/),
      application_fee_amount: 150,
    })
    expect(own.balance(whole)).toEqual({ usd: 850n })
    expect(own.balance()).toEqual({ usd: 150n - 59n })
    const some = await create({ transfer_data: { destination: part.id, amount: 600 } })
    expect(some.transfer_data).toEqual({ destination: part.id, amount: 600 })
    expect(own.balance(part)).toEqual({ usd: 600n })
  })

  test('what contradicts itself is refused', async () => {
    const [shop, closed] = [local.connect(), local.connect({ transfers: false })]
    const destination = shop.id
    expect(await refused({ application_fee_amount: 1 })).toMatchObject({
      param: 'application_fee_amount',
    })
    for (const fee of [1_001, -1]) {
      const more = { transfer_data: { destination }, application_fee_amount: fee }
      expect(await refused(more)).toMatchObject({ param: 'application_fee_amount' })
    }
    expect(await refused({ transfer_data: { destination, amount: 1_001 } })).toMatchObject({
      param: 'transfer_data[amount]',
    })
    const both = { transfer_data: { destination, amount: 1 }, application_fee_amount: 1 }
    expect(await refused(both)).toMatchObject({ code: 'parameters_exclusive' })
    for (const id of ['acct_none', local.seller().id]) {
      expect(await refused({ transfer_data: { destination: id } })).toMatchObject({
        code: 'resource_missing',
        param: 'transfer_data[destination]',
      })
      expect(await refused({ on_behalf_of: id })).toMatchObject({ param: 'on_behalf_of' })
      expect(await refused({}, { stripeAccount: id })).toMatchObject({
        statusCode: 403,
        code: 'account_invalid',
      })
    }
    expect(await refused({ transfer_data: { destination: local.account.id } })).toMatchObject({
      statusCode: 400,
    })
    expect(await refused({ transfer_data: { destination: closed.id } })).toMatchObject({
      code: 'insufficient_capabilities_for_transfer',
    })
  })

  test('accounts are read', async () => {
    const shop = local.connect({ transfers: false })
    expect(await seller.accounts.retrieve(shop.id)).toMatchObject({
      id: shop.id,
      object: 'account',
      capabilities: { card_payments: 'active', transfers: 'inactive' },
    })
    expect(await errorOf(seller.accounts.retrieve(local.seller().id))).toMatchObject({
      statusCode: 404,
    })
    const context = { 'stripe-context': shop.id }
    expect((await call(local, 'GET /v1/account', undefined, context)).json().id).toBe(shop.id)
  })
})
