/**
 * A store over any key-value backend that can compare and set.
 *
 * @module
 */
import type { Claim, Entry, Store, update, Value } from '../Store.js'

/**
 * What a backend must offer. `compareAndSet` writes `next` only if `expected` still stands there
 * (`undefined`: no such key), as one step of the backend, and says whether it did.
 */
export interface Adapter {
  readonly name: string
  readonly volatile?: boolean
  get(key: string): Promise<string | undefined | null>
  set(key: string, value: string, options: { ttl: number }): Promise<unknown>
  delete(key: string): Promise<unknown>
  compareAndSet(
    key: string,
    expected: string | undefined,
    next: string,
    options: { ttl: number },
  ): Promise<boolean>
  /** Several keys in one step, where the backend can. */
  claim?(
    entries: readonly { key: string; value: string; ttl: number }[],
  ): Promise<
    { claimed: true } | { claimed: false; existing: readonly (string | undefined | null)[] }
  >
  wait?: Store['wait']
}

const MOST_TRIES = 64
/** Milliseconds between tries of one update, at most. */
const LONGEST_REST = 1000

/**
 * Makes a store of a key-value backend. Values are JSON; bigint survives. A write of what JSON cannot carry (`undefined`, a
 * function) is a TypeError.
 *
 * Without `claim`, several keys are claimed one after the other, the proof before the challenge,
 * and given back if a later one is taken.
 *
 * @throws TypeError when the backend has no `compareAndSet`: two servers could then settle the same
 * payment, so there is nothing safe to build on it.
 * @example
 * const store = Store.from({ name: 'etcd', get, set, delete: remove, compareAndSet })
 */
export function from(adapter: Adapter): Store {
  if (typeof adapter.compareAndSet !== 'function')
    throw new TypeError(
      `Store "${adapter.name}" has no compareAndSet, so it cannot claim a payment atomically and two servers could settle it twice. Use a backend that can compare and set (Redis, PostgreSQL, SQLite, Durable Objects).`,
    )

  return {
    name: adapter.name,
    ...(adapter.volatile !== undefined && { volatile: adapter.volatile }),
    ...(adapter.wait && { wait: adapter.wait.bind(adapter) }),
    get: async (key) => decode(await adapter.get(key)),
    set: async (key, value, { ttl }) => void (await adapter.set(key, encode(value), { ttl })),
    delete: async (key) => void (await adapter.delete(key)),
    update: (key, change, options) => updateOptimistically(adapter, { key, change, ...options }),
    claim: (entries) =>
      adapter.claim ? claimAtOnce(adapter, entries) : claimInTurn(adapter, entries),
  }
}

export declare namespace from {
  type Backend = Adapter
}

async function updateOptimistically(
  adapter: Adapter,
  { key, change, ttl, from }: update.Options & { key: string; change: update.Change },
): Promise<Value | undefined> {
  let guessed = from !== undefined
  let stands = guessed ? encode(from) : ((await adapter.get(key)) ?? undefined)
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const current = decode(stands)
    const next = change(current)
    if (next === undefined && !guessed) return current
    if (next !== undefined && (await adapter.compareAndSet(key, stands, encode(next), { ttl })))
      return next
    // Nobody has to be waited for where nothing is to be written.
    if (next !== undefined) await rest(tries)
    stands = (await adapter.get(key)) ?? undefined
    guessed = false
  }
  throw new Error(`Store "${adapter.name}": a key changed ${MOST_TRIES} times during one update.`)
}

/** Longer after each loss, and never for all alike: a crowd in step would lose to the same one each time. */
const rest = (losses: number): Promise<unknown> =>
  new Promise((again) => setTimeout(again, Math.random() * Math.min(4 * 2 ** losses, LONGEST_REST)))

async function claimAtOnce(adapter: Adapter, entries: readonly Entry[]): Promise<Claim> {
  const found = await adapter.claim?.(
    entries.map((entry) => ({ ...entry, value: encode(entry.value) })),
  )
  return !found || found.claimed
    ? { claimed: true }
    : { claimed: false, existing: found.existing.map(decode) }
}

/**
 * Writes from the last entry to the first. The first is the challenge: once it stands, the whole claim
 * does. The proof comes just before it, so that it is never among what is given back: another copy of
 * this claim may rely on it by then.
 */
async function claimInTurn(adapter: Adapter, entries: readonly Entry[]): Promise<Claim> {
  const [challenge, ...others] = entries.map((entry) => ({ ...entry, value: encode(entry.value) }))
  const standing = async (): Promise<Claim> => ({
    claimed: false,
    existing: await Promise.all(entries.map(async ({ key }) => decode(await adapter.get(key)))),
  })
  if (!challenge || decode(await adapter.get(challenge.key)) !== undefined) return standing()
  const taken: string[] = []
  for (const { key, value, ttl } of others.toReversed()) {
    if (await adapter.compareAndSet(key, undefined, value, { ttl })) taken.push(key)
    // The same value: another copy of this claim, or one cut short by a crash. Ours as well.
    else if ((await adapter.get(key)) !== value) {
      for (const ours of taken) await adapter.delete(ours)
      return standing()
    }
  }
  // Losing here gives no proof back: the copy that won this very challenge relies on it.
  const { key, value, ttl } = challenge
  return (await adapter.compareAndSet(key, undefined, value, { ttl }))
    ? { claimed: true }
    : standing()
}

/** A bigint is stored as `{ "$bigint": "5" }`; an object that looks like that, or like what it became, with one more `$`. */
function encode(value: Value): string {
  // Seen from its holder: an application's `BigInt.prototype.toJSON` would have made a text of it.
  const text = JSON.stringify(value, function (this: Record<string, unknown>, at, part: unknown) {
    const given = this[at]
    if (typeof given === 'bigint') return { $bigint: String(given) }
    const name = markOf(part)
    return name === undefined ? part : { [`$${name}`]: (part as Record<string, unknown>)[name] }
  }) as string | undefined
  if (text === undefined) throw new TypeError('A store takes what JSON can carry, and bigint.')
  return text
}

function decode(text: string | undefined | null): Value | undefined {
  if (text === undefined || text === null) return undefined
  return JSON.parse(text, (_, part: unknown) => {
    const name = markOf(part)
    if (name === undefined) return part
    const value = (part as Record<string, unknown>)[name]
    return name === '$bigint' ? BigInt(String(value)) : { [name.slice(1)]: value }
  })
}

function markOf(part: unknown): string | undefined {
  if (typeof part !== 'object' || part === null) return undefined
  const [name = '', ...others] = Object.keys(part)
  return others.length === 0 && /^\$+bigint$/.test(name) ? name : undefined
}
