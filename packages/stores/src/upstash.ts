/**
 * A store on Redis over HTTP, by Upstash's REST protocol: for servers that cannot keep a connection.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { guard } from './guard.js'
import type { Run } from './lua.js'
import { scripted } from './scripted.js'

/**
 * Makes a store of an Upstash database, or of whatever speaks its REST protocol. Each step is one Lua script and one
 * request; none is ever sent twice, for a claim whose answer was lost may stand. There is no way to be woken: servers that
 * wait look by themselves.
 *
 * @param options.url - `UPSTASH_REDIS_REST_URL`.
 * @param options.token - `UPSTASH_REDIS_REST_TOKEN`; the read-only one does not do.
 * @param options.fetch - In place of the platform's.
 * @param options.prefix - Stands before every key.
 * @param options.timeout - Milliseconds for one step (5,000).
 * @throws TypeError when the URL or the token is missing, or the URL is not https (but for this machine's own).
 * @example
 * const store = upstash({ url: process.env.UPSTASH_REDIS_REST_URL, token: process.env.UPSTASH_REDIS_REST_TOKEN })
 * @see core draft, Concurrent Request Handling
 */
export function upstash(options: upstash.Options): Store.Store {
  const { fetch = globalThis.fetch, timeout = 5000 } = options
  const endpoint = check(options)

  async function command(...parts: readonly string[]): Promise<unknown> {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { authorization: `Bearer ${options.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(parts),
      // Followed, it would carry the token elsewhere; 'error' is unknown to Workers.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeout),
    })
    const answer = (await response.json()) as { result?: unknown; error?: unknown } | null
    if (answer?.error !== undefined) throw new Error(String(answer.error))
    if (!response.ok || answer?.result === undefined)
      throw new Error(`HTTP ${response.status} without a result`)
    return answer.result
  }

  const run: Run = (script, keys, args) =>
    command('EVAL', script, String(keys.length), ...keys, ...args)
  const get = (key: string) => command('GET', key) as Promise<string | null>
  return guard(scripted('upstash', run, get), options)
}

export declare namespace upstash {
  type Options = import('./guard.js').Options & {
    url: string | undefined
    token: string | undefined
    fetch?: typeof globalThis.fetch | undefined
  }
}

const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]'])

function check({ url, token }: upstash.Options): string {
  if (!url || !token)
    throw new TypeError(
      'upstash() needs the url and the token of a database: UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN.',
    )
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'https:' && !LOCAL.has(hostname))
    throw new TypeError('upstash() sends its token over https only.')
  return url
}
