/**
 * Picks the token that pays a transaction's fee: Tempo has no native coin, and a transaction without a fee token that
 * the payer holds fails.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { formatUnits } from 'viem'
import { DECIMALS, type Address } from '../constants.js'

/** What the payer has of a token once the payment is made, in base units. */
export type Holding = { token: Address; balance: bigint }

/**
 * What is left after the payment.
 *
 * @param options.isSwapping - Whether other tokens were tried too.
 * @throws PaymentError `payment-insufficient` when the wallet holds less.
 */
export function subtract(
  held: bigint,
  amount: bigint,
  { isSwapping }: { isSwapping: boolean },
): bigint {
  if (held >= amount) return held - amount
  const more = isSwapping ? ', and no other token of it can be swapped for that' : ''
  throw insufficient(
    `The payment of ${format(amount)} is more than the wallet holds of its currency: ${format(held)}${more}.`,
  )
}

/**
 * Base units. A local chain quotes 18,000 for a payment to who never held the token, 8,400 for each transfer more, and for a
 * key that it is to know 23,000 with one limit and 15,000 for each more.
 */
const PLENTY = { payment: 50_000n, transfer: 20_000n, swap: 50_000n, key: 100_000n }

/**
 * Makes sure that a fee is no more than its owner allows: what gas costs is a node's word, and it may be wrong.
 *
 * @param fee - Base units, at most.
 * @throws PaymentError `method-unsupported` when it is.
 */
export function checkFee(fee: bigint, { maxFee, transfers, swaps, keys }: checkFee.Limits): void {
  const { payment, transfer, swap, key } = PLENTY
  const plenty =
    payment + transfer * BigInt(transfers - 1) + (swaps ? swap : 0n) + (keys ? key : 0n)
  const most = maxFee ?? plenty
  if (fee <= most) return
  throw new Errors.PaymentError('method-unsupported', {
    detail: `The fee may come to ${format(fee)}, and this client allows ${format(most)}: the option maxFee can allow more.`,
  })
}

export declare namespace checkFee {
  type Limits = {
    /** Left out: what is plenty for the payment. */
    maxFee: bigint | undefined
    transfers: number
    /** Whether it swaps first. */
    swaps: boolean
    /** Whether it makes an access key known to the chain. */
    keys: boolean
  }
}

/**
 * Picks the token of which most is left.
 *
 * @param fee - Base units, at most.
 * @throws PaymentError `payment-insufficient` when none suffices.
 */
export function pickFeeToken(holdings: readonly Holding[], fee: bigint): Address {
  const [fullest] = holdings.toSorted((one, other) => (one.balance < other.balance ? 1 : -1))
  if (fullest && fullest.balance >= fee) return fullest.token
  throw insufficient(
    `No stablecoin that may pay the fee holds enough of it beside the payment: up to ${format(fee)}.`,
  )
}

const format = (amount: bigint): string => formatUnits(amount, DECIMALS)

const insufficient = (detail: string): Errors.PaymentError =>
  new Errors.PaymentError('payment-insufficient', { detail })
