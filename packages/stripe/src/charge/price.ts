/**
 * Turns what a route says into the request that travels.
 *
 * @module
 */
import { decimalsOf, isTaken, leastOf, mostOf, stepOf } from '../constants.js'
import type { Request } from './method.js'

/** What a route says. */
export type Route = {
  /** In the unit people read: `'0.50'` dollars, `'50'` yen. */
  amount: string
  /** ISO 4217. Left out: the rail's. */
  currency?: string | undefined
  /** Your reference. */
  externalId?: string | undefined
  /** For your records at Stripe, readable by the payer: at most 40 keys. */
  metadata?: Readonly<Record<string, string>> | undefined
}

/** What the rail says for all routes. */
export type Seller = {
  networkId: string
  paymentMethodTypes: readonly string[]
  currency: string
}

/**
 * Makes the request of a route.
 *
 * @throws TypeError for a price that Stripe cannot charge, so that no offer is made that nobody can pay.
 * @see Stripe charge draft, Request Schema
 */
export function createRequest(
  { amount, currency: given, externalId, metadata }: Route,
  { networkId, paymentMethodTypes, currency: usual }: Seller,
): Request {
  const currency = readCurrency(given ?? usual)
  if (externalId !== undefined && (typeof externalId !== 'string' || externalId.length > 500))
    throw new TypeError('stripe/charge: externalId has at most 500 characters.')
  if (metadata) checkMetadata(metadata)
  return {
    amount: toSmallest(amount, currency),
    currency,
    ...(externalId !== undefined && { externalId }),
    methodDetails: {
      networkId,
      paymentMethodTypes: [...paymentMethodTypes],
      ...(metadata && { metadata: { ...metadata } }),
    },
  }
}

/**
 * Reads a currency.
 *
 * @throws TypeError for one in which Stripe does not charge.
 */
export function readCurrency(given: unknown): string {
  const currency = String(given).toLowerCase()
  if (!isTaken(currency))
    throw new TypeError(
      `stripe/charge: ${JSON.stringify(given)} is not a currency in which Stripe charges, such as usd.`,
    )
  return currency
}

function toSmallest(amount: unknown, currency: string): string {
  const decimals = decimalsOf(currency)
  const [, whole, part = ''] = /^(\d{1,12})(?:\.(\d+))?$/.exec(String(amount)) ?? []
  const shown = `${JSON.stringify(amount)} ${currency}`
  if (typeof amount !== 'string' || whole === undefined)
    throw new TypeError(`stripe/charge: amount ${shown} is not a decimal string such as '0.50'.`)
  if (part.length > decimals)
    throw new TypeError(
      `stripe/charge: amount ${shown} has more than ${decimals} decimals, and ${currency} has no smaller unit.`,
    )
  const units = BigInt(whole + part.padEnd(decimals, '0'))
  const [least, most, step] = [leastOf(currency), mostOf(currency), stepOf(currency)]
  if (units < least)
    throw new TypeError(
      `stripe/charge: amount ${shown} is below the least that Stripe charges, ${least} in the smallest unit.`,
    )
  if (units > most)
    throw new TypeError(
      `stripe/charge: amount ${shown} is above the most that Stripe charges, ${most} in the smallest unit.`,
    )
  if (units % step !== 0n)
    throw new TypeError(
      `stripe/charge: amount ${shown} must be a multiple of ${step} in the smallest unit.`,
    )
  return String(units)
}

/** Keys that this rail writes: a route that could write them could pass one payment off as another. */
const OURS = /^(?:challenge_id|mpp_)/

/** Stripe takes 50 keys of 40 characters with values of 500; some are ours. */
function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata)
  if (entries.length > 40) throw new TypeError('stripe/charge: metadata has at most 40 keys.')
  for (const [key, value] of entries) {
    if (OURS.test(key))
      throw new TypeError(
        `stripe/charge: metadata.${key} is written by this rail: choose another key.`,
      )
    if (!/^[^[\]]{1,40}$/.test(key) || typeof value !== 'string' || value.length > 500)
      throw new TypeError(
        `stripe/charge: metadata.${key}: a key has at most 40 characters without brackets, a value at most 500.`,
      )
  }
}
