/**
 * The proof of a Lightning payment: 32 secret bytes whose SHA-256 is the payment hash.
 *
 * @module
 */
import { sha256 } from '#sha256'

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

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2)
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(hex.slice(at * 2, at * 2 + 2), 16)
  return bytes
}
