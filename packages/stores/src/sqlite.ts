/**
 * A store in an SQLite file, for one machine and any number of processes on it.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { guard, type Options } from './guard.js'
import { createTable, SCHEMA, type Query, type Table } from './table.js'

/**
 * Makes a store of an open database: of `libsql`, whose binary ships inside its npm package, or of `better-sqlite3` or
 * `node:sqlite`. Give it a connection of its own: it puts the file in WAL mode, waits for the disk at each commit, and
 * makes a table `polyrail_store`.
 *
 * A database in memory (`:memory:`) is taken for tests, and calls itself volatile.
 *
 * What many requests ask for at once becomes one transaction, and so one wait for the disk. Where another process has
 * the file, it is tried again from the event loop, which is free meanwhile.
 *
 * @param database - Stays yours to close.
 * @param options.timeout - Milliseconds for one step, with the wait for other processes (5,000).
 * @throws TypeError when this is no such database.
 * @example
 * import Database from 'libsql'
 * const store = sqlite(new Database('payments.db'))
 * @see core draft, Concurrent Request Handling
 */
export function sqlite(database: sqlite.Database, options: Options = {}): Store.Store {
  if (typeof database?.prepare !== 'function' || typeof database.exec !== 'function')
    throw new TypeError('sqlite() takes an open database of libsql, better-sqlite3 or node:sqlite.')
  const { timeout = 5000 } = options
  const query = createQuery(database)
  const table = createTable(query)
  const open = createOpening(database, query)
  const write = createWriter(database, { open, table, timeout })
  const [main] = query('PRAGMA database_list')
  return guard(
    {
      name: 'sqlite',
      // In memory, or in a temporary file, which has no name.
      volatile: main?.['file'] === '',
      get: (key) => patiently(timeout, () => (open(), table.get(key))),
      set: (row) => write(() => table.set(row)),
      delete: (key) => write(() => table.delete(key)),
      compareAndSet: (row, expected) => write(() => table.compareAndSet(row, expected)),
      claim: (rows) => write(() => table.claim(rows)),
    },
    options,
  )
}

export declare namespace sqlite {
  /** What is used of a database; `all` returns one object a row. */
  type Database = {
    exec(sql: string): unknown
    prepare(sql: string): { all(...params: (string | number)[]): unknown }
  }
}

/** Prepares each statement once. */
function createQuery(database: sqlite.Database): Query {
  const prepared = new Map<string, ReturnType<sqlite.Database['prepare']>>()
  return (sql, ...params) => {
    let statement = prepared.get(sql)
    if (!statement) prepared.set(sql, (statement = database.prepare(sql)))
    return statement.all(...params) as ReturnType<Query>
  }
}

/** Sets the connection up at its first use, so that a busy file at the start is waited for like any other. */
function createOpening(database: sqlite.Database, query: Query): () => void {
  let isOpen = false
  return () => {
    if (isOpen) return
    database.exec('PRAGMA busy_timeout = 0')
    query('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    for (const statement of SCHEMA) database.exec(statement)
    isOpen = true
  }
}

type Job = {
  act: () => unknown
  /** By `performance.now()`: clocks may be set. */
  giveUp: number
  done(value: unknown): void
  fail(cause: unknown): void
}
type Write = <value>(act: () => value) => Promise<value>

/** Most steps in one transaction: together they hold the event loop for about a millisecond. */
const BATCH = 64

/** Gathers what is asked in one turn of the event loop into one transaction. */
function createWriter(
  database: sqlite.Database,
  { open, table, timeout }: { open: () => void; table: Table; timeout: number },
): Write {
  const queue: Job[] = []
  let isWriting = false

  function commit(jobs: readonly Job[]): unknown[] {
    open()
    database.exec('BEGIN IMMEDIATE')
    try {
      const values = jobs.map(({ act }) => act())
      // More than is written, so that the table shrinks however busy the shop is.
      table.sweep(8 + jobs.length * 4)
      database.exec('COMMIT')
      return values
    } catch (cause) {
      undo(database)
      throw cause
    }
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      let jobs = queue.splice(0, BATCH)
      try {
        const values = await patiently(timeout, () => {
          // The others have been told that it failed: what they asked for must not happen after all.
          jobs = jobs.filter(({ giveUp }) => performance.now() < giveUp)
          return jobs.length === 0 ? [] : commit(jobs)
        })
        jobs.forEach((job, index) => job.done(values[index]))
      } catch (cause) {
        for (const job of jobs) job.fail(cause)
      }
      await new Promise((next) => setImmediate(next))
    }
    isWriting = false
  }

  return <value>(act: () => value) =>
    new Promise<value>((resolve, reject) => {
      // A little before whoever asks does.
      const giveUp = performance.now() + timeout * 0.95
      queue.push({ act, giveUp, done: (value) => resolve(value as value), fail: reject })
      if (isWriting) return
      isWriting = true
      setImmediate(() => void drain())
    })
}

/** A full disk, for one, has ended the transaction already. */
function undo(database: sqlite.Database): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // What went wrong first is what is told.
  }
}

/** Tries again while another process has the file, first soon and then up to every 20 ms or so. */
async function patiently<value>(timeout: number, act: () => value): Promise<value> {
  const giveUp = performance.now() + timeout
  for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
    try {
      return act()
    } catch (cause) {
      if (!isBusy(cause) || performance.now() > giveUp) throw cause
    }
    const wait = pause * (0.5 + Math.random())
    await new Promise((again) => setTimeout(again, wait))
  }
}

/** SQLITE_BUSY and its kinds, as each of the three databases says it; the low byte is the kind's family. */
function isBusy(cause: unknown): boolean {
  const { code, errcode } = (cause ?? {}) as { code?: unknown; errcode?: unknown }
  return (
    (typeof code === 'string' && code.startsWith('SQLITE_BUSY')) ||
    (typeof errcode === 'number' && (errcode & 0xff) === 5)
  )
}
