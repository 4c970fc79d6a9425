/**
 * Whether a challenge can and may be paid here: its invoice decoded, and compared with what the challenge says of it.
 *
 * @module
 */
import type { Network } from '../constants.js'
import { disagreement, read, type Invoice } from '../invoice.js'
import type { Request } from './method.js'

/** Seconds before its end within which a payment is not begun: it would come too late. */
const LEAST_TIME = 3

/**
 * Reads the invoice of a request.
 *
 * @returns The invoice; or why it is not paid here, for people.
 * @see Lightning charge draft, Method Details, Amount Verification and Invoice Expiry
 */
export async function readTerms(request: Request, network: Network): Promise<Invoice | string> {
  const { amount, description, methodDetails } = request
  const { invoice: text, paymentHash, network: said = 'mainnet' } = methodDetails
  if (text === undefined) return 'The challenge has no invoice.'
  const invoice = await read(text)
  if (!invoice) return 'The invoice is not BOLT11, or not signed by its payee.'
  if (said !== invoice.network) return `The challenge says ${said}, its invoice ${invoice.network}.`
  const wrong = await disagreement(invoice, { amount, network, paymentHash, description })
  if (wrong) return `Not paid: ${wrong}.`
  const left = invoice.expires - Date.now() / 1000
  return left < LEAST_TIME ? 'The invoice has expired.' : invoice
}
