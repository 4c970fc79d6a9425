/**
 * Split payments: one transaction that pays several recipients, all of them or none.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { encodeFunctionData, numberToHex } from 'viem'
import { Abis } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resign, start } from './rail.ts'
import { problem, read, refusal, shops, type Bytes, type Options } from './shop.ts'

let local: Awaited<ReturnType<typeof start>>
let open: (options?: Options) => ReturnType<ReturnType<typeof shops>>
const platform = numberToHex(0xaa01, { size: 20 })
const affiliate = numberToHex(0xaa02, { size: 20 })
const memo: Bytes = `0x${'00'.repeat(28)}deadbeef`
const splits = [
  { amount: '0.0005', recipient: platform },
  { amount: '0.0001', recipient: affiliate, memo },
]

beforeAll(async () => {
  local = await start()
  // Their first transfers would cost the gas of four.
  for (const address of [platform, affiliate]) await local.chain.fund(address, { amount: 1n })
  open = (options = {}) => shops(local)({ route: { splits }, ...options })
})
afterAll(() => local.chain.stop())

type Part = { to?: Bytes; amount?: bigint; memo?: Bytes | undefined; token?: Bytes }

function transfer({ to = local.shop.address, amount = 0n, memo, token }: Part) {
  const abi = Abis.tip20
  const data =
    memo === undefined
      ? encodeFunctionData({ abi, functionName: 'transfer', args: [to, amount] })
      : encodeFunctionData({ abi, functionName: 'transferWithMemo', args: [to, amount, memo] })
  return { to: token ?? local.chain.tokens.pathUSD, data }
}

/** Presents a transaction of one's own making; its parts are given, with the memo that is asked at hand. */
async function pay(parts: (asked: Bytes) => Part[], shop = open()) {
  const { raw } = read(await shops(local)({}).pay())
  const challenge = await shop.challenge()
  const asked = challenge.request.methodDetails?.memo as Bytes
  const calls = parts(asked).map(transfer)
  const signed = await resign(raw, { calls, gas: 1_500_000n }, local.payer)
  return { answer: await shop.show({ challenge: challenge.wire }, signed) }
}

const primary = (asked: Bytes): Part => ({ amount: 9400n, memo: asked })
const first: Part = { to: platform, amount: 500n }
const second: Part = { to: affiliate, amount: 100n, memo }
const failed = 'verification-failed'

describe('a split payment', () => {
  test('pays everybody their part, and the recipient the rest [tempo-charge-023 tempo-charge-024 tempo-charge-029]', async () => {
    const { chain, shop } = local
    const owners = [shop.address, platform, affiliate]
    const balances = () => Promise.all(owners.map((owner) => chain.balance(owner)))
    const before = await balances()
    const { answer } = await pay((asked) => [primary(asked), first, second])
    expect(answer.status).toBe(200)
    const after = await balances()
    expect(after.map((balance, index) => balance - before[index]!)).toEqual([9400n, 500n, 100n])
    const hash = Receipt.fromResponse(answer)?.reference as Bytes
    const { logs } = await chain.client().getTransactionReceipt({ hash })
    expect(logs.flatMap(({ topics }) => topics)).toContain(memo)
  })

  test.each<[string, (asked: Bytes) => Part[]]>([
    ['in any order', (asked) => [second, first, primary(asked)]],
    ['with a memo where none is asked', (asked) => [primary(asked), { ...first, memo }, second]],
  ])('may be made %s [tempo-charge-022]', async (_, parts) => {
    expect((await pay(parts)).answer.status).toBe(200)
  })

  test.each<[string, (asked: Bytes) => Part[]]>([
    ['without one of them', (asked) => [primary(asked), first]],
    ['with one of them twice in place of another', (asked) => [primary(asked), first, first]],
    ['with less for one', (asked) => [primary(asked), { ...first, amount: 499n }, second]],
    ['with more for one', (asked) => [primary(asked), { ...first, amount: 501n }, second]],
    ['without the memo of one', (asked) => [primary(asked), first, { ...second, memo: undefined }]],
    ['in several tokens', (asked) => [primary(asked), { ...first, token: beta() }, second]],
    [
      'with the whole for the recipient',
      (asked) => [{ ...primary(asked), amount: 10_000n }, first, second],
    ],
    ['with nothing but the recipient’s', (asked) => [{ ...primary(asked), amount: 10_000n }]],
    ['with another payment beside', (asked) => [primary(asked), first, second, first]],
    ['under another memo', () => [{ ...primary('0x'), memo }, first, second]],
  ])('is refused %s [tempo-charge-020 tempo-charge-048]', async (_, parts) => {
    const before = await local.chain.balance(local.shop.address)
    const { answer } = await pay(parts)
    expect(await problem(answer)).toEqual(refusal(failed, /transfers.* that are asked/))
    expect(await local.chain.balance(local.shop.address)).toBe(before)
  })

  test('tells equal parts apart: one transfer is nobody else’s too', async () => {
    const twins = { route: { splits: [splits[0]!, splits[0]!] } }
    const own = (asked: Bytes): Part => ({ amount: 9000n, memo: asked })
    const { answer } = await pay((asked) => [own(asked), first, first], open(twins))
    expect(answer.status).toBe(200)
    const { answer: short } = await pay((asked) => [own(asked), first], open(twins))
    expect(await problem(short)).toMatchObject({ status: 402 })
  })

  test('reverts as a whole when one part cannot be paid', async () => {
    const payer = await local.chain.account({ amount: 9999n })
    const shop = open()
    const { raw } = read(await shops(local)({}).pay())
    const challenge = await shop.challenge()
    const asked = challenge.request.methodDetails?.memo as Bytes
    const calls = [primary(asked), first, second].map(transfer)
    const feePayer = {
      feeToken: local.chain.tokens.AlphaUSD,
      gas: 200_000n,
      maxFeePerGas: 21n * 10n ** 9n,
    }
    await local.chain.fund(payer.address, { tokens: [local.chain.tokens.AlphaUSD] })
    const signed = await resign(raw, { calls, ...feePayer, maxPriorityFeePerGas: 0n }, payer)
    const before = await local.chain.balance(local.shop.address)
    const answer = await shop.show({ challenge: challenge.wire }, signed)
    expect(await problem(answer)).toEqual(refusal(failed, /reverted; nothing was paid/))
    expect(await local.chain.balance(local.shop.address)).toBe(before)
  })

  test('counts by its effects when the client broadcasts it', async () => {
    const shop = open({ modes: ['push'] })
    const send = async (parts: (asked: Bytes) => Part[]) => {
      const { raw } = read(await shops(local)({}).pay())
      const challenge = await shop.challenge()
      const calls = parts(challenge.request.methodDetails?.memo as Bytes).map(transfer)
      const signed = await resign(raw, { calls, gas: 1_500_000n }, local.payer)
      const method = 'eth_sendRawTransactionSync'
      const receipt = await local.chain.client().request({ method, params: [signed] })
      return shop.answer(challenge.wire, { type: 'hash', hash: receipt.transactionHash })
    }
    expect((await send((asked) => [second, primary(asked), first])).status).toBe(200)
    expect(await problem(await send((asked) => [second, primary(asked)]))).toEqual(
      refusal(failed, /transfers that are asked/),
    )
  })
})

const beta = () => local.chain.tokens.BetaUSD
