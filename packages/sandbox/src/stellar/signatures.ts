/**
 * Ed25519 signatures, and how much the signers of an account weigh.
 *
 * @module
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { StrKey } from '@stellar/stellar-sdk'

/** The DER prefix of an Ed25519 public key. Source: RFC 8410. */
const prefix = Buffer.from('302a300506032b6570032100', 'hex')

const known = new Map<string, KeyObject>()

/** Whether the holder of a `G…` key has signed. */
export function isSignedBy(key: string, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false
  let object = known.get(key)
  if (object === undefined) {
    const der = Buffer.concat([prefix, StrKey.decodeEd25519PublicKey(key)])
    object = createPublicKey({ key: der, format: 'der', type: 'spki' })
    known.set(key, object)
  }
  return verify(null, message, object, signature)
}
