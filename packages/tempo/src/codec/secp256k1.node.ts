/**
 * Recovery of secp256k1 signatures in WebAssembly: a fifth of the time.
 *
 * @module
 */
import { recover } from 'tiny-secp256k1'
import { hexToBytes, keccak256, numberToBytes } from 'viem'
import type { Address, Hex } from '../constants.js'
import type { Signature } from './secp256k1.js'

/**
 * The address whose key signed a hash.
 *
 * @throws When the signature is none.
 */
export function recoverAddress(hash: Hex, { r, s, yParity }: Signature): Address {
  const compact = new Uint8Array(64)
  compact.set(numberToBytes(r, { size: 32 }), 0)
  compact.set(numberToBytes(s, { size: 32 }), 32)
  const key = recover(hexToBytes(hash), compact, yParity === 1 ? 1 : 0, false)
  if (!key) throw new Error('The signature is none.')
  return `0x${keccak256(key.subarray(1)).slice(-40)}`
}
