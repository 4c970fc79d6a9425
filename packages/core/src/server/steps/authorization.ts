/**
 * Step 5 in two, where the money was set aside: takes it for an answer, or lets it go.
 *
 * @module
 */
import type { Outcome, Settled } from '../../Outcome.js'
import { race } from '../deadline.js'
import type { Bound } from './bind.js'
import type { Refusal } from './receive.js'
import { advance, hold, renew, type Lease } from './claim.js'
import { record, refuseHeld } from './conclude.js'
import type { Presentation } from './judge.js'
import { normalize } from './outcome.js'
import { owed, type Answer } from './record.js'

/** A payment whose money is set aside. */
export type Authorization = { bound: Bound; presentation: Presentation; lease: Lease }

/**
 * Takes the money.
 *
 * @param answer - What it is taken for, kept first: a lost capture is asked for again, and the application is not.
 */
export async function capture(held: Authorization, answer?: Answer): Promise<Settled | Refusal> {
  const { bound, lease } = held
  const until = Date.now() + lease.kernel.deadlines.lease
  // Also tells whether this server still has the payment: another may have let the money go.
  if (!(await advance(lease, { ...lease.record, answer, until }))) return refuseHeld()
  const outcome = await ask(held, 'capture')
  // Still set aside: the same credential takes it later.
  return outcome.status === 'unsettled' || outcome.status === 'authorized'
    ? record(bound, lease, { ...outcome, status: 'indeterminate' })
    : record(bound, lease, outcome)
}

/** Lets the money go. It may be found to have been taken: then the answer is owed. */
export async function cancel(held: Authorization): Promise<Outcome> {
  const { bound, lease } = held
  if (!(await renew(lease))) return { status: 'indeterminate' }
  const outcome = await ask(held, 'cancel')
  await record(bound, lease, outcome)
  if (outcome.status === 'settled') await advance(lease, owed(lease.record))
  if (outcome.status === 'authorized') await hold(lease, 0)
  return outcome
}

/** A throw says nothing of the money. */
async function ask(
  { bound, presentation, lease }: Authorization,
  what: 'capture' | 'cancel',
): Promise<Outcome> {
  const { kernel, method } = bound.offer
  presentation.attempt = lease.record.attempt
  presentation.renew()
  try {
    const asking = async () =>
      normalize(await method[what]?.(presentation as Presentation & { attempt: unknown }), bound)
    return await race(kernel.deadlines.settle, asking, () => presentation.abort())
  } catch (cause) {
    return { status: 'indeterminate', cause }
  }
}
