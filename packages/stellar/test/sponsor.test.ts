/**
 * Sponsored charges: the server pays the fee, of nothing but the payment, and never more than it set aside.
 *
 * @module
 */
import { Mpp, Store } from '@polyrail/core/server'
import type { ChargePayload } from '@polyrail/stellar'
import { stellar } from '@polyrail/stellar/server'
import {
  FeeBumpTransaction,
  Keypair,
  nativeToScVal,
  TransactionBuilder,
  xdr,
} from '@stellar/stellar-sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agree, call, start, type Local } from './rail.ts'
import { problem, read, realm, refusal, secretKey, shops, url } from './shop.ts'

let local: Local
let open: ReturnType<typeof shops>
beforeAll(async () => {
  local = await start()
  open = shops(local)
})
afterAll(() => local.chain.stop())

/** What the node says of a transaction. */
async function simulate(payload: ChargePayload) {
  if (payload.type !== 'transaction') throw new Error('not a transaction')
  const params = { transaction: payload.transaction }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'simulateTransaction', params })
  const answer = await fetch(local.chain.rpcUrl, { method: 'POST', body })
  const { result } = (await answer.json()) as { result: { transactionData: string } }
  return result
}

const gift = 100_000_000_000n
const cent = 100_000n

describe('a sponsored payment', () => {
  test('costs the payer the price and the sponsor the fee', async () => {
    const [payer, feePayer] = [local.customer(cent), local.chain.account()]
    const shop = open({ feePayer })
    const paid = await shop.ask(await shop.pay(payer))
    expect(paid.status).toBe(200)
    expect(local.usdc.balance(payer.publicKey())).toBe(0n)
    expect(local.chain.stroops(payer.publicKey())).toBe(gift)
    expect(local.chain.stroops(feePayer.publicKey())).toBe(gift - 60_100n)
  })

  test('has a fee bump where another account pays', async () => {
    const [account, feeBump] = [local.chain.account(), local.chain.account()]
    const shop = open({ feePayer: { account, feeBump } })
    expect((await shop.ask(await shop.pay())).status).toBe(200)
    expect(local.chain.stroops(account.publicKey())).toBe(gift)
    expect(local.chain.stroops(feeBump.publicKey())).toBe(gift - 60_200n)
    const { envelope } = local.chain.transactions.at(-1)!
    const tx = TransactionBuilder.fromXdr(envelope, local.chain.passphrase)
    expect(tx).toBeInstanceOf(FeeBumpTransaction)
  })

  test('is signed by an account whose key is elsewhere', async () => {
    const key = local.chain.account()
    const account = {
      publicKey: () => key.publicKey(),
      sign: async (bytes: Uint8Array) => key.sign(bytes),
    }
    const shop = open({ feePayer: account })
    expect((await shop.ask(await shop.pay())).status).toBe(200)
  })

  test('by a signer that signs as another is not sent, and may come again', async () => {
    const [key, other] = [local.chain.account(), Keypair.random()]
    let isMended = false
    const account = {
      publicKey: () => key.publicKey(),
      sign: (bytes: Uint8Array) => (isMended ? key : other).sign(bytes),
    }
    const shop = open({ feePayer: account })
    const credential = await shop.pay()
    const before = local.settled()
    expect((await shop.ask(credential)).status).toBe(503)
    isMended = true
    expect((await shop.ask(credential)).status).toBe(200)
    expect(local.settled()).toBe(before + 1)
  })

  test('by a signer that never answers holds up nobody else', async () => {
    const key = local.chain.account()
    let asked = 0
    const account = {
      publicKey: () => key.publicKey(),
      sign: (bytes: Uint8Array) => (++asked === 1 ? new Promise<never>(() => {}) : key.sign(bytes)),
    }
    const shop = open({ feePayer: account, settle: 300 })
    const [first, second] = [await shop.pay(), await shop.pay(local.customer(cent))]
    expect((await shop.ask(first)).status).toBe(503)
    expect((await shop.ask(second)).status).toBe(200)
    expect((await shop.ask(first)).status).toBe(200)
  })

  test('may be to the account that pays the fee', async () => {
    const shop = open({ feePayer: local.shop })
    const before = local.settled()
    expect((await shop.ask(await shop.pay())).status).toBe(200)
    expect(local.settled()).toBe(before + 1)
  })

  test('of a contract account', async () => {
    const signer = Keypair.random()
    const payer = local.chain.contractAccount([signer])
    local.usdc.mint(payer, cent)
    const shop = open({ feePayer: local.chain.account() })
    expect((await shop.ask(await shop.pay(signer, { payer }))).status).toBe(200)
    expect(local.usdc.balance(payer)).toBe(0n)
  })

  test('[stellar-charge-059] is tried out again before it is signed', async () => {
    let tries = 0
    const thief = Keypair.random().publicKey()
    const token = local.chain.token({
      // The payer's trial and the server's first show nothing.
      onTransfer({ call, amount }) {
        if (++tries <= 2) return
        const topics = ['transfer', local.payer.publicKey(), thief].map((text, index) =>
          nativeToScVal(text, { type: index === 0 ? 'symbol' : 'address' }),
        )
        call.emit(topics, nativeToScVal(amount, { type: 'i128' }))
      },
    })
    const payer = local.chain.account()
    token.mint(payer.publicKey(), cent)
    const currency = token.contract
    const feePayer = local.chain.account()
    const shop = open({ feePayer, currency })
    const credential = await shop.pay(payer, { currencies: [currency] })
    expect(await problem(await shop.ask(credential))).toEqual(refusal(/other balances/))
    expect([token.balance(payer.publicKey()), local.chain.stroops(feePayer.publicKey())]).toEqual([
      cent,
      gift,
    ])
  })

  test('that is made already is not made again, whatever the challenge', async () => {
    const payer = local.customer(10n * cent)
    const shop = open({ feePayer: local.chain.account() })
    const credential = await shop.pay(payer)
    expect((await shop.ask(credential)).status).toBe(200)
    const { payload } = read(credential)
    expect(await problem(await shop.show(payload))).toEqual(refusal(/would fail|already paid/))
    // Another server of the same shop, which knows nothing of the first.
    const other = open({ feePayer: local.chain.account() })
    expect(await problem(await other.show(payload))).toEqual(refusal(/would fail/))
    expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
  })

  test('is sent once to be shown once: its hash buys nothing where the payer could push', async () => {
    const payer = local.customer(10n * cent)
    const store = Store.memory()
    const free = open({ feePayer: local.chain.account(), store })
    const plain = open({ store })
    const challenge = await plain.challenge()
    expect((await free.ask(await free.pay(payer))).status).toBe(200)
    const { hash } = local.chain.transactions.at(-1)!
    const binding = Buffer.from(`${challenge.id}:${hash}`)
    const sourceSignature = Buffer.from(payer.sign(binding)).toString('hex')
    const answer = await plain.show({ type: 'signedHash', hash, sourceSignature }, challenge)
    expect(await problem(answer)).toEqual(refusal(/already paid/))
    expect(plain.served()).toBe(0)
  })
})

describe('a sponsor', () => {
  test('pays within a budget, of which each payer has a part', async () => {
    const [payer, other] = [local.customer(10n * cent), local.customer(10n * cent)]
    const budget = { total: '0.02', payer: '0.0125', seconds: 3600 }
    const shop = open({ feePayer: { account: local.chain.account(), budget } })
    for (let count = 0; count < 2; count++)
      expect((await shop.ask(await shop.pay(payer))).status).toBe(200)
    const late = await shop.ask(await shop.pay(payer))
    expect([late.status, late.headers.has('retry-after')]).toEqual([503, true])
    expect((await shop.ask(await shop.pay(other))).status).toBe(200)
    expect((await shop.ask(await shop.pay(other))).status).toBe(503)
    expect([
      local.usdc.sent(payer.publicKey()).count,
      local.usdc.sent(other.publicKey()).count,
    ]).toEqual([2, 1])
  })

  test('gets back what it set aside and did not pay', async () => {
    const payer = local.customer(10n * cent)
    const budget = { total: '1', payer: '0.0065', seconds: 3600 }
    const shop = open({ feePayer: { account: local.chain.account(), budget, bid: 4_000n } })
    const credential = await shop.pay(payer)
    for (let count = 0; count < 3; count++) {
      using _ = local.chain.fault({ method: 'sendTransaction', fail: { status: 429 }, times: 1 })
      expect((await shop.ask(credential)).status).toBe(503)
    }
    expect((await shop.ask(credential)).status).toBe(200)
  })

  test('is charged by the payer’s part for what fails, in full', async () => {
    const payer = local.customer(10n * cent)
    // The fee of 60,100 and 61,000 set aside would fit; twice 61,000 do not.
    const budget = { total: '1', payer: '0.01211', seconds: 3600 }
    const shop = open({ feePayer: { account: local.chain.account(), budget } })
    const credential = await shop.pay(payer)
    local.chain.pause()
    const answer = shop.ask(credential)
    while (local.chain.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    local.usdc.trust(payer.publicKey(), { isAuthorized: false })
    local.chain.resume()
    expect(await problem(await answer)).toEqual(
      refusal(/failed in its ledger/, 'settlement-failed'),
    )
    local.usdc.trust(payer.publicKey())
    expect((await shop.ask(await shop.pay(payer))).status).toBe(503)
  })

  test('[stellar-charge-029] that holds too little is not offered', async () => {
    const feePayer = local.chain.account({ stroops: 10_000_000n + 999_999n })
    const shop = open({ feePayer })
    const answer = await shop.ask()
    expect(answer.status).toBe(503)
    expect(answer.headers.has('www-authenticate')).toBe(false)
    local.chain.fund(feePayer.publicKey(), 1n)
    expect((await open({ feePayer }).ask()).status).toBe(402)
  })

  test('never offers more than its cap, whatever a node says that a payment costs', async () => {
    const account = local.chain.account()
    const shop = open({ feePayer: { account, maxFee: '0.01' } })
    const credential = await shop.pay(local.customer(cent))
    const told = await simulate(read(credential).payload)
    const { ext, resources } = xdr.SorobanTransactionData.fromXdr(told.transactionData, 'base64')
    // The fee beside the resources is as it was; the one within them is what would be offered.
    const dear = new xdr.SorobanTransactionData({ ext, resources, resourceFee: 100_001n })
    const result = { ...told, transactionData: dear.toXdr('base64') }
    {
      using _ = local.chain.fault({ method: 'simulateTransaction', fail: { result } })
      expect(await problem(await shop.ask(credential))).toEqual(refusal(/more than this server/))
    }
    expect((await shop.ask(await shop.pay())).status).toBe(200)
  })

  test('holds its cap against what it would sign, too, when that has become dear', async () => {
    const feePayer = local.chain.account()
    const shop = open({ feePayer: { account: feePayer, maxFee: '0.01' } })
    const credential = await shop.pay()
    const told = await simulate(read(credential).payload)
    const { ext, resources } = xdr.SorobanTransactionData.fromXdr(told.transactionData, 'base64')
    const dear = new xdr.SorobanTransactionData({ ext, resources, resourceFee: 100_001n })
    const result = { ...told, transactionData: dear.toXdr('base64') }
    using judged = local.chain.fault({ method: 'simulateTransaction', delay: 1, times: 1 })
    using rebuilt = local.chain.fault({ method: 'simulateTransaction', fail: { result } })
    expect(await problem(await shop.ask(credential))).toEqual(refusal(/more than this server/))
    expect([judged.hits, rebuilt.hits]).toEqual([1, 1])
    expect(local.chain.stroops(feePayer.publicKey())).toBe(gift)
  })

  test('[stellar-charge-067] can be spared by a rate limit', async () => {
    const methods = [stellar.charge({ ...local.terms, feePayer: local.chain.account() })]
    let asked = 0
    const limit = () => (++asked > 1 ? 10 : undefined)
    const mpp = Mpp.create({ methods, realm, secretKey, limit })
    const page = mpp.charge({ amount: '0.01' })(() => new Response('goods'))
    expect((await page(new Request(url))).status).toBe(402)
    expect((await page(new Request(url))).status).toBe(429)
  })

  test('is told at once what cannot be', () => {
    const key = Keypair.random()
    const make = (feePayer: unknown) => () =>
      stellar.charge({ ...local.terms, feePayer: feePayer as Keypair })
    expect(make(key.secret())).toThrow(/must sign for a Stellar account/)
    expect(make(key.secret())).not.toThrow(new RegExp(key.secret()))
    expect(make({ account: [] })).toThrow(/one account/)
    expect(make({ account: [key, key] })).toThrow(/different/)
    expect(make({ account: key, feeBump: key })).toThrow(/different/)
    expect(make({ account: key, maxFee: '1e3' })).toThrow(/feePayer\.maxFee must be a decimal/)
    expect(make({ account: key, budget: { payer: 1 } })).toThrow(/budget\.payer must be a decimal/)
    expect(make({ account: key, budget: { total: '0' } })).toThrow(/budget\.total '0' is nothing/)
    for (const bid of [99n, 1000]) expect(make({ account: key, bid })).toThrow(/100 stroops/)
    expect(make({ account: key, budget: { seconds: 0 } })).toThrow(/seconds/)
  })
})

/** Everybody pays at once, and each shows that they got one page. */
async function crowd(shop: ReturnType<typeof open>, payers: readonly Keypair[], each: number) {
  const credentials = await Promise.all(
    payers.flatMap((payer) => Array.from({ length: each }, () => shop.pay(payer))),
  )
  return Promise.all(credentials.map((credential) => shop.ask(credential)))
}

describe('many payments at once', () => {
  test(
    '300 from 50 payers through one account all settle, none twice',
    { timeout: 120_000 },
    async () => {
      const payers = Array.from({ length: 50 }, () => local.customer(6n * cent))
      const account = local.chain.account()
      const budget = { total: '100', payer: '1' }
      // One account is in one transaction a ledger, so that 300 take half an hour on the network.
      const shop = open({ feePayer: { account, budget }, settle: 100_000, expires: 3000 })
      const before = local.usdc.received(local.shop.publicKey())
      const answers = await crowd(shop, payers, 6)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      const after = local.usdc.received(local.shop.publicKey())
      expect([after.count - before.count, after.sum - before.sum]).toEqual([300, 300n * cent])
      expect(payers.map((payer) => local.usdc.balance(payer.publicKey()))).toEqual(
        payers.map(() => 0n),
      )
      expect(shop.served()).toBe(300)
      const mine = local.chain.transactions.filter(({ payer }) => payer === account.publicKey())
      expect(mine.map(({ status }) => status)).toEqual(Array.from({ length: 300 }, () => 'SUCCESS'))
    },
  )

  test('several accounts serve as many a ledger', { timeout: 60_000 }, async () => {
    const payers = Array.from({ length: 40 }, () => local.customer(cent))
    const account = Array.from({ length: 10 }, () => local.chain.account())
    const feeBump = local.chain.account()
    const shop = open({ feePayer: { account, feeBump }, settle: 50_000 })
    local.chain.pause()
    const paying = crowd(shop, payers, 1)
    while (local.chain.waiting < 10) await new Promise((resolve) => setTimeout(resolve, 10))
    local.chain.resume()
    const answers = await paying
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(shop.served()).toBe(40)
  })

  test.each([
    ['by itself', () => undefined],
    ['by fee bumps', () => local.chain.account()],
  ])(
    'two servers share an account that pays %s without knowing of each other',
    { timeout: 60_000 },
    async (_, payFees) => {
      const payers = Array.from({ length: 20 }, () => local.customer(2n * cent))
      const feePayer = { account: local.chain.account(), feeBump: payFees() }
      const [one, other] = [0, 1].map(() => open({ feePayer, settle: 50_000 }))
      const answers = await Promise.all([crowd(one!, payers, 1), crowd(other!, payers, 1)])
      expect(new Set(answers.flat().map(({ status }) => status))).toEqual(new Set([200]))
      expect([one!.served(), other!.served()]).toEqual([20, 20])
      expect(payers.map((payer) => local.usdc.sent(payer.publicKey()).count)).toEqual(
        payers.map(() => 2),
      )
    },
  )

  test('who waits too long for a turn gets a 503 with nothing moved, and the page later', async () => {
    const [first, second] = [local.customer(cent), local.customer(cent)]
    const shop = open({ feePayer: local.chain.account(), settle: 300 })
    const credentials = [await shop.pay(first), await shop.pay(second)]
    local.chain.pause()
    const answers = await Promise.all(credentials.map((credential) => shop.ask(credential)))
    expect(answers.map(({ status }) => status)).toEqual([503, 503])
    local.chain.resume()
    for (const credential of credentials) {
      let answer = await shop.ask(credential)
      while (answer.status === 503) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        answer = await shop.ask(credential)
      }
      expect(answer.status).toBe(200)
    }
    expect([first, second].map((key) => local.usdc.sent(key.publicKey()).count)).toEqual([1, 1])
  })
})

test('an agreement that is shown for two challenges at once buys one page', async () => {
  const payer = local.customer(2n * cent)
  const shop = open({ feePayer: local.chain.account() })
  const pay = call(local.usdc.contract, [payer.publicKey(), local.shop.publicKey(), cent])
  const transaction = await agree(local, pay, { signer: payer })
  const answers = await Promise.all(
    [0, 1].map(() => shop.show({ type: 'transaction', transaction })),
  )
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 402])
  expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
})

test('a route may leave the fee to its payers', async () => {
  const feePayer = local.chain.account()
  const shop = open({ feePayer, route: { feePayer: false } })
  const { request } = await shop.challenge()
  expect(request.methodDetails.feePayer).toBeUndefined()
  const payer = local.customer(cent)
  expect((await shop.ask(await shop.pay(payer))).status).toBe(200)
  expect(local.chain.stroops(feePayer.publicKey())).toBe(gift)
})
