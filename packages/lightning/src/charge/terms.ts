/**
 * Whether a challenge can and may be paid here: its invoice decoded, and compared with what the challenge says of it.
 *
 * @module
 */
import { disagreement, read, type Invoice } from '../invoice.js'
import type { Network } from '../network.js'
import type { Request } from './method.js'

/** What is paid, and until when. */
export type Terms = Invoice & {
  /** Epoch milliseconds: the end of the challenge or of its invoice, whichever comes first. */
  latest: number
}

/** Milliseconds before its end within which a payment is better not begun: it would come too late. */
export const LEAST_TIME = 3000

/** Whether there is time to pay what must be paid, and shown, by then. */
export const hasTime = (latest: number, least = LEAST_TIME): boolean => latest - Date.now() >= least

/**
 * Reads the invoice of a challenge.
 *
 * @param challenge.expires - RFC 3339.
 * @returns The invoice; or why it is not paid here, for people.
 * @see Lightning charge draft, Method Details, Amount Verification and Invoice Expiry
 */
export async function readTerms(
  { request, expires = '' }: { request: Request; expires?: string },
  network: Network,
): Promise<Terms | string> {
  const { amount, description, methodDetails } = request
  const { invoice: text, paymentHash, network: said = 'mainnet' } = methodDetails
  if (text === undefined) return 'The challenge has no invoice.'
  const invoice = await read(text)
  if (!invoice) return 'The invoice is not BOLT11, or not signed by its payee.'
  if (said !== invoice.network) return `The challenge says ${said}, its invoice ${invoice.network}.`
  const wrong = await disagreement(invoice, { amount, network, paymentHash, description })
  if (wrong) return `Not paid: ${wrong}.`
  const latest = Math.min(Date.parse(expires), invoice.expires * 1000)
  if (!hasTime(latest, 1)) return 'The invoice or its challenge has expired.'
  return { ...invoice, latest }
}
