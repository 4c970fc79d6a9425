/**
 * Stripe Connect: where the money goes is the server's to say, and is checked before Stripe hears of it.
 *
 * @module
 */
import { LocalStripe } from '@polyrail/sandbox/stripe'
import type { stripe } from '@polyrail/stripe/server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buy, challengeIn, CREATE, grant, openShop, problemOf, write } from './shop.js'

let local: LocalStripe.Sandbox
let seller: LocalStripe.Account
let stranger: LocalStripe.Account
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
  seller = local.connect()
  stranger = local.connect()
})
afterAll(() => local.stop())

type Settlement = Awaited<ReturnType<stripe.charge.Connect['settlement']>>

const open = (settlement: stripe.charge.Connect['settlement']) =>
  openShop(local, { connect: { accounts: [seller.id], settlement } })

const asked = () => {
  const { parameters = '', account } = local.calls.findLast(({ call }) => call === CREATE) ?? {}
  return { ...Object.fromEntries(new URLSearchParams(parameters)), account }
}

describe('a settlement over Connect', () => {
  test('with a destination, a fee and a group is the server’s alone, and no challenge tells it [stripe-charge-014 stripe-charge-015]', async () => {
    const shop = open(async ({ request }) => ({
      applicationFeeAmount: BigInt(request.amount) / 10n,
      onBehalfOf: seller.id,
      transferData: { destination: seller.id },
      transferGroup: `order-${request.externalId ?? 'none'}`,
    }))
    const { challenge, answer } = await buy(local, shop)
    expect(answer.status).toBe(200)
    expect(asked()).toMatchObject({
      application_fee_amount: '5',
      on_behalf_of: seller.id,
      'transfer_data[destination]': seller.id,
      transfer_group: 'order-none',
    })
    expect(local.balance(seller)).toEqual({ usd: 45n })
    expect(JSON.stringify(challenge)).not.toMatch(/acct_|transfer|application_?fee|on_?behalf/i)
  })

  test('with a part for the destination', async () => {
    const earned = local.balance(seller)['usd'] ?? 0n
    const { answer } = await buy(
      local,
      open(() => ({ transferData: { destination: seller.id, amount: 20n } })),
    )
    expect(answer.status).toBe(200)
    expect((local.balance(seller)['usd'] ?? 0n) - earned).toBe(20n)
  })

  test('in the name of a connected account', async () => {
    const shop = open(() => ({ stripeAccount: seller.id, applicationFeeAmount: 0n }))
    const { answer } = await buy(local, shop)
    expect([answer.status, asked().account]).toEqual([200, seller.id])
    expect(local.paymentIntents.at(-1)?.account).toBe(seller.id)
  })

  test('in the name of a connected account is found again, and undone, there', async () => {
    const shop = open(() => ({ stripeAccount: seller.id }))
    const { authorization } = await buy(local, shop, { paymentMethod: 'pm_usBankAccount' })
    await local.complete(local.paymentIntents.at(-1)?.id ?? '')
    expect((await shop.ask(authorization)).status).toBe(200)
    const paymentMethod = 'pm_card_authenticationRequired'
    expect((await buy(local, shop, { paymentMethod })).answer.status).toBe(402)
    expect(local.paymentIntents.at(-1)).toMatchObject({ account: seller.id, status: 'canceled' })
  })
})

describe('parameters that must not be used are a 503 before anything is sent [stripe-charge-020]', () => {
  async function refused(settlement: unknown, message: RegExp) {
    const sent = local.calls.length
    const shop = open(() => settlement as Settlement)
    const { answer } = await buy(local, shop)
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, 'settlement-unavailable'])
    expect(local.calls).toHaveLength(sent)
    expect(shop.told.map(({ cause }) => String(cause)).join()).toMatch(message)
    expect(await answer.text()).not.toMatch(/acct_|connect\.accounts|bigint/)
  }

  test('accounts that this server may not use [stripe-charge-021]', async () => {
    const { id } = stranger
    await refused({ stripeAccount: id }, /stripeAccount is not among/)
    await refused({ onBehalfOf: id }, /onBehalfOf is not among/)
    await refused({ transferData: { destination: id } }, /transferData.destination is not among/)
    await refused({ onBehalfOf: 'nobody' }, /must be a connected account/)
    await refused({ stripeAccount: '' }, /must be a connected account/)
    await refused({ stripeAccount: [seller.id] }, /must be a connected account/)
  })

  test('a transfer without a destination [stripe-charge-022]', () =>
    refused({ transferData: { amount: 1n } }, /needs a destination/))

  test.each([51n, -1n, 1, 0.5, '5', NaN])(
    'a fee of %s [stripe-charge-023]',
    (applicationFeeAmount) =>
      refused(
        { applicationFeeAmount },
        /applicationFeeAmount must be a bigint from 0 to the amount/,
      ),
  )

  test.each([51n, -1n, 1, '5'])('a part of %s [stripe-charge-024]', (amount) =>
    refused(
      { transferData: { destination: seller.id, amount } },
      /transferData.amount must be a bigint/,
    ),
  )

  test('a group that is no text [stripe-charge-025]', async () => {
    await refused({ transferGroup: 7 }, /transferGroup must be text/)
    await refused({ transferGroup: '' }, /transferGroup must be text/)
  })

  test.each([undefined, null, false, 0, '', [], 'acct_1'])('no settlement: %j', (settlement) =>
    refused(settlement, /settlement must return an object/),
  )

  test('names that are misspelt, which would cost the platform its fee', async () => {
    await refused({ applicationFee: 5n }, /applicationFee is not a parameter/)
    await refused({ transferData: { destination: seller.id, fee: 5n } }, /transferData.fee/)
  })
})

test('nothing that a payer writes reaches Connect [stripe-charge-026]', async () => {
  const shop = open(() => ({ transferData: { destination: seller.id, amount: 50n } }))
  const challenge = challengeIn(await shop.ask())
  const spt = await grant(local, challenge)
  const theirs = { destination: stranger.id, amount: 50 }
  const answer = await shop.ask(
    write(challenge, {
      spt,
      stripeAccount: stranger.id,
      transferData: theirs,
      transfer_data: theirs,
      application_fee_amount: 0,
      settlement: { transferData: theirs },
    }),
  )
  expect(answer.status).toBe(200)
  expect(asked()).toMatchObject({ 'transfer_data[destination]': seller.id })
  expect(local.balance(stranger)).toEqual({})
})
