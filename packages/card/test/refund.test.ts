/**
 * Refunds of card charges: each once, and of no more than was taken.
 *
 * @module
 */
import { inspect } from 'node:util'
import { Receipt } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import type { RefundResult, ServerEnabler } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { acquirer, buy, CHARGE, openShop, problemOf, type Options } from './shop.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

const REFUND = `${CHARGE}/:key/refunds` as const

async function sell(options: Options = {}) {
  const shop = openShop(local, options)
  const bought = await buy(local, shop)
  const refunded = () => local.charges.find(({ key }) => key === bought.challenge.id)?.refunded
  return { shop, ...bought, refunded, receipt: Receipt.fromResponse(bought.answer)! }
}

const failureOf = (failing: Promise<unknown>): Promise<{ code?: string; name: string }> =>
  failing.then(
    () => ({ name: 'none', code: 'made' }),
    (error: { code?: string; name: string }) => error,
  )
const codeOf = async (failing: Promise<unknown>) => (await failureOf(failing)).code

describe('a refund', () => {
  test('gives all of it back, by the receipt or by its header', async () => {
    const { shop, receipt, challenge, refunded } = await sell()
    expect(receipt['challengeId']).toBe(challenge.id)
    expect(await shop.mpp.refund(receipt)).toEqual({
      reference: expect.stringMatching(/^refund_test_/),
      amount: 50n,
      left: 0n,
    })
    expect(refunded()).toBe(50n)
    expect(shop.told.at(-1)).toMatchObject({ name: 'refunded' })
    const other = await sell()
    await other.shop.mpp.refund(other.answer.headers.get('payment-receipt') ?? '')
    expect(other.refunded()).toBe(50n)
  })

  test('is made once, however often and wherever it is asked for', async () => {
    const store = Store.memory()
    const { shop, receipt, refunded } = await sell({ store })
    const { mpp } = openShop(local, { store })
    const asked = await Promise.all(
      Array.from({ length: 10 }, (_, n) => codeOf((n % 2 ? mpp : shop.mpp).refund(receipt))),
    )
    expect(asked.filter((code) => code === 'made')).toHaveLength(1)
    expect(new Set(asked)).toEqual(new Set(['made', 'payment-in-progress']))
    // Another store knows nothing of it, and the PSP does.
    const elsewhere = openShop(local)
    expect(await elsewhere.mpp.refund(receipt)).toEqual(await mpp.refund(receipt))
    expect(refunded()).toBe(50n)
  })

  test('of a part leaves the rest, under a name for each', async () => {
    const { shop, receipt, refunded } = await sell()
    const part = { amount: 20n, id: 'first: for “order 7”' }
    expect(await shop.mpp.refund(receipt, part)).toMatchObject({ amount: 20n, left: 30n })
    expect(await shop.mpp.refund(receipt, { ...part, id: 'second' })).toMatchObject({ left: 10n })
    const more = await failureOf(shop.mpp.refund(receipt, { ...part, id: 'third' }))
    expect(more).toMatchObject({
      code: 'refund-refused',
      message: expect.stringMatching(/less is left of it, or nothing\. Once that is mended/),
    })
    expect(await shop.mpp.refund(receipt)).toMatchObject({ amount: 10n, left: 0n })
    expect(refunded()).toBe(50n)
  })

  test('may be of a payment that was captured after its page', async () => {
    const { shop, receipt, refunded } = await sell({ capture: 'after' })
    await shop.mpp.refund(receipt)
    expect(refunded()).toBe(50n)
  })

  test.each([
    ['lost after it was made', { fail: 'drop', executed: true }, 50n],
    ['lost before', { fail: 'drop' }, 0n],
    ['an outage', { fail: { status: 503 } }, 0n],
    ['busy', { fail: { status: 409 } }, 0n],
  ] as const)('whose answer is %s is found out by calling again', async (_, fault, made) => {
    const { shop, receipt, refunded } = await sell()
    using _fault = local.fault({ call: REFUND, times: 1, ...fault })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('payment-indeterminate')
    expect(refunded()).toBe(made)
    expect(await shop.mpp.refund(receipt)).toMatchObject({ amount: 50n, left: 0n })
    expect(refunded()).toBe(50n)
  })

  test('that is refused with the merchant’s key is not made, and can be later', async () => {
    const { shop, receipt, refunded } = await sell()
    using _ = local.fault({ call: REFUND, fail: { status: 401 }, times: 1 })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('settlement-unavailable')
    expect(refunded()).toBe(0n)
    expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
  })

  test('that nobody knows of is not said to be unmade by a key that is bad afterwards', async () => {
    const { shop, receipt } = await sell()
    using _lost = local.fault({ call: REFUND, fail: 'drop', executed: true, times: 1 })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('payment-indeterminate')
    using _bad = local.fault({ call: REFUND, fail: { status: 401 }, times: 1 })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('payment-indeterminate')
    expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
  })
})

describe('at another account than the one that was paid', () => {
  const other = (): ServerEnabler => ({
    ...acquirer(local),
    name: 'another',
    refund: async (_, { idempotencyKey }) => ({
      status: 'declined',
      idempotencyKey,
      reason: 'charge_not_found',
    }),
  })

  test('nothing is asked for', async () => {
    const store = Store.memory()
    const { shop, receipt } = await sell({ store })
    const { mpp } = openShop(local, { store, enabler: other() })
    const failure = await failureOf(mpp.refund(receipt))
    expect(failure).toMatchObject({ code: 'settlement-unavailable' })
    expect(String((failure as Error).cause)).toMatch(/begun at http:.*, which is not/)
    expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
  })

  test('a refund that nobody knows of is not taken for refused, nor is its page given away', async () => {
    const store = Store.memory()
    const broken = openShop(local, { store, breaks: () => true })
    const { authorization, challenge } = await buy(local, broken)
    const reference = local.charges.at(-1)?.reference ?? ''
    const receipt = { method: 'card', reference, challengeId: challenge.id }
    using _ = local.fault({ call: REFUND, fail: 'drop', executed: true, times: 1 })
    expect(await codeOf(broken.mpp.refund(receipt))).toBe('payment-indeterminate')
    const moved = openShop(local, { store, enabler: other() })
    expect(await codeOf(moved.mpp.refund(receipt))).toBe('payment-indeterminate')
    expect([(await moved.ask(authorization)).status, moved.served()]).toEqual([409, 0])
    expect(await broken.mpp.refund(receipt)).toMatchObject({ amount: 50n, left: 0n })
  })

  test('nor when the payment is too long ago for the store to know', async () => {
    const { receipt } = await sell()
    const store = Store.memory()
    const { mpp } = openShop(local, { store })
    using _ = local.fault({ call: REFUND, fail: 'drop', executed: true, times: 1 })
    expect(await codeOf(mpp.refund(receipt))).toBe('payment-indeterminate')
    const moved = openShop(local, { store, enabler: other() })
    expect(await codeOf(moved.mpp.refund(receipt))).toBe('payment-indeterminate')
    expect(await mpp.refund(receipt)).toMatchObject({ amount: 50n, left: 0n })
  })
})

describe('what is refused', () => {
  test('a payment that is not what the receipt says', async () => {
    const { shop, receipt, refunded } = await sell()
    const other = await sell()
    const forged = [
      { ...receipt, reference: other.receipt.reference },
      { ...receipt, reference: 'visa_test_none' },
      { ...receipt, challengeId: 'another' },
    ]
    for (const one of forged) expect(await codeOf(shop.mpp.refund(one))).toBe('refund-refused')
    expect([refunded(), other.refunded()]).toEqual([0n, 0n])
    expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
  })

  test('what a proxy says has not been found is no refusal', async () => {
    const { shop, receipt, refunded } = await sell()
    using _ = local.fault({ call: REFUND, fail: { status: 404, body: '<html>' }, times: 1 })
    expect(await codeOf(shop.mpp.refund(receipt))).toBe('settlement-unavailable')
    expect(await shop.mpp.refund(receipt)).toMatchObject({ left: 0n })
    expect(refunded()).toBe(50n)
  })

  test('every refund, at a PSP that has none', async () => {
    const { charge, lookup, name } = acquirer(local)
    const { shop, receipt } = await sell({ enabler: { name, charge, lookup } })
    await expect(shop.mpp.refund(receipt)).rejects.toThrow(
      /No rail here gives money of "card" back/,
    )
  })
})

type Made = Extract<RefundResult, { status: 'refunded' }>

describe('nobody is told of a refund for an answer', () => {
  test.each<[string, (made: Made) => unknown]>([
    ['of another refund', (made) => ({ ...made, idempotencyKey: 'other' })],
    ['of another amount', (made) => ({ ...made, amount: '49' })],
    ['without an amount', (made) => ({ ...made, amount: undefined })],
    ['with an amount that is a number', (made) => ({ ...made, amount: 50 })],
    ['that leaves less than nothing', (made) => ({ ...made, left: '-1' })],
    ['without a reference', (made) => ({ ...made, reference: undefined })],
    ['that is pending', (made) => ({ ...made, status: 'pending' })],
    ['of no status that is known', (made) => ({ ...made, status: 'done' })],
    ['that is none', () => undefined],
  ])('%s', async (_, change) => {
    const enabler = acquirer(local)
    const refund: ServerEnabler['refund'] = async (...asked) =>
      change((await enabler.refund(...asked)) as Made) as RefundResult
    const { shop, receipt } = await sell({ enabler: { ...enabler, refund } })
    const asking = shop.mpp.refund(receipt, { amount: 50n })
    expect(await codeOf(asking)).toBe('payment-indeterminate')
    expect(shop.told.map(({ name }) => name)).not.toContain('refunded')
  })
})

test('a page that is owed is not had any more once its money went back', async () => {
  const shop = openShop(local, { breaks: () => true })
  const { authorization, challenge } = await buy(local, shop)
  const reference = local.charges.at(-1)?.reference ?? ''
  await shop.mpp.refund({ method: 'card', reference, challengeId: challenge.id })
  const refused = await shop.ask(authorization)
  expect([refused.status, (await problemOf(refused)).detail]).toEqual([
    402,
    'The money of this payment has been given back.',
  ])
})

test('what a PSP wrote of a refund reaches nobody', async () => {
  const secret = 'Jane Doe 4242424242424242'
  const enabler = acquirer(local)
  const thrown = Object.assign(new Error(secret), { code: 'psp_error' })
  for (const refund of [
    async () => Promise.reject(thrown),
    async (_: unknown, { idempotencyKey }: { idempotencyKey: string }) => ({
      status: 'declined' as const,
      idempotencyKey,
      reason: secret,
    }),
  ]) {
    const { shop, receipt } = await sell({ enabler: { ...enabler, refund } })
    const failure = await failureOf(shop.mpp.refund(receipt))
    expect(inspect([failure, shop.told], { depth: 9 })).not.toMatch(/Jane|4242424242424242/)
  }
})
