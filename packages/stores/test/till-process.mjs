/**
 * A server of one paid page over a store, for tests that kill it: `till-process.mjs <kind> <where> <settle> <lease> <wait>`.
 *
 * The network of its rail is the process that started it, which moves the money and keeps the book.
 *
 * @module
 */
import { createServer } from 'node:http'
import { Mpp, Store } from '@polyrail/core/server'
import { ask, coin } from '@polyrail/street/coin'

const [kind = '', where = '', settle = '', lease = '', wait = ''] = process.argv.slice(2)

/** @type {Record<string, () => Promise<import('@polyrail/core').Store.Store>>} */
const stores = {
  memory: async () => Store.memory(),
  async redis() {
    const [{ redis }, { Redis }] = await Promise.all([
      import('@polyrail/stores/redis'),
      import('ioredis'),
    ])
    const client = new Redis(Number(where))
    client.on('error', () => undefined)
    return redis(client)
  },
  async postgres() {
    const [{ postgres }, { default: pg }] = await Promise.all([
      import('@polyrail/stores/postgres'),
      import('pg'),
    ])
    const at = { host: '127.0.0.1', port: Number(where), user: 'postgres', database: 'postgres' }
    const pool = new pg.Pool({ ...at, max: 6 })
    pool.on('error', () => undefined)
    return postgres(pool)
  },
  async sqlite() {
    const [{ sqlite }, { default: Database }] = await Promise.all([
      import('@polyrail/stores/sqlite'),
      import('libsql'),
    ])
    return sqlite(new Database(where))
  },
}
const store = await stores[kind]?.()
if (!store) throw new Error(`there is no store "${kind}"`)
// Connected before the first visitor.
await store.get('warm')

const mpp = Mpp.create({
  methods: [coin],
  realm: 'shop.example',
  secretKey: 'a-secret-for-tests-of-more-than-32-bytes',
  store,
  deadlines: { settle: Number(settle), lease: Number(lease), wait: Number(wait) },
})
mpp.on('error', () => undefined)
const page = mpp.charge({ amount: '1', currency: 'coin' })(async (request) => {
  const token = new URL(request.url).pathname.slice(1)
  return new Response(await ask('deliver', token))
})
const server = createServer(Mpp.toNodeListener(page)).listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
})
