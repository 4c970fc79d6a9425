/**
 * This repository's server, paid over Tempo.
 *
 * @module
 */
import { Mpp, Store } from '@polyrail/core/server'
import { tempo } from '@polyrail/tempo/server'
import { data, paid, realm, secretKey } from '../../terms.mjs'
import { openTill } from '../../till.mjs'

/** @param {boolean} isSponsored */
async function sell(isSponsored) {
  const till = await openTill()
  const { rpcUrl, chainId, recipient } = till
  const feePayer = isSponsored
    ? { account: await till.createAccount(), budget: { total: '1000', payer: '1000' } }
    : undefined
  const methods = [tempo.charge({ rpcUrl, chainId, recipient, feePayer })]
  const mpp = Mpp.create({ methods, realm, secretKey, store: Store.memory() })
  const handler = mpp.charge({ amount: '0.01' })
  const visit = async (/** @type {Request} */ request) => {
    const payment = await handler(request)
    return payment.status === 402 ? payment.challenge : payment.withReceipt(Response.json(data))
  }
  return paid(visit, till.payer(isSponsored), 'payment-receipt')
}

export const cases = { pull: () => sell(false), sponsored: () => sell(true) }
