/**
 * The store in an SQLite file, over several connections to it.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { storeConformance } from '@polyrail/conformance/vitest'
import { sqlite } from '@polyrail/stores/sqlite'
import Database from 'libsql'
import { afterAll, expect, test } from 'vitest'
import { buy } from './shop.js'

const folder = mkdtempSync(join(tmpdir(), 'polyrail-sqlite-'))
const databases: { close(): unknown }[] = []
afterAll(() => {
  for (const database of databases) database.close()
  rmSync(folder, { recursive: true, force: true })
})

function open(file: string) {
  const database = new Database(join(folder, file))
  databases.push(database)
  return database
}

storeConformance(() => sqlite(open('suite.db')), {
  name: 'libsql',
  capabilities: { wakes: false, volatile: false },
})

test('a paid request is served', async () => {
  expect(await buy(sqlite(open('shop.db')))).toBe('page')
})

test('what is asked in one turn is one transaction, and each answer its own', async () => {
  const database = open('batch.db')
  const commits: string[] = []
  const store = sqlite({
    prepare: (sql) => database.prepare(sql),
    exec: (sql) => (commits.push(sql), database.exec(sql)),
  })
  await store.set('first', 1, { ttl: 60 })
  commits.length = 0
  const claims = await Promise.all(
    Array.from({ length: 50 }, (_, n) => store.claim([{ key: `k${n % 10}`, value: n, ttl: 60 }])),
  )
  expect(commits.filter((sql) => sql === 'COMMIT')).toHaveLength(1)
  expect(claims.filter(({ claimed }) => claimed)).toHaveLength(10)
})

test('a file that another has is waited for, with the event loop free', async () => {
  const [holder, database] = [open('busy.db'), open('busy.db')]
  const store = sqlite(database)
  await store.set('k', 1, { ttl: 60 })
  holder.exec('BEGIN IMMEDIATE')
  let turns = 0
  const watch = setInterval(() => (turns += 1), 1)
  const writing = store.set('k', 2, { ttl: 60 })
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(await store.get('k')).toBe(1)
  holder.exec('ROLLBACK')
  await writing
  clearInterval(watch)
  expect(await store.get('k')).toBe(2)
  expect(turns).toBeGreaterThan(20)
})

test('a file that is never given free fails in time, and the server answers 503', async () => {
  const holder = open('stuck.db')
  const store = sqlite(open('stuck.db'), { timeout: 200 })
  await store.set('k', 1, { ttl: 60 })
  holder.exec('BEGIN IMMEDIATE')
  await expect(store.set('k', 2, { ttl: 60 })).rejects.toThrow('Store "sqlite"')
  expect(await buy(store).catch((cause: Error) => cause.message)).toBe('503 store-unavailable')
  holder.exec('ROLLBACK')
})

test('what was given up does not happen after all, however long the queue was', async () => {
  const holder = open('late.db')
  const store = sqlite(open('late.db'), { timeout: 200 })
  await store.set('k', 1, { ttl: 60 })
  holder.exec('BEGIN IMMEDIATE')
  const keys = Array.from({ length: 200 }, (_, n) => `late ${n}`)
  const claims = keys.map((key) => store.claim([{ key, value: 1, ttl: 60 }]))
  const told = await Promise.allSettled(claims)
  expect(told.every(({ status }) => status === 'rejected')).toBe(true)
  holder.exec('ROLLBACK')
  // Comes after whatever is still waiting.
  await expect
    .poll(() => store.set('k', 2, { ttl: 60 }).then(() => 'written', String), { timeout: 5000 })
    .toBe('written')
  expect(await Promise.all(keys.map((key) => store.get(key)))).toEqual(keys.map(() => undefined))
})

test('a database in memory says that it dies with its process', async () => {
  const database = new Database(':memory:')
  databases.push(database)
  expect(sqlite(database).volatile).toBe(true)
  expect(sqlite(open('kept.db')).volatile).toBe(false)
  expect(await buy(sqlite(database))).toBe('page')
})

test('a timeout that is none is refused at once', () => {
  for (const timeout of [0, -1, Number.NaN, Infinity, 2 ** 31])
    expect(() => sqlite(open('timeout.db'), { timeout })).toThrow(RangeError)
})

test('expired rows are swept while others are written, and never in great numbers', async () => {
  const database = open('sweep.db')
  const store = sqlite(database)
  await store.set('first', 1, { ttl: 60 })
  const add = database.prepare('INSERT INTO polyrail_store VALUES (?, ?, 1)')
  for (let n = 0; n < 100; n++) add.run(`old ${n}`, '1')
  const left = () =>
    (
      database.prepare('SELECT count(*) AS n FROM polyrail_store WHERE expires = 1').all()[0] as {
        n: number
      }
    ).n
  await store.set('k', 1, { ttl: 60 })
  expect(left()).toBe(88)
  for (let n = 0; n < 10; n++) await store.set('k', n, { ttl: 60 })
  expect(left()).toBe(0)
})

test('what is no database is refused at once', () => {
  expect(() => sqlite({} as sqlite.Database)).toThrow('libsql')
})
