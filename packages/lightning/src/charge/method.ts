/**
 * What travels in a Lightning charge: the request and the payload, as the draft defines them.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { custom, enum as oneOf, object, optional, string } from 'zod/mini'
import { HEX_32 } from '../preimage.js'

/** Draft, Request Schema. */
const request = object({
  /** Whole satoshis, above zero. Shared Fields. */
  amount: matching(/^[1-9]\d{0,15}$/, 'a positive amount of whole satoshis'),
  /** Always `sat`. Deployed servers say `BTC`, or nothing, and mean satoshis too. Shared Fields. */
  currency: optional(oneOf(['sat', 'BTC'])),
  /** The invoice's memo. Shared Fields. */
  description: optional(string()),
  /** The invoice says who is paid. Shared Fields. */
  recipient: optional(string()),
  /** The merchant's reference. Shared Fields. */
  externalId: optional(string()),
  /** Method Details. Made for each challenge, but for the network. */
  methodDetails: object({
    /** BOLT11. What it says counts. */
    invoice: optional(string()),
    /** Must be the invoice's. */
    paymentHash: optional(matching(HEX_32, 'a payment hash in lower-case hexadecimal')),
    /** Must be the invoice's. Left out: mainnet. */
    network: optional(oneOf(['mainnet', 'regtest', 'signet'])),
  }),
})

/** Draft, Credential Schema. */
const payload = object({
  /** What the payee's node revealed when it was paid: a secret. */
  preimage: matching(HEX_32, 'a preimage of 64 lower-case hexadecimal digits'),
})

/**
 * The `lightning` method's `charge` intent: one BOLT11 payment.
 *
 * @see Lightning charge draft, Request Schema and Credential Schema
 */
export const charge = Method.from({
  name: 'lightning',
  intent: 'charge',
  schema: { request, credential: { payload } },
  price: ({ amount }) => ({ amount: BigInt(amount), currency: 'sat', decimals: 0 }),
})

/** The `request` of a Lightning charge. */
export type Request = Method.RequestOf<typeof charge>
/** The `payload` of a Lightning charge. */
export type Payload = Method.PayloadOf<typeof charge>

function matching(pattern: RegExp, what: string) {
  return custom<string>(
    (value) => typeof value === 'string' && pattern.test(value),
    `Expected ${what}.`,
  )
}
