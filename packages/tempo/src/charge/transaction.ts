/**
 * Signed Tempo transactions: their bytes, the hash that names them, and who provably signed.
 *
 * @module
 */
import { keccak256 } from 'viem'
import { Transaction } from 'viem/tempo'
import type { Address, Hex } from '../constants.js'

const { z_SignatureEnvelope: SignatureEnvelope, z_TxEnvelopeTempo: Envelope } = Transaction

/** A signed transaction, read. */
export type Signed = {
  raw: Hex
  /** By this name the chain knows it. */
  hash: Hex
  /** Who signed it; `undefined` when the signature does not prove that. */
  sender: Address | undefined
  envelope: ReturnType<typeof Envelope.deserialize>
}

/** Half of secp256k1's order. A signature with a greater `s` is its twin: valid too, and with another hash. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/** Characters of the longest transaction that is read; one payment, signed by a passkey, has some 5,000. */
const LONGEST = 16_384

/**
 * Reads a signed transaction.
 *
 * @returns `undefined` when it cannot be read, or when its fields would be written with other bytes: the chain would
 * know it by another hash than the one we look for.
 * @see Tempo charge draft, Transaction Payload
 */
export function read(serialized: Hex): Signed | undefined {
  if (serialized.length > LONGEST) return undefined
  const raw = serialized.toLowerCase() as Hex
  try {
    const envelope = Envelope.deserialize(raw as Transaction.TransactionSerializedTempo)
    if (Envelope.serialize(envelope) !== raw) return undefined
    return { raw, hash: keccak256(raw), sender: senderOf(envelope), envelope }
  } catch {
    return undefined
  }
}

/** Passkey and P256 signatures name their key, so the name alone proves nothing: the signature must be checked. */
function senderOf(envelope: Signed['envelope']): Address | undefined {
  const { from, signature } = envelope
  if (!from || !signature) return undefined
  switch (signature.type) {
    case 'secp256k1':
      return signature.signature.s <= HALF_ORDER ? from : undefined
    case 'p256':
    case 'webAuthn': {
      const payload = Envelope.getSignPayload(Envelope.from(envelope))
      return SignatureEnvelope.verify(signature, { address: from, payload }) ? from : undefined
    }
    default:
      return undefined
  }
}
