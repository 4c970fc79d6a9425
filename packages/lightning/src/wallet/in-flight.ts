/**
 * One payment of a hash at a time, for services that do not see to it themselves.
 *
 * @module
 */
import type { Payment, Wallet } from '../wallet.js'

/** Wraps a payment, so that a second order for a hash that is being paid is answered with `pending`. */
export function onePerHash(pay: Wallet['payInvoice']): Wallet['payInvoice'] {
  const paying = new Set<string>()
  return async (order): Promise<Payment> => {
    const hash = order.paymentHash.toLowerCase()
    if (paying.has(hash)) return { status: 'pending' }
    paying.add(hash)
    try {
      return await pay(order)
    } finally {
      paying.delete(hash)
    }
  }
}
