/**
 * The deployed SDK's server, paid over Tempo.
 *
 * @module
 */
import { Mppx, Store, tempo } from 'mppx/server'
import { createClient, http } from 'viem'
import { data, paid, realm, secretKey } from '../../terms.mjs'
import { openTill } from '../../till.mjs'

/** @param {boolean} isSponsored */
async function sell(isSponsored) {
  const till = await openTill()
  const { rpcUrl, chainId, recipient } = till
  const client = createClient({ transport: http(rpcUrl) })
  const method = tempo.charge({
    recipient,
    currency: '0x20c0000000000000000000000000000000000000',
    getClient: () => /** @type {any} */ (client),
    store: Store.memory(),
    ...(isSponsored && { feePayer: await till.createAccount() }),
  })
  const mppx = /** @type {any} */ (Mppx.create({ methods: [method], realm, secretKey }))
  const handler = mppx.charge({ amount: '0.01', chainId })
  const visit = async (/** @type {Request} */ request) => {
    const payment = await handler(request)
    return payment.status === 402 ? payment.challenge : payment.withReceipt(Response.json(data))
  }
  return paid(visit, till.payer(isSponsored), 'payment-receipt')
}

export const cases = { pull: () => sell(false), sponsored: () => sell(true) }
