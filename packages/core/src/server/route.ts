/**
 * A route's offer: everything of a challenge that does not change from visit to visit, made once.
 *
 * @module
 */
import * as Challenge from '../Challenge.js'
import type { Server } from '../Method.js'
import * as PaymentRequest from '../PaymentRequest.js'
import type { Kernel } from './config.js'
import { isThenable } from './deadline.js'

/** What a route may say beside what its method asks. */
export type RouteOptions = {
  /** Shown to people; may depend on the visitor's `Accept-Language`. Never part of what is paid for. */
  description?: string | ((visit: { acceptLanguage: string | null }) => string) | undefined
  /** Seconds that its challenges live, when not the server's. */
  expires?: number | undefined
  /** Strings for your own correlation, returned with the credential; readable by the visitor. */
  meta?: Record<string, string> | undefined
  /** The route's name, where the path is not it. */
  scope?: string | undefined
  /**
   * When the money is taken: `'before'` the handler runs, or `'after'` it, and only for an answer below 400; until then it is
   * set aside. For rails that can, in the wrapped form (`'before'`).
   */
  capture?: 'before' | 'after' | undefined
  /** Opt out of binding the payment to this route or to the request body. Both are bound by default. */
  bind?: { scope?: boolean | undefined; body?: boolean | undefined } | undefined
}

/** One rail at one price. */
export type Offer = {
  readonly kernel: Kernel
  readonly method: Server
  /** The wire request, without the fields issued anew for each challenge. */
  readonly request: Record<string, unknown>
  readonly encoded: string
  /** The header's parameters from realm to request, ready to send. */
  readonly head: string
  readonly options: RouteOptions
}

/** Seconds that a challenge of this offer lives. */
export const lifeOf = ({ kernel, options }: Offer): number => options.expires ?? kernel.expires

const ROUTE_KEYS = new Set(['description', 'expires', 'meta', 'scope', 'capture', 'bind'])

/**
 * Prepares a rail's offer for a route.
 *
 * @param given - The method's own options beside the route's.
 * @throws TypeError when the method's schema refuses the options, so that a bad price fails when
 * the route is defined and not at its first visitor.
 */
export function createOffer(kernel: Kernel, method: Server, given: Record<string, unknown>): Offer {
  const options: Record<string, unknown> = {}
  const route: Record<string, unknown> = {}
  for (const said of [method.defaults ?? {}, given] as Record<string, unknown>[])
    for (const key in said) (ROUTE_KEYS.has(key) ? route : options)[key] = said[key]
  const request = checkRequest(method, method.request ? method.request(options) : options)
  const encoded = PaymentRequest.serialize(request)
  return {
    kernel,
    method,
    request: deepFreeze(request),
    encoded,
    head: `realm="${Challenge.quote(kernel.realm)}", method="${method.name}", intent="${method.intent}", request="`,
    options: checkRoute(method, route),
  }
}

function checkRequest(method: Server, wire: unknown): Record<string, unknown> {
  const rail = `${method.name}/${method.intent}`
  if (isThenable(wire))
    return refuseLater(wire, `The request hook (\`request\`, \`transformRequest\`) of ${rail}`)
  const result = method.schema.request['~standard'].validate(wire)
  if (isThenable(result)) return refuseLater(result, `The request schema of ${rail}`)
  if (result.issues) throw new TypeError(`${rail}: ${result.issues.map(describeIssue).join('; ')}`)
  const request = result.value as Record<string, unknown>
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw new TypeError(`${rail}: a payment request must be an object.`)
  if ('expires' in request)
    throw new TypeError(
      `${rail}: the request must not repeat the expiry; it is the challenge's (charge draft).`,
    )
  return dropUndefined(request)
}

/** A price is fixed when its route is defined, and no later. */
function refuseLater(made: Promise<unknown>, what: string): never {
  // Nobody will ask what becomes of it, and a rejection would end the process.
  made.then(undefined, () => undefined)
  throw new TypeError(`${what} is asynchronous; a route needs its price when it is defined.`)
}

const describeIssue = (issue: { message: string; path?: unknown }): string => {
  const path = Array.isArray(issue.path)
    ? issue.path.map((part: unknown) => String((part as { key?: unknown })?.key ?? part)).join('.')
    : ''
  return path ? `${path}: ${issue.message}` : issue.message
}

function checkRoute(method: Server, route: RouteOptions): RouteOptions {
  if (route.expires !== undefined && !(route.expires >= 1 && route.expires <= 86_400))
    throw new TypeError('expires must be seconds, from 1 to 86,400.')
  if (![undefined, 'before', 'after'].includes(route.capture))
    throw new TypeError("capture must be 'before' or 'after'.")
  if (route.capture === 'after' && !method.capture)
    throw new TypeError(
      `${method.name}/${method.intent} takes the money at once and cannot capture it after the handler: leave out \`capture: 'after'\` on this rail.`,
    )
  for (const key in route.meta)
    if (key === 'nonce' || key === 'scope' || typeof route.meta[key] !== 'string')
      throw new TypeError(
        `meta.${key}: values are strings, and "nonce" and "scope" are the server's own.`,
      )
  // What no header can carry fails here and not at the first visitor.
  if (route.meta) PaymentRequest.serialize(route.meta)
  return route
}

/** JSON has no undefined: what is left out is not there. */
function dropUndefined(value: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const key in value) {
    const part = value[key]
    if (part === undefined) continue
    kept[key] = isPlain(part) ? dropUndefined(part) : part
  }
  return kept
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function deepFreeze<value>(value: value): value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}

/** Puts what the method issued beside what the route asks. */
export function withIssued(
  request: Record<string, unknown>,
  issued: Record<string, unknown>,
): Record<string, unknown> {
  const merged = { ...request }
  for (const key in issued) {
    const [ours, theirs] = [merged[key], issued[key]]
    merged[key] = isPlain(ours) && isPlain(theirs) ? withIssued(ours, theirs) : theirs
  }
  return merged
}

/**
 * Checks what a method issued: with a field that is not declared, or that the route sets itself, nobody's payment would
 * be found good afterwards.
 *
 * @throws TypeError naming no value, since it may be a payer's.
 */
export function checkIssued(offer: Offer, made: unknown): Record<string, unknown> {
  const { name, issued } = offer.method
  const fields = issued?.fields.join(', ')
  if (!isPlain(made))
    throw new TypeError(`${name}: issued.create must return an object with ${fields}.`)
  if (PaymentRequest.serialize(pickIssued(offer, made)) !== PaymentRequest.serialize(made))
    throw new TypeError(
      `${name}: issued.create may return only what issued.fields declares and the route leaves open: ${fields}.`,
    )
  return made
}

/** Takes the issued fields, and nothing else, out of a request that came back. */
export function pickIssued(
  { method, request }: Pick<Offer, 'method' | 'request'>,
  from: Record<string, unknown>,
): Record<string, unknown> {
  let picked: Record<string, unknown> = {}
  for (const field of method.issued?.fields ?? []) {
    const path = field.split('.')
    const value = valueAt(from, path)
    if (value === undefined || valueAt(request, path) !== undefined) continue
    const nested = path.reduceRight<unknown>((part, key) => ({ [key]: part }), value)
    picked = withIssued(picked, nested as Record<string, unknown>)
  }
  return picked
}

const valueAt = (from: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((part, key) => (isPlain(part) ? part[key] : undefined), from)
