/**
 * All that needs the SDK on the paid side: evidence, judgement and settlement.
 *
 * @module
 */
import { Outcome } from '@polyrail/core'
import type { Approved } from './judge.js'
import { settledOf, settleOwn, traceOwn, type Context } from './settlement.js'
import { settleSponsored, traceSponsored } from './sponsored.js'
import { read } from './transaction.js'

export { gather } from './evidence.js'
export { judge } from './judge.js'

/**
 * Settles what was judged good: sends a transaction; of a hash nothing is left to be done.
 *
 * @see Stellar charge draft, Settlement Procedure
 */
export async function settle(approved: Approved, context: Context): Promise<Outcome.Outcome> {
  if (approved.found) return settledOf(approved.found, approved.hash ?? '', context.asked)
  return approved.isSponsored ? settleSponsored(approved, context) : settleOwn(approved, context)
}

/**
 * Finds out what became of a transaction that may have been sent.
 *
 * @param text - As the payer presented it.
 */
export async function trace(text: string, context: Context): Promise<Outcome.Outcome> {
  const signed = read(text, context.network.passphrase)
  const { transfer } = signed ?? {}
  if (!signed || !transfer) return Outcome.rejected('verification-failed')
  return context.asked.request.methodDetails.feePayer
    ? traceSponsored({ ...signed, transfer }, context)
    : traceOwn({ ...signed, transfer }, context)
}
