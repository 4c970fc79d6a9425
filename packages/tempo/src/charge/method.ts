/**
 * What travels in a Tempo charge: the request and the payload, as the draft defines them.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import {
  array,
  boolean,
  custom,
  discriminatedUnion,
  enum as oneOf,
  int,
  literal,
  minLength,
  object,
  optional,
  string,
} from 'zod/mini'
import { DECIMALS, type Address, type Hex } from '../constants.js'

/** Base-10 digits without sign, point, exponent or leading zero. Draft, Shared Fields and Split Entry Schema. */
const amount = matching<string>(/^(0|[1-9]\d{0,77})$/, 'an amount in base units')
const address = matching<Address>(/^0x[\da-f]{40}$/i, 'an address')
const bytes32 = matching<Hex>(/^0x[\da-f]{64}$/i, '32 bytes in hexadecimal')

/** Draft, Request Schema. */
const request = object({
  /** Base units of `currency`. Shared Fields. */
  amount,
  /** TIP-20 token. Shared Fields. */
  currency: address,
  /** Who is paid. Shared Fields. */
  recipient: address,
  /** Text for people. Shared Fields. */
  description: optional(string()),
  /** The merchant's reference, echoed in the receipt. Shared Fields. */
  externalId: optional(string()),
  /** Method Details. */
  methodDetails: optional(
    object({
      /** Left out: 42431. */
      chainId: optional(int()),
      /** True when the server pays the transaction's fee. Fee Payment. */
      feePayer: optional(boolean()),
      /** The transfer must carry it. */
      memo: optional(bytes32),
      /** Others who get a part of `amount`. Split Payments. */
      splits: optional(
        array(object({ amount, memo: optional(bytes32), recipient: address })).check(minLength(1)),
      ),
      /** Left out: both. Submission Modes. */
      supportedModes: optional(array(oneOf(['pull', 'push'])).check(minLength(1))),
    }),
  ),
})

/** Draft, Credential Schema. */
const payload = discriminatedUnion('type', [
  /** Pull: a signed transaction, for the server to broadcast. Transaction Payload. */
  object({
    type: literal('transaction'),
    signature: matching<Hex>(/^0x7[68]([\da-f]{2})+$/i, 'a serialized Tempo transaction'),
  }),
  /** Push: a transaction that the client has broadcast. Hash Payload. */
  object({ type: literal('hash'), hash: bytes32 }),
  /** For an amount of zero: a signature by the payer. Proof Payload. */
  object({
    type: literal('proof'),
    signature: matching<Hex>(/^0x([\da-f]{2})+$/i, 'a signature in hexadecimal'),
  }),
])

/**
 * The `tempo` method's `charge` intent: one TIP-20 payment.
 *
 * @see Tempo charge draft, Request Schema and Credential Schema
 */
export const charge = Method.from({
  name: 'tempo',
  intent: 'charge',
  schema: { request, credential: { payload } },
  price: ({ amount, currency }) => ({
    amount: BigInt(amount),
    currency: currency.toLowerCase(),
    decimals: DECIMALS,
  }),
})

/** The `request` of a Tempo charge. */
export type Request = Method.RequestOf<typeof charge>
/** Who broadcasts the transaction: the server, or the client. Draft, Submission Modes. */
export type Mode = 'pull' | 'push'
/** The `payload` of a Tempo charge. */
export type Payload = Method.PayloadOf<typeof charge>

function matching<text extends string>(pattern: RegExp, what: string) {
  return custom<text>(
    (value) => typeof value === 'string' && pattern.test(value),
    `Expected ${what}.`,
  )
}
