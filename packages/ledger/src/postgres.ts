/**
 * A ledger on PostgreSQL, over a pool of `pg`.
 *
 * @module
 */
import { READING, within } from './deadline.js'
import { from, type Ledger } from './ledger.js'
import { DEFINITION, insert, read, select, selectOpen, TABLE, type Statement } from './sql.js'

/**
 * Makes a ledger of a pool. Run {@link migrate} or the SQL of {@link migration} once before.
 *
 * @param pool - A `Pool` of pg. Stays yours to end.
 * @param options.table - Where the lines are (`polyrail_ledger`).
 * @param options.timeout - Milliseconds for one write (5,000): visitors wait for it.
 * @param options.issued - Also note every challenge that goes out (false).
 * @throws TypeError when the table's name is not a plain one.
 * @example
 * import { Pool } from 'pg'
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
 * await migrate(pool)
 * const mpp = Mpp.create({ methods, realm, secretKey, store, ledger: postgres(pool) })
 */
export function postgres(pool: postgres.Pool, options: postgres.Options = {}): Ledger {
  const { timeout = 5000 } = options
  const table = plain(options.table)
  const run = (timeout: number, { sql, values }: Statement) =>
    within({ name: 'postgres', timeout }, () => pool.query(sql.replaceAll('?', '$'), values))
  const lines = async (statement: Statement) => (await run(READING, statement)).rows.map(read)
  return from(
    {
      name: 'postgres',
      append: async (added) =>
        added.length === 0 ? 0 : (await run(timeout, insert(added, table))).rows.length,
      read: (query) => lines(select(query, table)),
      open: (query) => lines(selectOpen(query, table)),
    },
    options,
  )
}

export declare namespace postgres {
  type Options = import('./ledger.js').Options & {
    table?: string | undefined
    timeout?: number | undefined
  }
  /** What is used of a pool of pg. */
  type Pool = { query(sql: string, values?: unknown[]): Promise<{ rows: Row[] }> }
  type Row = Readonly<Record<string, unknown>>
}

/**
 * Writes the SQL that makes the table, for a migration of your own tool. Safe to run again.
 *
 * The table takes new lines and nothing else: whoever must change or drop some disables its trigger first.
 *
 * @throws TypeError when the table's name is not a plain one.
 * @example
 * console.log(migration())
 */
export function migration(table?: string): string {
  const name = plain(table)
  const short = name.replace('.', '_')
  return `CREATE TABLE IF NOT EXISTS ${name} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ${DEFINITION}
);
CREATE INDEX IF NOT EXISTS ${short}_at ON ${name} (at);
CREATE OR REPLACE FUNCTION ${name}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the ledger is append-only';
END $$;
CREATE OR REPLACE TRIGGER ${short}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${name}
  FOR EACH STATEMENT EXECUTE FUNCTION ${name}_refuse();
`
}

/**
 * Makes the table where it is not there yet. Several servers may run it at once.
 *
 * @example
 * await migrate(pool)
 */
export async function migrate(
  pool: postgres.Pool,
  { table }: { table?: string | undefined } = {},
): Promise<void> {
  // One after the other: IF NOT EXISTS alone fails when two look at the same moment.
  await pool.query(`BEGIN; SELECT pg_advisory_xact_lock(${MIGRATING}); ${migration(table)} COMMIT`)
}

const MIGRATING = 0x4d505031_4c454447n

function plain(table: string = TABLE): string {
  if (!/^[a-z_][a-z0-9_]{0,40}(\.[a-z_][a-z0-9_]{0,40})?$/.test(table))
    throw new TypeError(
      `The table "${table}" must be a plain lower-case name of up to 41 characters, with its schema if need be.`,
    )
  return table
}
