/**
 * Payment challenges: what a server asks for in `WWW-Authenticate`.
 *
 * @module
 */
import * as AuthParams from './codec/auth-params.js'
import * as Expires from './Expires.js'
import * as PaymentRequest from './PaymentRequest.js'

/**
 * The parameters exactly as they are on the wire, after unquoting: what a credential echoes.
 *
 * @see core draft, Required Parameters and Optional Parameters
 */
export type Wire = {
  /** Identifies the challenge; never empty. */
  id: string
  /** The protection space. */
  realm: string
  /** Payment method, lower-case ASCII letters. */
  method: string
  /** Payment intent, such as `charge`. */
  intent: string
  /** Base64url of canonical JSON. */
  request: string
  /** RFC 3339 date-time after which the challenge is void. */
  expires?: string
  /** RFC 9530 digest of the request body that the challenge is for. */
  digest?: string
  /** Text for people; never a basis for a decision. */
  description?: string
  /** Base64url of canonical JSON: a flat map of strings that belongs to the server. */
  opaque?: string
  /** Parameters that no draft defines. */
  [extension: string]: string | undefined
}

/** A challenge with its request and opaque data decoded, beside its wire form. */
export type Challenge<request = Record<string, unknown>> = {
  id: string
  realm: string
  method: string
  intent: string
  request: request
  expires?: string
  digest?: string
  description?: string
  opaque?: Record<string, string> | undefined
  extensions?: Record<string, string>
  wire: Wire
}

export declare namespace from {
  type Options = {
    /** Not empty. */
    id: string
    realm: string
    /** Lower-case ASCII letters. */
    method: string
    /** ASCII letters, digits and hyphens. */
    intent: string
    /** What to pay; a JSON object. */
    request: object
    /** RFC 3339 text, or a date. */
    expires?: string | Date | undefined
    digest?: string | undefined
    description?: string | undefined
    opaque?: Readonly<Record<string, string>> | undefined
    /** Further parameters; lower-case names. */
    extensions?: Readonly<Record<string, string>> | undefined
  }
}

/**
 * Makes a challenge from its parts.
 *
 * @example
 * const challenge = Challenge.from({
 *   id, realm: 'api.example.com', method: 'tempo', intent: 'charge',
 *   request: { amount: '1000', currency: 'usd' },
 * })
 *
 * @throws TypeError naming the part that the draft does not allow.
 * @see core draft, Challenge (WWW-Authenticate)
 */
export function from(options: from.Options): Challenge {
  const { id, realm, method, intent, expires, digest, description, opaque, extensions } = options
  const time = expires instanceof Date ? expires.toISOString() : expires
  check(typeof id === 'string' && id !== '', 'id must be a non-empty string')
  check(typeof realm === 'string', 'realm must be a string')
  check(isMethod(method), 'method must be lower-case ASCII letters')
  check(isIntent(intent), 'intent must be ASCII letters, digits and hyphens')
  check(time === undefined || Expires.parse(time) !== undefined, 'expires must be RFC 3339')
  check(!opaque || isTextMap(opaque), 'opaque must be a flat map of strings')
  check(!extensions || isTextMap(extensions), 'extensions must be a flat map of strings')
  for (const name in extensions)
    check(isExtension(name), `extension "${name}" must be a lower-case token of no other meaning`)
  const wire: Wire = {
    id,
    realm,
    method,
    intent,
    request: PaymentRequest.serialize(options.request),
  }
  if (description !== undefined) wire.description = description
  if (digest !== undefined) wire.digest = digest
  if (time !== undefined) wire.expires = time
  if (opaque) wire.opaque = PaymentRequest.serialize(opaque)
  const challenge = decode({ ...wire, ...extensions })
  if (!challenge) throw new TypeError('Challenge request must not have a member named __proto__.')
  return challenge
}

/**
 * Decodes the request and the opaque data; `undefined` when either is malformed.
 *
 * @example
 * const [wire] = Challenge.scan(header)
 * const challenge = wire && Challenge.decode(wire)
 *
 * @see core draft, Required Parameters (`request`) and Optional Parameters (`opaque`)
 */
export function decode(wire: Wire): Challenge | undefined {
  const { id, realm, method, intent, expires, digest, description } = wire
  const request = PaymentRequest.deserialize(wire.request)
  if (!request) return undefined
  const challenge: Challenge = { id, realm, method, intent, request, wire }
  if (expires !== undefined) challenge.expires = expires
  if (digest !== undefined) challenge.digest = digest
  if (description !== undefined) challenge.description = description
  if (wire.opaque !== undefined) {
    const opaque = PaymentRequest.deserialize(wire.opaque)
    if (!opaque || !isTextMap(opaque)) return undefined
    challenge.opaque = opaque
  }
  const extensions = extensionsOf(wire)
  if (extensions) challenge.extensions = extensions
  return challenge
}

/**
 * Finds every well-formed Payment challenge in one or several `WWW-Authenticate` values, among any
 * other schemes, in one pass and without decoding. A bad challenge costs only itself.
 *
 * @example
 * Challenge.scan('Bearer, Payment id="a", realm="r", method="tempo", intent="charge", request="e30"')
 *
 * @see core draft, Challenge (WWW-Authenticate)
 */
export function scan(header: string | readonly string[]): Wire[] {
  const found: Wire[] = []
  for (const value of typeof header === 'string' ? [header] : header)
    for (const params of AuthParams.scan(value)) if (isWire(params)) found.push(params)
  return found
}

/**
 * The first challenge of a header that decodes, if any.
 *
 * @example
 * const challenge = Challenge.deserialize(response.headers.get('www-authenticate') ?? '')
 */
export function deserialize(header: string | readonly string[]): Challenge | undefined {
  return parse(header)[0]
}

/**
 * Every challenge that decodes, in the server's order.
 *
 * @example
 * const challenges = Challenge.parse(response.headers)
 *
 * @see core draft, Multiple Payment Options
 */
export function parse(headers: Headers | string | readonly string[]): Challenge[] {
  const header =
    typeof headers !== 'string' && 'get' in headers
      ? (headers.get('www-authenticate') ?? '')
      : headers
  const challenges: Challenge[] = []
  for (const wire of scan(header)) {
    const challenge = decode(wire)
    if (challenge) challenges.push(challenge)
  }
  return challenges
}

/**
 * Writes a `WWW-Authenticate` value. Whatever the texts hold, a header can carry the result:
 * controls become spaces, and characters beyond Latin-1 are written `\uXXXX` as deployed software
 * does. {@link scan} gives the same texts back.
 *
 * @example
 * headers.append('www-authenticate', Challenge.serialize(challenge))
 *
 * @throws TypeError for an empty id, or a parameter name that is not a lower-case token.
 * @see core draft, Challenge (WWW-Authenticate)
 */
export function serialize(challenge: Challenge | Wire): string {
  const wire = toWire(challenge)
  check(wire.id !== '', 'id must be a non-empty string')
  const written: string[] = []
  for (const name of parameters) {
    const value = wire[name]
    if (value !== undefined) written.push(`${name}="${quote(value)}"`)
  }
  for (const [name, value] of Object.entries(extensionsOf(wire) ?? {})) {
    check(isExtension(name), `extension "${name}" must be a lower-case token of no other meaning`)
    written.push(`${name}="${quote(value)}"`)
  }
  return `Payment ${written.join(', ')}`
}

/**
 * Escapes a text for a quoted parameter by the rules of {@link serialize}, without the quotes
 * around it.
 *
 * @example
 * `description="${Challenge.quote('a "b"')}"` // description="a \\"b\\""
 */
export const quote: (text: string) => string = AuthParams.escape

/** The wire form of a challenge that may already be in it. */
export function toWire(challenge: Challenge | Wire): Wire {
  return isDecoded(challenge) ? challenge.wire : challenge
}

const methodName = /^[a-z]+$/
const intentName = /^[A-Za-z\d-]+$/

/** Whether a value is a payment method identifier. @see core draft, Method Identifier Format */
export function isMethod(value: unknown): value is string {
  return typeof value === 'string' && methodName.test(value)
}

/** Whether a value is a payment intent. @see core draft, Intent Identifiers */
export function isIntent(value: unknown): value is string {
  return typeof value === 'string' && intentName.test(value)
}

/** The parameters that the draft defines, in the order of deployed software. */
const parameters = [
  'id',
  'realm',
  'method',
  'intent',
  'request',
  'description',
  'digest',
  'expires',
  'opaque',
]

function extensionsOf(wire: Wire): Record<string, string> | undefined {
  let extensions: Record<string, string> | undefined
  for (const name in wire) {
    const value = wire[name]
    if (value !== undefined && !parameters.includes(name)) (extensions ??= {})[name] = value
  }
  return extensions
}

function isExtension(name: string): boolean {
  return (
    /^[!#$%&'*+.^_`|~a-z\d-]+$/.test(name) && !parameters.includes(name) && name !== '__proto__'
  )
}

function isDecoded(challenge: Challenge | Wire): challenge is Challenge {
  return typeof challenge.wire === 'object'
}

function isWire(params: Partial<Wire>): params is Wire {
  return (
    !!params.id &&
    params.request !== undefined &&
    params.realm !== undefined &&
    methodName.test(params.method ?? '') &&
    intentName.test(params.intent ?? '')
  )
}

function isTextMap(value: Readonly<Record<string, unknown>>): value is Record<string, string> {
  for (const name in value) if (typeof value[name] !== 'string') return false
  return true
}

function check(condition: boolean, requirement: string): void {
  if (!condition) throw new TypeError(`Challenge ${requirement}.`)
}
