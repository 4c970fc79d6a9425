/**
 * The store on a real PostgreSQL.
 *
 * @module
 */
import { storeSuite } from '@polyrail/conformance'
import { storeConformance } from '@polyrail/conformance/vitest'
import { migrate, migration, postgres } from '@polyrail/stores/postgres'
import { Pool, type PoolConfig } from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { buy } from './shop.js'
import { freePort, leftOut, postgresFolder, startPostgres } from './servers.js'

const why = leftOut('PostgreSQL', postgresFolder)
const server = why === undefined ? await startPostgres() : undefined
const pools: Pool[] = []
const stores: postgres.Postgres[] = []
afterAll(async () => {
  for (const store of stores) await store.close()
  for (const pool of pools) await pool.end()
  await server?.stop()
})

function connect(options: PoolConfig = {}): Pool {
  const at = { host: '127.0.0.1', port: server?.port ?? 0, user: 'postgres', database: 'postgres' }
  const pool = new Pool({ ...at, max: 4, ...options })
  pool.on('error', () => undefined)
  pools.push(pool)
  return pool
}

/** Sweeps only when told to: a store of another test would take part. */
function open(pool: postgres.Pool, options?: postgres.Options): postgres.Postgres {
  const store = postgres(pool, { sweep: 0, ...options })
  stores.push(store)
  return store
}

if (server) await migrate(connect())

describe.skipIf(why !== undefined)(`on a real server ${why ?? ''}`, () => {
  storeConformance(() => open(connect()), {
    name: 'pg',
    capabilities: { wakes: true, volatile: false },
  })

  storeConformance(() => open(connect(), { wake: false, prefix: 'silent:' }), {
    name: 'pg behind a pooler',
    capabilities: { wakes: false, volatile: false },
  })

  describe.each(['repeatable read', 'serializable'])('under %s isolation', (isolation) => {
    const options = `-c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`
    const capabilities = { wakes: true, volatile: false }
    const cases = storeSuite(() => open(connect({ options })), { capabilities })
    for (const { id, run } of cases)
      if (id.startsWith('claim/') || id.startsWith('update/')) test(id, { timeout: 30_000 }, run)
  })

  test('a server that refuses LISTEN costs no connection, and who waits looks after a while', async () => {
    const pool = connect({ max: 2 })
    let refused = 0
    const store = open({
      query: (sql, values) => pool.query(sql, values),
      async connect() {
        const client = await pool.connect()
        const query: postgres.Client['query'] = async (sql, values) => {
          if (!sql.startsWith('LISTEN')) return client.query(sql, values)
          refused += 1
          throw new Error('LISTEN is not supported here')
        }
        return { query, on: client.on.bind(client), release: client.release.bind(client) }
      },
    })
    for (let times = 0; times < 4; times++) await store.wait?.('unheard', { timeout: 20 })
    await store.wait?.('unheard', { timeout: 5000 })
    expect(refused).toBeGreaterThan(2)
    await expect.poll(() => pool.totalCount - pool.idleCount, { timeout: 5000 }).toBe(0)
    await store.set('unheard', 1, { ttl: 60 })
  })

  test('a pool of one connection keeps it for the requests', async () => {
    const store = open(connect({ max: 1 }))
    expect(store.wait).toBeUndefined()
    expect(await buy(store)).toBe('page')
  })

  test('a paid request is served', async () => {
    expect(await buy(open(connect()))).toBe('page')
  })

  test('the migration may run many times at once, and for a table of one’s own', async () => {
    const pool = connect()
    await pool.query('CREATE SCHEMA billing')
    const table = 'billing.claims'
    await Promise.all(Array.from({ length: 4 }, () => migrate(pool, { table })))
    const store = open(pool, { table })
    expect(await store.claim([{ key: 'k', value: 1n, ttl: 60 }])).toEqual({ claimed: true })
    expect(await store.get('k')).toBe(1n)
    expect(migration(table)).toContain('CREATE TABLE IF NOT EXISTS billing.claims')
    expect(() => postgres(pool, { table: 'x; DROP TABLE users' })).toThrow(TypeError)
  })

  test('expired rows are swept in batches, and nothing else is', async () => {
    const pool = connect()
    const store = open(pool)
    await pool.query(
      `INSERT INTO polyrail_store SELECT 'old ' || n, '1', now() - interval '1 hour' FROM generate_series(1, 2500) AS n`,
    )
    await store.set('young', 1, { ttl: 60 })
    expect(await store.sweep()).toBeGreaterThanOrEqual(2500)
    expect(await store.get('young')).toBe(1)
    expect(await store.sweep()).toBe(0)
  })

  test('nobody is notified where nobody waits', async () => {
    const pool = connect()
    const store = open(pool)
    const client = await pool.connect()
    const heard: unknown[] = []
    client.on('notification', (message) => heard.push(message))
    await client.query('LISTEN polyrail_changed')
    await store.set('unwatched', 1, { ttl: 60 })
    await store.update('unwatched', () => 2, { ttl: 60 })
    await client.query('SELECT 1')
    expect(heard).toEqual([])
    const waiting = store.wait?.('watched', { timeout: 5000 })
    await waiting
    await store.set('watched', 1, { ttl: 60 })
    await expect.poll(() => heard, { timeout: 5000 }).toHaveLength(1)
    client.release()
  })

  test('a listening connection that is cut is made anew', { timeout: 60_000 }, async () => {
    const pool = connect()
    const store = open(pool)
    await store.wait?.('cut', { timeout: 100 })
    const waiting = store.wait?.('cut', { timeout: 20_000 })
    const started = Date.now()
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_advisory_lock_shared%' AND pid <> pg_backend_pid()`,
    )
    await waiting
    expect(Date.now() - started).toBeLessThan(8000)
    const again = store.wait?.('cut', { timeout: 20_000 })
    await again
    const woken = store.wait?.('cut', { timeout: 20_000 })
    await store.set('cut', 1, { ttl: 60 })
    await woken
    expect(Date.now() - started).toBeLessThan(16_000)
  })
})

describe('a server that is not there', () => {
  test('fails in time and says so, and the server answers 503', async () => {
    const pool = new Pool({ host: '127.0.0.1', port: await freePort(), user: 'nobody' })
    const store = postgres(pool, { timeout: 500, sweep: 0 })
    await expect(store.get('k')).rejects.toThrow(
      'Store "postgres" could not do a step (ECONNREFUSED)',
    )
    expect(await buy(store).catch((cause: Error) => cause.message)).toBe('503 store-unavailable')
    await pool.end()
  })
})
