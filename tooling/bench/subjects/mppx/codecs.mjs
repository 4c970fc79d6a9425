/**
 * What the deployed SDK's codecs cost.
 *
 * @module
 */
import { Challenge, Credential, PaymentRequest, Receipt } from 'mppx'
import { codec, expires, price, rails, realm, secretKey, settled } from '../../terms.mjs'

/** @param {string} method @param {number} index */
const challengeOf = (method, index) =>
  Challenge.from({
    secretKey,
    realm,
    method,
    intent: 'charge',
    request: price,
    expires: expires(),
    meta: { nonce: `n${index}` },
  })

const points = (/** @type {number} */ index) => challengeOf('points', index)
const credential = (/** @type {number} */ index) =>
  Credential.from({ challenge: points(index), payload: { token: `t${index}` } })

export const cases = {
  'parse-1': () =>
    codec(
      (index) => Challenge.serialize(points(index)),
      Challenge.deserializeList,
      (found) => found.length === 1,
    ),
  'parse-5': () =>
    codec(
      (index) => rails.map((rail) => Challenge.serialize(challengeOf(rail, index))).join(', '),
      Challenge.deserializeList,
      (found) => found.length === 5,
    ),
  'write-challenge': () =>
    codec(points, Challenge.serialize, (text) => text.startsWith('Payment ')),
  'read-credential': () =>
    codec(
      (index) => Credential.serialize(credential(index)),
      Credential.deserialize,
      (read) => read.payload.token.startsWith('t'),
    ),
  'write-credential': () =>
    codec(credential, Credential.serialize, (text) => text.startsWith('Payment ')),
  'read-receipt': () =>
    codec(
      (index) => Receipt.serialize(Receipt.from(settled(index))),
      Receipt.deserialize,
      (receipt) => receipt.status === 'success',
    ),
  'write-receipt': () =>
    codec(
      (index) => Receipt.from(settled(index)),
      Receipt.serialize,
      (text) => text.length > 80,
    ),
  jcs: () =>
    codec(
      (index) => ({ ...price, index }),
      PaymentRequest.serialize,
      (text) => text.length > 20,
    ),
  'verify-id': () =>
    codec(
      points,
      (challenge) => Challenge.verify(challenge, { secretKey }),
      (good) => good === true,
    ),
}
