/**
 * What travels in a Stellar charge: the request and the payload, as the draft defines them.
 *
 * @module
 */
import { Expires, Method } from '@polyrail/core'
import {
  array,
  boolean,
  custom,
  discriminatedUnion,
  enum as oneOf,
  literal,
  object,
  optional,
  string,
} from 'zod/mini'
import { kindOf } from '../address.js'
import { DECIMALS, MOST_AMOUNT, PUBNET, TESTNET } from '../constants.js'

/** Base-10 digits without sign, point, exponent or leading zero, up to what an i128 holds. Draft, Shared Fields. */
const amount = matching(
  (text) => /^(0|[1-9]\d{0,38})$/.test(text) && BigInt(text) <= MOST_AMOUNT,
  'an amount in base units',
)
const hash = matching((text) => /^[\da-f]{64}$/i.test(text), '64 hexadecimal characters')

/** Draft, Request Schema. */
const request = object({
  /** Base units of `currency`. Shared Fields. */
  amount,
  /** SEP-41 token: a contract. Shared Fields. */
  currency: matching((text) => kindOf(text) === 'contract', "a token's contract (C…)"),
  /** Who is paid: an account, plain or muxed, or a contract. Shared Fields. */
  recipient: matching((text) => kindOf(text) !== undefined, 'a Stellar address'),
  /** Text for people. Shared Fields. */
  description: optional(string()),
  /** The merchant's reference, echoed in the receipt. Shared Fields. */
  externalId: optional(string()),
  /** Method Details. */
  methodDetails: object({
    network: oneOf([PUBNET, TESTNET]),
    /** True when the server pays the transaction's fee. Fee Payment. */
    feePayer: optional(boolean()),
    /** What the server takes, the best first; other names than ours are left to others. Deployed, not in the draft. */
    credentialTypes: optional(array(string())),
    /** What tells this challenge from others. Deployed, not in the draft. */
    reference: optional(string()),
    /** RFC 3339 time of the challenge, before which nothing pays it. Deployed, not in the draft. */
    issuedAt: optional(matching((text) => Expires.parse(text) !== undefined, 'a time')),
  }),
})

/** The most characters of a transaction. One that pays has some 1,300; signatures of contract accounts may be long. */
const MOST_XDR = 65_536

/** Draft, Credential Schema. */
const payload = discriminatedUnion('type', [
  /** Pull: a signed transaction, or one with signed entries, for the server to send. Transaction Payload. */
  object({
    type: literal('transaction'),
    transaction: matching(
      (text) => text.length <= MOST_XDR && /^[A-Za-z0-9+/]+={0,2}$/.test(text),
      'a transaction as XDR in base64',
    ),
  }),
  /** Push: a transaction that the client has sent. Hash Payload. */
  object({ type: literal('hash'), hash }),
  /** The same, signed by its payer for one challenge. Deployed, not in the draft. */
  object({
    type: literal('signedHash'),
    hash,
    sourceSignature: matching((text) => /^[\da-f]{128}$/i.test(text), '64 bytes in hexadecimal'),
  }),
])

/**
 * The `stellar` method's `charge` intent: one SEP-41 transfer.
 *
 * @see Stellar charge draft, Request Schema and Credential Schema
 */
export const charge = Method.from({
  name: 'stellar',
  intent: 'charge',
  schema: { request, credential: { payload } },
  price: ({ amount, currency }) => ({ amount: BigInt(amount), currency, decimals: DECIMALS }),
})

/** The `request` of a Stellar charge. */
export type Request = Method.RequestOf<typeof charge>
/** The `payload` of a Stellar charge. */
export type Payload = Method.PayloadOf<typeof charge>
/** What a server takes: a transaction to be sent, or the hash of one that was, signed by its payer or bare. */
export type CredentialType = Payload['type']

/** Whether a request takes credentials of a type. Left out, what the draft has is taken. */
export function takes({ methodDetails }: Request, type: CredentialType): boolean {
  const { credentialTypes = ['transaction', 'hash'] } = methodDetails
  return credentialTypes.includes(type)
}

function matching(isGood: (text: string) => boolean, what: string) {
  return custom<string>((value) => typeof value === 'string' && isGood(value), `Expected ${what}.`)
}
