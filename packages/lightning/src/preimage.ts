/**
 * The proof of a Lightning payment: 32 secret bytes whose SHA-256 is the payment hash.
 *
 * @module
 */
import { sha256 } from '#sha256'
import { bytesOf } from './codec/hex.js'

/** 32 bytes as the draft writes them. Draft, Verification Procedure. */
export const HEX_32 = /^[\da-f]{64}$/

/**
 * Whether a preimage, 64 lower-case hexadecimal digits, proves the payment of a hash.
 *
 * @see Lightning charge draft, Verification Procedure
 */
export async function proves(preimage: string, paymentHash: string): Promise<boolean> {
  return HEX_32.test(preimage) && (await sha256(bytesOf(preimage))) === paymentHash
}
