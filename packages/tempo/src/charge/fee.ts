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
