/**
 * Stripe charges between the deployed SDK and ours, over HTTP, on a local Stripe.
 *
 * @module
 */
import { Mpp as OurWallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { stripe as ourPaying } from '@polyrail/stripe/client'
import { stripe as ourPaid } from '@polyrail/stripe/server'
import { Receipt } from 'mppx'
import { Mppx as Wallet, stripe as paying } from 'mppx/client'
import { Mppx, stripe as paid } from 'mppx/server'
import { Stripe } from 'stripe'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { open, present, realm, secretKey, type Guard } from './page.js'

let local: LocalStripe.Sandbox
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
})
afterAll(() => local.stop())

type Terms = { amount: string; currency: string; networkId?: string | undefined; expiresAt: number }

/** What stands behind `createToken`: the agent's own server. */
const grant =
  (paymentMethod: string) =>
  ({ amount, currency, networkId = local.networkId, expiresAt }: Terms): Promise<string> =>
    local.grant({
      amount: BigInt(amount),
      currency,
      seller: networkId,
      expiresAt,
      paymentMethod,
    })

type Fetch = (url: string) => Promise<Response>
type Side = { guard(): Guard; wallet(paymentMethod: string): Fetch }

const ours: Side = {
  guard() {
    const { networkId } = local
    const client = new Stripe(local.secretKey, local.options)
    const mpp = Mpp.create({ methods: [ourPaid.charge({ client, networkId })], realm, secretKey })
    return Mpp.toNodeListener(mpp.charge({ amount: '0.50' }))
  },
  wallet(paymentMethod) {
    const methods = [ourPaying.charge({ createToken: grant(paymentMethod) })]
    const mpp = OurWallet.create({ methods, policy: { max: '1.00' } })
    return (url) => mpp.fetch(url)
  },
}

const deployed: Side = {
  guard() {
    const { networkId } = local
    const client = new Stripe(local.secretKey, local.options)
    const method = paid.charge({ client, networkId, paymentMethodTypes: ['card'] })
    const mppx = Mppx.create({ methods: [method], realm, secretKey })
    return Mppx.toNodeListener(mppx.charge({ amount: '0.50', currency: 'usd', decimals: 2 }))
  },
  wallet(paymentMethod) {
    const methods = [paying.charge({ createToken: grant(paymentMethod), paymentMethod })]
    const mppx = Wallet.create({ methods, polyfill: false })
    return (url) => mppx.fetch(url)
  },
}

const directions = [
  { name: 'the deployed client pays our server', payer: deployed, seller: ours },
  { name: 'our client pays the deployed server', payer: ours, seller: deployed },
]

describe.each(directions)('$name', ({ payer, seller }) => {
  const captured = () => local.captured['usd'] ?? { sum: 0n, count: 0 }

  test('once, to the cent', async () => {
    await using page = await open(seller.guard())
    const before = captured()
    const response = await payer.wallet('pm_card_visa')(page.url)
    expect([response.status, await response.text()]).toEqual([200, 'page 1'])
    const after = captured()
    expect([after.sum - before.sum, after.count - before.count]).toEqual([50n, 1])
    expect(Receipt.fromResponse(response)).toMatchObject({
      method: 'stripe',
      status: 'success',
      reference: local.paymentIntents.at(-1)?.id,
    })
    const [authorization = ''] = page.presented
    expect((await present(page.url, authorization)).status).toBe(402)
    expect([captured().count - before.count, page.served()]).toEqual([1, 1])
  })

  test('and a card that is declined buys nothing', async () => {
    await using page = await open(seller.guard())
    const before = captured()
    const fetching = payer.wallet('pm_card_chargeDeclined')(page.url)
    const status = await fetching.then((response) => response.status).catch(() => 402)
    expect([status, captured().count - before.count, page.served()]).toEqual([402, 0, 0])
  })
})
