/**
 * What travels in a Stripe charge: the request and the payload, as the draft defines them.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { array, custom, minLength, object, optional, record, string } from 'zod/mini'
import { decimalsOf } from '../constants.js'

/** Draft, Request Schema. */
const request = object({
  /** Smallest units of the currency. Shared Fields. */
  amount: matching(/^[1-9]\d{0,11}$/, 'an amount in the smallest unit of the currency'),
  /** ISO 4217. Shared Fields. */
  currency: matching(/^[a-z]{3}$/i, 'a currency of three letters'),
  /** Text for people. Shared Fields. */
  description: optional(string()),
  /** The merchant's reference. Shared Fields. */
  externalId: optional(string()),
  /** Who is paid. Shared Fields. */
  recipient: optional(string()),
  /** Method Details. */
  methodDetails: object({
    /** The seller's profile on Stripe, to which a token is granted. */
    networkId: string().check(minLength(1)),
    /** What the seller can be paid with, such as `card` and `link`. */
    paymentMethodTypes: array(string()).check(minLength(1)),
    /** For the merchant's records. */
    metadata: optional(record(string(), string())),
  }),
})

/** Draft, Credential Schema. */
const payload = object({
  /** A Shared Payment Token: a secret until it is used. */
  spt: matching(/^spt_\w{1,200}$/, 'a Shared Payment Token'),
  /** The payer's reference, echoed in the receipt. */
  externalId: optional(string()),
})

/**
 * The `stripe` method's `charge` intent: one payment with a Shared Payment Token.
 *
 * @see Stripe charge draft, Request Schema and Credential Schema
 */
export const charge = Method.from({
  name: 'stripe',
  intent: 'charge',
  schema: { request, credential: { payload } },
  price({ amount, currency: code }) {
    const currency = code.toLowerCase()
    return { amount: BigInt(amount), currency, decimals: decimalsOf(currency) }
  },
})

/** The `request` of a Stripe charge. */
export type Request = Method.RequestOf<typeof charge>
/** The `payload` of a Stripe charge. */
export type Payload = Method.PayloadOf<typeof charge>

function matching(pattern: RegExp, what: string) {
  return custom<string>(
    (value) => typeof value === 'string' && pattern.test(value),
    `Expected ${what}.`,
  )
}
