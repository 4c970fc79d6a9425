/**
 * Decrypts a network token, for the Server Enabler alone: the merchant’s process has no key to do it with.
 *
 * @module
 */
import { compactDecrypt, importJWK } from 'jose'
import { CardError } from '../CardError.js'
import { ALGORITHM, ENCRYPTION } from '../constants.js'
import { checkPrivateKey, type PrivateKey } from '../key/check.js'
import { bytesOf } from '../key/modulus.js'
import { readOutside } from './header.js'
import { checkTimely, readPlaintext, type Plaintext } from './plaintext.js'

/**
 * Opens the `encryptedPayload` of a credential, and checks all that is in it.
 *
 * @param jwe - Compact serialization.
 * @param options.keys - Private keys as JWKs, each with its `kid`: the present one and those that challenges still out may name.
 * @param options.kid - The key that the challenge named; another is refused.
 * @param options.now - Epoch milliseconds; left out, the clock’s.
 * @throws CardError with the code of what is wrong. Whatever goes wrong inside the decryption has one code, so that nobody
 * learns from it what the key unwrapped.
 * @example
 * const { token, dynamicData } = await decrypt(payload.encryptedPayload, { keys: [current, previous], kid })
 * @see Card charge draft, Encrypted Payload Format and Settlement Procedure
 */
export async function decrypt(jwe: string, options: decrypt.Options): Promise<Plaintext> {
  const { keys, kid, now = Date.now() } = options
  const { header, keyBytes } = readOutside(jwe)
  if (kid !== undefined && header.kid !== kid) throw new CardError('jwe-kid')
  const named = keys.filter((key) => key['kid'] === header.kid)
  if (named.length !== 1) throw new CardError('jwe-kid')
  const key = checkPrivateKey(named[0])
  if (keyBytes !== bytesOf(key.n)) throw new CardError('jwe-size')
  const plaintext = readPlaintext(await open(jwe, key))
  checkTimely(plaintext, now)
  return plaintext
}

async function open(jwe: string, key: PrivateKey): Promise<Uint8Array> {
  const { x5c: _, ...parts } = key
  try {
    const { plaintext } = await compactDecrypt(jwe, await importJWK(parts, ALGORITHM), {
      keyManagementAlgorithms: [ALGORITHM],
      contentEncryptionAlgorithms: [ENCRYPTION],
    })
    return plaintext
  } catch {
    throw new CardError('jwe-undecryptable')
  }
}

export declare namespace decrypt {
  type Options = {
    keys: readonly (PrivateKey | Readonly<Record<string, unknown>>)[]
    kid?: string | undefined
    now?: number | undefined
  }
}
