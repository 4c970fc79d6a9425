/**
 * The `request` parameter of a challenge: base64url of the canonical JSON of what to pay.
 *
 * @module
 */
import * as base64url from '#base64url'
import { canonicalize } from './codec/jcs.js'
import { isObject, parseObject } from './codec/json.js'

/**
 * Encodes a payment request, the same value always to the same text.
 *
 * @example
 * PaymentRequest.serialize({ currency: 'usd', amount: '1000' })
 * // 'eyJhbW91bnQiOiIxMDAwIiwiY3VycmVuY3kiOiJ1c2QifQ'
 *
 * @throws TypeError when the value is not an object that JSON can carry exactly.
 * @see core draft, Required Parameters (`request`)
 */
export function serialize(request: object): string {
  if (!isObject(request)) throw new TypeError('A payment request is a JSON object.')
  return base64url.encode(canonicalize(request))
}

/**
 * Decodes a payment request; `undefined` unless it is base64url without padding of a JSON object.
 *
 * @example
 * PaymentRequest.deserialize('eyJhbW91bnQiOiIxMDAwIn0') // { amount: '1000' }
 *
 * @see core draft, Required Parameters (`request`)
 */
export function deserialize(encoded: string): Record<string, unknown> | undefined {
  return parseObject(base64url.decode(encoded) ?? '')
}
