/**
 * SHA-256 by the platform's WebCrypto.
 *
 * @module
 */
import { hexOf } from './hex.js'

/** The digest, as lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}
