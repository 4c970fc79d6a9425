/**
 * Amounts between millisatoshis, satoshis, and the numbers of JSON.
 *
 * @module
 */
import { WalletError } from './error.js'

/** Millisatoshis of one unit, times ten so that the smallest (a tenth of a millisatoshi) is whole. */
const TENTHS: Readonly<Record<string, bigint>> = {
  '': 1_000_000_000_000n,
  m: 1_000_000_000n,
  u: 1_000_000n,
  n: 1_000n,
  p: 1n,
}

/**
 * Reads the amount of an invoice from its first part. The signature is not checked.
 *
 * @returns Millisatoshis; `undefined` for an invoice without an amount.
 * @throws WalletError `unsupported` for what is not a BOLT11 invoice.
 * @see BOLT 11, Human-Readable Part
 */
export function readAmount(invoice: string): bigint | undefined {
  const text = invoice.toLowerCase()
  const [, digits, unit = ''] =
    /^ln(?:bcrt|bc|tbs|tb)(\d+)?([munp])?$/.exec(text.slice(0, text.lastIndexOf('1'))) ??
    notBolt11()
  if (digits === undefined) return unit ? notBolt11() : undefined
  const tenths = BigInt(digits) * (TENTHS[unit] ?? 0n)
  return tenths % 10n === 0n && tenths > 0n ? tenths / 10n : notBolt11()
}

/** What a payment will move, fees aside: what the invoice says, or else the order. */
export function amountOf(order: { invoice: string; amountMsat?: bigint | undefined }): bigint {
  const amount = readAmount(order.invoice) ?? order.amountMsat
  if (amount === undefined)
    throw new TypeError('payInvoice: an invoice without an amount needs amountMsat.')
  return amount
}

function notBolt11(): never {
  throw new WalletError('unsupported', 'The invoice is not a BOLT11 invoice.')
}

/** Whole satoshis, as text or number can carry them; `undefined` for what is not whole. */
export const toSats = (msat: bigint): bigint | undefined =>
  msat % 1000n === 0n ? msat / 1000n : undefined

/**
 * Whole satoshis for a wallet that knows nothing smaller.
 *
 * @throws WalletError `unsupported` for a fraction.
 */
export function wholeSats(name: string, msat: bigint): bigint {
  const sats = toSats(msat)
  if (sats === undefined)
    throw new WalletError(
      'unsupported',
      `${name} knows whole satoshis only: ${msat} msat is none. Ask for a multiple of 1000 msat.`,
    )
  return sats
}

/**
 * A number for a JSON field.
 *
 * @throws WalletError `unsupported` when a number cannot hold the amount exactly.
 */
export function toNumber(name: string, amount: bigint): number {
  if (amount > BigInt(Number.MAX_SAFE_INTEGER))
    throw new WalletError('unsupported', `${name} cannot be told an amount as large as ${amount}.`)
  return Number(amount)
}

/** A whole amount out of JSON, where it is a number or, above 2^53, a text; `undefined` for anything else. */
export function fromJson(value: unknown): bigint | undefined {
  if (typeof value === 'string' && /^\d{1,19}$/.test(value)) return BigInt(value)
  return Number.isSafeInteger(value) && Number(value) >= 0 ? BigInt(Number(value)) : undefined
}
