/**
 * Picks the token that pays a transaction's fee: Tempo has no native coin, and a transaction without a fee token that
 * the payer holds fails.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { formatUnits, isAddressEqual } from 'viem'
import { DECIMALS, type Address } from '../constants.js'

/** What the payer has of a token, in base units. */
export type Holding = { token: Address; balance: bigint }

/**
 * Picks the first token, in the order given and the largest balance next, that can pay the fee once the payment is made.
 *
 * @param options.due - The payment itself.
 * @param options.fee - Base units, at most.
 * @param options.only - The one token that the owner allows for fees.
 * @throws PaymentError `payment-insufficient` that says what is missing.
 */
export function pickFeeToken(
  holdings: readonly Holding[],
  { due, fee, only }: pickFeeToken.Options,
): Address {
  const isDue = ({ token }: Holding) => isAddressEqual(token, due.token)
  const held = holdings.find(isDue)?.balance ?? 0n
  if (held < due.amount)
    throw insufficient(
      `The payment of ${format(due.amount)} is more than the wallet holds of ${due.token}: ${format(held)}.`,
    )
  const left = holdings.map((holding) =>
    isDue(holding) ? { ...holding, balance: held - due.amount } : holding,
  )
  const able = left.filter(
    ({ token, balance }) => balance >= fee && (only === undefined || isAddressEqual(token, only)),
  )
  const best =
    able.find(isDue) ?? able.toSorted((one, other) => (one.balance < other.balance ? 1 : -1))[0]
  if (best) return best.token
  throw insufficient(
    only === undefined
      ? `No stablecoin in the wallet can pay the fee of up to ${format(fee)} beside the payment.`
      : `The fee token ${only} cannot pay the fee of up to ${format(fee)}.`,
  )
}

export declare namespace pickFeeToken {
  type Options = {
    due: { token: Address; amount: bigint }
    fee: bigint
    only?: Address | undefined
  }
}

const format = (amount: bigint): string => formatUnits(amount, DECIMALS)

const insufficient = (detail: string): Errors.PaymentError =>
  new Errors.PaymentError('payment-insufficient', { detail })
