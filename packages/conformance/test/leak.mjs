/**
 * Buys a page many times on a clock that runs fast, and prints the heap after each stretch. Run with `--expose-gc`.
 *
 * Arguments: the number of purchases, and `leaky` for a store that forgets nothing.
 *
 * @module
 */
import { Challenge, Credential, Method } from '@polyrail/core'
import { Mpp, Store } from '@polyrail/core/server'

const purchases = Number(process.argv[2])
const leaky = process.argv[3] === 'leaky'
const STRETCHES = 5
/** Milliseconds that pass between two purchases: a stretch outlasts every claim, which is a day at least. */
const STEP = 5_000

let now = Date.now()
Date.now = () => now

/** @type {Method.Schema<Record<string, string>>} */
const schema = {
  '~standard': {
    version: 1,
    vendor: 'polyrail',
    validate: (value) => ({ value: /** @type {Record<string, string>} */ (value) }),
  },
}
const quick = Method.from({
  name: 'quick',
  intent: 'charge',
  schema: { request: schema, credential: { payload: schema } },
})
const method = Method.toServer(quick, {
  replayKey: ({ credential }) => ({ key: credential.payload['nonce'] ?? '', ttl: 600 }),
  settle: ({ challenge }) => ({ reference: challenge.id }),
})
const memory = Store.memory()
const mpp = Mpp.create({
  methods: [method],
  realm: 'shop.example',
  secretKey: 'a-secret-for-tests-of-more-than-32-bytes',
  store: leaky ? forgetNothing(memory) : memory,
  expires: 30,
})
const route = mpp.quick.charge({ amount: '1', currency: 'x' })(() => new Response('page'))

const heaps = []
for (let bought = 1; bought <= purchases; bought++) {
  now += STEP
  await buy(String(bought))
  if (bought % (purchases / STRETCHES) === 0) heaps.push(measure())
}
console.log(JSON.stringify({ heaps, keys: memory.size }))

/** @param {string} nonce */
async function buy(nonce) {
  const url = 'https://shop.example/paid'
  const unpaid = await route(new Request(url))
  const challenge = Challenge.deserialize(unpaid.headers.get('www-authenticate') ?? '')
  if (!challenge) throw new Error('no challenge')
  const authorization = Credential.serialize({ challenge, payload: { nonce } })
  const paid = await route(new Request(url, { headers: { authorization } }))
  if (paid.status !== 200) throw new Error(`not paid: ${paid.status} ${await paid.text()}`)
  await paid.text()
}

/** Bytes of heap in use after everything that can go has gone. */
function measure() {
  for (let round = 0; round < 3; round++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/**
 * @param {Store.Store} store
 * @returns {Store.Store}
 */
function forgetNothing(store) {
  const ttl = 10 ** 9
  return {
    ...store,
    set: (key, value) => store.set(key, value, { ttl }),
    update: (key, change, options) => store.update(key, change, { ...options, ttl }),
    claim: (entries) => store.claim(entries.map((entry) => ({ ...entry, ttl }))),
  }
}
