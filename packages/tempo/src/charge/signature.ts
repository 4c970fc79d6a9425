/**
 * Signatures of Tempo accounts: which account they prove, and by which of its keys.
 *
 * @module
 */
import { recoverAddress } from '#secp256k1'
import { concat, keccak256 } from 'viem'
import { Transaction } from 'viem/tempo'
import type { Address, Hex } from '../constants.js'

const { z_SignatureEnvelope: SignatureEnvelope } = Transaction

type Signature = ReturnType<typeof SignatureEnvelope.deserialize>

/** Who signed. */
export type Signer = {
  account: Address
  /** The key that signed in the account's name. That the account lets it, only the chain can tell. */
  accessKey?: Address | undefined
}

/** Half of secp256k1's order. A signature with a greater `s` is its twin: valid too, and with another hash. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** Prefix of what an access key signs: it names the account too. Source: Tempo transaction specification, keychain signatures. */
const KEYCHAIN = '0x04'

/**
 * Reads a serialized signature of any kind that Tempo knows.
 *
 * @returns `undefined` when it is none.
 */
export function readSignature(serialized: Hex): Signature | undefined {
  try {
    return SignatureEnvelope.deserialize(serialized)
  } catch {
    return undefined
  }
}

/**
 * Finds who signed a payload. Passkey, P256 and access-key signatures name their key or account, so the name alone
 * proves nothing: the signature is checked.
 *
 * @returns `undefined` when the signature proves nothing.
 */
export function signerOf(signature: Signature, payload: Hex): Signer | undefined {
  if (signature.type !== 'keychain') {
    const account = keyOf(signature, payload)
    return account && { account }
  }
  const { userAddress: account, inner, version } = signature
  const signed = version === 'v1' ? payload : keccak256(concat([KEYCHAIN, payload, account]))
  const accessKey = keyOf(inner, signed)
  return accessKey && { account, accessKey }
}

/** The address of the key that made a signature. */
function keyOf(signature: Signature, payload: Hex): Address | undefined {
  switch (signature.type) {
    case 'secp256k1':
      return signature.signature.s <= HALF_ORDER
        ? recoverAddress(payload, signature.signature)
        : undefined
    case 'p256':
    case 'webAuthn': {
      const address = SignatureEnvelope.extractAddress({ payload, signature })
      return SignatureEnvelope.verify(signature, { address, payload }) ? address : undefined
    }
    default:
      return undefined
  }
}
