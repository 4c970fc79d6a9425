/**
 * All that needs the SDK on the paid side: evidence, judgement and settlement.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { Network } from '../network.js'
import { gather, readClaim } from './evidence.js'
import { judge, judgeForm, type Approved, type Code } from './judge.js'
import type { charge } from './method.js'
import { settledOf, settleOwn, traceOwn, type Context } from './settlement.js'
import { settleSponsored, traceSponsored } from './sponsored.js'
import { read } from './transaction.js'

/**
 * Judges a credential: as it is written, then by what the network knows.
 *
 * @throws PaymentError when the network would have to be asked, and cannot be.
 * @see Stellar charge draft, Verification
 */
export async function examine(
  presented: Method.Presented<typeof charge>,
  { network, ...code }: Code & { network: Network },
): Promise<Approved | Outcome.Rejected> {
  const { challenge, credential } = presented
  const asked = { ...challenge, source: credential.source }
  const context = { network, sponsor: code.sponsor }
  const claim = judgeForm(readClaim(presented, context), asked, code)
  return 'status' in claim ? claim : judge(await gather(claim, presented, context), asked, code)
}

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
