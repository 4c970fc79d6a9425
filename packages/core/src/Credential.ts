/**
 * Payment credentials: the proof that a client presents in `Authorization`.
 *
 * @module
 */
import * as Challenge from './Challenge.js'
import * as base64url from '#base64url'
import { isObject, parseObject } from './codec/json.js'
import * as PaymentRequest from './PaymentRequest.js'

/**
 * An echoed challenge with its payment proof.
 *
 * @see core draft, Credentials (Authorization)
 */
export type Credential<payload = unknown> = {
  /** The challenge exactly as the credential echoes it; nothing in it has been verified. */
  challenge: Challenge.Wire
  /** What the payment method defines as proof. */
  payload: payload
  /** Who pays, preferably as a DID; a claim, not a fact. */
  source?: string
}

export declare namespace serialize {
  type Options = {
    /** The challenge that is answered; its wire texts are echoed unchanged. */
    challenge: Challenge.Challenge | Challenge.Wire
    /** The proof, a JSON object. */
    payload: unknown
    source?: string | undefined
  }
}

/**
 * Writes an `Authorization` value.
 *
 * @example
 * headers.set('authorization', Credential.serialize({ challenge, payload: { signature } }))
 *
 * @throws TypeError when the payload is not an object.
 * @see core draft, Credentials (Authorization)
 */
export function serialize(credential: serialize.Options): string {
  const { payload, source } = credential
  if (!isObject(payload)) throw new TypeError('A credential payload is a JSON object.')
  const challenge = Challenge.toWire(credential.challenge)
  return `Payment ${base64url.encode(JSON.stringify({ challenge, payload, source }))}`
}

/**
 * Reads an `Authorization` value that holds one Payment credential; `undefined` when malformed.
 * Nothing is verified, and unknown fields are ignored.
 *
 * @example
 * const credential = Credential.deserialize(request.headers.get('authorization'))
 *
 * @see core draft, Credentials (Authorization)
 */
export function deserialize(header: string | null | undefined): Credential | undefined {
  const value = parseObject(base64url.decode(encodedOf(header?.trim() ?? '')) ?? '')
  if (!value || !isObject(value.challenge) || !isObject(value.payload)) return undefined
  const challenge = readChallenge(value.challenge)
  if (!challenge) return undefined
  const { payload, source } = value
  // Serialisers of some languages write null for what is left out.
  if (source === undefined || source === null) return { challenge, payload }
  return typeof source === 'string' ? { challenge, payload, source } : undefined
}

/** What follows the scheme; the decoder knows what it may be made of. */
const encodedOf = (text: string): string =>
  text.slice(0, 8).toLowerCase() === 'payment ' ? text.slice(8).trimStart() : ''

/**
 * Every Payment credential among `Authorization` values, each fit for {@link deserialize}, so that
 * a server can refuse a request with two. Other schemes may share a value.
 *
 * @example
 * const [credential, ...others] = Credential.extract(request.headers.get('authorization'))
 *
 * @see core draft, Multiple Payment Options
 */
export function extract(authorization: string | readonly string[] | null | undefined): string[] {
  const values = typeof authorization === 'string' ? [authorization] : (authorization ?? [])
  const found: string[] = []
  for (const value of values)
    for (const element of elements(value)) if (/^payment(?: |$)/i.test(element)) found.push(element)
  return found
}

/**
 * The credential of a request that carries exactly one; `undefined` otherwise.
 *
 * @example
 * const credential = Credential.fromRequest(request)
 */
export function fromRequest(request: { readonly headers: Headers }): Credential | undefined {
  const [credential, ...others] = extract(request.headers.get('authorization'))
  return others.length === 0 ? deserialize(credential) : undefined
}

/** Splits at the commas outside quoted-strings. */
function elements(value: string): string[] {
  if (!value.includes(',')) return [value.trim()]
  const found: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at < value.length; at++) {
    const character = value[at]
    if (character === '"') quoted = !quoted
    else if (character === '\\' && quoted) at++
    else if (character === ',' && !quoted) {
      found.push(value.slice(start, at).trim())
      start = at + 1
    }
  }
  return [...found, value.slice(start).trim()]
}

function readChallenge(echoed: Record<string, unknown>): Challenge.Wire | undefined {
  const { id, realm, method, intent } = echoed
  const request = encoded(echoed.request)
  if (!isText(id) || !id || !isText(realm) || !isText(method) || !isText(intent) || !request)
    return undefined
  return readOthers({ id, realm, method, intent, request }, echoed)
}

/** The optional parameters and those of extensions, beside the required ones. */
function readOthers(
  wire: Challenge.Wire,
  echoed: Record<string, unknown>,
): Challenge.Wire | undefined {
  for (const name in echoed) {
    if (Object.hasOwn(wire, name) || echoed[name] === null) continue
    const value = name === 'opaque' ? encoded(echoed[name]) : echoed[name]
    if (isText(value)) wire[name] = value
    else if (optional.has(name)) return undefined
  }
  return wire
}

const optional = /* @__PURE__ */ new Set(['description', 'digest', 'expires', 'opaque'])

/** Older deployed clients echo `request` and `opaque` decoded: the server bound their encoding. */
function encoded(value: unknown): string | undefined {
  if (isText(value)) return value
  try {
    return isObject(value) ? PaymentRequest.serialize(value) : undefined
  } catch {
    return undefined
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
