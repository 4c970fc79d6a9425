/**
 * Challenge ids that bind the parameters of a challenge by HMAC-SHA256, without storage.
 *
 * @module
 */
import { hmac, type HmacKey, hmacKey } from '#sha256'
import { equal } from './codec/equal.js'
import type { Wire } from './Challenge.js'

/** A prepared secret. It shows nothing of the secret to logs. */
export type Key = HmacKey

/** Prepared secrets: the first signs, all verify, so that secrets rotate without an outage. */
export type Keyring = readonly [Key, ...Key[]]

/** The parameters that an id binds: the seven slots. */
export type Slots = Pick<
  Wire,
  'realm' | 'method' | 'intent' | 'request' | 'expires' | 'digest' | 'opaque'
>

const minimumBytes = 32

/**
 * Prepares one secret or several, the newest first.
 *
 * @example
 * const keyring = ChallengeId.keyring([secretKey, previousSecretKey])
 *
 * @throws TypeError when a secret is missing or shorter than 32 bytes of UTF-8.
 * @see core draft, Challenge-Binding Secret Management
 */
export function keyring(secret: string | readonly string[]): Keyring {
  const [first, ...older] = (typeof secret === 'string' ? [secret] : secret).map(prepare)
  if (!first) throw new TypeError(`No secret key is given. ${remedy}`)
  return [first, ...older]
}

const remedy = 'Make one with: openssl rand -base64 32'

function prepare(secret: string): Key {
  const bytes = new TextEncoder().encode(secret)
  if (bytes.byteLength < minimumBytes)
    throw new TypeError(`A secret key has at least ${minimumBytes} bytes. ${remedy}`)
  return hmacKey(bytes)
}

/**
 * Computes the id of a challenge: base64url of the HMAC over the seven slots of the draft.
 *
 * @example
 * const id = ChallengeId.create({ realm, method, intent, request, expires }, keyring)
 *
 * @throws TypeError when a slot contains `|`, which separates the slots.
 * @see core draft, Challenge Binding
 */
export function create(wire: Slots, keyring: Keyring): string {
  const input = join(wire)
  if (input === undefined)
    throw new TypeError('A challenge cannot be bound with "|" in its realm or another parameter.')
  return hmac(keyring[0], input)
}

/**
 * Whether the id of a challenge is its binding under any of the keys, in constant time.
 *
 * @example
 * if (!ChallengeId.verify(credential.challenge, keyring)) return reject('invalid-challenge')
 *
 * @see core draft, Challenge Binding
 */
export function verify(wire: Wire, keyring: Keyring): boolean {
  const input = join(wire)
  return input !== undefined && keyring.some((key) => equal(hmac(key, input), wire.id))
}

/** Joins the seven slots; `undefined` when one holds the separator, so that none can shift. */
function join(wire: Slots): string | undefined {
  const { realm, method, intent, request, expires = '', digest = '', opaque = '' } = wire
  const text = `${realm}|${method}|${intent}|${request}|${expires}|${digest}|${opaque}`
  let bars = 0
  for (let at = text.indexOf('|'); at >= 0; at = text.indexOf('|', at + 1)) bars++
  return bars === 6 ? text : undefined
}
