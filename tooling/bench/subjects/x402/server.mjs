/**
 * The nearest equivalent of another protocol: a scheme of its own and a facilitator that agrees at once.
 *
 * @module
 */
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from '@x402/core/http'
import { x402HTTPResourceServer, x402ResourceServer } from '@x402/core/server'
import { data, flat, paid, price, rails, unpaid } from '../../terms.mjs'

const network = 'points:local'

/** @param {string} scheme */
const createScheme = (scheme) => ({
  scheme,
  defaultAssetTransferMethod: 'default',
  paymentFlows: { default: { supported: ['authorization'], default: 'authorization' } },
  parsePrice: async () => ({ amount: price.amount, asset: price.currency }),
  enhancePaymentRequirements: async (/** @type {unknown} */ requirements) => requirements,
})

/** @param {readonly string[]} schemes */
const createFacilitator = (schemes) => ({
  verify: async () => ({ isValid: true, payer: 'payer' }),
  settle: async () => ({ success: true, transaction: 'reference', network, payer: 'payer' }),
  getSupported: async () => ({
    kinds: schemes.map((scheme) => ({ x402Version: 2, scheme, network })),
    extensions: [],
    signers: {},
  }),
})

/** @param {number} offers @returns {Promise<any>} */
export async function createServer(offers) {
  const schemes = rails.slice(0, offers)
  const resource = new x402ResourceServer(/** @type {any} */ (createFacilitator(schemes)))
  for (const scheme of schemes)
    resource.register(network, /** @type {any} */ (createScheme(scheme)))
  const accepts = schemes.map((scheme) => ({
    scheme,
    payTo: 'merchant',
    price: { amount: price.amount, asset: price.currency },
    network,
    maxTimeoutSeconds: 300,
  }))
  const server = new x402HTTPResourceServer(resource, { 'GET /report': { accepts } })
  await server.initialize()
  return server
}

/** What a visit is to the SDK, as its own adapters for frameworks tell it. */
export const contextOf = (/** @type {any} */ adapter) => ({
  adapter,
  path: adapter.getPath(),
  method: adapter.getMethod(),
  paymentHeader: adapter.getHeader('payment-signature'),
})

/** @param {Request} request */
function adapt(request) {
  return {
    getHeader: (/** @type {string} */ name) => request.headers.get(name) ?? undefined,
    getMethod: () => request.method,
    getPath: () => new URL(request.url).pathname,
    getUrl: () => request.url,
    getAcceptHeader: () => request.headers.get('accept') ?? '',
    getUserAgent: () => request.headers.get('user-agent') ?? '',
  }
}

/** @param {any} server */
export const guard = (server) => async (/** @type {Request} */ request) => {
  const context = contextOf(adapt(request))
  const result = await server.processHTTPRequest(context)
  if (result.type === 'payment-error') {
    const { body, headers, status } = result.response
    return new Response(JSON.stringify(body ?? {}), { status, headers })
  }
  const response = Response.json(data)
  const settled = await server.processSettlement(
    result.paymentPayload,
    result.paymentRequirements,
    result.declaredExtensions,
    { request: context },
  )
  for (const name in settled.headers) response.headers.set(name, settled.headers[name])
  return response
}

/** @param {Response} response */
export const required = (response) =>
  decodePaymentRequiredHeader(response.headers.get('payment-required') ?? '')

export const count = (/** @type {Response} */ response) => required(response).accepts.length

let tokens = 0

/** @param {number} index @param {any} terms what a 402 asks */
export function answer(index, { accepts, resource }) {
  const accepted = accepts[index % accepts.length]
  const payload = { x402Version: 2, resource, accepted, payload: { token: `t${tokens++}` } }
  return { 'payment-signature': flat(encodePaymentSignatureHeader(payload)) }
}

const paying = async (/** @type {number} */ offers) =>
  paid(
    guard(await createServer(offers)),
    (index, response) => answer(index, required(response)),
    'payment-response',
  )

export const cases = {
  402: async () => unpaid(guard(await createServer(1)), count, 1),
  '402-of-2': async () => unpaid(guard(await createServer(2)), count, 2),
  '402-of-5': async () => unpaid(guard(await createServer(5)), count, 5),
  paid: () => paying(1),
  'paid-of-2': () => paying(2),
  'paid-of-5': () => paying(5),
}
