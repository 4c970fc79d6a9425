/**
 * Turns what a route says into the request that travels.
 *
 * @module
 */
import { decimalsOf, MOST, NETWORKS, type CardNetwork } from '../constants.js'
import type { Request } from './method.js'

/** What a route says. */
export type Route = {
  /** In the unit people read: `'0.50'` dollars, `'50'` yen. */
  amount: string
  /** ISO 4217. Left out: the rail's. */
  currency?: string | undefined
  /** Your reference, in the challenge, at the Server Enabler and in the receipt. */
  externalId?: string | undefined
  /** Whether this route asks for the billing address. Left out: as the rail does. */
  billingRequired?: boolean | undefined
}

/** What the rail says for all routes. */
export type Merchant = {
  acceptedNetworks: readonly CardNetwork[]
  merchantName: string
  recipient: string | undefined
  currency: string
  billingRequired: boolean
}

/**
 * Makes the request of a route, but for its key, which each challenge gets when it is issued.
 *
 * @throws TypeError for a price that no card can be charged.
 * @see Card charge draft, Request Schema
 */
export function createRequest(route: Route, merchant: Merchant): Request {
  const { amount, externalId } = route
  const currency = readCurrency(route.currency ?? merchant.currency)
  const { recipient, acceptedNetworks, merchantName } = merchant
  const billingRequired = route.billingRequired ?? merchant.billingRequired
  if (externalId !== undefined && (typeof externalId !== 'string' || externalId.length > 200))
    throw new TypeError('card/charge: externalId has at most 200 characters.')
  return {
    amount: toMinor(amount, currency),
    currency,
    ...(recipient !== undefined && { recipient }),
    ...(externalId !== undefined && { externalId }),
    methodDetails: {
      acceptedNetworks: [...acceptedNetworks],
      merchantName,
      ...(billingRequired && { billingRequired }),
    },
  }
}

/**
 * Checks what the rail says for all routes.
 *
 * @throws TypeError naming the option.
 */
export function checkMerchant(merchant: Merchant): Merchant {
  const { acceptedNetworks, merchantName, recipient, currency } = merchant
  const isKnown = (name: unknown) => NETWORKS.some((network) => network === name)
  if (!Array.isArray(acceptedNetworks) || acceptedNetworks.length === 0)
    throw new TypeError('card/charge: acceptedNetworks must name one at least, such as visa.')
  if (!acceptedNetworks.every(isKnown))
    throw new TypeError(`card/charge: acceptedNetworks are among ${NETWORKS.join(', ')}.`)
  if (typeof merchantName !== 'string' || !/^\P{Cc}{1,100}$/u.test(merchantName))
    throw new TypeError(
      'card/charge: merchantName is what your payers know you by: 1 to 100 characters.',
    )
  if (recipient !== undefined && (typeof recipient !== 'string' || recipient === ''))
    throw new TypeError('card/charge: recipient is your id at the Server Enabler, or left out.')
  return { ...merchant, currency: readCurrency(currency) }
}

function readCurrency(given: unknown): string {
  const currency = String(given).toLowerCase()
  if (decimalsOf(currency) === undefined)
    throw new TypeError(`card/charge: ${JSON.stringify(given)} is no currency of ISO 4217.`)
  return currency
}

function toMinor(amount: unknown, currency: string): string {
  const decimals = decimalsOf(currency) ?? 0
  const [, whole, part = ''] = /^(\d{1,12})(?:\.(\d+))?$/.exec(String(amount)) ?? []
  const shown = `${JSON.stringify(amount)} ${currency}`
  if (typeof amount !== 'string' || whole === undefined)
    throw new TypeError(`card/charge: amount ${shown} is not a decimal string such as '0.50'.`)
  if (part.length > decimals)
    throw new TypeError(
      `card/charge: amount ${shown} has more than ${decimals} decimals, and ${currency} has no smaller unit.`,
    )
  const units = BigInt(whole + part.padEnd(decimals, '0'))
  if (units < 1n || units > MOST)
    throw new TypeError(`card/charge: amount ${shown} is not from 1 to ${MOST} minor units.`)
  return String(units)
}
