/**
 * One of two server processes that share a store and a network, both of which live in the process that started them.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { Mpp, Store } from '@polyrail/core/server'

/** @type {Map<number, (value: any) => void>} */
const waiting = new Map()
let calls = 0

/**
 * Asks the parent, whose answer comes as a message.
 *
 * @param {string} name
 * @param {...unknown} given
 * @returns {Promise<any>}
 */
const ask = (name, ...given) =>
  new Promise((resolve) => {
    waiting.set((calls += 1), resolve)
    process.send?.({ call: calls, name, given })
  })

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
const store = Store.from({
  name: 'parent',
  get: (key) => ask('get', key),
  set: (key, value, { ttl }) => ask('set', key, value, ttl),
  delete: (key) => ask('delete', key),
  compareAndSet: (key, expected, next, { ttl }) => ask('compareAndSet', key, expected, next, ttl),
})
const mpp = Mpp.create({
  methods: [
    Method.toServer(coin, {
      replayKey: ({ credential }) => credential.payload['coin'] ?? '',
      settle: async () => ({ reference: await ask('settle') }),
    }),
  ],
  realm: 'shop.example',
  secretKey: 'a-secret-for-tests-of-more-than-32-bytes',
  store,
})
const route = mpp.coin.charge({ amount: '1', currency: 'coin' })(
  async () => new Response(await ask('deliver')),
)

process.on('message', async (/** @type {any} */ message) => {
  if ('answer' in message) return waiting.get(message.call)?.(message.answer)
  const { visit, authorization } = message
  const headers = authorization ? { authorization } : undefined
  const response = await route(new Request('https://shop.example/paid', headers && { headers }))
  const challenge = response.headers.get('www-authenticate')
  process.send?.({ visit, status: response.status, challenge, text: await response.text() })
})
process.send?.({ ready: true })
