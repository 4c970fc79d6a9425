/**
 * Swaps on the chain's DEX that a payer without the asked currency makes before it pays: what they cost, how they are
 * written as calls, and how a server knows them again.
 *
 * @module
 */
import {
  decodeFunctionData,
  decodeFunctionResult,
  encodeFunctionData,
  isAddressEqual,
  parseAbi,
  type Abi,
} from 'viem'
import type { Address, Hex } from '../constants.js'
import type { Network } from '../network.js'

/** The order book of Tempo's stablecoins. Source: viem's `Addresses.stablecoinDex`. */
const DEX: Address = '0xdec0000000000000000000000000000000000000'

const APPROVE = parseAbi(['function approve(address spender, uint256 amount) returns (bool)'])
/** Of `approve(address,uint256)`. */
const APPROVE_SELECTOR = '0x095ea7b3'
const BUY = parseAbi([
  'function swapExactAmountOut(address tokenIn, address tokenOut, uint128 amountOut, uint128 maxAmountIn) returns (uint128 amountIn)',
])
const QUOTE = parseAbi([
  'function quoteSwapExactAmountOut(address tokenIn, address tokenOut, uint128 amountOut) view returns (uint128 amountIn)',
])

/** The greatest amount that the DEX can express. */
const GREATEST = 2n ** 128n - 1n

/** What is bought, and from which token. Amounts in base units. */
export type Swap = {
  tokenIn: Address
  /** The most of `tokenIn` that it takes. */
  maxIn: bigint
  tokenOut: Address
  /** Exactly what it brings. */
  amount: bigint
}

/** A call as it stands in a transaction. */
export type Call = {
  to?: Address | undefined
  data?: Hex | undefined
  value?: bigint | undefined
}

/** How a client swaps. */
export type Plan = {
  /** Tokens to swap from, in order of preference. */
  from: readonly Address[]
  /** Hundredths of a per cent over the quote, at most. */
  slippage: bigint
}

/**
 * Reads the option `swap`.
 *
 * @param known - What is swapped from when the option does not say.
 * @throws TypeError for a slippage that is no per cent from 0 to 50.
 */
export function planOf(option: planOf.Option, known: readonly Address[]): Plan | undefined {
  if (!option) return undefined
  const { from = known, slippage = 1 } = option === true ? {} : option
  if (!(slippage >= 0 && slippage <= 50))
    throw new TypeError(`tempo/charge: swap.slippage is per cent, from 0 to 50, not ${slippage}.`)
  return { from, slippage: BigInt(Math.floor(slippage * 100)) }
}

export declare namespace planOf {
  type Option =
    | boolean
    | {
        /** TIP-20 tokens to swap from, in order of preference. Left out: `currencies`. */
        from?: readonly Address[] | undefined
        /** Most per cent that the swap may cost over its quote (default 1). */
        slippage?: number | undefined
      }
    | undefined
}

/**
 * Finds the first token of the plan that the owner holds enough of to buy `amount` of a currency.
 *
 * @returns `undefined` when none is enough, or the DEX has no offers for it.
 */
export async function findSwap(
  network: Network,
  { from, slippage }: Plan,
  { owner, currency, amount, signal }: findSwap.Wanted,
): Promise<Swap | undefined> {
  const tokens = from.filter((token) => !isAddressEqual(token, currency))
  const balances = await Promise.all(
    tokens.map((token) => network.readBalance({ token, owner }, { signal })),
  )
  for (const [index, tokenIn] of tokens.entries()) {
    const balance = balances[index] ?? 0n
    if (balance === 0n || amount > GREATEST) continue
    const swap = { tokenIn, tokenOut: currency, amount }
    const quote = await readQuote(network, swap, signal)
    const maxIn = quote === undefined ? GREATEST : quote + (quote * slippage) / 10_000n
    if (maxIn <= balance && maxIn < GREATEST) return { ...swap, maxIn }
  }
  return undefined
}

export declare namespace findSwap {
  type Wanted = { owner: Address; currency: Address; amount: bigint; signal: AbortSignal }
}

async function readQuote(
  network: Network,
  { tokenIn, tokenOut, amount }: Omit<Swap, 'maxIn'>,
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const data = encodeFunctionData({ abi: QUOTE, args: [tokenIn, tokenOut, amount] })
  const answer = await network.call({ to: DEX, data }, { signal })
  return answer === undefined || answer === '0x'
    ? undefined
    : decodeFunctionResult({ abi: QUOTE, data: answer })
}

/** Writes a swap as calls: the DEX may take what it needs, and buys the exact amount. */
export function encodeSwap({
  tokenIn,
  maxIn,
  tokenOut,
  amount,
}: Swap): { to: Address; data: Hex }[] {
  return [
    { to: tokenIn, data: encodeFunctionData({ abi: APPROVE, args: [DEX, maxIn] }) },
    { to: DEX, data: encodeFunctionData({ abi: BUY, args: [tokenIn, tokenOut, amount, maxIn] }) },
  ]
}

/**
 * Knows the calls of `encodeSwap` again, at the head of a transaction's calls: the DEX is approved for no more than the
 * swap may take, and exactly `amount` of `currency` is bought.
 *
 * @returns The swap and the calls after it; `undefined` when the head is anything else.
 * @example
 * const swapped = matchSwap(envelope.calls, { currency, amount: 10_000n })
 * const payment = swapped?.rest ?? envelope.calls
 */
export function matchSwap<call extends Call>(
  [first, second, ...rest]: readonly call[],
  due: { currency: Address; amount: bigint },
): { swap: Swap; rest: readonly call[] } | undefined {
  // Nearly every transaction is none, and to decode it in vain costs more than all else here.
  if (!second || !first?.data?.startsWith(APPROVE_SELECTOR)) return undefined
  const swap = readSwap(first, second)
  const isDue = swap && isAddressEqual(swap.tokenOut, due.currency) && swap.amount === due.amount
  return isDue ? { swap, rest } : undefined
}

/** An approval for the DEX, and the purchase that it is for. */
function readSwap(first: Call, second: Call): Swap | undefined {
  const [approval, buy] = [decode(APPROVE, first), decode(BUY, second)]
  if (!approval || !buy || !isAddressEqual(buy.to, DEX)) return undefined
  const [spender, allowance] = approval.read.args
  const [tokenIn, tokenOut, amount, maxIn] = buy.read.args
  const isApproved =
    isAddressEqual(approval.to, tokenIn) && isAddressEqual(spender, DEX) && allowance <= maxIn
  return isApproved && !isAddressEqual(tokenIn, tokenOut)
    ? { tokenIn, maxIn, tokenOut, amount }
    : undefined
}

/** A call with no value, whose bytes are just those that its arguments encode to. */
function decode<const abi extends Abi>(abi: abi, { to, data, value }: Call = {}) {
  if (!to || !data || value) return undefined
  try {
    const read = decodeFunctionData<abi>({ abi, data })
    const encoded = encodeFunctionData({ abi: abi as Abi, args: read.args as readonly unknown[] })
    return encoded === data ? { to, read } : undefined
  } catch {
    return undefined
  }
}
