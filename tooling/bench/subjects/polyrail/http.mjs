/**
 * This repository's routes on node:http.
 *
 * @module
 */
import { Mpp } from '@polyrail/core/server'
import { paid, serve, unpaid } from '../../served.mjs'
import { data } from '../../terms.mjs'
import { count, pay, respond, single } from './server.mjs'

const payment = single()
const visit = async (/** @type {Request} */ request) => {
  const { challenge } = await payment(request)
  return /** @type {Response} */ (challenge)
}

const guarded = Mpp.toNodeListener(payment)

/** @param {any} request @param {any} response */
async function plain(request, response) {
  const { status } = await guarded(request, response)
  if (status === 402) return
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(data))
}

const wrapped = Mpp.toNodeListener(payment(respond))

export const cases = {
  402: () => serve({ listener: plain, ...unpaid(count) }),
  paid: () => serve({ listener: plain, ...paid(visit, pay, 'payment-receipt') }),
  'paid-wrapped': () => serve({ listener: wrapped, ...paid(visit, pay, 'payment-receipt') }),
}
