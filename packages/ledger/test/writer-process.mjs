/**
 * Writes payments into a ledger from a process of its own: `writer-process.mjs <where> <number> <count>`.
 *
 * @module
 */
import { postgres } from '@polyrail/ledger/postgres'
import { sqlite } from '@polyrail/ledger/sqlite'
import Database from 'libsql'
import pg from 'pg'

const [where = '', number = '', count = ''] = process.argv.slice(2)
const pool = where.startsWith('postgres://')
  ? new pg.Pool({ connectionString: where, max: 4 })
  : undefined
const ledger = pool ? postgres(pool) : sqlite(new Database(where))

/** @param {string} challengeId */
async function pay(challengeId) {
  for (const kind of /** @type {const} */ (['claimed', 'settled', 'delivered']))
    await ledger.write({
      kind,
      challengeId,
      realm: 'processes',
      method: 'points',
      intent: 'charge',
      scope: 's',
    })
}

const own = Array.from({ length: Number(count) }, (_, n) => `process-${number}-${n}`)
const joint = Array.from({ length: 10 }, (_, n) => `process-joint-${n}`)
await Promise.all([...own, ...joint].map(pay))
await pool?.end()
