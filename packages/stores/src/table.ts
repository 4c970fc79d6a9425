/**
 * The steps of a store on one SQLite table, for whatever can run a statement.
 *
 * Whoever runs a step sees to it that nothing comes between its statements.
 *
 * @module
 */
import type { Row } from './guard.js'

/** Runs one statement, each of which returns rows. */
export type Query = (sql: string, ...params: (string | number)[]) => readonly Found[]
type Found = Readonly<Record<string, unknown>>

/** Expiry is by the database's clock, in epoch milliseconds. */
const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"

/** `IF NOT EXISTS` throughout: run at every start. */
export const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS polyrail_store
    (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID`,
  'CREATE INDEX IF NOT EXISTS polyrail_store_expires ON polyrail_store (expires)',
] as const

const GET = `SELECT value FROM polyrail_store WHERE key = ? AND expires > ${NOW}`
const INSERT = `INSERT INTO polyrail_store (key, value, expires) VALUES (?, ?, ${NOW} + ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires`
const RETURNING = 'RETURNING 1 AS done'
const SET = `${INSERT} ${RETURNING}`
const ADD = `${INSERT} WHERE polyrail_store.expires <= ${NOW} ${RETURNING}`
const REPLACE = `UPDATE polyrail_store SET value = ?, expires = ${NOW} + ?
  WHERE key = ? AND value = ? AND expires > ${NOW} ${RETURNING}`
const DELETE = `DELETE FROM polyrail_store WHERE key = ? ${RETURNING}`
const FIRST = 'SELECT 1 FROM polyrail_store LIMIT 1'
const SWEEP = `DELETE FROM polyrail_store WHERE key IN
  (SELECT key FROM polyrail_store WHERE expires <= ${NOW} ORDER BY expires LIMIT ?) ${RETURNING}`

/** The steps; none waits for anything. */
export function createTable(query: Query) {
  const get = (key: string) => query(GET, key)[0]?.['value'] as string | undefined
  return {
    get,
    set: ({ key, value, life }: Row): void => void query(SET, key, value, life),
    delete: (key: string): void => void query(DELETE, key),
    compareAndSet({ key, value, life }: Row, expected: string | undefined): boolean {
      const done =
        expected === undefined
          ? query(ADD, key, value, life)
          : query(REPLACE, value, life, key, expected)
      return done.length === 1
    },
    claim(rows: readonly Row[]): readonly (string | undefined)[] | undefined {
      const existing = rows.map(({ key }) => get(key))
      if (existing.some((value) => value !== undefined)) return existing
      for (const { key, value, life } of rows) query(SET, key, value, life)
      return undefined
    },
    isEmpty: (): boolean => query(FIRST).length === 0,
    /** Removes expired rows, the oldest first and no more than told: the rest waits for its turn. */
    sweep: (most: number): number => query(SWEEP, most).length,
  }
}

export type Table = ReturnType<typeof createTable>
