/**
 * A server of one paid page, whose books are on disk, and which stands still at a point of a payment
 * so that it can be killed there: `node dying-server.mjs <folder> <point> <port>`.
 *
 * @module
 */
import { createServer } from 'node:http'
import { join } from 'node:path'
import { Method, Mpp, Outcome } from '@polyrail/core/server'
import { z } from 'zod'
import { fileStore } from './file-store.mjs'

const [folder = '', point, port = '0'] = process.argv.slice(2)
const ledger = fileStore(join(folder, 'ledger'))

/** @param {string} here */
async function pass(here) {
  if (here !== point) return
  console.log(`stopped at ${here}`)
  await new Promise(() => undefined)
}

const points = Method.from({
  name: 'points',
  intent: 'charge',
  schema: {
    request: z.object({ amount: z.string(), currency: z.string() }),
    credential: { payload: z.object({ token: z.string() }) },
  },
})

const server = Method.toServer(points, {
  replayKey: ({ credential }) => credential.payload.token,
  async settle({ credential: { payload }, capture }) {
    if (capture === 'after') {
      await ledger.set(`held ${payload.token}`, true, { ttl: 1000 })
      await pass('authorize')
      return Outcome.authorized()
    }
    await pass('settle')
    await ledger.update(payload.token, (times) => Number(times ?? 0) + 1, { ttl: 1000 })
    await pass('record')
    return { reference: `receipt of ${payload.token}` }
  },
  async reconcile({ credential: { payload } }) {
    if ((await ledger.get(payload.token)) !== undefined)
      return Outcome.settled({ reference: `receipt of ${payload.token}` })
    const isHeld = (await ledger.get(`held ${payload.token}`)) !== undefined
    return isHeld ? Outcome.authorized() : Outcome.unsettled()
  },
  async capture({ credential: { payload } }) {
    await pass('capture')
    // Taken once, however often it is asked for.
    await ledger.update(payload.token, (times) => (times === undefined ? 1 : undefined), {
      ttl: 1000,
    })
    await pass('captured')
    return Outcome.settled({ reference: `receipt of ${payload.token}` })
  },
  async cancel({ credential: { payload } }) {
    await pass('cancel')
    await ledger.delete(`held ${payload.token}`)
    return Outcome.rejected('verification-failed')
  },
})

const mpp = Mpp.create({
  methods: [server],
  realm: 'api.example.com',
  secretKey: 'a secret of tests, forty bytes and longer',
  store: fileStore(join(folder, 'claims')),
  deadlines: { settle: 600, lease: 800, wait: 50 },
})

const price = { amount: '1', currency: 'pts' }
const make = async () => {
  await pass('deliver')
  return new Response(`the page`, { headers: { 'made-by': String(process.pid) } })
}
const routes = {
  '/page': Mpp.toNodeListener(mpp.charge(price)(make)),
  '/later': Mpp.toNodeListener(mpp.charge({ ...price, capture: 'after' })(make)),
  '/broken': Mpp.toNodeListener(
    mpp.charge({ ...price, capture: 'after' })(() => new Response('no', { status: 500 })),
  ),
}

const listening = createServer((request, response) => {
  const route = routes[/** @type {keyof typeof routes} */ (request.url)]
  void route(request, response)
}).listen(Number(port), '127.0.0.1', () => {
  const address = listening.address()
  console.log(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/page`)
})
