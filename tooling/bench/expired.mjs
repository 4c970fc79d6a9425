/**
 * Measures whether expired keys slow a claim: the same claims on an empty store and beside millions of expired keys.
 *
 *     node tooling/bench/expired.mjs                       ten million on SQLite, PostgreSQL and Redis, about ten minutes
 *     node tooling/bench/expired.mjs --rows 1000000        fewer
 *     node tooling/bench/expired.mjs --only sqlite,redis   some of the three
 *
 * Each store is started by the script, with data of its own; one whose server is not installed is left out and named. Needs
 * about 3 GB of disk, and 2 GB of memory for Redis.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { migrate, postgres } from '@polyrail/stores/postgres'
import { redis } from '@polyrail/stores/redis'
import { sqlite } from '@polyrail/stores/sqlite'
import { Redis } from 'ioredis'
import Database from 'libsql'
import pg from 'pg'

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '10000000' },
    claims: { type: 'string', default: '2000' },
    only: { type: 'string', default: 'sqlite,postgres,redis' },
  },
})
const rows = Number(flags.rows)
const claims = Number(flags.claims)
const PORT = { postgres: 25_432, redis: 26_379 }

/**
 * @typedef {import('@polyrail/core').Store.Store} Store
 * @typedef {{ store: Store, fill(): Promise<void>, left(): Promise<number>, sweep?(): void, stop(): Promise<void> }} Subject
 */

/** @type {Record<string, (folder: string) => Promise<Subject | undefined>>} */
const subjects = {
  async sqlite(folder) {
    const file = join(folder, 'bench.db')
    const [database, filler] = [new Database(file), new Database(file)]
    const store = sqlite(database, { timeout: 600_000 })
    await store.get('open')
    return {
      store,
      async fill() {
        filler.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000')
        for (let from = 0; from < rows; from += 500_000)
          filler.exec(`WITH RECURSIVE n (n) AS (SELECT ${from} UNION ALL SELECT n + 1 FROM n WHERE n < ${
            Math.min(from + 500_000, rows) - 1
          }) INSERT INTO polyrail_store
            SELECT 'mpp:challenge:' || lower(hex(randomblob(16))) || n, '{"state":"delivered"}', 1 + n FROM n`)
      },
      left: async () => {
        const found = filler.prepare(
          'SELECT count(*) AS n FROM polyrail_store WHERE expires < 1e12',
        )
        return Number(/** @type {{ n: number }} */ (found.get()).n)
      },
      async stop() {
        database.close()
        filler.close()
      },
    }
  },

  async postgres(folder) {
    const versions = '/usr/lib/postgresql'
    const version = existsSync(versions) ? readdirSync(versions).toSorted().at(-1) : undefined
    if (version === undefined) return undefined
    const bin = join(versions, version, 'bin')
    const id = (/** @type {string} */ flag) =>
      Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
    // It refuses to run as root.
    const who = userInfo().uid === 0 ? { uid: id('-u'), gid: id('-g') } : undefined
    if (who) chownSync(folder, who.uid, who.gid)
    const options = /** @type {const} */ ({ ...who, cwd: folder, stdio: 'ignore' })
    execFileSync(join(bin, 'initdb'), ['-D', folder, '-U', 'postgres', '-A', 'trust'], options)
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_wal_size=8GB']
    const set = settings.flatMap((setting) => ['-c', setting])
    const server = spawn(
      join(bin, 'postgres'),
      ['-D', folder, '-p', String(PORT.postgres), ...set],
      options,
    )
    const ready = () =>
      execFileSync(
        join(bin, 'pg_isready'),
        ['-h', '127.0.0.1', '-p', String(PORT.postgres)],
        options,
      )
    await until(ready)
    const pool = new pg.Pool({ host: '127.0.0.1', port: PORT.postgres, user: 'postgres', max: 4 })
    await migrate(pool)
    const store = postgres(pool, { sweep: 0, timeout: 600_000 })
    return {
      store,
      async fill() {
        await pool.query(`INSERT INTO polyrail_store SELECT 'mpp:challenge:' || md5(n::text) || n, '{"state":"delivered"}',
          now() - interval '1 day' + n * interval '1 ms' FROM generate_series(1, ${rows}) AS n`)
      },
      left: async () =>
        Number(
          (await pool.query('SELECT count(*) AS n FROM polyrail_store WHERE expires < now()'))
            .rows[0].n,
        ),
      sweep: () => void store.sweep(),
      async stop() {
        await store.close()
        await pool.end()
        server.kill('SIGINT')
        await once(server, 'exit')
      },
    }
  },

  async redis(folder) {
    const path = (process.env['PATH'] ?? '').split(':').map((place) => join(place, 'redis-server'))
    const binary = path.find((place) => existsSync(place))
    if (binary === undefined) return undefined
    const args = ['--port', String(PORT.redis), '--dir', folder, '--save', '', '--appendonly', 'no']
    const server = spawn(binary, [...args, '--enable-debug-command', 'yes'], { stdio: 'ignore' })
    const client = new Redis(PORT.redis, { maxRetriesPerRequest: null })
    client.on('error', () => undefined)
    await client.ping()
    return {
      store: redis(client, { timeout: 600_000 }),
      async fill() {
        // Its own sweep is held back, so that all of them stand at once.
        await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')
        for (let from = 0; from < rows; from += 100_000)
          await client.eval(
            `for n = ARGV[1], ARGV[2] do redis.call('SET', 'mpp:challenge:' .. n, '{"state":"delivered"}', 'PX', 60000) end`,
            0,
            from,
            Math.min(from + 100_000, rows) - 1,
          )
        process.stderr.write('· waiting for the last key to expire\n')
        await new Promise((resolve) => setTimeout(resolve, 61_000))
        await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '1')
      },
      left: () => client.dbsize(),
      async stop() {
        server.kill('SIGKILL')
        client.disconnect()
        await once(server, 'exit')
      },
    }
  },
}

for (const name of flags.only.split(',')) await measure(name)

/** @param {string} name */
async function measure(name) {
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-expired-'))
  const subject = await subjects[name]?.(folder)
  if (!subject) {
    console.log(`!!! LEFT OUT: ${name}: its server is not installed here`)
    return
  }
  try {
    await time(subject.store)
    const before = await time(subject.store)
    process.stderr.write(`· ${name}: filling in ${rows.toLocaleString('en')} expired keys\n`)
    const started = performance.now()
    await subject.fill()
    const seconds = (performance.now() - started) / 1000
    const first = await subject.left()
    const after = await time(subject.store)
    // Otherwise it is begun once a minute, and goes on until all are gone.
    subject.sweep?.()
    const meanwhile = subject.sweep && (await time(subject.store))
    const last = await subject.left()
    const show = ({ median, late }) => `${median.toFixed(0)} µs, 99% within ${late.toFixed(0)} µs`
    console.log(`${name}: a claim of two keys, ${claims} in turn (wall time)`)
    console.log(`  empty                    ${show(before)}`)
    console.log(`  ${first.toLocaleString('en').padStart(10)} expired keys   ${show(after)}`)
    if (meanwhile) console.log(`  … while they are swept    ${show(meanwhile)}`)
    console.log(
      `  swept meanwhile: ${(first - last).toLocaleString('en')}; filled in ${seconds.toFixed(0)} s`,
    )
  } finally {
    await subject.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Claims as the core does, a challenge and a proof, one after the other.
 *
 * @param {Store} store
 */
async function time(store) {
  const times = []
  for (let n = 0; n < claims; n++) {
    const id = crypto.randomUUID()
    const entries = [
      { key: `mpp:challenge:${id}`, value: { state: 'claimed', owner: id, until: 0 }, ttl: 86_400 },
      { key: `mpp:proof:points:${id}`, value: id, ttl: 86_400 * 400 },
    ]
    const started = performance.now()
    const { claimed } = await store.claim(entries)
    times.push((performance.now() - started) * 1000)
    if (!claimed) throw new Error('a claim of new keys was lost')
  }
  times.sort((a, b) => a - b)
  const at = (/** @type {number} */ part) => times[Math.floor(times.length * part)] ?? 0
  return { median: at(0.5), late: at(0.99) }
}

/** @param {() => unknown} ready */
async function until(ready) {
  for (let tries = 0; ; tries++) {
    try {
      return ready()
    } catch (cause) {
      if (tries === 200) throw cause
    }
    await new Promise((again) => setTimeout(again, 50))
  }
}
