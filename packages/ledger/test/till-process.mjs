/**
 * A server of one paid page with a store and a ledger, for tests that kill it:
 * `till-process.mjs <store file> <ledger's place> <settle> <lease> <wait>`.
 *
 * The network of its rail is the process that started it, which moves the money and keeps the book.
 *
 * @module
 */
import { createServer } from 'node:http'
import { Mpp } from '@polyrail/core/server'
import { postgres } from '@polyrail/ledger/postgres'
import { sqlite as ledgerFile } from '@polyrail/ledger/sqlite'
import { sqlite as storeFile } from '@polyrail/stores/sqlite'
import { ask, coin } from '@polyrail/street/coin'
import Database from 'libsql'
import pg from 'pg'

const [file = '', place = '', settle = '', lease = '', wait = ''] = process.argv.slice(2)

function openLedger() {
  if (!place.startsWith('postgres://')) return ledgerFile(new Database(place))
  const pool = new pg.Pool({ connectionString: place, max: 6 })
  pool.on('error', () => undefined)
  return postgres(pool)
}

const mpp = Mpp.create({
  methods: [coin],
  realm: 'shop.example',
  secretKey: 'a-secret-for-tests-of-more-than-32-bytes',
  store: storeFile(new Database(file)),
  ledger: openLedger(),
  deadlines: { settle: Number(settle), lease: Number(lease), wait: Number(wait) },
})
mpp.on('error', () => undefined)
const page = mpp.charge({ amount: '7', currency: 'coin' })(async (request) => {
  const token = new URL(request.url).pathname.slice(1)
  return new Response(await ask('deliver', token))
})
const server = createServer(Mpp.toNodeListener(page)).listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
})
