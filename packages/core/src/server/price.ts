/**
 * What a request costs, for whoever keeps count.
 *
 * @module
 */
import type { Price, Server } from '../Method.js'

/**
 * Reads the price as its method does, or by the charge draft's fields.
 *
 * @returns `undefined` where neither makes a price of it.
 * @see charge draft, Shared Fields
 */
export function priceOf(method: Server, request: Record<string, unknown>): Price | undefined {
  try {
    const price = method.price ? method.price(request) : plain(request)
    return price && typeof price.amount === 'bigint' && price.amount >= 0n ? price : undefined
  } catch {
    return undefined
  }
}

const plain = ({ amount, currency }: Record<string, unknown>): Price | undefined =>
  typeof amount === 'string' && /^(0|[1-9]\d{0,77})$/.test(amount)
    ? { amount: BigInt(amount), currency: String(currency), decimals: 0 }
    : undefined
