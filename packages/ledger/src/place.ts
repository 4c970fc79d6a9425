/**
 * Where a command finds its ledger: a file, an address or a module.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Store } from '@polyrail/core'
import type { Ledger } from './ledger.js'
import { postgres } from './postgres.js'
import { TABLE } from './sql.js'
import { sqlite } from './sqlite.js'

/** A ledger, and the server's store if the module has one. */
export type Place = { ledger: Ledger; store?: Store.Store | undefined; close(): unknown }

/**
 * Opens a ledger: an SQLite file, a `postgres://` address, or a module that exports `ledger` and, if it likes, `store`
 * and `close`.
 *
 * @throws Error when there is none, or its library is not installed.
 */
export async function open(where: string): Promise<Place> {
  if (/^postgres(ql)?:\/\//.test(where)) return openPostgres(where)
  if (!existsSync(where)) throw new Error(`There is no file "${where}".`)
  return /\.[cm]?[jt]s$/.test(where) ? openModule(where) : openSqlite(where)
}

async function openPostgres(where: string): Promise<Place> {
  const { Pool } = (await load(import('pg'), 'pg')).default
  const pool = new Pool({ connectionString: where, max: 2 })
  // The next step tells of it.
  pool.on('error', () => undefined)
  return { ledger: postgres(pool), close: () => pool.end() }
}

async function openSqlite(where: string): Promise<Place> {
  const Database = (await load(import('libsql'), 'libsql')).default
  const database = new Database(where)
  const tables = database.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').all(TABLE)
  // It would be made here, and say that nothing is owed.
  if (tables.length === 0) throw new Error(`There is no ledger in "${where}".`)
  return { ledger: sqlite(database), close: () => database.close() }
}

async function openModule(where: string): Promise<Place> {
  const { ledger, store, close } = (await import(
    pathToFileURL(resolve(where)).href
  )) as Partial<Place>
  if (typeof ledger?.reconcile !== 'function')
    throw new Error(`"${where}" exports no ledger: export const ledger = sqlite(…) or postgres(…).`)
  return { ledger, store, close: close ?? (() => undefined) }
}

async function load<module>(loading: Promise<module>, name: string): Promise<module> {
  try {
    return await loading
  } catch (cause) {
    throw new Error(`This ledger needs the package ${name}: npm install ${name}`, { cause })
  }
}
