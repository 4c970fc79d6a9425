/**
 * A ledger in an SQLite file, for one machine and any number of processes on it.
 *
 * @module
 */
import { READING, within } from './deadline.js'
import { from, type Ledger } from './ledger.js'
import type { Line, NewLine } from './line.js'
import { DEFINITION, insert, read, select, selectOpen, TABLE, type Statement } from './sql.js'

/**
 * Makes a ledger of an open database: of `libsql`, whose binary ships inside its npm package, or of `better-sqlite3` or
 * `node:sqlite`. Give it a connection of its own: it puts the file in WAL mode and waits for the disk at each commit.
 *
 * @param database - Stays yours to close.
 * @param options.timeout - Milliseconds for one write, with the wait for other processes (5,000).
 * @param options.issued - Also note every challenge that goes out (false).
 * @throws TypeError when this is no such database.
 * @example
 * import Database from 'libsql'
 * const mpp = Mpp.create({ methods, realm, secretKey, store, ledger: sqlite(new Database('ledger.db')) })
 */
export function sqlite(database: sqlite.Database, options: sqlite.Options = {}): Ledger {
  if (typeof database?.prepare !== 'function' || typeof database.exec !== 'function')
    throw new TypeError('sqlite() takes an open database of libsql, better-sqlite3 or node:sqlite.')
  const { timeout = 5000 } = options
  const connection = createConnection(database)
  const write = createWriter(connection, timeout)
  const lines = (statement: Statement): Promise<Line[]> =>
    within({ name: 'sqlite', timeout: READING }, async () =>
      (await patiently(timeout, () => connection.rows(statement))).map(read),
    )
  return from(
    {
      name: 'sqlite',
      append: (added) => within({ name: 'sqlite', timeout }, () => write(added)),
      read: (query) => lines(select(query)),
      open: (query) => lines(selectOpen(query)),
    },
    options,
  )
}

export declare namespace sqlite {
  type Options = import('./ledger.js').Options & { timeout?: number | undefined }
  /** What is used of a database; `all` returns one object a row. */
  type Database = {
    exec(sql: string): unknown
    prepare(sql: string): { all(...params: (string | number | null)[]): unknown }
  }
}

const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS ${TABLE} (id INTEGER PRIMARY KEY AUTOINCREMENT, ${DEFINITION})`,
  `CREATE INDEX IF NOT EXISTS ${TABLE}_at ON ${TABLE} (at)`,
  ...['UPDATE', 'DELETE'].map(
    (change) => `CREATE TRIGGER IF NOT EXISTS ${TABLE}_no_${change.toLowerCase()}
      BEFORE ${change} ON ${TABLE} BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END`,
  ),
]

type Row = Readonly<Record<string, unknown>>
type Connection = { exec(sql: string): void; rows(statement: Statement): readonly Row[] }

/** Sets the database up at its first use, so that a busy file at the start is waited for like any other. */
function createConnection(database: sqlite.Database): Connection {
  const prepared = new Map<string, ReturnType<sqlite.Database['prepare']>>()
  let isOpen = false
  function open(): void {
    if (isOpen) return
    database.exec('PRAGMA busy_timeout = 0')
    database.prepare('PRAGMA journal_mode = WAL').all()
    database.exec('PRAGMA synchronous = FULL')
    for (const statement of SCHEMA) database.exec(statement)
    isOpen = true
  }
  return {
    exec: (sql) => (open(), void database.exec(sql)),
    rows(numbered) {
      open()
      const { sql, values } = inOrder(numbered)
      let statement = prepared.get(sql)
      if (!statement) prepared.set(sql, (statement = database.prepare(sql)))
      return statement.all(...values) as readonly Row[]
    },
  }
}

/** Parameters as they come, for not every database takes numbered ones. */
function inOrder({ sql, values }: Statement): Statement {
  const given: Statement['values'] = []
  const plain = sql.replaceAll(/\?(\d+)/g, (_, place: string) => {
    given.push(values[Number(place) - 1] ?? null)
    return '?'
  })
  return { sql: plain, values: given }
}

type Job = {
  lines: readonly NewLine[]
  /** By `performance.now()`: clocks may be set. */
  giveUp: number
  done(added: number): void
  fail(cause: unknown): void
}

/** Most jobs in one transaction. */
const BATCH = 64

/** Gathers what is written in one turn of the event loop into one transaction, and so one wait for the disk. */
function createWriter(
  connection: Connection,
  timeout: number,
): (lines: readonly NewLine[]) => Promise<number> {
  const queue: Job[] = []
  let isWriting = false

  function commit(jobs: readonly Job[]): number[] {
    connection.exec('BEGIN IMMEDIATE')
    try {
      const added = jobs.map(({ lines }) => {
        let count = 0
        for (const line of lines) count += connection.rows(insert([line])).length
        return count
      })
      connection.exec('COMMIT')
      return added
    } catch (cause) {
      undo(connection)
      throw cause
    }
  }

  async function drain(): Promise<void> {
    while (queue.length > 0) {
      let jobs = queue.splice(0, BATCH)
      try {
        const added = await patiently(timeout, () => {
          // The others have been told that it failed: the payment went on without their lines.
          jobs = jobs.filter(({ giveUp }) => performance.now() < giveUp)
          return jobs.length === 0 ? [] : commit(jobs)
        })
        jobs.forEach((job, index) => job.done(added[index] ?? 0))
      } catch (cause) {
        for (const job of jobs) job.fail(cause)
      }
      await new Promise((next) => setImmediate(next))
    }
    isWriting = false
  }

  return (lines) =>
    new Promise((done, fail) => {
      // A little before whoever writes does.
      queue.push({ lines, giveUp: performance.now() + timeout * 0.95, done, fail })
      if (isWriting) return
      isWriting = true
      setImmediate(() => void drain())
    })
}

/** A full disk, for one, has ended the transaction already. */
function undo(connection: Connection): void {
  try {
    connection.exec('ROLLBACK')
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
