/**
 * Recovery of secp256k1 signatures in WebAssembly, which takes a fifth of the time. It is loaded on first use, and read
 * from a file beside its own: in a bundle there is none, and the portable code stays.
 *
 * @module
 */
import type { recover as Recover } from 'tiny-secp256k1'
import { hexToBytes, keccak256, numberToBytes } from 'viem'
import type { Address, Hex } from '../constants.js'
import { recoverAddress as recoverPortably, type Signature } from './secp256k1.js'

let recover: typeof Recover | undefined
let loading: Promise<void> | undefined

const load = (): Promise<void> =>
  import('tiny-secp256k1').then(
    (loaded) => void ({ recover } = loaded),
    () => {},
  )

/**
 * The address whose key signed a hash.
 *
 * @throws When the signature is none.
 */
export function recoverAddress(hash: Hex, signature: Signature): Address {
  if (recover) return recoverFast(recover, hash, signature)
  loading ??= load()
  return recoverPortably(hash, signature)
}

function recoverFast(recover: typeof Recover, hash: Hex, { r, s, yParity }: Signature): Address {
  const compact = new Uint8Array(64)
  compact.set(numberToBytes(r, { size: 32 }), 0)
  compact.set(numberToBytes(s, { size: 32 }), 32)
  const key = recover(hexToBytes(hash), compact, yParity === 1 ? 1 : 0, false)
  if (!key) throw new Error('The signature is none.')
  return `0x${keccak256(key.subarray(1)).slice(-40)}`
}
