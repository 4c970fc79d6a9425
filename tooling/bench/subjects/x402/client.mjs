/**
 * Another protocol's client, with a price cap, over a scheme that signs nothing.
 *
 * @module
 */
import { x402Client } from '@x402/core/client'
import { encodePaymentRequiredHeader, encodePaymentResponseHeader } from '@x402/core/http'
import { wrapFetchWithPayment } from '@x402/fetch'
import { cannedFetch, flat, paying, price, rails, url } from '../../terms.mjs'

const network = 'points:local'
let tokens = 0

const points = {
  scheme: 'points',
  createPaymentPayload: async (/** @type {number} */ x402Version) => ({
    x402Version,
    payload: { token: `t${tokens++}` },
  }),
}

/** @param {number} offers */
function loop(offers) {
  let visits = 0
  const accepts = rails.slice(0, offers).map((scheme) => ({
    scheme,
    network: /** @type {const} */ (network),
    amount: price.amount,
    asset: price.currency,
    payTo: 'merchant',
    maxTimeoutSeconds: 300,
    extra: {},
  }))
  const ask = () => ({
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'payment-required': flat(
      encodePaymentRequiredHeader({
        x402Version: 2,
        error: `Payment required ${visits++}`,
        resource: { url },
        accepts,
      }),
    ),
  })
  const receipt = encodePaymentResponseHeader({ success: true, transaction: 'reference', network })
  const fetch = cannedFetch(
    ask,
    { 'content-type': 'application/json', 'payment-response': receipt },
    'payment-signature',
  )
  const client = new x402Client().register(network, points)
  client.setSpendControls({
    allowedAssets: [{ network, asset: price.currency, maxAmountPerPayment: price.amount }],
  })
  return paying(wrapFetchWithPayment(fetch, client), 'payment-response')
}

export const cases = {
  loop: () => loop(1),
  'loop-of-5': () => loop(5),
}
