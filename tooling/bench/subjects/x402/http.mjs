/**
 * Another protocol's routes on node:http, adapted as its own adapter for Express does.
 *
 * @module
 */
import { paid, serve, unpaid } from '../../served.mjs'
import { data } from '../../terms.mjs'
import { answer, contextOf, count, createServer, guard, required } from './server.mjs'

/** @param {import('node:http').IncomingMessage} request */
function adapt({ headers, method, url = '/' }) {
  return {
    getHeader: (/** @type {string} */ name) => headers[name.toLowerCase()],
    getMethod: () => method,
    getPath: () => url.split('?', 1)[0],
    getUrl: () => `http://${headers.host}${url}`,
    getAcceptHeader: () => headers.accept ?? '',
    getUserAgent: () => headers['user-agent'] ?? '',
  }
}

const server = await createServer(1)

/** @param {any} request @param {any} response */
async function listener(request, response) {
  const context = contextOf(adapt(request))
  const result = await server.processHTTPRequest(context)
  if (result.type === 'payment-error') {
    const { body, headers, status } = result.response
    response.writeHead(status, headers).end(JSON.stringify(body ?? {}))
    return
  }
  const settled = await server.processSettlement(
    result.paymentPayload,
    result.paymentRequirements,
    result.declaredExtensions,
    { request: context },
  )
  response.setHeader('content-type', 'application/json')
  for (const name in settled.headers) response.setHeader(name, settled.headers[name])
  response.end(JSON.stringify(data))
}

const pay = (/** @type {number} */ index, /** @type {Response} */ response) =>
  answer(index, required(response))

export const cases = {
  402: () => serve({ listener, ...unpaid(count) }),
  paid: () => serve({ listener, ...paid(guard(server), pay, 'payment-response') }),
}
