/**
 * The subject that this repository is about.
 *
 * @module
 */
import { Challenge, Credential } from '@polyrail/core'
import { Method, Mpp, Store } from '@polyrail/core/server'
import * as z from 'zod/mini'
import { data, flat, paid, price, rails, realm, secretKey, unpaid } from '../../terms.mjs'

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

/** @param {{ challenge: { id: string } }} presented */
const accept = ({ challenge }) => ({ reference: challenge.id })

const verifying = methods.map((method) => Method.toServer(method, { verify: accept }))
const settling = methods.map((method) =>
  Method.toServer(method, {
    validate: () => ({ good: true }),
    settle: accept,
    replayKey: ({ credential }) => `${credential.payload.token}-${credential.challenge.id}`,
  }),
)

/** @param {any[]} servers */
function createServer(servers) {
  return /** @type {any} */ (
    Mpp.create({ methods: servers, realm, secretKey, store: Store.memory() })
  )
}

export const respond = () => Response.json(data)

/** @param {any} handler */
const plain = (handler) => async (/** @type {Request} */ request) => {
  const payment = await handler(request)
  return payment.status === 402 ? payment.challenge : payment.withReceipt(respond())
}

/** @param {number} offers */
function compose(offers) {
  const mpp = createServer(verifying.slice(0, offers))
  return mpp.compose(...rails.slice(0, offers).map((rail) => [`${rail}/charge`, price]))
}

export const single = () => createServer(verifying.slice(0, 1)).charge(price)

function inline() {
  const mpp = createServer(verifying.slice(0, 1))
  return plain((/** @type {Request} */ request) => mpp.charge({ ...price })(request))
}

export const count = (/** @type {Response} */ response) => Challenge.parse(response.headers).length

let tokens = 0

/** @param {number} index @param {Response} response */
export function pay(index, response) {
  const challenges = Challenge.parse(response.headers)
  const challenge = /** @type {Challenge.Challenge} */ (challenges[index % challenges.length])
  return {
    authorization: flat(Credential.serialize({ challenge, payload: { token: `t${tokens++}` } })),
  }
}

/** @param {any} handle */
const paying = (handle) => paid(handle, pay, 'payment-receipt')

export const cases = {
  402: () => unpaid(plain(single()), count, 1),
  '402-wrapped': () => unpaid(single()(respond), count, 1),
  '402-inline': () => unpaid(inline(), count, 1),
  '402-of-2': () => unpaid(plain(compose(2)), count, 2),
  '402-of-5': () => unpaid(plain(compose(5)), count, 5),
  paid: () => paying(plain(single())),
  'paid-wrapped': () => paying(single()(respond)),
  'paid-split': () => paying(plain(createServer(settling.slice(0, 1)).charge(price))),
  'paid-inline': () => paying(inline()),
  'paid-of-2': () => paying(plain(compose(2))),
  'paid-of-5': () => paying(plain(compose(5))),
}
