/**
 * What an enabler’s answers mean for the money: taken, not taken, or unknown. Pure judgement.
 *
 * @module
 */
import { Outcome } from '@polyrail/core'
import { isCardError } from '../CardError.js'
import type { Note } from './attempt.js'
import { tellable } from './cause.js'
import { isRefused } from './server-enabler.js'

/** What was asked for. */
export type Expected = {
  challengeId: string
  note: Note
  amount: string
  currency: string
  externalId: string | undefined
}

/**
 * Judges what an enabler answered. An approval counts only if it is of this payment, to the cent.
 *
 * @see Card charge draft, Verification Procedure (7) and Receipt Generation
 */
export function judgeResult(answer: unknown, expected: Expected): Outcome.Outcome {
  const result = (answer ?? {}) as Readonly<Record<string, unknown>>
  const { status, idempotencyKey, reason, retryAfter } = result
  const { challengeId } = expected
  if (idempotencyKey !== challengeId) return unclear('has not the idempotencyKey of this payment')
  switch (status) {
    case 'approved':
    case 'authorized':
      return judgeApproval(result, expected)
    case 'declined':
      return declined(reason)
    case 'pending':
      return Outcome.indeterminate({ retryAfter: secondsOf(retryAfter) ?? 5 })
    default:
      return unclear('has no status that is known')
  }
}

function judgeApproval(
  { status, reference, attempt, amount, currency, timestamp }: Readonly<Record<string, unknown>>,
  expected: Expected,
): Outcome.Outcome {
  const { challengeId, externalId, note } = expected
  if (typeof attempt !== 'string') return unclear('does not say which attempt it is of')
  if (attempt !== note.attempt) return usedElsewhere()
  if (amount !== expected.amount || currency !== expected.currency)
    return unclear('approves another amount')
  // Also before the money is captured: without one there is no receipt to give for it.
  if (!isReference(reference)) return unclear('has no reference that can stand in a receipt')
  if (status === 'authorized') return Outcome.authorized({ attempt: note })
  const isTime = typeof timestamp === 'string' && RFC3339.test(timestamp)
  return Outcome.settled({
    reference,
    ...(isTime && !Number.isNaN(Date.parse(timestamp)) && { timestamp }),
    receipt: { challengeId, ...(externalId !== undefined && { externalId }) },
  })
}

/** The challenge’s key is used up by a server that does not share our store, and that owes the page. */
const usedElsewhere = (): Outcome.Rejected =>
  Outcome.rejected('verification-failed', {
    detail: 'This token has been used for this challenge before.',
  })

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** Whether an enabler’s name for something can be shown in a receipt. */
export const isReference = (value: unknown): value is string =>
  typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)

/** The money may have moved, and somebody has to look. */
export const unclear = (what: string): Outcome.Indeterminate =>
  Outcome.indeterminate({
    retryAfter: 60,
    cause: new Error(`The Server Enabler’s answer ${what}.`),
  })

/** Seconds until asking again makes sense: an hour at most, however long an enabler wants to be left alone. */
export const secondsOf = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 ? Math.min(value, 3600) : undefined

/** What a payer may read of why a card was declined. Networks advise to say no more of the rest. */
const DECLINES: Readonly<Record<string, string>> = {
  insufficient_funds: 'there is not enough money on the card',
  limit_exceeded: 'the card’s limit is exceeded',
  expired_card: 'the card has expired',
  token_expired: 'the network token has expired',
  cryptogram_expired: 'the cryptogram has expired',
  cryptogram_invalid: 'the cryptogram is not good for this payment',
  invalid_payload: 'the encrypted payload is not what this merchant’s payment service can open',
  network_mismatch: 'the token is not of the network that was named',
  amount_mismatch: 'the token is for another amount',
  currency_not_supported: 'the card does not pay in this currency',
  authentication_required: 'the issuer wants the cardholder to authenticate',
  address_mismatch: 'the billing address is not the card’s',
  canceled: 'it was cancelled before it was captured',
}

/** An enabler’s code, if that is a word and no number. */
export const wordOf = (code: unknown): string | undefined =>
  typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? code : undefined

/** A refusal in words for the payer; for the operator with the enabler’s code. */
function declined(reason: unknown, cause?: Error): Outcome.Rejected {
  const code = wordOf(reason) ?? 'declined'
  const why = Object.hasOwn(DECLINES, code) ? DECLINES[code] : 'ask the issuer of the card'
  const detail = `The payment was declined: ${why}.`
  return Outcome.rejected(
    'verification-failed',
    { detail },
    { cause: cause ?? new Error(`card: ${code}`) },
  )
}

/**
 * Judges what an enabler threw.
 *
 * @param isFirst - Whether nothing was asked before: then a refusal means that nothing was taken.
 */
export function judgeError(
  thrown: unknown,
  { isFirst }: { isFirst: boolean },
): Outcome.Unsettled | Outcome.Indeterminate {
  const cause = tellable(thrown)
  const retryAfter = secondsOf((cause as { retryAfter?: unknown }).retryAfter)
  return isRefused(cause) && isFirst
    ? Outcome.unsettled({ retryAfter: retryAfter ?? 60, cause })
    : Outcome.indeterminate({ retryAfter: retryAfter ?? 2, cause })
}

/**
 * Judges what `decrypt` threw in an enabler, the first time: nobody takes money by a token that they have not read. What is wrong
 * with the enabler’s own key is mended there; what is wrong with the payload never is.
 */
export function judgeUnread(thrown: unknown): Outcome.Unsettled | Outcome.Rejected | undefined {
  if (!isCardError(thrown)) return undefined
  const { code } = thrown
  const cause = tellable(thrown)
  if (code.startsWith('key-')) return Outcome.unsettled({ retryAfter: 60, cause })
  return declined(code.endsWith('-expired') ? code.replace('-', '_') : 'invalid_payload', cause)
}
