/**
 * The nearest codecs of another protocol, which binds nothing and canonicalizes nothing.
 *
 * @module
 */
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader,
  encodePaymentRequiredHeader,
  encodePaymentResponseHeader,
  encodePaymentSignatureHeader,
} from '@x402/core/http'
import { codec, price, rails, url } from '../../terms.mjs'

const network = 'points:local'
const resource = { url, description: '', mimeType: '' }

/** @param {string} scheme */
const acceptOf = (scheme) => ({
  scheme,
  network: /** @type {const} */ (network),
  amount: price.amount,
  asset: price.currency,
  payTo: 'merchant',
  maxTimeoutSeconds: 300,
  extra: {},
})

/** @param {number} offers @param {number} index */
const required = (offers, index) => ({
  x402Version: 2,
  error: `Payment required ${index}`,
  resource,
  accepts: rails.slice(0, offers).map(acceptOf),
})
const payment = (/** @type {number} */ index) => ({
  x402Version: 2,
  resource,
  accepted: acceptOf('points'),
  payload: { token: `t${index}` },
})
const settled = (/** @type {number} */ index) => ({
  success: true,
  transaction: `reference-${index}`,
  network: /** @type {const} */ (network),
  payer: 'payer',
})

export const cases = {
  'parse-1': () =>
    codec(
      (index) => encodePaymentRequiredHeader(required(1, index)),
      decodePaymentRequiredHeader,
      (found) => found.accepts.length === 1,
    ),
  'parse-5': () =>
    codec(
      (index) => encodePaymentRequiredHeader(required(5, index)),
      decodePaymentRequiredHeader,
      (found) => found.accepts.length === 5,
    ),
  'write-challenge': () =>
    codec(
      (index) => required(1, index),
      encodePaymentRequiredHeader,
      (text) => text.length > 80,
    ),
  'read-credential': () =>
    codec(
      (index) => encodePaymentSignatureHeader(payment(index)),
      decodePaymentSignatureHeader,
      (read) => read.payload.token.startsWith('t'),
    ),
  'write-credential': () =>
    codec(payment, encodePaymentSignatureHeader, (text) => text.length > 80),
  'read-receipt': () =>
    codec(
      (index) => encodePaymentResponseHeader(settled(index)),
      decodePaymentResponseHeader,
      (receipt) => receipt.success,
    ),
  'write-receipt': () => codec(settled, encodePaymentResponseHeader, (text) => text.length > 80),
}
