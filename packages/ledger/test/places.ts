/**
 * Ledgers to test, each on a database of its own.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ledger as Core } from '@polyrail/core'
import type { Ledger, Line } from '@polyrail/ledger'
import { migrate, postgres } from '@polyrail/ledger/postgres'
import { sqlite } from '@polyrail/ledger/sqlite'
import Database from 'libsql'
import { Pool } from 'pg'
import { leftOut, startPostgres } from './servers.js'

/** A database, on which any number of ledgers may be opened, each with a connection of its own. */
export type Place = {
  /** What the command line takes. */
  where: string
  open(options?: { issued?: boolean; timeout?: number }): Ledger
  /** Runs SQL behind the ledger's back. */
  run(sql: string): Promise<unknown>
  close(): Promise<void>
}

export type Stage = { name: string; why: string | undefined; start(): Promise<Place> }

export const stages: readonly Stage[] = [
  { name: 'sqlite', why: undefined, start: async () => startSqlite() },
  { name: 'postgres', why: leftOut, start: startOnPostgres },
]

function startSqlite(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-ledger-'))
  const where = join(folder, 'ledger.db')
  const databases: InstanceType<typeof Database>[] = []
  const connect = () => {
    const database = new Database(where)
    databases.push(database)
    return database
  }
  return {
    where,
    open: (options) => sqlite(connect(), options),
    run: async (sql) => void connect().exec(sql),
    async close() {
      for (const database of databases) database.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startOnPostgres(): Promise<Place> {
  const server = await startPostgres()
  const pool = new Pool({ connectionString: server.url, max: 20 })
  pool.on('error', () => undefined)
  await Promise.all([migrate(pool), migrate(pool)])
  return {
    where: server.url,
    open: (options) => postgres(pool, options),
    run: (sql) => pool.query(sql),
    async close() {
      await pool.end()
      await server.stop()
    },
  }
}

let challenges = 0

/** An entry of a new payment, or of the one that is told. */
export const entryOf = (
  kind: Core.Entry['kind'],
  challengeId = `challenge-${process.pid}-${++challenges}`,
  more: Partial<Core.Entry> = {},
): Core.Entry => ({
  kind,
  challengeId,
  realm: 'api.example.com',
  method: 'points',
  intent: 'charge',
  scope: 'scope-1',
  price: { amount: 1050n, currency: 'pts', decimals: 2 },
  ...(kind === 'settled' && { reference: `ref-${challengeId}`, settledAt: '2026-08-31T10:00:00Z' }),
  ...more,
})

/** Writes the steps of one payment. */
export async function write(
  ledger: Ledger,
  kinds: readonly Core.Entry['kind'][],
  more: Partial<Core.Entry> = {},
): Promise<string> {
  const { challengeId } = entryOf('claimed')
  for (const kind of kinds) await ledger.write(entryOf(kind, challengeId, more))
  return challengeId
}

export async function all(
  ledger: Ledger,
  query: Parameters<Ledger['entries']>[0] = {},
): Promise<Line[]> {
  const lines: Line[] = []
  for await (const line of ledger.entries(query)) lines.push(line)
  return lines
}
