/**
 * Turns what a route says into the request that travels.
 *
 * @module
 */
import { kindOf } from '../address.js'
import { DECIMALS, MOST_AMOUNT, USDC, type NetworkId } from '../constants.js'
import type { CredentialType, Request } from './method.js'

/** What a route says, with what the rail says for all routes. */
export type Terms = {
  amount: string
  decimals?: number | undefined
  currency?: string | undefined
  recipient?: string | undefined
  description?: string | undefined
  externalId?: string | undefined
  credentialTypes?: readonly CredentialType[] | undefined
  /** Whether the server pays the fee. */
  feePayer?: boolean | undefined
}

/**
 * Makes the request of a route.
 *
 * @throws TypeError for a price that the token cannot express, or when nobody is paid.
 * @see Stellar charge draft, Request Schema
 */
export function createRequest(terms: Terms, network: NetworkId): Request {
  const { currency = USDC[network], recipient, description, externalId, feePayer } = terms
  if (kindOf(currency) !== 'contract')
    throw new TypeError(
      "stellar/charge: currency must be a token's contract, C…; of a classic asset, new Asset(code, issuer).contractId(passphrase) tells it.",
    )
  if (recipient === undefined)
    throw new TypeError('stellar/charge: say who is paid: recipient is the address of your wallet.')
  if (kindOf(recipient) === undefined)
    throw new TypeError(
      `stellar/charge: recipient must be a Stellar address (G…, M… or C…) with its checksum, not ${recipient}.`,
    )
  return {
    amount: toBaseUnits(terms.amount, terms.decimals),
    currency,
    recipient,
    ...(description !== undefined && { description }),
    ...(externalId !== undefined && { externalId }),
    methodDetails: {
      network,
      ...(feePayer && { feePayer }),
      credentialTypes: [...typesOf(terms)],
    },
  }
}

const ALL: readonly CredentialType[] = ['transaction', 'signedHash', 'hash']

/** A transaction whose fee the server pays is the server's to send. @see Stellar charge draft, Hash Payload */
function typesOf({ credentialTypes = ['transaction', 'signedHash'], feePayer }: Terms) {
  const isKnown = credentialTypes.every((type) => ALL.includes(type))
  if (credentialTypes.length === 0 || !isKnown)
    throw new TypeError(
      `stellar/charge: credentialTypes must name one or more of ${ALL.join(', ')}.`,
    )
  const left = credentialTypes.filter((type) => !feePayer || type === 'transaction')
  if (left.length > 0) return left
  throw new TypeError(
    "stellar/charge: a route whose fee the server pays needs the credential type 'transaction'.",
  )
}

/**
 * Makes sure that a token can have so many decimals: 38 are all that an i128 holds.
 *
 * @throws TypeError when it cannot.
 */
export function checkDecimals(decimals: number): void {
  if (!(Number.isInteger(decimals) && decimals >= 0 && decimals <= 38))
    throw new TypeError('stellar/charge: decimals is a whole number from 0 to 38.')
}

/**
 * Reads an amount in whole units as base units.
 *
 * @param option - What the amount is of, named in errors.
 * @throws TypeError when it is no decimal string, nothing, more than a token can hold, or finer than a base unit: it is never
 * rounded, least of all to zero.
 * @example
 * toBaseUnits('0.01') // '100000'
 */
export function toBaseUnits(amount: string, decimals = DECIMALS, option = 'amount'): string {
  checkDecimals(decimals)
  const parts = typeof amount === 'string' && /^(\d{1,40})(?:\.(\d{1,40}))?$/.exec(amount)
  if (!parts)
    throw new TypeError(
      `stellar/charge: ${option} must be a decimal string such as '0.01', not ${String(amount)}.`,
    )
  const [, whole = '', fraction = ''] = parts
  if (/[1-9]/.test(fraction.slice(decimals)))
    throw new TypeError(
      `stellar/charge: ${option} '${amount}' is finer than the smallest unit, with ${decimals} decimals. It is not rounded: charge for several at once, or more.`,
    )
  const units = BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, '0'))
  if (units < 1n || units > MOST_AMOUNT)
    throw new TypeError(
      `stellar/charge: ${option} '${amount}' is nothing, or more than there can be.`,
    )
  return String(units)
}
