/**
 * What this repository's codecs cost, one text at a time.
 *
 * @module
 */
import { Challenge, ChallengeId, Credential, PaymentRequest, Receipt } from '@polyrail/core'
import { codec, expires, price, rails, realm, secretKey, settled } from '../../terms.mjs'

const keyring = ChallengeId.keyring(secretKey)

/** @param {string} method @param {number} index */
function challengeOf(method, index) {
  const terms = {
    realm,
    method,
    intent: 'charge',
    expires: expires(),
    opaque: { nonce: `n${index}` },
  }
  const wire = {
    ...terms,
    request: PaymentRequest.serialize(price),
    opaque: PaymentRequest.serialize(terms.opaque),
  }
  return Challenge.from({ ...terms, id: ChallengeId.create(wire, keyring), request: price })
}

const points = (/** @type {number} */ index) => challengeOf('points', index)
const header = (/** @type {number} */ index) => Challenge.serialize(points(index))
const headers = (/** @type {number} */ index) =>
  rails.map((rail) => Challenge.serialize(challengeOf(rail, index))).join(', ')
const credential = (/** @type {number} */ index) => ({
  challenge: points(index),
  payload: { token: `t${index}` },
})

export const cases = {
  'parse-1': () => codec(header, Challenge.parse, (found) => found.length === 1),
  'parse-5': () => codec(headers, Challenge.parse, (found) => found.length === 5),
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
      (index) => points(index).wire,
      (wire) => ChallengeId.verify(wire, keyring),
      (good) => good === true,
    ),
}
