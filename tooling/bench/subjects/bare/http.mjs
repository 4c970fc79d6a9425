/**
 * What a route costs on node:http before any payment.
 *
 * @module
 */
import { serve } from '../../served.mjs'
import { data, expect } from '../../terms.mjs'

/** @param {Record<string, string>} headers */
const route = (headers) =>
  serve({
    listener(_, response) {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(data))
    },
    headers: (count) => Array.from({ length: count }, () => headers),
    status: 200,
    check: (response) => expect(response.status === 200, 'status 200'),
  })

const laden = () => route({ authorization: `Payment ${'A'.repeat(560)}` })

export const cases = { 402: () => route({}), paid: laden, 'paid-wrapped': laden }
