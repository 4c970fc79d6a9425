/**
 * Takes the money, once: by one idempotency key and one recorded attempt, which find out what became of it.
 *
 * @module
 */
import { Outcome } from '@polyrail/core'
import type { Granted, Intent, Network } from '../network.js'
import { begin, end, isSameKey, plan, recall, toCall } from './attempt.js'
import type { Call, Note, Presented, Terms } from './attempt.js'
import {
  declined,
  isReplayed,
  isUnfit,
  judgeError,
  judgeIntent,
  judgeToken,
  mayHavePaid,
  UNCHARGEABLE,
  USED,
} from './outcome.js'

export type { Terms } from './attempt.js'

/** What the core keeps of an attempt whose money is set aside, or whose outcome is unknown. */
export type Known = { note?: Note; intent?: string }

/** Milliseconds for which Stripe surely knows an idempotency key; it says 24 hours. */
const KEY_LIFE = 23 * 3_600_000
/** Milliseconds after which Stripe's search surely finds a payment; it says a minute, and longer in an outage. */
const SEARCHABLE = 3_600_000

/** Asks Stripe for the money. */
export async function settle(terms: Terms, presented: Presented): Promise<Outcome.Outcome> {
  let planned: Note
  try {
    planned = await plan(terms, presented)
  } catch (cause) {
    // Whatever our own configuration does wrong: nothing has been sent.
    return Outcome.unsettled({ retryAfter: 60, cause })
  }
  // The visitor has been told that nobody knows, and another server may have said since that nothing was charged.
  if (presented.signal.aborted) return Outcome.unsettled({ retryAfter: 1 })
  // Noted first: whoever finds no note knows that nothing was sent.
  const note = await begin(presented, planned)
  // Another server's, which was slow and may yet take the money.
  if (!note) return Outcome.indeterminate({ retryAfter: 1 })
  const call = toCall(terms, presented, note)
  return close(presented, call, await ask(terms.network, call))
}

/**
 * Finds out what became of an earlier attempt.
 *
 * @param told - What that attempt told.
 */
export async function reconcile(
  terms: Terms,
  presented: Presented,
  told: unknown,
): Promise<Outcome.Outcome> {
  const { note: kept, intent } = (told ?? {}) as Known
  const note = (await recall(presented)) ?? kept
  if (!note || note.isVoid) return Outcome.unsettled({ retryAfter: 1 })
  const call = toCall(terms, presented, note)
  const isOurs = kept === undefined || kept.nonce === note.nonce
  const known = isOurs ? intent : undefined
  // Under another key Stripe would not find out, but pay, where the token is for more.
  const isKept = Date.now() - note.at < KEY_LIFE && (await isSameKey(terms, presented, note))
  const isLost = known === undefined && !isKept
  const finding = isLost ? search(terms.network, call) : inquire(terms.network, call, known)
  return close(presented, call, await finding)
}

/** Keeps what finds the payment again, or frees the way for another attempt. */
async function close(
  presented: Presented,
  { note }: Call,
  outcome: Outcome.Outcome,
): Promise<Outcome.Outcome> {
  // Given up: another server may be finding out, and rely on the note.
  if (outcome.status === 'unsettled' && !presented.signal.aborted) await end(presented, note)
  if (outcome.status !== 'indeterminate' && outcome.status !== 'authorized') return outcome
  return { ...outcome, attempt: { ...(outcome.attempt as Known | undefined), note } }
}

type Answer = { intent: Intent } | { cause: unknown }

const hear = (asking: Promise<Intent>): Promise<Answer> =>
  asking.then(
    (intent) => ({ intent }),
    (cause: unknown) => ({ cause }),
  )

/** The first time: what Stripe refuses has taken nothing. */
async function ask(network: Network, call: Call): Promise<Outcome.Outcome> {
  const answer = await hear(network.create(call.parameters, call.asking))
  if ('intent' in answer) return conclude(network, call, answer.intent)
  const judged = judgeError(answer.cause)
  if (judged === 'used') return declined(USED, answer.cause)
  if (judged !== 'invalid') return judged
  if (isUnfit(answer.cause)) return declined(UNCHARGEABLE, answer.cause)
  const { token, cause } = await lookUp(network, call)
  return token === 'unknown'
    ? Outcome.unsettled({ retryAfter: 60, cause })
    : judgeToken(token, call.order, { now: Date.now() / 1000, cause: answer.cause })
}

/** Again: what Stripe says now against a request says nothing of the earlier one, unless its key has kept that. */
async function inquire(
  network: Network,
  call: Call,
  intent: string | undefined,
): Promise<Outcome.Outcome> {
  const { parameters, asking } = call
  const answer = await hear(
    intent === undefined
      ? network.create(parameters, asking)
      : network.retrieve(intent, { stripeAccount: asking.stripeAccount }),
  )
  if ('intent' in answer) return conclude(network, call, answer.intent)
  const { cause } = answer
  const attempt = intent === undefined ? undefined : { intent }
  const judged = judgeError(cause)
  if (judged === 'invalid' || judged === 'used')
    return attempt ? Outcome.indeterminate({ attempt, cause }) : search(network, call, cause)
  // An error of Stripe's own that its key has kept is all that this key will ever tell.
  if (judged.status === 'indeterminate' && isReplayed(cause)) return search(network, call, cause)
  return judged.status === 'unsettled'
    ? Outcome.indeterminate({ attempt, retryAfter: judged.retryAfter, cause })
    : judged
}

/** Looks for a payment where no key leads to it. */
async function search(network: Network, call: Call, cause?: unknown): Promise<Outcome.Outcome> {
  const { note, order, asking } = call
  const now = Date.now()
  try {
    const found = await network.find(note.nonce, { stripeAccount: asking.stripeAccount })
    if (found) return await conclude(network, call, found)
  } catch (thrown) {
    return Outcome.indeterminate({ retryAfter: 60, cause: thrown })
  }
  const { token, cause: unseen } = await lookUp(network, call)
  if (token === 'unknown') return Outcome.indeterminate({ retryAfter: 5, cause: unseen })
  // It may have paid this, and the search not know it yet.
  return mayHavePaid(token, order) && now - note.at < SEARCHABLE
    ? Outcome.indeterminate({ retryAfter: 60, cause })
    : judgeToken(token, order, { now: now / 1000, cause })
}

/** Judges a PaymentIntent, and undoes what could be finished later without us. */
export async function conclude(
  network: Network,
  call: Call,
  intent: Intent,
): Promise<Outcome.Outcome> {
  const judged = judgeIntent(intent, call.order)
  if (judged.status !== 'open') return judged
  const attempt = { intent: judged.id }
  try {
    const { status } = await network.cancel(judged.id, { stripeAccount: call.asking.stripeAccount })
    return status === 'canceled' ? judged.verdict : Outcome.indeterminate({ attempt })
  } catch (cause) {
    return Outcome.indeterminate({ attempt, cause })
  }
}

type Seen = { token: Granted | undefined | 'unknown'; cause?: unknown }

/** The token as Stripe shows it to its seller. */
async function lookUp(network: Network, { spt, asking }: Call): Promise<Seen> {
  try {
    return { token: await network.token(spt, { stripeAccount: asking.stripeAccount }) }
  } catch (cause) {
    // Any other 404 is a version of Stripe's interface that knows no tokens.
    const { code } = (cause ?? {}) as { code?: unknown }
    return code === 'resource_missing' ? { token: undefined } : { token: 'unknown', cause }
  }
}
