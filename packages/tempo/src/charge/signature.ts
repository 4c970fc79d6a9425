/**
 * Signatures of Tempo accounts: which account they prove, and by which of its keys.
 *
 * @module
 */
import { concat, isAddressEqual, keccak256 } from 'viem'
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
 * @param options.claimed - The account that is said to have signed.
 * @param options.isRecovered - Whether that came out of the signature itself, by the costliest step of all this.
 * @returns `undefined` when the signature does not prove the claim.
 */
export function signerOf(signature: Signature, claim: Claim): Signer | undefined {
  const { payload, claimed } = claim
  if (signature.type !== 'keychain')
    return proves(signature, claim) ? { account: claimed } : undefined
  const { userAddress, inner, version } = signature
  if (!isAddressEqual(userAddress, claimed)) return undefined
  const signed = version === 'v1' ? payload : keccak256(concat([KEYCHAIN, payload, userAddress]))
  const accessKey = SignatureEnvelope.extractAddress({ payload: signed, signature: inner })
  return proves(inner, { payload: signed, claimed: accessKey })
    ? { account: userAddress, accessKey }
    : undefined
}

type Claim = { payload: Hex; claimed: Address; isRecovered?: boolean }

function proves(signature: Signature, { payload, claimed, isRecovered }: Claim): boolean {
  switch (signature.type) {
    case 'secp256k1': {
      if (signature.signature.s > HALF_ORDER) return false
      if (isRecovered) return true
      const address = SignatureEnvelope.extractAddress({ payload, signature })
      return isAddressEqual(address, claimed)
    }
    case 'p256':
    case 'webAuthn':
      return SignatureEnvelope.verify(signature, { address: claimed, payload })
    default:
      return false
  }
}
