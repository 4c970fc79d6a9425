/**
 * Turns what a route says into the request that travels.
 *
 * @module
 */
import { DECIMALS, currencyOf, type Address, type Hex } from '../constants.js'
import type { Request } from './method.js'

/** What a route says, with what the rail says for all routes. */
export type Terms = {
  amount: string
  currency?: Address | undefined
  recipient?: Address | undefined
  memo?: Hex | undefined
  externalId?: string | undefined
}

/**
 * Makes the request of a route.
 *
 * @throws TypeError for a price that Tempo cannot express, or when nobody is paid.
 * @see Tempo charge draft, Request Schema
 */
export function createRequest(terms: Terms, chainId: number): Request {
  const { amount, currency = currencyOf(chainId), recipient, memo, externalId } = terms
  if (recipient === undefined || /^0x0*$/.test(recipient))
    throw new TypeError('tempo/charge: say who is paid: recipient is the address of your wallet.')
  return {
    amount: toBaseUnits(amount),
    currency: lower(currency),
    recipient: lower(recipient),
    ...(externalId !== undefined && { externalId }),
    methodDetails: {
      chainId,
      ...(memo !== undefined && { memo: lower(memo) }),
      supportedModes: ['pull'],
    },
  }
}

const lower = <text extends string>(text: text): Lowercase<text> =>
  text.toLowerCase() as Lowercase<text>

/**
 * Reads an amount in whole units as base units.
 *
 * @throws TypeError when it is no positive decimal string, or finer than a base unit.
 * @example
 * toBaseUnits('0.01') // '10000'
 */
function toBaseUnits(amount: string): string {
  const parts = typeof amount === 'string' && /^(\d{1,40})(?:\.(\d{1,40}))?$/.exec(amount)
  if (!parts)
    throw new TypeError(
      `tempo/charge: amount must be a decimal string such as '0.01', not ${String(amount)}.`,
    )
  const [, whole = '', fraction = ''] = parts
  if (/[1-9]/.test(fraction.slice(DECIMALS)))
    throw new TypeError(
      `tempo/charge: amount '${amount}' is finer than the smallest unit, 0.000001. It is not rounded: charge for several at once, or more.`,
    )
  const units = BigInt(whole + fraction.slice(0, DECIMALS).padEnd(DECIMALS, '0'))
  if (units === 0n) throw new TypeError('tempo/charge: amount must be above zero.')
  return String(units)
}
