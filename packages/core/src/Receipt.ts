/**
 * Payment receipts: the proof of settlement that a server returns in `Payment-Receipt`.
 *
 * @module
 */
import * as base64url from '#base64url'
import { parseObject } from './codec/json.js'

/**
 * A settled payment.
 *
 * @see core draft, Payment-Receipt Header
 */
export type Receipt = {
  status: 'success'
  /** Payment method identifier. */
  method: string
  /** When it settled, RFC 3339. */
  timestamp: string
  /** The method's name for the payment: a transaction hash, an invoice id. */
  reference: string
  /** What the payment method adds. */
  [field: string]: unknown
}

export declare namespace from {
  type Options = {
    method: string
    reference: string
    /** Defaults to now. */
    timestamp?: string | Date | undefined
    [field: string]: unknown
  }
}

/**
 * Makes a receipt.
 *
 * @example
 * Receipt.from({ method: 'tempo', reference: hash })
 *
 * @throws TypeError when the method or the reference is empty.
 * @see core draft, Receipt Status Semantics
 */
export function from(options: from.Options): Receipt {
  const { method, reference, timestamp } = options
  if (!method || !reference) throw new TypeError('A receipt names its method and its reference.')
  const time =
    typeof timestamp === 'string' ? timestamp : format(timestamp?.getTime() ?? Date.now())
  const receipt: Receipt = { status: 'success', method, timestamp: time, reference }
  for (const field in options) if (!(field in receipt)) receipt[field] = options[field]
  return receipt
}

let lastSecond = NaN
let lastText = ''

/** RFC 3339 with milliseconds; the text of a second is made once. */
function format(time: number): string {
  const second = Math.floor(time / 1000)
  if (second !== lastSecond) lastText = new Date(second * 1000).toISOString().slice(0, 20)
  lastSecond = second
  return `${lastText}${String(time - second * 1000).padStart(3, '0')}Z`
}

/**
 * Writes a `Payment-Receipt` value.
 *
 * @example
 * headers.set('payment-receipt', Receipt.serialize(receipt))
 *
 * @see core draft, Payment-Receipt Header
 */
export function serialize(receipt: Receipt): string {
  return base64url.encode(JSON.stringify(receipt))
}

/**
 * Reads a `Payment-Receipt` value, with every field that its method defines; `undefined` when it is
 * malformed or its status is not success.
 *
 * @example
 * const receipt = Receipt.deserialize(response.headers.get('payment-receipt'))
 *
 * @see core draft, Payment-Receipt Header
 */
export function deserialize(header: string | null | undefined): Receipt | undefined {
  const text = base64url.decode(header?.trim() ?? '')
  const value = text === undefined ? undefined : parseObject(text)
  return value && isReceipt(value) ? value : undefined
}

/**
 * The receipt of a response, if it carries one.
 *
 * @example
 * const receipt = Receipt.fromResponse(await mpp.fetch(url))
 */
export function fromResponse(response: { readonly headers: Headers }): Receipt | undefined {
  return deserialize(response.headers.get('payment-receipt'))
}

function isReceipt(value: Record<string, unknown>): value is Receipt {
  return (
    value.status === 'success' &&
    typeof value.method === 'string' &&
    typeof value.timestamp === 'string' &&
    typeof value.reference === 'string'
  )
}
