/**
 * Recovery of secp256k1 signatures with nothing but viem: slow, and good everywhere.
 *
 * @module
 */
import { Transaction } from 'viem/tempo'
import type { Address, Hex } from '../constants.js'

/** A signature; Tempo's always says which of the two points it means. */
export type Signature = { r: bigint; s: bigint; yParity: number }

/**
 * The address whose key signed a hash.
 *
 * @throws When the signature is none.
 */
export const recoverAddress = (hash: Hex, signature: Signature): Address =>
  Transaction.z_SignatureEnvelope.extractAddress({
    payload: hash,
    signature: { type: 'secp256k1', signature },
  })
