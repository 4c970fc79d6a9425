/**
 * Values of the Lightning network and of the draft, each with its source.
 *
 * @module
 */

/** All bitcoin that there will ever be, in satoshis: no invoice can ask for more. */
export const MOST_SATS = 2_100_000_000_000_000n

/** Millisatoshis in a satoshi. */
export const MSAT = 1000n

/** Seconds that an invoice without an expiry lives. BOLT 11, Tagged Fields (`x`). */
export const DEFAULT_EXPIRY = 3600

/** Bytes of UTF-8 that an invoice's description can hold: 1023 words of 5 bits. BOLT 11, Tagged Fields. */
export const MOST_MEMO_BYTES = 639

/** Where the draft's problem types live. Draft, Error Responses. */
export const PROBLEMS = 'https://paymentauth.org/problems/lightning/'
