/**
 * What became of a payment on which no word came in time.
 *
 * @module
 */
import type { Payment } from '../wallet.js'
import { WalletError } from './error.js'

/** Seconds by which word on a payment may come after the time that it was given. */
const GRACE = 2

/** Seconds to wait for word on a payment that was given some. */
export const patience = (seconds: number): number => seconds + Math.min(GRACE, seconds)

/**
 * Asks for a payment whose answer is overdue: it may be held on its way.
 *
 * @param error - Why paying ended. Anything but a missing answer is thrown again.
 * @param lookup - Asks the service's record.
 * @throws The error, when the service has never heard of the payment: the order may still be on its way there.
 */
export async function findOut(
  error: unknown,
  lookup: () => Promise<Payment | undefined>,
): Promise<Payment> {
  if (!(error instanceof WalletError && error.code === 'unanswered')) throw error
  const known = await lookup()
  if (!known) throw error
  return known
}
