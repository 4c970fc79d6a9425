/**
 * Encrypts a network token for the server whose key is in the challenge.
 *
 * @module
 */
import { CompactEncrypt, importJWK } from 'jose'
import { checkKey, type PublicKey } from '../key/check.js'
import { ALGORITHM, ENCRYPTION } from '../constants.js'
import { checkPlaintext, checkTimely, type Plaintext } from './plaintext.js'

/**
 * Makes the `encryptedPayload` of a credential.
 *
 * @param plaintext - The network token and its cryptogram.
 * @param options.key - The server’s public key, from the challenge or its key set.
 * @param options.now - Epoch milliseconds; left out, the clock’s.
 * @returns A JWE in compact serialization.
 * @throws CardError when the key must not be used, a field is wrong, or token or cryptogram has expired.
 * @example
 * const encryptedPayload = await encrypt({ token, dynamicData }, { key: await resolveKey(challenge) })
 * @see Card charge draft, Encryption Key and Encrypted Payload Format
 */
export async function encrypt(
  plaintext: Plaintext,
  { key, now = Date.now() }: encrypt.Options,
): Promise<string> {
  const { kid, kty, n, e } = checkKey(key)
  const checked = checkPlaintext(plaintext)
  checkTimely(checked, now)
  const bytes = new TextEncoder().encode(JSON.stringify(checked))
  return new CompactEncrypt(bytes)
    .setProtectedHeader({ alg: ALGORITHM, enc: ENCRYPTION, kid })
    .encrypt(await importJWK({ kty, n, e, alg: ALGORITHM, use: 'enc' }, ALGORITHM))
}

export declare namespace encrypt {
  type Options = {
    key: PublicKey | Record<string, unknown>
    now?: number | undefined
  }
}
