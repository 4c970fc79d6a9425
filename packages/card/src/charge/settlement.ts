/**
 * Takes the money, once: by the challenge’s id as idempotency key, which also finds out what became of it.
 *
 * @module
 */
import { Outcome } from '@polyrail/core'
import {
  begin,
  judgeEnabler,
  recall,
  toExpected,
  toOrder,
  type Note,
  type Presented,
} from './attempt.js'
import { judgeError, judgeResult, judgeUnread } from './outcome.js'
import type { Result, ServerEnabler } from './server-enabler.js'

/**
 * Asks the enabler for the money.
 *
 * @see Card charge draft, Idempotency and Replay Protection, and Settlement Procedure
 */
export async function settle(
  enabler: ServerEnabler,
  presented: Presented,
): Promise<Outcome.Outcome> {
  let note: Note
  try {
    note = await begin(presented, enabler.name)
  } catch (cause) {
    // Nobody is asked for what could not be found again.
    return Outcome.unsettled({ retryAfter: 5, cause })
  }
  return take(enabler, presented, { note, isFirst: true })
}

/** Finds out what became of an earlier attempt; one that never arrived is made now, under the same key. */
export async function reconcile(
  enabler: ServerEnabler,
  presented: Presented,
): Promise<Outcome.Outcome> {
  const { challenge, signal, store } = presented
  const note = await recall(challenge.id, store)
  // Whoever finds no note knows that nobody was asked.
  if (!note) return Outcome.unsettled({ retryAfter: 1 })
  const elsewhere = judgeEnabler(note, enabler)
  if (elsewhere) return elsewhere
  let found: Result | undefined
  try {
    found = await enabler.lookup(challenge.id, { signal })
  } catch (cause) {
    return judgeError(cause, { isFirst: false })
  }
  return found
    ? judgeResult(found, toExpected(challenge, note))
    : take(enabler, presented, { note, isFirst: false })
}

async function take(
  enabler: ServerEnabler,
  presented: Presented,
  { note, isFirst }: { note: Note; isFirst: boolean },
): Promise<Outcome.Outcome> {
  const { challenge, signal } = presented
  try {
    const options = { idempotencyKey: challenge.id, signal }
    const result = await enabler.charge(toOrder(presented, note), options)
    return judgeResult(result, toExpected(challenge, note))
  } catch (cause) {
    const unread = isFirst ? judgeUnread(cause) : undefined
    return unread ?? judgeError(cause, { isFirst })
  }
}
