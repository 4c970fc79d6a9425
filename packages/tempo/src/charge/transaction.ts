/**
 * Signed Tempo transactions: their bytes, the hash that names them, and who provably signed.
 *
 * @module
 */
import { concat, fromRlp, isAddressEqual, keccak256, slice, toRlp } from 'viem'
import { Transaction } from 'viem/tempo'
import type { Address, Hex } from '../constants.js'
import { signerOf, type Signer } from './signature.js'

const { z_SignatureEnvelope: SignatureEnvelope, z_TxEnvelopeTempo: Envelope } = Transaction

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
    const { unsigned, signature } = takeApart(raw)
    const { from, ...fields } = Envelope.deserialize(
      unsigned as Transaction.TransactionSerializedTempo,
    )
    const envelope = { ...fields, signature }
    if (rewrite(envelope, raw, from) !== raw) return undefined
    const payload = Envelope.getSignPayload(Envelope.from(fields))
    const signer = signature && signerOf(signature, payload)
    const isClaimed = !from || (signer && isAddressEqual(from, signer.account))
    const identity = keccak256(concat([payload, signer?.account ?? '0x']))
    return { raw, hash: keccak256(raw), identity, signer: isClaimed ? signer : undefined, envelope }
  } catch {
    return undefined
  }
}

/** Without its signature, a transaction is read without finding its sender, which is the costliest step of all. */
function takeApart(raw: Hex) {
  const fields = fromRlp(`0x${raw.slice(4)}`, 'hex')
  if (typeof fields === 'string') return { unsigned: raw, signature: undefined }
  const last = fields.at(-1)
  // What it may end with beside is a list: of delegations, or a key authorization.
  if (typeof last !== 'string') return { unsigned: raw, signature: undefined }
  const unsigned = concat([slice(raw, 0, 1), toRlp(fields.slice(0, -1))])
  return { unsigned, signature: SignatureEnvelope.deserialize(last) }
}

function rewrite(envelope: Envelope, raw: Hex, sender: Address | undefined): Hex {
  return raw.startsWith(HANDOVER) && sender
    ? Envelope.serialize(envelope, { format: 'feePayer', sender })
    : Envelope.serialize(envelope)
}
