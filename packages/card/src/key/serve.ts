/**
 * Serves the JWK Set that `jwksUri` names.
 *
 * @module
 */
import { checkKey, type PublicKey } from './check.js'

/**
 * Makes a handler of a JWK Set: the present key, the one before as long as a challenge may name it, and the next one early
 * enough for caches to learn of it.
 *
 * @param keys - Public keys, or what returns them when they are asked for.
 * @param options.maxAge - Seconds for which the set may be kept (300).
 * @throws TypeError for a list that cannot be served; what a function returns is judged when it is asked for, and refused with 503.
 * @example
 * export const GET = card.jwks([current, previous])
 * @see Card charge draft, Encryption Key; RFC 7517, section 5
 */
export function jwks(
  keys: jwks.Keys | (() => jwks.Keys | Promise<jwks.Keys>),
  { maxAge = 300 }: jwks.Options = {},
): (request: Request) => Promise<Response> {
  const load = typeof keys === 'function' ? keys : given(keys)
  return async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD')
      return new Response(null, { status: 405, headers: { allow: 'GET, HEAD' } })
    try {
      const text = JSON.stringify({ keys: checkSet(await load()) })
      const headers = {
        'content-type': 'application/jwk-set+json',
        'cache-control': `public, max-age=${maxAge}`,
        'access-control-allow-origin': '*',
      }
      return new Response(method === 'HEAD' ? null : text, { headers })
    } catch {
      const headers = { 'cache-control': 'no-store', 'retry-after': '5' }
      return new Response(null, { status: 503, headers })
    }
  }
}

export declare namespace jwks {
  type Keys = readonly (PublicKey | Readonly<Record<string, unknown>>)[]
  type Options = { maxAge?: number | undefined }
}

function given(keys: jwks.Keys): () => jwks.Keys {
  const set = checkSet(keys)
  return () => set
}

/** A private key is never served, and no kid means two keys. */
function checkSet(keys: jwks.Keys): PublicKey[] {
  if (!Array.isArray(keys) || keys.length === 0)
    throw new TypeError('card.jwks: give one public key at least.')
  const checked = keys.map((key: unknown) => {
    try {
      return checkKey(key)
    } catch (cause) {
      throw new TypeError(`card.jwks: ${(cause as Error).message}`, { cause })
    }
  })
  if (new Set(checked.map(({ kid }) => kid)).size < checked.length)
    throw new TypeError('card.jwks: two keys have the same kid.')
  return checked
}
