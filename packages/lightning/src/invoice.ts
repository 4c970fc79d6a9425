/**
 * BOLT11 invoices: the only place that decodes them, checks their signature, and compares them with what was asked.
 *
 * @module
 */
import type { decode } from 'bolt11'
import { sha256 } from '#sha256'
import { DEFAULT_EXPIRY, MSAT } from './constants.js'
import { NETWORKS, type Network } from './network.js'
import { HEX_32 } from './preimage.js'

/** What an invoice says, with its signature verified. */
export type Invoice = {
  text: string
  network: Network
  /** Undefined when the payer chooses the amount. */
  amountMsat: bigint | undefined
  /** Lower-case hexadecimal. */
  paymentHash: string
  /** The memo, or the SHA-256 of one that is too long for an invoice. */
  description: string | { sha256: string }
  /** Epoch seconds after which nobody can pay it. */
  expires: number
}

type Decoded = ReturnType<typeof decode>

/** What an invoice was asked for, or is said to be for. */
export type Asked = {
  /** Whole satoshis. */
  amount: string
  network: Network
  paymentHash?: string | undefined
  description?: string | undefined
}

/** The library decodes signet only when it is told what that is. */
const SIGNET = {
  bech32: 'tbs',
  pubKeyHash: 0x6f,
  scriptHash: 0xc4,
  validWitnessVersions: [0, 1],
}

/** Longer than any wallet's invoice, and short enough to be read at once. */
const LONGEST = 4096

/**
 * Decodes an invoice and verifies its signature.
 *
 * @returns `undefined` for a text that is no invoice, is signed by another than it says, says something twice, or is for a
 * network that the draft does not know.
 * @see BOLT 11
 */
export async function read(text: string): Promise<Invoice | undefined> {
  const prefix = /^ln(bcrt|bc|tbs)(?:\d+[munp]?)?1/i.exec(text)?.[1]?.toLowerCase()
  if (prefix === undefined || text.length > LONGEST) return undefined
  // Some hundred kilobytes that only who pays or is paid needs.
  const { default: bolt11 } = await import('bolt11')
  try {
    const decoded = bolt11.decode(text, prefix === 'tbs' ? SIGNET : undefined)
    const network = NETWORKS[prefix as keyof typeof NETWORKS]
    return fieldsOf(decoded, { text, network })
  } catch {
    return undefined
  }
}

function fieldsOf(
  { tags, tagsObject, timestamp, millisatoshis }: Decoded,
  known: Pick<Invoice, 'text' | 'network'>,
): Invoice | undefined {
  const names = tags.map(({ tagName }) => tagName)
  if (ONCE.some((name) => names.indexOf(name) !== names.lastIndexOf(name))) return undefined
  const { payment_hash: paymentHash = '', purpose_commit_hash: hashed, description } = tagsObject
  const expires = Number(timestamp) + (tagsObject.expire_time ?? DEFAULT_EXPIRY)
  if (!HEX_32.test(paymentHash) || !Number.isSafeInteger(expires)) return undefined
  return {
    ...known,
    amountMsat: millisatoshis ? BigInt(millisatoshis) : undefined,
    paymentHash,
    description: hashed ? { sha256: hashed } : (description ?? ''),
    expires,
  }
}

/** Fields of which a wallet and we might each believe another. */
const ONCE = ['payment_hash', 'description', 'purpose_commit_hash', 'expire_time', 'payee_node_key']

/**
 * Compares an invoice with what was asked.
 *
 * @returns What does not agree, for people; `undefined` when all does.
 * @see Lightning charge draft, Method Details and Amount Verification
 */
export async function disagreement(
  invoice: Invoice,
  { amount, network, paymentHash, description }: Asked,
): Promise<string | undefined> {
  if (invoice.network !== network)
    return `the invoice is for ${invoice.network}, and not for ${network}`
  if (invoice.amountMsat !== BigInt(amount) * MSAT)
    return `the invoice is for ${inSats(invoice.amountMsat)}, and not for ${amount} sat`
  if (paymentHash !== undefined && invoice.paymentHash !== paymentHash)
    return 'the payment hash is not that of the invoice'
  if (description !== undefined && !(await describes(invoice, description)))
    return 'the description is not that of the invoice'
  return undefined
}

async function describes({ description }: Invoice, text: string): Promise<boolean> {
  return typeof description === 'string'
    ? description === text
    : description.sha256 === (await sha256(new TextEncoder().encode(text)))
}

function inSats(msat: bigint | undefined): string {
  if (msat === undefined) return 'any amount'
  return msat % MSAT === 0n ? `${msat / MSAT} sat` : `${msat} msat`
}
