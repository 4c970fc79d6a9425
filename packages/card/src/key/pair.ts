/**
 * Makes the keys of a Server Enabler.
 *
 * @module
 */
import { exportJWK, generateKeyPair } from 'jose'
import { ALGORITHM } from '../constants.js'
import { checkKey, checkPrivateKey, type PrivateKey, type PublicKey } from './check.js'

/**
 * Makes a pair of keys.
 *
 * @param options.kid - Its name: a new one for each pair.
 * @param options.bits - Of the modulus: 2048 or 4096 (2048).
 * @returns The public key, for challenges, and the private one, a secret that stays with whoever decrypts.
 * @example
 * const { publicKey, privateKey } = await createKeyPair({ kid: 'enc-2026-01' })
 * @see Card charge draft, Encryption Key
 */
export async function createKeyPair({
  kid,
  bits = 2048,
}: createKeyPair.Options): Promise<{ publicKey: PublicKey; privateKey: PrivateKey }> {
  const pair = await generateKeyPair(ALGORITHM, { modulusLength: bits, extractable: true })
  const named = { kid, use: 'enc', alg: ALGORITHM }
  return {
    publicKey: checkKey({ ...(await exportJWK(pair.publicKey)), ...named }),
    privateKey: checkPrivateKey({ ...(await exportJWK(pair.privateKey)), ...named }),
  }
}

export declare namespace createKeyPair {
  type Options = { kid: string; bits?: 2048 | 4096 | undefined }
}
