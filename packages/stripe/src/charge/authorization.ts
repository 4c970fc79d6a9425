/**
 * Money that was authorized: captured for an answer, or let go. Asked again, each says what became of it.
 *
 * @module
 */
import { Outcome } from '@polyrail/core'
import type { Network } from '../network.js'
import { toCall, type Presented, type Terms } from './attempt.js'
import { conclude, type Known } from './settlement.js'

type Held = Presented & { attempt: unknown }

/** Takes the money. Stripe captures a PaymentIntent once, so that no key is needed to ask again. */
export const capture = (terms: Terms, held: Held) => change(terms, held, terms.network.capture)

/** Lets the money go. The credential is of no use any more. */
export const cancel = (terms: Terms, held: Held) => change(terms, held, terms.network.cancel)

/** Whatever Stripe says against it, the PaymentIntent itself tells how it stands. */
async function change(terms: Terms, held: Held, act: Network['capture']): Promise<Outcome.Outcome> {
  const known = held.attempt as Known
  const { note, intent: id } = known
  const unknown = (cause: unknown) => Outcome.indeterminate({ attempt: known, cause })
  if (!note || id === undefined) return unknown(new Error('No PaymentIntent is on record.'))
  const call = toCall(terms, held, note)
  const asking = { stripeAccount: call.asking.stripeAccount }
  let refusal: unknown
  try {
    const intent = await act(id, asking).catch((cause: unknown) => {
      refusal = cause
      return terms.network.retrieve(id, asking)
    })
    if (intent.status === 'requires_capture') return unknown(refusal)
    const outcome = await conclude(terms.network, call, intent)
    return outcome.status === 'indeterminate' ? { ...outcome, attempt: known } : outcome
  } catch (cause) {
    return unknown(cause)
  }
}
