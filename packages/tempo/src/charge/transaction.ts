/**
 * Signed Tempo transactions: their bytes, the hash that names them, and who provably signed.
 *
 * @module
 */
import { concat, keccak256 } from 'viem'
import { Transaction } from 'viem/tempo'
import type { Hex } from '../constants.js'
import { signerOf, type Signer } from './signature.js'

const { z_TxEnvelopeTempo: Envelope } = Transaction

export type Envelope = ReturnType<typeof Envelope.deserialize>

/** A signed transaction, read. */
export type Signed = {
  raw: Hex
  /** By this name the chain knows it, once nobody else has to sign it. */
  hash: Hex
  /** What can be in a block once only, whoever pays the fee and however often it is signed. */
  identity: Hex
  /** Who signed it; `undefined` when the signature does not prove that. */
  signer: Signer | undefined
  envelope: Envelope
}

/** Characters of the longest transaction that is read; one payment of ten splits, signed by a passkey, has some 9,000. */
const LONGEST = 16_384

/** For a fee payer to sign: deployed clients hand over their transaction in this form, with the sender's address in it. */
const HANDOVER = '0x78'

/**
 * Reads a signed transaction.
 *
 * @returns `undefined` when it cannot be read, or when its fields would be written with other bytes: the chain would
 * know it by another hash than the one we look for.
 * @see Tempo charge draft, Transaction Payload and Server-Paid Fees
 */
export function read(serialized: Hex): Signed | undefined {
  if (serialized.length > LONGEST) return undefined
  const raw = serialized.toLowerCase() as Hex
  try {
    const envelope = Envelope.deserialize(raw as Transaction.TransactionSerializedTempo)
    if (rewrite(envelope, raw) !== raw) return undefined
    const payload = Envelope.getSignPayload(Envelope.from(envelope))
    const { from, signature } = envelope
    const isRecovered = !raw.startsWith(HANDOVER)
    const signer = from && signature && signerOf(signature, { payload, claimed: from, isRecovered })
    const identity = keccak256(concat([payload, signer?.account ?? '0x']))
    return { raw, hash: keccak256(raw), identity, signer, envelope }
  } catch {
    return undefined
  }
}

function rewrite(envelope: Envelope, raw: Hex): Hex {
  return raw.startsWith(HANDOVER) && envelope.from
    ? Envelope.serialize(envelope, { format: 'feePayer', sender: envelope.from })
    : Envelope.serialize(envelope)
}
