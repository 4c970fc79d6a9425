/**
 * The paying side against a page that is for sale: one fetch, whatever the account and the mode, ends in the page.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo } from '@polyrail/tempo/server'
import { generatePrivateKey } from 'viem/accounts'
import { Account, Actions, Addresses } from 'viem/tempo'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPaying, type Options } from './paying.ts'

let local: Awaited<ReturnType<typeof createPaying>>
beforeAll(async () => {
  local = await createPaying()
  const { chain } = local
  const { AlphaUSD, pathUSD } = chain.tokens
  const amount = 1_000_000_000n
  const client = chain.client({ account: await chain.account({ amount: 2n * amount }) })
  await client.token.approveSync({ token: pathUSD, spender: Addresses.stablecoinDex, amount })
  await Actions.dex.createPairSync(client, { base: AlphaUSD })
  await Actions.dex.placeSync(client, {
    token: AlphaUSD,
    amount: 500_000_000n,
    type: 'buy',
    tick: 0,
  })
})
afterAll(() => local.chain.stop())

type Route = Partial<tempo.charge.Route>

/** A page, and a visitor who fetches it. */
function visit(options: Options, { amount = '0.01', ...route }: Route = {}, shop: object = {}) {
  const method = tempo.charge({ recipient: local.shop.address, ...local.at, ...shop })
  const realm = 'shop.example'
  const secretKey = 'a secret of this test, which is long enough'
  const mpp = Mpp.create({ methods: [method], realm, secretKey })
  let served = 0
  const page = mpp.charge({ amount, ...route })(() => new Response(`page ${++served}`))
  const wallet = Wallet.create({
    methods: [paying.charge({ account: local.payer, ...local.at, ...options })],
    policy: { max: '1' },
    fetch: (input, init) => page(new Request(input, init)),
  })
  return wallet.fetch('https://shop.example/page')
}

async function expectPage(visited: Promise<Response>) {
  const response = await visited
  expect(await response.clone().text()).toBe('page 1')
  const reference = Receipt.fromResponse(response)?.reference
  if (!reference) throw new Error('no receipt')
  return reference as `0x${string}`
}

const MODES: [string, Options, Route][] = [
  ['pull', { mode: 'pull' }, {}],
  ['push', { mode: 'push' }, {}],
  [
    'pull, split',
    { mode: 'pull' },
    { splits: [{ amount: '0.001', recipient: '0x00000000000000000000000000000000000000aa' }] },
  ],
  [
    'push, split',
    { mode: 'push' },
    { splits: [{ amount: '0.001', recipient: '0x00000000000000000000000000000000000000aa' }] },
  ],
]

test.each(MODES)('a page by %s', async (_, options, route) => {
  const hash = await expectPage(visit(options, route))
  expect((await local.receiptOf(hash)).status).toBe('success')
})

test('a page for nothing but a proof', async () => {
  expect(await expectPage(visit({}, { amount: '0' }))).not.toMatch(/^0x/)
})

test.each(MODES)('a page by %s, through a swap', async (_, options, route) => {
  const { AlphaUSD, pathUSD } = local.chain.tokens
  const account = await local.chain.account({ tokens: [AlphaUSD] })
  await expectPage(visit({ ...options, account, swap: true }, route))
  expect(await local.chain.balance(account.address, pathUSD)).toBe(0n)
})

test.each([
  ['a payer without a cent for the fee', false],
  ['a payer who swaps', true],
])('a page that the server sponsors, for %s', async (_, swap) => {
  const { AlphaUSD, pathUSD } = local.chain.tokens
  const account = await local.chain.account({
    tokens: [swap ? AlphaUSD : pathUSD],
    amount: swap ? 10_100n : 10_000n,
  })
  const sponsor = await local.chain.account()
  const hash = await expectPage(visit({ account, swap }, {}, { feePayer: sponsor }))
  const receipt = await local.chain.client().getTransactionReceipt({ hash })
  expect(receipt.feePayer).toBe(sponsor.address.toLowerCase())
})

test('pages for an access key, from its first payment on', async () => {
  const root = await local.chain.account()
  const privateKey = generatePrivateKey()
  const expiry = Math.floor(Date.now() / 1000) + 3600
  const key = Account.fromP256(privateKey, { access: root })
  const keyAuthorization = await root.signKeyAuthorization(key, { chainId: 1337n, expiry })
  const account = Account.fromP256(privateKey, { access: root, keyAuthorization })
  await expectPage(visit({ account }))
  await expectPage(visit({ account, mode: 'push' }))
  await expectPage(visit({ account }, { amount: '0' }))
})

test('a payer who names the recipients declines the others, and pays nothing', async () => {
  const before = await local.settled()
  const recipients = [local.payer.address] as const
  expect((await visit({ recipients })).status).toBe(402)
  expect(await local.settled()).toBe(before)
})

test('who approves a payment is shown each part of it [tempo-charge-055]', async () => {
  const splits = [{ amount: '0.009', recipient: local.payer.address }] as const
  const method = tempo.charge({ recipient: local.shop.address, ...local.at })
  const secretKey = 'a secret of this test, which is long enough'
  const mpp = Mpp.create({ methods: [method], realm: 'shop.example', secretKey })
  const page = mpp.charge({ amount: '0.01', splits })(() => new Response('page'))
  const shown: unknown[] = []
  const account = await local.chain.account()
  const wallet = Wallet.create({
    methods: [paying.charge({ account, ...local.at })],
    policy: {
      approve({ amount, challenge }) {
        shown.push(amount, challenge.request)
        return false
      },
    },
    fetch: (input, init) => page(new Request(input, init)),
  })
  expect((await wallet.fetch('https://shop.example/page')).status).toBe(402)
  expect(shown).toMatchObject([
    '0.010000',
    {
      methodDetails: { splits: [{ amount: '9000', recipient: splits[0].recipient.toLowerCase() }] },
    },
  ])
})

test('the server pays the fee of ten splits to people who never held the token, too [tempo-charge-057]', async () => {
  const splits = Array.from({ length: 10 }, (_, index) => ({
    amount: '0.0005',
    recipient: `0x${(4000 + index).toString(16).padStart(40, '0')}` as const,
  }))
  const sponsor = await local.chain.account()
  await expectPage(visit({}, { splits }, { feePayer: sponsor }))
})
