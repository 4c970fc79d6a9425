/**
 * What every store here does before it reaches its backend: prefix and spell keys, check lives, give up in time.
 *
 * @module
 */
import { Store } from '@polyrail/core'

/** A backend's own steps, each atomic; lives are milliseconds and values JSON, never empty. */
export type Backend = {
  readonly name: string
  readonly volatile?: boolean
  get(key: string): Promise<string | null | undefined>
  set(row: Row): Promise<unknown>
  delete(key: string): Promise<unknown>
  /** Writes the row if `expected` stands there; `undefined`: if nothing does. */
  compareAndSet(row: Row, expected: string | undefined): Promise<boolean>
  /** Writes all rows and answers `undefined`; or writes none and tells what stands at each key. */
  claim(rows: readonly Row[]): Promise<readonly (string | null | undefined)[] | undefined>
  wait?: NonNullable<Store.Store['wait']>
}

export type Row = { key: string; value: string; life: number }

/** What every store takes. */
export type Options = {
  /** Stands before every key, for several services on one backend. */
  prefix?: string | undefined
  /** Milliseconds for one step (5,000); a later one fails, and the server answers 503. */
  timeout?: number | undefined
}

/**
 * Makes a store of a backend.
 *
 * @throws RangeError when the timeout is none; and from a write whose life is not a number of seconds above 0: a key without
 * end is never given back.
 */
export function guard(backend: Backend, { prefix = '', timeout = 5000 }: Options): Store.Store {
  const { name, volatile = false } = backend
  if (!(timeout > 0 && timeout <= LONGEST_TIMEOUT))
    throw new RangeError(`A timeout is milliseconds above 0, up to a day; got ${String(timeout)}.`)
  const at = (key: string) => prefix + spell(key)
  const row = (key: string, value: string, ttl: number): Row => ({
    key: at(key),
    value,
    life: milliseconds(ttl),
  })
  const step = <value>(act: () => Promise<value>) => within({ name, timeout }, act)
  const { wait } = backend

  return Store.from({
    name,
    volatile,
    get: (key) => step(() => backend.get(at(key))),
    set: (key, value, { ttl }) => step(() => backend.set(row(key, value, ttl))),
    delete: (key) => step(() => backend.delete(at(key))),
    compareAndSet: (...[key, expected, next, { ttl }]) =>
      step(() => backend.compareAndSet(row(key, next, ttl), expected)),
    async claim(entries) {
      const rows = entries.map(({ key, value, ttl }) => row(key, value, ttl))
      const existing = await step(() => backend.claim(rows))
      return existing ? { claimed: false, existing } : { claimed: true }
    },
    ...(wait && { wait: (key: string, options: WaitOptions) => wait(at(key), options) }),
  })
}

type WaitOptions = Parameters<NonNullable<Store.Store['wait']>>[1]

/** A timer takes no more than 24 days, and one that is longer ends at once. */
const LONGEST_TIMEOUT = 86_400_000
const LONGEST_LIFE = 100 * 366 * 86_400

function milliseconds(ttl: number): number {
  if (!(ttl > 0 && ttl <= LONGEST_LIFE))
    throw new RangeError(
      `A key needs a time to live in seconds, above 0 and up to 100 years; got ${String(ttl)}.`,
    )
  return Math.ceil(ttl * 1000)
}

/**
 * Spells a key so that every backend takes it and no two become one: some end a text at NUL, and all
 * write half a surrogate pair as the same replacement character. No other key begins with a quote.
 */
const spell = (key: string): string =>
  key.startsWith('"') || key.includes('\0') || !isWellFormed(key) ? JSON.stringify(key) : key

const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text)

/** Nothing that a backend says goes into the message: it may be shown; the cause is for traces. */
async function within<value>(
  { name, timeout }: { name: string; timeout: number },
  act: () => Promise<value>,
): Promise<value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Store "${name}" has not answered within ${timeout} ms.`)),
      timeout,
    )
  })
  try {
    return await Promise.race([act(), late])
  } catch (cause) {
    if (cause instanceof RangeError || isOurs(cause, name)) throw cause
    throw new Error(
      `Store "${name}" could not do a step${codeOf(cause)}: is it up and reachable?`,
      { cause },
    )
  } finally {
    clearTimeout(timer)
  }
}

/** The backend's own code and no more of its words: Redis puts it first (`READONLY …`, `OOM …`), the others beside them. */
function codeOf(cause: unknown): string {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown }
  const found = [code, String(message).split(' ', 1)[0]].find(
    (one) => typeof one === 'string' && /^[A-Z\d_]{3,40}$/.test(one),
  )
  return found === undefined ? '' : ` (${String(found)})`
}

const isOurs = (cause: unknown, name: string): boolean =>
  cause instanceof Error && cause.message.startsWith(`Store "${name}"`)
