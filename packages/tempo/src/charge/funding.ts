/**
 * What a payment is made from: the currency itself or a swap into it, and the token of the fee.
 *
 * @module
 */
import { isAddressEqual } from 'viem'
import type { Address } from '../constants.js'
import type { Calls, Network, Quote, Unpriced } from '../network.js'
import { checkFee, pickFeeToken, subtract } from './fee.js'
import type { Request } from './method.js'
import { encodeSwap, findSwap, type Plan } from './swap.js'

/** What a payer has and allows. */
export type Funds = {
  network: Network
  owner: Address
  currencies: readonly Address[]
  feeToken: Address | undefined
  /** Most that a fee may come to, in base units. Left out: what is plenty. */
  maxFee: bigint | undefined
  /** Left out: it pays with what is asked, or not at all. */
  plan: Plan | undefined
}

/** Calls that the payer can cover. */
export type Covered = {
  calls: Calls
  /** What is left of a token once they are made, in base units. */
  readLeft: (token: Address) => Promise<bigint>
}

/**
 * Makes sure that the payer holds what is asked, or puts a swap before the payment that brings it.
 *
 * @param payment.calls - The transfers.
 * @throws PaymentError `payment-insufficient` when the wallet holds too little, and no swap helps.
 */
export async function cover(
  { network, owner, plan }: Funds,
  { request, calls, signal }: { request: Request; calls: Calls; signal: AbortSignal },
): Promise<Covered> {
  const { currency } = request
  const amount = BigInt(request.amount)
  const readBalance = (token: Address) => network.readBalance({ token, owner }, { signal })
  const held = await readBalance(currency)
  const swap =
    plan && held < amount
      ? await findSwap(network, plan, { owner, currency, amount, signal })
      : undefined
  const left = swap ? held : subtract(held, amount, { isSwapping: plan !== undefined })
  return {
    calls: swap ? [...encodeSwap(swap), ...calls] : calls,
    async readLeft(token) {
      if (isAddressEqual(token, currency)) return left
      const balance = await readBalance(token)
      return swap && isAddressEqual(token, swap.tokenIn) ? balance - swap.maxIn : balance
    },
  }
}

/** A payment with a price on it. */
export type Priced = { calls: Calls; quote: Quote; feeToken?: Address }

/**
 * Asks what the payment costs, and picks the token for the fee; none when the server pays it.
 *
 * @throws PaymentError `payment-insufficient` as above, or when no token can pay the fee; `method-unsupported` when it is too
 * great.
 * @see Tempo charge draft, Client Requirements
 */
export async function price(
  funds: Funds,
  payment: { request: Request; unpriced: Omit<Unpriced, 'feeToken'>; signal: AbortSignal },
): Promise<Priced> {
  const { network, currencies, feeToken, maxFee } = funds
  const { request, unpriced, signal } = payment
  const { currency, methodDetails } = request
  const isSponsored = methodDetails?.feePayer === true
  const ask = (calls: Calls) => {
    const asked = { ...unpriced, calls, ...(!isSponsored && { feeToken: feeToken ?? currency }) }
    return network.quote(asked, { signal })
  }
  const quoting = ask(unpriced.calls)
  // What is missing says more than how the chain puts it, and with a swap nothing may be.
  quoting.catch(() => {})
  const covered = await cover(funds, { request, calls: unpriced.calls, signal })
  const { calls, readLeft } = covered
  const quote = await (calls === unpriced.calls ? quoting : ask(calls))
  if (isSponsored) return { calls, quote }
  checkFee(quote.fee, {
    maxFee,
    transfers: unpriced.calls.length,
    swaps: calls !== unpriced.calls,
    keys: unpriced.keyAuthorization !== undefined,
  })
  if (feeToken === undefined && (await readLeft(currency)) >= quote.fee)
    return { calls, quote, feeToken: currency }
  const holdings = await Promise.all(
    (feeToken ? [feeToken] : currencies).map(async (token) => {
      return { token, balance: await readLeft(token) }
    }),
  )
  return { calls, quote, feeToken: pickFeeToken(holdings, quote.fee) }
}
