/**
 * Swaps: who holds another stablecoin than the one asked buys it on the chain's DEX, within a cap, and only when told to.
 *
 * @module
 */
import { encodeFunctionData, parseAbi } from 'viem'
import { Actions, Addresses, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { matchSwap, type Call } from '../src/charge/swap.ts'
import { createPaying, paymentsIn, type Options } from './paying.ts'
import { call, resign } from './rail.ts'

const DEX = Addresses.stablecoinDex
/** Ticks are hundred-thousandths of the price. */
const PREMIUM = 500

let local: Awaited<ReturnType<typeof createPaying>>
beforeAll(async () => {
  local = await createPaying()
  const { chain } = local
  const { pathUSD, AlphaUSD, BetaUSD } = chain.tokens
  const account = await chain.account({ amount: 10_000_000_000n })
  const client = chain.client({ account, feeToken: chain.tokens.ThetaUSD })
  const amount = 1_000_000_000n
  for (const token of [pathUSD, AlphaUSD, BetaUSD])
    await client.token.approveSync({ token, spender: DEX, amount: 10n * amount })
  for (const base of [AlphaUSD, BetaUSD]) await Actions.dex.createPairSync(client, { base })
  // Who sells AlphaUSD gets 0.5 % less pathUSD for it; BetaUSD has no offers yet.
  await Actions.dex.placeSync(client, { token: AlphaUSD, amount, type: 'buy', tick: -PREMIUM })
  await Actions.dex.placeSync(client, { token: AlphaUSD, amount, type: 'sell', tick: PREMIUM })
})
afterAll(() => local.chain.stop())

const hold = (...tokens: `0x${string}`[]) => local.chain.account({ tokens, amount: 1_000_000n })

describe('a payer with another stablecoin', () => {
  test('does not swap unless told to', async () => {
    const account = await hold(local.chain.tokens.AlphaUSD)
    await expect(local.pay({}, { account })).rejects.toThrow(/more than the wallet holds/)
    await expect(local.pay({}, { account, swap: false })).rejects.toThrow(/more than the wallet/)
  })

  test('buys just what is asked, and pays it, in one transaction', async () => {
    const { AlphaUSD, pathUSD } = local.chain.tokens
    const account = await hold(AlphaUSD)
    const { raw, fields } = await local.pay({}, { account, swap: true })
    expect(fields.calls).toHaveLength(3)
    expect(fields.feeToken).toBe(AlphaUSD)
    const receipt = await local.send(raw)
    expect(receipt.status).toBe('success')
    const paid = paymentsIn(receipt.logs).filter(({ to }) => to === local.shop.address)
    expect(paid[0]).toMatchObject({ amount: 10_000n, from: account.address })
    expect(await local.chain.balance(account.address, pathUSD)).toBe(0n)
    const spent = paymentsIn(receipt.logs).find(({ to, from }) => {
      return to.toLowerCase() === DEX && from === account.address
    })
    expect(spent?.amount).toBeGreaterThanOrEqual(10_050n)
    expect(spent?.amount).toBeLessThanOrEqual(10_052n)
  })

  test('never allows more than the quote and the slippage', async () => {
    const { AlphaUSD } = local.chain.tokens
    const account = await hold(AlphaUSD)
    const quote = await Actions.dex.getBuyQuote(local.chain.client(), {
      tokenIn: AlphaUSD,
      tokenOut: local.chain.tokens.pathUSD,
      amountOut: 10_000n,
    })
    for (const [swap, cap] of [
      [true, quote + quote / 100n],
      [{ slippage: 0 }, quote],
      [{ slippage: 2.5 }, quote + (quote * 25n) / 1000n],
    ] as const) {
      const { fields } = await local.pay({}, { account, swap })
      const matched = matchSwap(fields.calls, asked())
      expect(matched?.swap).toMatchObject({ maxIn: cap })
      expect(BigInt(`0x${fields.calls[0]?.data?.slice(-64)}`)).toBe(cap)
    }
  })

  test('pays nothing when the price has moved beyond the cap', async () => {
    const { AlphaUSD } = local.chain.tokens
    const account = await hold(AlphaUSD)
    const { raw, fields } = await local.pay({}, { account, swap: { slippage: 0 } })
    const short = encodeFunctionData({
      abi: parseAbi(['function swapExactAmountOut(address, address, uint128, uint128)']),
      args: [AlphaUSD, local.chain.tokens.pathUSD, 10_000n, 10_001n],
    })
    const [approve, swap, transfer] = fields.calls
    const calls = [approve!, { ...swap!, data: short }, transfer!]
    const receipt = await local.send(await resign(raw, { calls }, account))
    expect(receipt.status).toBe('reverted')
    expect(paymentsIn(receipt.logs)).toEqual([])
  })

  test('swaps only when what is asked is missing', async () => {
    const { AlphaUSD, pathUSD } = local.chain.tokens
    const account = await hold(AlphaUSD, pathUSD)
    const { fields } = await local.pay({}, { account, swap: true })
    expect(fields.calls).toHaveLength(1)
  })

  test('swaps for all splits at once, sponsored or pushed too', async () => {
    const { AlphaUSD } = local.chain.tokens
    const account = await hold(AlphaUSD)
    const splits = [{ amount: '4000', recipient: local.payer.address }]
    const options: Options = { account, swap: true }
    const { fields } = await local.pay({ methodDetails: { splits, feePayer: true } }, options)
    expect(matchSwap(fields.calls, asked())?.rest).toHaveLength(2)
    const sponsored = { ...fields, feePayer: local.payer, feeToken: AlphaUSD }
    const receipt = await local.send(await Transaction.serialize(sponsored))
    expect(receipt.status).toBe('success')
    const pushed = local.challengeFor({ methodDetails: { supportedModes: ['push'] } })
    const { payload } = await local.prove(pushed, options)
    const { hash } = payload as { hash: `0x${string}` }
    expect((await local.receiptOf(hash)).status).toBe('success')
  })

  test('may pay a greater fee for it, and no fee beyond reason', async () => {
    const account = await hold(local.chain.tokens.AlphaUSD)
    const client = local.priced(2_000_000n * 10n ** 9n)
    await expect(local.pay({}, { account, client, swap: true })).rejects.toThrow(
      /this client allows 0\.1:/,
    )
  })

  test('takes the first token of its list that suffices', async () => {
    const { AlphaUSD, BetaUSD, ThetaUSD, pathUSD } = local.chain.tokens
    const account = await hold(AlphaUSD, BetaUSD)
    const from = [ThetaUSD, pathUSD, BetaUSD, AlphaUSD]
    const { fields } = await local.pay({}, { account, swap: { from } })
    expect(matchSwap(fields.calls, asked())?.swap.tokenIn).toMatch(new RegExp(AlphaUSD, 'i'))
  })
})

describe('no swap is found', () => {
  test.each([
    ['when the DEX has no offers', 'BetaUSD'],
    ['when the DEX does not know the pair', 'ThetaUSD'],
  ] as const)('%s', async (_, name) => {
    const account = await hold(local.chain.tokens[name])
    await expect(local.pay({}, { account, swap: true })).rejects.toMatchObject({
      code: 'payment-insufficient',
      message: expect.stringMatching(/no other token of it can be swapped/),
    })
  })

  test('when the offers do not suffice', async () => {
    const { AlphaUSD } = local.chain.tokens
    const account = await local.chain.account({ tokens: [AlphaUSD], amount: 9_000_000_000n })
    const amount = '5000000000'
    await expect(local.pay({ amount }, { account, swap: true })).rejects.toThrow(/can be swapped/)
  })

  test('when the other token does not suffice', async () => {
    const { AlphaUSD } = local.chain.tokens
    const account = await local.chain.account({ tokens: [AlphaUSD], amount: 10_100n })
    await expect(local.pay({}, { account, swap: true })).rejects.toThrow(/can be swapped/)
  })

  test('when the owner lists no token that helps', async () => {
    const { AlphaUSD, ThetaUSD } = local.chain.tokens
    const account = await hold(AlphaUSD)
    const swap = { from: [ThetaUSD] }
    await expect(local.pay({}, { account, swap })).rejects.toThrow(/can be swapped/)
  })

  test('when nothing is left for the fee', async () => {
    const { AlphaUSD } = local.chain.tokens
    const account = await local.chain.account({ tokens: [AlphaUSD], amount: 10_160n })
    await expect(local.pay({}, { account, swap: true })).rejects.toThrow(
      /No stablecoin that may pay the fee/,
    )
  })

  test('when the amount is more than the DEX can express', async () => {
    const account = await hold(local.chain.tokens.AlphaUSD)
    const amount = String(2n ** 128n)
    await expect(local.pay({ amount }, { account, swap: true })).rejects.toThrow(/can be swapped/)
  })
})

test.each([-1, 51, Number.NaN])('a slippage of %d is an error at once', (slippage) => {
  expect(() => local.wallet({ swap: { slippage } })).toThrow(/per cent, from 0 to 50/)
})

const asked = () => ({ currency: local.chain.tokens.pathUSD, amount: 10_000n })

describe('a server knows a swap again', () => {
  type Words = {
    token?: `0x${string}`
    spender?: `0x${string}`
    allowance?: bigint
    dex?: `0x${string}`
    tokenIn?: `0x${string}`
    tokenOut?: `0x${string}`
    amount?: bigint
    maxIn?: bigint
  }
  const SOMEONE = '0x00000000000000000000000000000000000000aa'

  function callsOf(words: Words = {}) {
    const { pathUSD, AlphaUSD } = local.chain.tokens
    const { token = AlphaUSD, spender = DEX, allowance = 10_100n, dex = DEX } = words
    const { tokenIn = AlphaUSD, tokenOut = pathUSD, amount = 10_000n, maxIn = 10_100n } = words
    const buy = encodeFunctionData({
      abi: parseAbi(['function swapExactAmountOut(address, address, uint128, uint128)']),
      args: [tokenIn, tokenOut, amount, maxIn],
    })
    const payment = call(pathUSD, 'transfer', [local.shop.address, 10_000n])
    return [call(token, 'approve', [spender, allowance]), { to: dex, data: buy }, payment] as const
  }

  test('and what is to be done after it', () => {
    const calls = callsOf()
    expect(matchSwap(calls, asked())).toMatchObject({
      swap: { maxIn: 10_100n, amount: 10_000n },
      rest: [calls[2]],
    })
    expect(matchSwap(callsOf({ allowance: 10_050n }), asked())).toBeDefined()
  })

  test.each<[string, Words]>([
    ['somebody else is approved', { spender: SOMEONE }],
    ['more is approved than the swap may take', { allowance: 10_101n }],
    ['another token is approved', { token: SOMEONE }],
    ['somebody else is called', { dex: SOMEONE }],
    ['another token is sold', { tokenIn: SOMEONE }],
    ['another token is bought', { tokenOut: SOMEONE }],
    ['more is bought', { amount: 10_001n }],
    ['less is bought', { amount: 9_999n }],
  ])('but not when %s', (_, words) => {
    expect(matchSwap(callsOf(words), asked())).toBeUndefined()
  })

  test('but not when it buys a token for itself', () => {
    const { pathUSD } = local.chain.tokens
    expect(matchSwap(callsOf({ token: pathUSD, tokenIn: pathUSD }), asked())).toBeUndefined()
  })

  test('but not when a call has a value, more bytes, no bytes, or is missing or out of order', () => {
    const [approve, buy, pay] = callsOf()
    const wrong: Call[][] = [
      [{ ...approve, value: 1n }, buy, pay],
      [approve, { ...buy, value: 1n }, pay],
      [{ ...approve, data: `${approve.data}00` as const }, buy, pay],
      [approve, { ...buy, data: `${buy.data}00` as const }, pay],
      [approve, { ...buy, data: buy.data.slice(0, -2) as `0x${string}` }, pay],
      [{ data: approve.data }, buy, pay],
      [approve, { to: buy.to }, pay],
      [buy, approve, pay],
      [approve, pay],
      [approve],
      [],
    ]
    for (const calls of wrong) expect(matchSwap(calls, asked())).toBeUndefined()
  })
})
