/**
 * A store on PostgreSQL, over a pool of `pg`.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Store } from '@polyrail/core'
import { guard } from './guard.js'
import { createListener } from './postgres-listener.js'
import { createStatements, migration } from './postgres-schema.js'
import { createSweeper } from './postgres-sweeper.js'

export { migration } from './postgres-schema.js'

/**
 * Makes a store of a pool. Each step is one statement, and so one round trip and one transaction; servers that wait are
 * woken through LISTEN and NOTIFY, on one connection of the pool that is taken when somebody first waits. Run
 * {@link migrate} or the SQL of {@link migration} once before.
 *
 * @param pool - A `Pool` of pg, on a direct connection or a session pooler. Stays yours to end, after `close()`.
 * @param options.table - Where the rows are (`polyrail_store`).
 * @param options.sweep - Seconds between removals of expired rows, in small batches (60); 0: some other server does it.
 * @param options.wake - False leaves LISTEN out, for poolers that cannot carry it: waiting servers then look by themselves. So
 * they do over a pool of one connection, which LISTEN would keep from the requests.
 * @param options.prefix - Stands before every key.
 * @param options.timeout - Milliseconds for one step (5,000).
 * @throws TypeError when the table's name is not a plain one.
 * @example
 * import { Pool } from 'pg'
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
 * await migrate(pool)
 * const store = postgres(pool)
 * @see core draft, Concurrent Request Handling
 */
export function postgres(pool: postgres.Pool, options: postgres.Options = {}): postgres.Postgres {
  const { sweep = 60, wake = pool.options?.max !== 1, timeout = 5000 } = options
  const statements = createStatements(options.table)
  const listener = createListener(pool, statements)
  const sweeper = createSweeper(pool, statements, sweep * 1000)
  const rows = async (sql: string, values: readonly unknown[]) =>
    (await patiently(timeout, () => pool.query(sql, [...values]))).rows
  const store = guard(
    {
      name: 'postgres',
      get: async (key) =>
        (await rows(statements.get, [name(key)]))[0]?.['value'] as string | undefined,
      set: ({ key, value, life }) => rows(statements.set, [name(key), value, life]),
      delete: (key) => rows(statements.delete, [name(key)]),
      async compareAndSet({ key, value, life }, expected) {
        const done =
          expected === undefined
            ? await rows(statements.add, [name(key), value, life])
            : await rows(statements.replace, [name(key), value, life, expected])
        return done.length === 1
      },
      async claim(claimed) {
        const columns = [
          claimed.map(({ key }) => name(key)),
          claimed.map(({ value }) => value),
          claimed.map(({ life }) => life),
        ]
        const [found] = await rows(statements.claim, columns)
        const existing = found?.['existing']
        if (existing === undefined) throw new Error('A claim was not answered.')
        return (existing ?? undefined) as (string | null)[] | undefined
      },
      ...(wake && { wait: (key, options) => listener.wait(name(key), options) }),
    },
    options,
  )
  return {
    ...store,
    sweep: sweeper.sweep,
    close() {
      sweeper.stop()
      return listener.close()
    },
  }
}

export declare namespace postgres {
  type Options = import('./guard.js').Options & {
    table?: string | undefined
    sweep?: number | undefined
    wake?: boolean | undefined
  }
  /** A store that can be told to sweep and to give its connection back. */
  type Postgres = Store.Store & {
    /** Removes all expired rows in batches of a thousand; resolves with how many. */
    sweep(): Promise<number>
    /** Stops sweeping and listening. */
    close(): Promise<void>
  }

  /** What is used of a pool of pg. */
  type Pool = {
    options?: { max?: number | undefined }
    query(sql: string, values?: unknown[]): Promise<Result>
    connect(): Promise<Client>
  }
  type Client = {
    query(sql: string, values?: unknown[]): Promise<Result>
    on(
      event: 'notification',
      listener: (message: { payload?: string | undefined }) => void,
    ): unknown
    on(event: 'error', listener: (cause: Error) => void): unknown
    release(destroy?: boolean): void
  }
  type Result = { rows: Readonly<Record<string, unknown>>[] }
}

/** Serialization failure and deadlock: PostgreSQL has done nothing, and asks to be asked again. */
const UNDONE: ReadonlySet<unknown> = new Set(['40001', '40P01'])

/** Asks again while others are in the way, which is so under a stricter isolation than the usual. */
async function patiently<value>(timeout: number, act: () => Promise<value>): Promise<value> {
  const giveUp = performance.now() + timeout
  for (let pause = 1; ; pause = Math.min(pause * 2, 64)) {
    try {
      return await act()
    } catch (cause) {
      if (!UNDONE.has((cause as { code?: unknown }).code) || performance.now() > giveUp) throw cause
    }
    const wait = pause * (0.5 + Math.random())
    await new Promise((again) => setTimeout(again, wait))
  }
}

/**
 * Makes the table, its index and its functions where they are not there yet. Several servers may run it at once; its user
 * must own them, or be allowed to make them.
 *
 * @param options.table - As for {@link postgres}.
 * @example
 * await migrate(pool)
 */
export async function migrate(
  pool: Pick<postgres.Pool, 'connect'>,
  { table }: { table?: string | undefined } = {},
): Promise<void> {
  const client = await pool.connect()
  try {
    // One after the other: IF NOT EXISTS alone fails when two look at the same moment.
    await client.query(
      `BEGIN; SELECT pg_advisory_xact_lock(${MIGRATING}); ${migration(table)} COMMIT`,
    )
  } catch (cause) {
    await client.query('ROLLBACK').catch(() => undefined)
    throw cause
  } finally {
    client.release()
  }
}

const MIGRATING = 0x4d505031_4d494752n

/** An index entry holds about 2,700 bytes; a longer key is known by its hash. */
const LONGEST_NAME = 2000

const name = (key: string): string =>
  Buffer.byteLength(key) > LONGEST_NAME ? `"${createHash('sha256').update(key).digest('hex')}` : key
