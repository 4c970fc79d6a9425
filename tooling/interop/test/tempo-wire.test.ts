/**
 * Where the deployed SDK and the Tempo charge draft differ on the wire: each difference by name.
 *
 * @module
 */
import { keccak256, recoverTypedDataAddress, slice, toHex, type Hex } from 'viem'
import { Addresses, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { start, type Ledger, type Scene } from './ledger.js'
import { proof, pull, push, sponsored } from './modes.js'
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

describe('a sponsored transaction', () => {
  test('comes from the deployed client as 0x78, with its own address where the sponsor signs', async () => {
    await using page = await open(ours.guard(sponsored, scene))
    expect((await deployed.wallet(sponsored, scene).fetch(page.url)).status).toBe(200)
    const [authorization = ''] = page.presented
    const { signature } = decode(authorization).payload
    expect(signature).toMatch(/^0x78/)
    expect(signature).toContain(scene.people.payer.address.slice(2).toLowerCase())
    expect(transactionIn(authorization)).toMatchObject({ feePayerSignature: null })
  })

  test('comes from our client as 0x76, as the draft has it', async () => {
    await using page = await open(deployed.guard(sponsored, scene))
    expect((await ours.wallet(sponsored, scene).fetch(page.url)).status).toBe(200)
    const [authorization = ''] = page.presented
    expect(decode(authorization).payload['signature']).toMatch(/^0x76/)
    expect(transactionIn(authorization)).toMatchObject({ feePayerSignature: null })
  })

  test('needs nothing of the payer but the price', async () => {
    for (const [payer, paid] of [
      [deployed, ours],
      [ours, deployed],
    ] as const) {
      const { chain, people, read } = await ledger.enter()
      const account = await chain.account({ amount: 30_000n, tokens: [chain.tokens.pathUSD] })
      const poor = { chain, read, people: { ...people, payer: account } }
      await using page = await open(paid.guard(sponsored, poor))
      expect((await payer.wallet(sponsored, poor).fetch(page.url)).status).toBe(200)
      expect(await chain.balance(account.address)).toBe(0n)
    }
  })
})

describe('a proof', () => {
  const domain = { name: 'MPP', chainId: 1337 }
  const id = { name: 'challengeId', type: 'string' }
  /** What the draft has signed, and what deployed software signs. */
  const versions = {
    1: { Proof: [id] },
    3: { Proof: [{ name: 'account', type: 'address' }, id, { name: 'realm', type: 'string' }] },
  }

  const signerOf = (authorization: string, version: keyof typeof versions) => {
    const { challenge, payload } = decode(authorization)
    return recoverTypedDataAddress({
      domain: { ...domain, version: String(version) },
      types: versions[version],
      primaryType: 'Proof',
      message: {
        account: scene.people.payer.address,
        challengeId: challenge.id,
        realm: challenge.realm,
      },
      signature: payload['signature'] as Hex,
    })
  }

  test('of the deployed client names account and realm, in version 3', async () => {
    await using page = await open(ours.guard(proof, scene))
    expect((await deployed.wallet(proof, scene).fetch(page.url)).status).toBe(200)
    const [first = ''] = page.presented
    expect(await signerOf(first, 3)).toBe(scene.people.payer.address)
  })

  test('of our client is that of the draft, and that of deployed servers when they refuse it', async () => {
    await using page = await open(deployed.guard(proof, scene))
    expect((await ours.wallet(proof, scene).fetch(page.url)).status).toBe(200)
    const [first = '', second = '', ...more] = page.presented
    expect(await signerOf(first, 1)).toBe(scene.people.payer.address)
    expect(await signerOf(second, 3)).toBe(scene.people.payer.address)
    expect(decode(second).challenge.id).toBe(decode(first).challenge.id)
    expect(more).toEqual([])
  })
})

describe('the modes', () => {
  test('of a deployed server that broadcasts alone are heeded by our client', async () => {
    await using page = await open(deployed.guard(pull, scene, { supportedModes: ['pull'] }))
    expect((await ours.wallet(pull, scene).fetch(page.url)).status).toBe(200)
    expect((await ours.wallet(push, scene).fetch(page.url)).status).toBe(402)
    expect((await scene.read()).transfers).toHaveLength(1)
  })

  test('of a deployed server that does not broadcast are heeded by our client', async () => {
    await using page = await open(deployed.guard(pull, scene, { supportedModes: ['push'] }))
    const pulling = ours.wallet(pull, scene, { mode: 'pull' })
    expect((await pulling.fetch(page.url)).status).toBe(402)
    expect((await ours.wallet(push, scene).fetch(page.url)).status).toBe(200)
    expect((await scene.read()).transfers).toHaveLength(1)
  })
})

describe('an outcome that nobody knows', () => {
  const lost = {
    method: 'eth_sendRawTransactionSync',
    executed: true,
    fail: 'drop',
    times: 1,
  } as const

  const unseen = { method: 'eth_getTransactionReceipt', fail: 'drop' } as const

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

  test('of a pushed payment is no reason for the deployed client to pay again, and ends in the page', async () => {
    await using page = await open(ours.guard(push, scene))
    const fault = scene.chain.fault(unseen)
    const response = await deployed.wallet(push, scene).fetch(page.url)
    expect(response.status).toBe(503)
    fault.clear()
    const [authorization = '', ...more] = page.presented
    expect(more).toEqual([])
    expect(await (await present(page.url, authorization)).text()).toBe('page 1')
    expect((await scene.read()).transfers).toHaveLength(1)
  })
})

test('a receipt of ours has the merchant’s reference, and the deployed client keeps it', async () => {
  await using page = await open(ours.guard(pull, scene, { externalId: 'order-7' }))
  const wallet = deployed.wallet(pull, scene)
  const response = await wallet.fetch(page.url)
  expect(wallet.receipt(response)).toMatchObject({ externalId: 'order-7' })
})

describe('a currency that the payer does not hold', () => {
  /** Somebody offers it at par. */
  beforeAll(async () => {
    const { chain } = ledger
    const token = chain.tokens.AlphaUSD
    const amount = 200_000_000n
    const seller = chain.client({ account: await chain.account() })
    await seller.dex.createPairSync({ base: token, gas: 5_000_000n })
    await seller.token.approveSync({ token, amount, spender: Addresses.stablecoinDex })
    await seller.dex.placeSync({ token, amount, type: 'sell', tick: 0, gas: 3_000_000n })
  })

  test.each([
    ['the deployed client', deployed, ours, { autoSwap: true }],
    ['our client', ours, deployed, { swap: true }],
  ])(
    'is bought by %s on the chain’s DEX, in the same transaction',
    async (_, payer, paid, swap) => {
      const { chain, people } = scene
      const { AlphaUSD } = chain.tokens
      await using page = await open(paid.guard(pull, scene, { currency: AlphaUSD }))
      const response = await payer.wallet(pull, scene, swap).fetch(page.url)
      expect(response.status).toBe(200)
      expect(await chain.balance(people.shop.address, AlphaUSD)).toBe(30_000n)
      expect(await chain.balance(people.payer.address, AlphaUSD)).toBe(0n)
      const { transfers, fees } = await scene.read()
      expect(transfers).toMatchObject([{ from: 'payer', amount: 30_000n }])
      expect(fees).toMatchObject([{ by: 'payer' }])
    },
  )
})
