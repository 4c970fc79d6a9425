/**
 * Where the deployed SDK and the Tempo charge draft differ on the wire: each difference by name.
 *
 * @module
 */
import { keccak256, numberToHex, slice, toHex } from 'viem'
import { Account, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { start, type Ledger, type Scene } from './ledger.js'
import { pull } from './modes.js'
import { decode, open, present } from './page.js'
import { deployed, ours } from './sides.js'

let ledger: Ledger
let scene: Scene
beforeAll(async () => void (ledger = await start()))
beforeEach(async () => void (scene = await ledger.enter()))
afterAll(() => ledger.stop())

const transactionIn = (authorization = '') =>
  Transaction.deserialize(decode(authorization).payload['signature'] as `0x76${string}`)

const nothing = { payer: 0n, sponsor: 0n, shop: 0n, partner: 0n, affiliate: 0n }

describe('the memo', () => {
  test('that a route of ours asks is not sent by the deployed client, and nothing is taken', async () => {
    const memo = `0x${'cd'.repeat(32)}`
    await using page = await open(ours.guard(pull, scene, { memo }))
    const response = await deployed.wallet(pull, scene).fetch(page.url)
    expect(response.status).toBe(402)
    expect(await response.json()).toMatchObject({ detail: expect.stringContaining('memo') })
    expect((await scene.read()).gains).toEqual(nothing)
  })

  test.each([
    ['the deployed client', deployed, ours],
    ['our client', ours, deployed],
  ])('of %s has the fingerprint of its client id', async (_, payer, paid) => {
    await using page = await open(paid.guard(pull, scene))
    const wallet = payer.wallet(pull, scene, { clientId: 'shopping-agent' })
    expect((await wallet.fetch(page.url)).status).toBe(200)
    const { shop = '0x' } = (await scene.read()).memos
    expect(slice(shop, 15, 25)).toBe(slice(keccak256(toHex('shopping-agent')), 0, 10))
  })
})

describe('the fee token', () => {
  test('is left empty by the deployed client', async () => {
    await using page = await open(ours.guard(pull, scene))
    expect((await deployed.wallet(pull, scene).fetch(page.url)).status).toBe(200)
    expect(transactionIn(page.presented[0]).feeToken).toBeUndefined()
  })

  test('is set by our client, as the draft has it', async () => {
    await using page = await open(deployed.guard(pull, scene))
    expect((await ours.wallet(pull, scene).fetch(page.url)).status).toBe(200)
    expect(transactionIn(page.presented[0]).feeToken).toBe(scene.chain.tokens.pathUSD)
  })
})

describe('an outcome that nobody knows', () => {
  const lost = {
    method: 'eth_sendRawTransactionSync',
    executed: true,
    fail: 'drop',
    times: 1,
  } as const

  test('is no reason for the deployed client to pay again, and ends in the page', async () => {
    await using page = await open(ours.guard(pull, scene))
    using _ = scene.chain.fault(lost)
    const response = await deployed.wallet(pull, scene).fetch(page.url)
    expect(response.status).toBe(503)
    const [authorization = '', ...more] = page.presented
    expect(more).toEqual([])
    expect(await (await present(page.url, authorization)).text()).toBe('page 1')
    expect((await scene.read()).transfers).toHaveLength(1)
  })

  test('is no reason for our client to pay again, though the deployed server forgets the payment', async () => {
    await using page = await open(deployed.guard(pull, scene))
    using _ = scene.chain.fault(lost)
    using _quiet = vi.spyOn(console, 'error').mockReturnValue()
    const response = await ours.wallet(pull, scene).fetch(page.url)
    expect(response.status).toBe(500)
    const [authorization = '', ...more] = page.presented
    expect(more).toEqual([])
    expect((await present(page.url, authorization)).status).toBe(402)
    expect((await scene.read()).transfers).toHaveLength(1)
  })
})

test('a receipt of ours has the merchant’s reference, and the deployed client keeps it', async () => {
  await using page = await open(ours.guard(pull, scene, { externalId: 'order-7' }))
  const wallet = deployed.wallet(pull, scene)
  const response = await wallet.fetch(page.url)
  expect(wallet.receipt(response)).toMatchObject({ externalId: 'order-7' })
})

test('a passkey’s curve signs for the deployed client', async () => {
  const account = Account.fromP256(numberToHex(77n, { size: 32 }))
  await scene.chain.fund(account.address, { tokens: [scene.chain.tokens.pathUSD] })
  await using page = await open(ours.guard(pull, scene))
  const response = await deployed.wallet(pull, scene, { account }).fetch(page.url)
  expect(response.status).toBe(200)
  expect((await scene.read()).gains.shop).toBe(30_000n)
})
