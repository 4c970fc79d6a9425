/**
 * The client's side of a Stripe charge: what its token is made for, when none is made, and what comes of it.
 *
 * @module
 */
import { Challenge, type Method } from '@polyrail/core'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import type { charge } from '@polyrail/stripe'
import { stripe } from '@polyrail/stripe/client'
import { Stripe } from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connect,
  countCaptures,
  createClient,
  CREATE,
  openShop,
  url,
  type Options,
} from './shop.js'

let local: LocalStripe.Sandbox
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
})
afterAll(() => local.stop())

const captured = countCaptures(() => local)

/** A shop, and what a client asks to have tokens made for. */
function open(options: Options = {}) {
  const shop = openShop(local, options)
  const asked: stripe.charge.Terms[] = []
  const createToken = (terms: stripe.charge.Terms) => {
    asked.push(terms)
    const { amount, currency, networkId: seller, expiresAt, paymentMethod = 'pm_card_visa' } = terms
    return local.grant({ amount: BigInt(amount), currency, seller, expiresAt, paymentMethod })
  }
  return { shop, asked, createToken }
}

/** A challenge as a server might send it. */
function challengeOf(
  request: object = {},
  expires: Date | undefined = new Date(Date.now() + 60_000),
) {
  const made = Challenge.from({
    id: 'c',
    realm: 'shop.example',
    method: 'stripe',
    intent: 'charge',
    ...(expires && { expires }),
    request: {
      amount: '50',
      currency: 'usd',
      methodDetails: { networkId: 'profile_1', paymentMethodTypes: ['card'] },
      ...request,
    },
  })
  return made as Method.ChallengeOf<typeof charge>
}

describe('a token', () => {
  test('is made for the price, the currency and the seller of the challenge, and ends soon after it', async () => {
    const { shop, asked, createToken } = open({ route: { metadata: { order: '7' } } })
    const answer = await createClient(createToken, shop.page).fetch(url)
    expect([answer.status, await answer.json(), captured()]).toEqual([200, { page: 1 }, 1])
    const [terms] = asked
    expect(asked).toHaveLength(1)
    expect(terms).toMatchObject({
      amount: '50',
      currency: 'usd',
      networkId: local.networkId,
      paymentMethodTypes: ['card', 'link'],
      metadata: { order: '7' },
    })
    expect(terms?.expiresAt).toBe(Math.ceil(Date.parse(terms?.challenge.expires ?? '') / 1000) + 60)
    expect(local.tokens.at(-1)).toMatchObject({ maxAmount: 50n, captured: 50n })
  })

  test('is not made for more than the policy allows, nor for what is asked to be paid in another currency [stripe-charge-019]', async () => {
    for (const route of [{ amount: '2.01' }, { amount: '1.00', currency: 'eur' }]) {
      const { shop, asked, createToken } = open({ route })
      const client = createClient(createToken, shop.page)
      const answer = await client.fetch(url, { policy: { max: { 'stripe:usd': '2.00' } } })
      expect([answer.status, asked.length]).toEqual([402, 0])
    }
    expect(captured()).toBe(0)
  })

  test('is counted in units of its currency: fifty yen are not fifty cents', async () => {
    const { shop, asked, createToken } = open({ route: { amount: '50', currency: 'jpy' } })
    const declining = createClient(createToken, shop.page)
    expect((await declining.fetch(url)).status).toBe(402)
    expect(asked).toHaveLength(0)
    const paying = await declining.fetch(url, { policy: { max: { 'stripe:jpy': '50' } } })
    expect([paying.status, asked[0]?.amount]).toEqual([200, '50'])
  })

  test('is made of a saved payment method, that of the client or that of one fetch', async () => {
    const { shop, asked, createToken } = open()
    const client = createClient(createToken, shop.page, { paymentMethod: 'pm_card_visa' })
    await client.fetch(url)
    await client.fetch(url, { context: { paymentMethod: 'pm_card_mastercard' } })
    expect(asked.map(({ paymentMethod }) => paymentMethod)).toEqual([
      'pm_card_visa',
      'pm_card_mastercard',
    ])
    expect(captured()).toBe(2)
  })

  test('is not made where the seller takes nothing that is here', async () => {
    const { shop, asked, createToken } = open({ paymentMethodTypes: ['klarna'] })
    const client = createClient(createToken, shop.page, { paymentMethodTypes: ['card', 'link'] })
    const answer = await client.fetch(url)
    expect([answer.status, asked.length]).toEqual([402, 0])
    expect(client.explain(answer)?.refusals[0]?.detail ?? '').toMatch(/takes klarna/)
  })

  test('by way of Stripe’s own call is as good', async () => {
    const agent = new Stripe(local.agent.secretKey, local.options)
    const { shop } = open()
    const client = createClient(async ({ amount, currency, networkId, expiresAt }) => {
      const issued = (await agent.rawRequest(
        'POST',
        '/v1/shared_payment/issued_tokens',
        {
          payment_method: 'pm_card_visa',
          usage_limits: { currency, max_amount: Number(amount), expires_at: expiresAt },
          seller_details: { network_business_profile: networkId },
        },
        { apiVersion: '2026-07-29.preview' },
      )) as { id?: string }
      return issued.id ?? ''
    }, shop.page)
    expect((await client.fetch(url)).status).toBe(200)
    expect(captured()).toBe(1)
  })

  test.each([['sk_test_1'], [''], ['spt_'], ['spt_x y'], [undefined], [{ id: 'spt_1' }]])(
    'that is none (%j) is not presented',
    async (made) => {
      const { shop } = open()
      const client = createClient((async () => made) as () => Promise<string>, shop.page)
      const answer = await client.fetch(url)
      expect(answer.status).toBe(402)
      const [refusal] = client.explain(answer)?.refusals ?? []
      expect(refusal?.code).toBe('credential-failed')
      expect(shop.told.filter(({ name }) => name === 'rejected')).toEqual([])
    },
  )

  test('that cannot be made leaves the answer as it was', async () => {
    const { shop } = open()
    const client = createClient(() => Promise.reject(new Error('the card is not here')), shop.page)
    const answer = await client.fetch(url)
    expect(answer.status).toBe(402)
    expect(client.explain(answer)?.refusals[0]).toMatchObject({
      code: 'credential-failed',
      cause: { message: 'the card is not here' },
    })
  })

  test('for a challenge without an end lasts minutes, not for ever', async () => {
    const ends: number[] = []
    const rail = stripe.charge({
      createToken: ({ expiresAt }) => {
        ends.push(expiresAt)
        return 'spt_1'
      },
    })
    const { expires: _, ...endless } = challengeOf()
    await rail.createCredential({
      challenge: endless,
      context: undefined,
      url: new URL(url),
      signal: AbortSignal.timeout(5000),
    })
    expect(ends[0]).toBeLessThanOrEqual(Date.now() / 1000 + 361)
    expect(Number.isInteger(ends[0])).toBe(true)
  })
})

describe('a payment', () => {
  test('carries the payer’s reference into the receipt', async () => {
    const { shop, createToken } = open()
    const client = createClient(createToken, shop.page, { externalId: 'mine-1' })
    const answer = await client.fetch(url)
    const receipt = Buffer.from(answer.headers.get('payment-receipt') ?? '', 'base64url').toString()
    expect(JSON.parse(receipt)).toMatchObject({ externalId: 'mine-1' })
  })

  test('whose answer is lost is asked for with the same token, and made once', async () => {
    const { shop, asked, createToken } = open()
    using _ = local.fault({ call: CREATE, fail: 'drop', executed: true, times: 2 })
    const answer = await createClient(createToken, shop.page).fetch(url)
    expect([answer.status, asked.length, shop.served(), captured()]).toEqual([200, 1, 1, 1])
  })

  test('that is declined is over, and says why', async () => {
    const { shop, asked, createToken } = open()
    const paymentMethod = 'pm_card_chargeDeclinedInsufficientFunds'
    const answer = await createClient(createToken, shop.page, { paymentMethod }).fetch(url)
    expect([answer.status, asked.length, captured()]).toEqual([402, 1, 0])
    expect(await answer.text()).toMatch(/too little money/)
  })

  test('of nobody who can make tokens is refused at once', () => {
    expect(() => stripe.charge({} as stripe.Options)).toThrow(/createToken must be a function/)
    expect(connect(local)).toBeInstanceOf(Stripe)
  })
})
