/**
 * Refunds: each once, of this server's own payments, and never beside a page that is still owed.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { buy, connect, openShop, problemOf, type Options } from './shop.js'

let local: LocalStripe.Sandbox
let seller: LocalStripe.Account
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
  seller = local.connect()
})
afterAll(() => local.stop())

const REFUND = 'POST /v1/refunds'

let before = 0
const refunds = () => local.refunds.slice(before).map(({ amount }) => amount)
beforeEach(() => {
  before = local.refunds.length
})

async function sell(options: Options = {}) {
  const shop = openShop(local, options)
  const bought = await buy(local, shop)
  return { shop, ...bought, receipt: Receipt.fromResponse(bought.answer) as Receipt.Receipt }
}

const codeOf = (failed: Promise<unknown>): Promise<unknown> =>
  failed.then(
    () => 'made',
    (error: { code?: string; name: string }) => error.code ?? error.name,
  )

describe('a refund', () => {
  test('gives all of it back, by the receipt or by its header', async () => {
    const { shop, receipt, challenge } = await sell()
    expect(receipt['challengeId']).toBe(challenge.id)
    const refund = await shop.mpp.refund(receipt)
    expect(refund).toEqual({ reference: local.refunds.at(-1)?.id, amount: 50n, left: 0n })
    const other = await sell()
    await shop.mpp.refund(other.answer.headers.get('payment-receipt') ?? '')
    expect(refunds()).toEqual([50n, 50n])
    expect(shop.told.filter(({ name }) => name === 'refunded')).toHaveLength(2)
  })

  test('is made once, however often and wherever it is asked for', async () => {
    const store = Store.memory()
    const { shop, receipt } = await sell({ store })
    const { mpp } = openShop(local, { store })
    const asked = await Promise.all(
      Array.from({ length: 10 }, (_, n) => codeOf((n % 2 ? mpp : shop.mpp).refund(receipt))),
    )
    expect(asked.filter((code) => code === 'made')).toHaveLength(1)
    expect(new Set(asked)).toEqual(new Set(['made', 'payment-in-progress']))
    expect(await mpp.refund(receipt)).toEqual(await shop.mpp.refund(receipt))
    expect(refunds()).toEqual([50n])
  })

  test('of a part leaves the rest, under a name for each', async () => {
    const { shop, receipt } = await sell()
    const part = { amount: 20n, id: 'first' }
    expect(await shop.mpp.refund(receipt, part)).toMatchObject({ amount: 20n, left: 30n })
    await shop.mpp.refund(receipt, part)
    expect(await shop.mpp.refund(receipt, { ...part, id: 'second' })).toMatchObject({ left: 10n })
    expect(await codeOf(shop.mpp.refund(receipt, { amount: 20n, id: 'third' }))).toBe(
      'refund-refused',
    )
    expect(await shop.mpp.refund(receipt)).toMatchObject({ amount: 10n, left: 0n })
    expect(refunds()).toEqual([20n, 20n, 10n])
    await expect(shop.mpp.refund(receipt, { ...part, amount: 5n })).rejects.toThrow(
      /of another amount/,
    )
  })

  test.each([
    ['after it was made', true, 1],
    ['before', false, 0],
  ])('whose answer is lost %s is found out by calling again', async (_, executed, made) => {
    const { shop, receipt } = await sell()
    using _fault = local.fault({ call: REFUND, fail: 'drop', executed, times: 2 })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('payment-indeterminate')
    expect(refunds()).toHaveLength(made)
    expect(await shop.mpp.refund(receipt)).toMatchObject({ amount: 50n, left: 0n })
    expect(refunds()).toEqual([50n])
  })

  test.each([
    ['before it was made', false, 0],
    ['after it was made', true, 1],
  ])('that Stripe keeps an error of, %s, is made once', async (_, executed, made) => {
    const { shop, receipt } = await sell()
    const fail = { status: 500, recorded: true }
    using _fault = local.fault({ call: REFUND, fail, executed, times: 1 })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('payment-indeterminate')
    expect(refunds()).toHaveLength(made)
    // Not in a day, when the key is forgotten.
    expect(await shop.mpp.refund(receipt)).toMatchObject({ amount: 50n, left: 0n })
    expect(refunds()).toEqual([50n])
  })

  test('that Stripe has forgotten the key of is found among the payment’s refunds', async () => {
    const { shop, receipt } = await sell()
    using _fault = local.fault({ call: REFUND, fail: 'drop', executed: true, times: 2 })
    expect(await codeOf(shop.mpp.refund(receipt, { amount: 10n }))).toBe('payment-indeterminate')
    local.advance(25 * 3600)
    expect(await shop.mpp.refund(receipt, { amount: 10n })).toMatchObject({ left: 40n })
    expect(refunds()).toEqual([10n])
  })

  test('is not made while the key is bad, and can be later', async () => {
    const store = Store.memory()
    const { shop, receipt } = await sell({ store })
    const other = await LocalStripe.start({ quiet: true })
    const stranger = openShop(local, { store, client: connect(local, other.secretKey) })
    await other.stop()
    expect(await codeOf(stranger.mpp.refund(receipt))).toBe('settlement-unavailable')
    expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
    expect(refunds()).toEqual([50n])
  })
})

test('a list of refunds that never ends is asked for once', async () => {
  const client = connect(local)
  let asked = 0
  const list = async () => {
    if (++asked > 5) throw new Error('asked again and again')
    return { data: [], has_more: true }
  }
  const refunds = {
    create: (...call: Parameters<typeof client.refunds.create>) => client.refunds.create(...call),
    list,
  }
  const { paymentIntents } = client
  const rawRequest = client.rawRequest.bind(client)
  const { shop, receipt } = await sell({ client: { paymentIntents, rawRequest, refunds } })
  expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
  expect(asked).toBe(1)
})

describe('what is refused', () => {
  test('a payment that others took, or that is not what the receipt says', async () => {
    const { shop, receipt } = await sell()
    const paid = { amount: 50, currency: 'usd', confirm: true, payment_method: 'pm_card_visa' }
    const automatic = { enabled: true, allow_redirects: 'never' as const }
    const theirs = await connect(local).paymentIntents.create({
      ...paid,
      automatic_payment_methods: automatic,
    })
    const forged = [
      { ...receipt, reference: theirs.id },
      { ...receipt, reference: 'pi_none' },
      { ...receipt, challengeId: 'another' },
    ]
    for (const one of forged) expect(await codeOf(shop.mpp.refund(one))).toBe('refund-refused')
    expect(refunds()).toEqual([])
  })

  test('what is no receipt, or none of a rail here, or no amount', async () => {
    const { shop, receipt } = await sell()
    const { challengeId: _, ...without } = receipt
    await expect(shop.mpp.refund(without as Receipt.Receipt)).rejects.toThrow(/challengeId/)
    await expect(shop.mpp.refund('nonsense')).rejects.toThrow(/needs a receipt/)
    await expect(shop.mpp.refund({ ...receipt, method: 'tempo' })).rejects.toThrow(/No rail here/)
    for (const amount of [0n, -1n, 5 as unknown as bigint, '5' as unknown as bigint])
      await expect(shop.mpp.refund(receipt, { amount })).rejects.toThrow(RangeError)
    expect(refunds()).toEqual([])
  })
})

describe('a page that is owed', () => {
  const failing: Options = { page: (n) => new Response(String(n), { status: n > 1 ? 200 : 500 }) }
  const named = ({ id }: { id: string }) => ({
    method: 'stripe',
    reference: local.paymentIntents.at(-1)?.id ?? '',
    challengeId: id,
  })

  test('is not had any more once its money went back', async () => {
    const { shop, authorization, challenge } = await sell(failing)
    await shop.mpp.refund(named(challenge))
    const refused = await shop.ask(authorization)
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      402,
      'The money of this payment has been given back.',
    ])
    expect([shop.served(), refunds()]).toEqual([1, [50n]])
    // Nor does a refund that finds nothing left bring it back.
    expect(await codeOf(shop.mpp.refund(named(challenge), { id: 'more' }))).toBe('refund-refused')
    expect((await shop.ask(authorization)).status).toBe(402)
  })

  test('is still had when a part went back, or nothing', async () => {
    const { shop, authorization, challenge } = await sell(failing)
    await shop.mpp.refund(named(challenge), { amount: 10n })
    expect(await codeOf(shop.mpp.refund(named(challenge), { amount: 41n, id: 'more' }))).toBe(
      'refund-refused',
    )
    expect((await shop.ask(authorization)).status).toBe(200)
    expect(refunds()).toEqual([10n])
  })

  test('waits while nobody knows whether its money went back', async () => {
    const { shop, authorization, challenge } = await sell(failing)
    using _ = local.fault({ call: REFUND, fail: 'drop', executed: true, times: 2 })
    expect(await codeOf(shop.mpp.refund(named(challenge)))).toBe('payment-indeterminate')
    expect((await shop.ask(authorization)).status).toBe(409)
    expect(await shop.mpp.refund(named(challenge))).toMatchObject({ left: 0n })
    expect((await shop.ask(authorization)).status).toBe(402)
    expect([shop.served(), refunds()]).toEqual([1, [50n]])
  })

  test('is not taken from a visitor who is being served', async () => {
    let go = () => {}
    const served = new Promise<void>((resolve) => {
      go = resolve
    })
    const shop = openShop(local, {
      async page() {
        await served
        return Response.json({})
      },
    })
    const buying = buy(local, shop)
    await vi.waitFor(() => expect(shop.served()).toBe(1))
    const [{ challenge }] = shop.told as unknown as [{ challenge: { id: string } }]
    expect(await codeOf(shop.mpp.refund(named(challenge)))).toBe('payment-in-progress')
    go()
    const { answer } = await buying
    expect([answer.status, refunds()]).toEqual([200, []])
    await shop.mpp.refund(Receipt.fromResponse(answer) as Receipt.Receipt)
    expect(refunds()).toEqual([50n])
  })
})

describe('over Connect', () => {
  const open = (settlement: Record<string, unknown>): Options => ({
    connect: { accounts: [seller.id], settlement: () => settlement },
  })

  test('what a connected account got comes back with it, and the fee', async () => {
    const [earned, platform] = [local.balance(seller), local.balance()]
    const { shop, receipt } = await sell(
      open({ transferData: { destination: seller.id }, applicationFeeAmount: 5n }),
    )
    await shop.mpp.refund(receipt)
    expect(local.balance(seller)).toEqual({ usd: earned['usd'] ?? 0n })
    // Stripe keeps its own fee.
    expect((platform['usd'] ?? 0n) - (local.balance()['usd'] ?? 0n)).toBe(31n)
  })

  test('a platform that takes no fee gives none back', async () => {
    const { shop, receipt } = await sell(
      open({ transferData: { destination: seller.id }, applicationFeeAmount: 0n }),
    )
    expect(await shop.mpp.refund(receipt)).toMatchObject({ amount: 50n, left: 0n })
  })

  test('a payment in the name of a connected account is found there, also when its note is gone', async () => {
    const { shop, receipt } = await sell(open({ stripeAccount: seller.id }))
    expect(await shop.mpp.refund(receipt, { amount: 10n })).toMatchObject({ left: 40n })
    const elsewhere = openShop(local, open({}))
    expect(await elsewhere.mpp.refund(receipt, { id: 'rest' })).toMatchObject({ left: 0n })
    expect(refunds()).toEqual([10n, 40n])
  })
})
