/**
 * The deployed SDK's routes on node:http.
 *
 * @module
 */
import { Mppx } from 'mppx/server'
import { paid, serve, unpaid } from '../../served.mjs'
import { data } from '../../terms.mjs'
import { count, pay, single } from './server.mjs'

const payment = single()
const visit = async (/** @type {Request} */ request) => (await payment(request)).challenge

const guarded = Mppx.toNodeListener(payment)

/** @param {any} request @param {any} response */
async function plain(request, response) {
  const { status } = await guarded(request, response)
  if (status === 402) return
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(data))
}

export const cases = {
  402: () => serve({ listener: plain, ...unpaid(count) }),
  paid: () => serve({ listener: plain, ...paid(visit, pay, 'payment-receipt') }),
}
