/**
 * Finds the key that a challenge names, in it or in a key set, and keeps key sets for a while.
 *
 * @module
 */
import { CardError } from '../CardError.js'
import { exchange, type Answered, type Fetch } from '../network.js'
import { checkKey, type PublicKey } from './check.js'
import { readReference, type Details } from './reference.js'

/** Finds keys. */
export type Resolver = (
  details: Details,
  options: { realm: string; signal?: AbortSignal | undefined },
) => Promise<PublicKey>

/** A key set as it was fetched. */
type Kept = { keys: Promise<readonly unknown[]>; until: number }

/** Milliseconds: how long a set that says nothing is kept, and one that says a year. */
const USUAL = 300_000
const LONGEST = 3_600_000
/** Key sets that are kept. */
const MOST = 100
/** Keys in one set. */
const MOST_KEYS = 100

/**
 * Makes a resolver with a memory of its own: one for a process will do.
 *
 * @param options.loopback - Takes key sets of this machine, and http there: for tests (false).
 * @param options.timeout - Milliseconds to fetch a key set (5,000).
 * @param options.fetch - A fetch that reaches no private address, where names are resolved for strangers.
 * @throws CardError, from the resolver, with the code of what is wrong: nothing may be encrypted then.
 * @example
 * const resolve = createResolver()
 * const key = await resolve(challenge.request.methodDetails, { realm: challenge.realm })
 * @see Card charge draft, Encryption Key, key resolution procedure
 */
export function createResolver(options: createResolver.Options = {}): Resolver {
  const { loopback = false, timeout = 5000, fetch = globalThis.fetch } = options
  const kept = new Map<string, Kept>()

  function load(jwksUri: string): Kept {
    const asking = exchange({
      url: jwksUri,
      headers: { accept: 'application/jwk-set+json, application/json' },
      timeout,
      fetch,
    })
    const entry: Kept = { keys: asking.then(keysOf), until: Date.now() + timeout }
    asking.then(
      ({ headers }) => void (entry.until = Date.now() + lifeOf(headers)),
      () => undefined,
    )
    // What failed is not kept: the next payment may find it mended.
    entry.keys.catch(() => kept.get(jwksUri) === entry && kept.delete(jwksUri))
    kept.delete(jwksUri)
    const [oldest] = kept.keys()
    if (oldest !== undefined && kept.size >= MOST) kept.delete(oldest)
    kept.set(jwksUri, entry)
    return entry
  }

  return async (details, { realm, signal }) => {
    const reference = readReference(details, { realm, loopback })
    if ('key' in reference) return reference.key
    const { jwksUri, kid } = reference
    const before = kept.get(jwksUri)
    const entry = before && Date.now() < before.until ? before : load(jwksUri)
    const found = await unlessLeft(() => pick(entry, kid), signal)
    if (found || entry !== before) return check(found)
    // A kid that a kept set lacks may have been added since. Whoever found out first has asked again for all.
    const after = kept.get(jwksUri)
    const fresh = after && after !== before ? after : load(jwksUri)
    return check(await unlessLeft(() => pick(fresh, kid), signal))
  }
}

export declare namespace createResolver {
  type Options = {
    loopback?: boolean | undefined
    timeout?: number | undefined
    fetch?: Fetch | undefined
  }
}

function check(found: unknown): PublicKey {
  if (found === undefined) throw new CardError('key-unknown')
  return checkKey(found)
}

/** Of several keys of one kid nobody can say which is meant. */
async function pick({ keys }: Kept, kid: string): Promise<unknown> {
  const named = (await keys).filter((key) => partsOf(key).kid === kid)
  // RFC 7517, section 4.5: keys of other types may share it, for those who use them.
  const ours = named.filter((key) => partsOf(key).kty === 'RSA')
  const found = ours.length > 0 ? ours : named
  return found.length === 1 ? found[0] : undefined
}

const partsOf = (key: unknown): { kid?: unknown; kty?: unknown } => key ?? {}

/** Others may wait for the same set: who leaves stops waiting, and nothing else. Who has left does not begin to. */
async function unlessLeft<value>(wait: () => Promise<value>, signal?: AbortSignal): Promise<value> {
  signal?.throwIfAborted()
  let leave = (): void => undefined
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal?.reason as Error)
    signal?.addEventListener('abort', leave)
  })
  try {
    return await Promise.race([wait(), left])
  } catch (cause) {
    signal?.throwIfAborted()
    throw cause instanceof CardError ? cause : new CardError('key-unreachable', { cause })
  } finally {
    signal?.removeEventListener('abort', leave)
  }
}

/** RFC 7517, section 5. */
function keysOf({ status, body }: Answered): readonly unknown[] {
  const { keys } = (body ?? {}) as { keys?: unknown }
  if (status !== 200 || !Array.isArray(keys) || keys.length > MOST_KEYS)
    throw new CardError('key-unreachable')
  return keys
}

/** Milliseconds, as RFC 9111 has it. */
function lifeOf(headers: Headers): number {
  const control = headers.get('cache-control') ?? ''
  if (/\bno-(?:store|cache)\b/i.test(control)) return 0
  const [, seconds] = /\bmax-age=(\d{1,9})\b/i.exec(control) ?? []
  return seconds === undefined ? USUAL : Math.min(Number(seconds) * 1000, LONGEST)
}
