/**
 * The deployed SDK of the same protocol.
 *
 * @module
 */
import { Challenge, Credential, Method, z } from 'mppx'
import { Mppx, Store } from 'mppx/server'
import { data, flat, paid, price, rails, realm, secretKey, unpaid } from '../../terms.mjs'

/** Bound to the route, as the other subject of this protocol does by itself. */
const terms = { ...price, scope: 'GET /report' }

const methods = rails.map((name) =>
  Method.from({
    name,
    intent: 'charge',
    schema: {
      request: z.object({ amount: z.string(), currency: z.string() }),
      credential: { payload: z.object({ token: z.string() }) },
    },
  }),
)

/** Replay protection is the method's own task here, so it claims the proof as the built-in methods do. */
function createServer(/** @type {number} */ offers) {
  const store = Store.memory()
  const servers = methods.slice(0, offers).map((method) =>
    Method.toServer(/** @type {any} */ (method), {
      async verify({ credential: { challenge, payload } }) {
        const lapses = Date.parse(challenge.expires ?? '')
        const fresh = await Store.tryClaim(store, /** @type {any} */ (payload).token, lapses)
        if (!fresh) throw new Error('replayed')
        return {
          method: method.name,
          reference: challenge.id,
          status: 'success',
          timestamp: new Date().toISOString(),
        }
      },
    }),
  )
  return /** @type {any} */ (Mppx.create({ methods: servers, realm, secretKey }))
}

/** @param {any} handler */
const plain = (handler) => async (/** @type {Request} */ request) => {
  const payment = await handler(request)
  return payment.status === 402 ? payment.challenge : payment.withReceipt(Response.json(data))
}

/** @param {number} offers */
const compose = (offers) =>
  createServer(offers).compose(...rails.slice(0, offers).map((rail) => [`${rail}/charge`, terms]))

export const single = () => createServer(1).charge(terms)

function inline() {
  const mppx = createServer(1)
  return plain((/** @type {Request} */ request) => mppx.charge({ ...terms })(request))
}

export const count = (/** @type {Response} */ response) =>
  Challenge.fromResponseList(response).length

let tokens = 0

/** @param {number} index @param {Response} response */
export function pay(index, response) {
  const challenges = Challenge.fromResponseList(response)
  const challenge = /** @type {any} */ (challenges[index % challenges.length])
  return {
    authorization: flat(Credential.serialize({ challenge, payload: { token: `t${tokens++}` } })),
  }
}

/** @param {any} handle */
const paying = (handle) => paid(handle, pay, 'payment-receipt')

export const cases = {
  402: () => unpaid(plain(single()), count, 1),
  '402-inline': () => unpaid(inline(), count, 1),
  '402-of-2': () => unpaid(plain(compose(2)), count, 2),
  '402-of-5': () => unpaid(plain(compose(5)), count, 5),
  paid: () => paying(plain(single())),
  'paid-inline': () => paying(inline()),
  'paid-of-2': () => paying(plain(compose(2))),
  'paid-of-5': () => paying(plain(compose(5))),
}
