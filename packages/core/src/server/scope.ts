/**
 * What a challenge is for: a route of this server, by a short name.
 *
 * @module
 */
import { sha256 } from '#sha256'
import * as base64url from '#base64url'
import type { Offer } from './route.js'
import type { Inbound } from './transport.js'

const scopes = new Map<string, string>()
const MOST_SCOPES = 2000

/**
 * The route that a payment is for: origin, HTTP method and route pattern (or the path as it came),
 * as a short hash, so that long paths cost no header space.
 */
export function scopeOf({ options }: Offer, inbound: Inbound): string {
  const route = options.scope ?? inbound.scope
  const place =
    route === undefined ? withoutQuery(inbound.url) : `${originOf(inbound.url)} ${route}`
  const key = `${inbound.method} ${place}`
  const known = scopes.get(key)
  if (known !== undefined) return known
  const scope = base64url.encode(sha256(new TextEncoder().encode(key)).subarray(0, 15))
  if (scopes.size >= MOST_SCOPES) scopes.clear()
  scopes.set(key, scope)
  return scope
}

function withoutQuery(url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

function originOf(url: string): string {
  const end = url.indexOf('/', url.indexOf('://') + 3)
  return end < 0 ? url : url.slice(0, end)
}
