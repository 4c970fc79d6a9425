/**
 * Turns what a route says into the request that travels.
 *
 * @module
 */
import { MOST_MEMO_BYTES, MOST_SATS } from '../constants.js'
import type { Network } from '../network.js'
import type { Request } from './method.js'

/** What a route says. */
export type Route = {
  /** Whole satoshis: `'10'`. */
  amount: string
  /** Left out: `sat`. `BTC`, as deployed software writes it, is the same: an amount of satoshis. */
  currency?: 'sat' | 'BTC' | undefined
  /** The invoice's memo, which the payer's wallet shows and keeps: at most 639 bytes. */
  memo?: string | undefined
  /** Your reference. */
  externalId?: string | undefined
}

/**
 * Makes the request of a route.
 *
 * @throws TypeError for a price that Lightning cannot express, or a memo that no invoice can hold.
 * @see Lightning charge draft, Request Schema
 */
export function createRequest(
  { amount, currency = 'sat', memo, externalId }: Route,
  network: Network,
): Request {
  checkAmount(amount)
  if (currency !== 'sat' && currency !== 'BTC')
    throw new TypeError(
      `lightning/charge: the currency is 'sat', and not ${JSON.stringify(currency)}.`,
    )
  if (memo !== undefined && new TextEncoder().encode(memo).length > MOST_MEMO_BYTES)
    throw new TypeError(`lightning/charge: a memo has at most ${MOST_MEMO_BYTES} bytes.`)
  return {
    amount,
    currency: 'sat',
    ...(memo !== undefined && { description: memo }),
    ...(externalId !== undefined && { externalId }),
    methodDetails: { network },
  }
}

function checkAmount(amount: unknown): void {
  const shown = JSON.stringify(amount)
  if (typeof amount !== 'string' || !/^\d+(\.\d+)?$/.test(amount))
    throw new TypeError(
      `lightning/charge: amount ${shown} is not a decimal string of satoshis, such as '10'.`,
    )
  if (amount.includes('.'))
    throw new TypeError(
      `lightning/charge: amount ${shown} is not whole: a satoshi is the least that can be charged. Charge for several units at once.`,
    )
  if (!/^[1-9]/.test(amount))
    throw new TypeError(
      `lightning/charge: amount ${shown} must be above zero, without leading zeros.`,
    )
  if (BigInt(amount) > MOST_SATS)
    throw new TypeError(`lightning/charge: amount ${shown} is more bitcoin than there can be.`)
}
