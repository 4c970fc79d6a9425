/**
 * What travels in a card charge: the request and the payload, as the draft defines them.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import {
  array,
  boolean,
  custom,
  enum as oneOf,
  maxLength,
  minLength,
  object,
  optional,
  record,
  string,
  unknown,
} from 'zod/mini'
import { CANONICAL } from '../jwe/base64url.js'
import { decimalsOf, LONGEST_JWE, NETWORKS } from '../constants.js'

/** Draft, Request Schema. */
const request = object({
  /** Minor units of the currency. Shared Fields. */
  amount: matching(/^[1-9]\d{0,11}$/, 'an amount in the minor unit of the currency'),
  /** ISO 4217, in lower case. Shared Fields. */
  currency: matching(/^[a-z]{3}$/, 'a currency of three small letters'),
  /** The merchant, as the Server Enabler knows it. Shared Fields. */
  recipient: optional(string()),
  /** Text for people. Shared Fields. */
  description: optional(string()),
  /** The merchant's reference. Shared Fields. */
  externalId: optional(string()),
  /** Method Details. */
  methodDetails: object({
    /** What the merchant takes, such as `visa`. */
    acceptedNetworks: array(string().check(minLength(1))).check(minLength(1)),
    /** Text for people. */
    merchantName: string().check(minLength(1)),
    /** The key to encrypt for, unless `jwksUri` says where it is. */
    encryptionJwk: optional(record(string(), unknown())),
    /** A key set on the origin of the realm, and the key in it. */
    jwksUri: optional(string()),
    kid: optional(string()),
    /** Whether the billing address is asked for. */
    billingRequired: optional(boolean()),
  }),
})

const line = () => optional(string().check(maxLength(200)))

/** Draft, Billing Address Data. Personal data. */
const billingAddress = object({
  line1: line(),
  line2: line(),
  city: line(),
  state: line(),
  zip: line(),
  /** ISO 3166-1, two letters. */
  countryCode: optional(matching(/^[A-Z]{2}$/, 'a country of two letters')),
})

const JWE = new RegExp(`^${CANONICAL}(?:\\.${CANONICAL}){4}$`)

/** Draft, Payload Fields. */
const payload = object({
  /** A JWE that nobody but the Server Enabler opens. Five parts, each in its one spelling, and nothing more is looked at. */
  encryptedPayload: custom<string>(
    (value) =>
      typeof value === 'string' &&
      value.length <= LONGEST_JWE &&
      JWE.test(value) &&
      !/^\.|\.\.|\.$/.test(value),
    'Expected a JWE in compact serialization.',
  ),
  network: oneOf(NETWORKS),
  /** As the cardholder knows the card. Personal data, like all that follows. */
  panLastFour: matching(/^\d{4}$/, 'four digits'),
  panExpirationMonth: matching(/^(?:0[1-9]|1[0-2])$/, 'a month of two digits'),
  panExpirationYear: matching(/^\d{4}$/, 'a year of four digits'),
  billingAddress: optional(billingAddress),
  cardholderFullName: optional(string().check(maxLength(200))),
  /** PAR: the same for every token of one account, at every merchant. */
  paymentAccountReference: optional(matching(/^[\x21-\x7e]{1,64}$/, 'a PAR')),
})

/**
 * The `card` method's `charge` intent: one payment with an encrypted network token.
 *
 * @see Card charge draft, Request Schema and Credential Schema
 */
export const charge = Method.from({
  name: 'card',
  intent: 'charge',
  schema: { request, credential: { payload } },
  price({ amount, currency }) {
    const decimals = decimalsOf(currency)
    if (decimals === undefined) throw new TypeError('card/charge: not a currency of ISO 4217.')
    return { amount: BigInt(amount), currency, decimals }
  },
})

/** The `request` of a card charge. */
export type Request = Method.RequestOf<typeof charge>
/** The `payload` of a card charge. */
export type Payload = Method.PayloadOf<typeof charge>

/** Whether a payload says anything of where its card is billed. */
export const hasBilling = ({ billingAddress }: Pick<Payload, 'billingAddress'>): boolean =>
  Object.values(billingAddress ?? {}).some((value) => value !== undefined && value.trim() !== '')

function matching(pattern: RegExp, what: string) {
  return custom<string>(
    (value) => typeof value === 'string' && pattern.test(value),
    `Expected ${what}.`,
  )
}
