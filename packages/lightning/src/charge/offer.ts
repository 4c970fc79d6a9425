/**
 * The invoice of a challenge: made by the wallet, and issued only if it says what the route asks.
 *
 * @module
 */
import { MSAT } from '../constants.js'
import { disagreement, read } from '../invoice.js'
import type { Network } from '../network.js'
import type { Wallet } from '../wallet.js'
import type { Request } from './method.js'

/**
 * Seconds that an invoice outlives its challenge: the clocks of wallet and server may differ, and an invoice that ends first
 * would make the challenge's expiry a lie.
 */
const MARGIN = 60

/** Hashes that this wallet has given, the latest; a wallet that gives one twice would have one payment buy two pages. */
const MOST_HASHES = 10_000

/**
 * Makes the maker of a wallet's invoices.
 *
 * @throws Error, from what it returns, when the wallet's invoice is not what was asked.
 * @see Lightning charge draft, Method Details, Challenge Expiry and Invoice Expiry and Preimage Uniqueness
 */
export function createOffers(wallet: Pick<Wallet, 'createInvoice'>, network: Network) {
  const hashes = new Set<string>()
  return async ({
    request,
    expires,
    signal,
  }: {
    request: Request
    expires: string
    signal: AbortSignal
  }) => {
    const end = Date.parse(expires) / 1000
    const { amount, description } = request
    const text = await wallet.createInvoice({
      amountMsat: BigInt(amount) * MSAT,
      description,
      expirySeconds: Math.ceil(end - Date.now() / 1000) + MARGIN,
      signal,
    })
    const invoice = await read(text)
    if (!invoice) throw unusable('gave no BOLT11 invoice with a valid signature')
    const wrong = await disagreement(invoice, { amount, network, description })
    if (wrong) throw unusable(`did not do as it was asked: ${wrong}`)
    if (invoice.expires < end)
      throw unusable('gave an invoice that ends before its challenge; lower `expires` of the route')
    const { paymentHash } = invoice
    if (hashes.has(paymentHash)) throw unusable('gave the same payment hash twice')
    hashes.add(paymentHash)
    const [oldest] = hashes
    if (hashes.size > MOST_HASHES && oldest !== undefined) hashes.delete(oldest)
    return { methodDetails: { invoice: text, paymentHash } }
  }
}

const unusable = (why: string): Error => new Error(`lightning/charge: the wallet ${why}.`)
