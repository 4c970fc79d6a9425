/**
 * Tempo charges between the deployed SDK and ours, on a local chain: every mode in both directions.
 *
 * @module
 */
import { concat, keccak256, pad, slice, toHex, type Hex } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Account } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { start, type Ledger, type Scene } from './ledger.js'
import { modes, proof, pull, push, sponsored, type Mode } from './modes.js'
import { decode, open, present } from './page.js'
import { deployed, ours } from './sides.js'

/** One of each kind. */
const each = [pull, push, proof, sponsored]

let ledger: Ledger
beforeAll(async () => void (ledger = await start()))
afterAll(() => ledger.stop())

/** Everyone has what they must have, to the base unit, by these transfers and no other. */
async function expectMoved(
  { read }: Scene,
  { pays, fee: by, splits }: Mode,
  authorization: string,
) {
  const { gains, transfers, fees, memos } = await read()
  const expected = Object.entries(pays).map(([to, amount]) => ({ from: 'payer', to, amount }))
  expect(transfers).toEqual(expected)
  expect(fees).toEqual(by ? [{ by, amount: expect.any(BigInt) }] : [])
  const fee = fees[0]?.amount ?? 0n
  const paid = expected.reduce((sum, { amount }) => sum + amount, 0n)
  expect(gains).toEqual({
    payer: -paid - (by === 'payer' ? fee : 0n),
    sponsor: by === 'sponsor' ? -fee : 0n,
    shop: 0n,
    partner: 0n,
    affiliate: 0n,
    ...pays,
  })
  const memo = splits?.find(({ to }) => to === 'affiliate')?.memo
  const bound = boundTo(decode(authorization).challenge)
  expect(memos).toEqual(by ? { shop: bound, ...(memo && { affiliate: memo }) } : {})
}

/** The memo that says for which challenge a transfer is. */
function boundTo({ id, realm }: { id: string; realm: string }): Hex {
  const hash = (text: string) => keccak256(toHex(text))
  const tag = slice(hash('mpp'), 0, 4)
  const anybody = pad('0x', { size: 10 })
  return concat([tag, '0x01', slice(hash(realm), 0, 10), anybody, slice(hash(id), 0, 7)])
}

/** Pays once, presents the same credential again, and looks at everything that came of it. */
async function expectSale(
  { payer, paid }: (typeof directions)[number],
  mode: Mode,
  { scene, account }: { scene: Scene; account?: Account.Account },
) {
  const { chain, people } = scene
  await using page = await open(paid.guard(mode, scene))
  const wallet = payer.wallet(mode, scene, account && { account })

  const response = await wallet.fetch(page.url)
  expect({ status: response.status, body: await response.text() }).toEqual({
    status: 200,
    body: 'page 1',
  })

  const authorization = page.presented.at(-1) ?? ''
  const { challenge, payload, source } = decode(authorization)
  expect(payload['type']).toBe(mode.type)
  expect(source).toBe(`did:pkh:eip155:1337:${people.payer.address}`)
  await expectMoved(scene, mode, authorization)

  const receipt = wallet.receipt(response)
  expect(receipt).toMatchObject({ method: 'tempo', status: 'success' })
  const hash = receipt?.reference as Hex
  if (mode.type === 'proof') expect(hash).toBe(challenge.id)
  else
    expect(await chain.client().getTransactionReceipt({ hash })).toMatchObject({
      status: 'success',
      feePayer: people[mode.fee ?? 'payer'].address.toLowerCase(),
    })

  expect((await present(page.url, authorization)).status).toBe(402)
  expect(page.served()).toBe(1)
  await expectMoved(scene, mode, authorization)
}

const directions = [
  { payer: deployed, paid: ours },
  { payer: ours, paid: deployed },
]

describe.each(directions)('$payer.name pays $paid.name', (direction) => {
  test.each(modes)('$name', async (mode) => {
    await expectSale(direction, mode, { scene: await ledger.enter() })
  })

  test.each(each)('$name, by a P256 key', async (mode) => {
    const payer = Account.fromP256(generatePrivateKey())
    await expectSale(direction, mode, { scene: await ledger.enter({ payer }) })
  })

  test.each(each)('$name, by an access key', async (mode) => {
    const scene = await ledger.enter()
    await expectSale(direction, mode, { scene, account: await delegate(scene) })
  })
})

/** A key that may sign for the payer. What it costs to say so on the chain is paid in another token. */
async function delegate({ chain, people: { payer } }: Scene) {
  await chain.fund(payer.address, { tokens: [chain.tokens.AlphaUSD] })
  const accessKey = Account.fromSecp256k1(generatePrivateKey(), { access: payer })
  const expiry = chain.now() + 3600
  const client = chain.client({ account: payer })
  await client.accessKey.authorizeSync({ accessKey, expiry, gas: 2_000_000n })
  return accessKey
}

describe('our server, presented five times at once with a credential of the deployed client, serves it once', () => {
  test.each(modes)('$name', async (mode) => {
    const scene = await ledger.enter()
    await using page = await open(ours.guard(mode, scene))
    const wallet = deployed.wallet(mode, scene)
    const authorization = await wallet.sign(await fetch(page.url), page.url)
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => present(page.url, authorization)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 402 || status === 409)).toHaveLength(4)
    expect(page.served()).toBe(1)
    await expectMoved(scene, mode, authorization)
  })
})
