/**
 * A server of one paid page with a store and a ledger, for tests that kill it:
 * `till-process.mjs <store file> <ledger's place> <settle> <lease> <wait>`.
 *
 * The network of its rail is the process that started it, which moves the money and keeps the book.
 *
 * @module
 */
import { createServer } from 'node:http'
import { Method, Mpp, Outcome } from '@polyrail/core/server'
import { postgres } from '@polyrail/ledger/postgres'
import { sqlite as ledgerFile } from '@polyrail/ledger/sqlite'
import { sqlite as storeFile } from '@polyrail/stores/sqlite'
import Database from 'libsql'
import pg from 'pg'

const [file = '', place = '', settle = '', lease = '', wait = ''] = process.argv.slice(2)

/** @type {Map<number, (answer: any) => void>} */
const asked = new Map()
let questions = 0

/**
 * Asks the parent.
 *
 * @param {'settle' | 'find' | 'deliver'} question
 * @param {string} token
 * @returns {Promise<any>}
 */
const ask = (question, token) =>
  new Promise((resolve) => {
    asked.set((questions += 1), resolve)
    process.send?.({ question, token, number: questions })
  })
process.on('message', (/** @type {any} */ { number, answer }) => {
  asked.get(number)?.(answer)
  asked.delete(number)
})
process.on('disconnect', () => process.exit())

/** @type {Method.Schema<Record<string, string>>} */
const schema = {
  '~standard': {
    version: 1,
    vendor: 'polyrail',
    validate: (value) => ({ value: /** @type {Record<string, string>} */ (value) }),
  },
}
const coin = Method.from({
  name: 'coin',
  intent: 'charge',
  schema: { request: schema, credential: { payload: schema } },
})
const rail = Method.toServer(coin, {
  replayKey: ({ credential }) => credential.payload['token'] ?? '',
  settle: async ({ credential }) => ({
    reference: await ask('settle', credential.payload['token'] ?? ''),
  }),
  async reconcile({ credential }) {
    const reference = await ask('find', credential.payload['token'] ?? '')
    return reference === null
      ? Outcome.unsettled({ retryAfter: 0 })
      : Outcome.settled({ reference })
  },
})

function openLedger() {
  if (!place.startsWith('postgres://')) return ledgerFile(new Database(place))
  const pool = new pg.Pool({ connectionString: place, max: 6 })
  pool.on('error', () => undefined)
  return postgres(pool)
}

const mpp = Mpp.create({
  methods: [rail],
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
