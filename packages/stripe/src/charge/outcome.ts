/**
 * What Stripe's answers mean for the money: taken, not taken, or unknown. Pure judgement.
 *
 * @module
 */
import { Errors, Outcome } from '@polyrail/core'
import type { Granted, Intent } from '../network.js'

/** What was asked of Stripe. */
export type Order = {
  /** Smallest units. */
  amount: bigint
  currency: string
  /** Ours alone, in the PaymentIntent's metadata. */
  attempt: string
  /** `'after'`: the money is authorized and captured later. */
  capture: 'before' | 'after'
  /** The payer's reference. */
  externalId?: string | undefined
}

/** A verdict; or what must be undone before there is one, lest it be finished later without us. */
export type Judged = Outcome.Outcome | { status: 'open'; id: string; verdict: Outcome.Rejected }

/** Judges a PaymentIntent. */
export function judgeIntent(intent: Intent, order: Order): Judged {
  const { id, status, amount, currency, metadata } = intent
  const isOurs =
    BigInt(amount) === order.amount &&
    currency === order.currency &&
    metadata?.['mpp_attempt'] === order.attempt
  // Its id is not kept: it would be asked for again, and ours never.
  if (!isOurs)
    return Outcome.indeterminate({
      cause: new Error(`The PaymentIntent ${id} is not the one that was asked for.`),
    })
  switch (status) {
    case 'succeeded':
      return judgeReceived(intent, order)
    case 'processing':
      return Outcome.indeterminate({ attempt: { intent: id }, retryAfter: 5 })
    case 'requires_capture':
      return order.capture === 'after'
        ? Outcome.authorized({ attempt: { intent: id } })
        : { status: 'open', id, verdict: declined('The payment was not captured.') }
    case 'canceled':
      return declined('The payment was canceled.')
    case 'requires_action':
      return { status: 'open', id, verdict: declined(AUTHENTICATE) }
    default:
      return { status: 'open', id, verdict: declined(UNCHARGEABLE) }
  }
}

/** Whose operator captured a part by hand has neither the price nor nothing: it is theirs to give back. */
function judgeReceived({ id, amount, amount_received }: Intent, order: Order): Outcome.Outcome {
  const received = amount_received ?? amount
  if (received < amount)
    return Outcome.indeterminate({
      attempt: { intent: id },
      retryAfter: 60,
      cause: new Error(`Of the PaymentIntent ${id} only ${received} of ${amount} was captured.`),
    })
  return Outcome.settled({
    reference: id,
    ...(order.externalId !== undefined && { receipt: { externalId: order.externalId } }),
  })
}

/** What is said where Stripe has had the key before, for an attempt that this store knows nothing of. */
export const USED = 'This token has been used for this challenge before.'

const AUTHENTICATE =
  'The payment needs its payer (3-D Secure). Authenticate when the token is made, or pay with another payment method.'

/**
 * Judges an error of the package `stripe`, which is known by its data.
 *
 * @returns `used` where the key has been used for another request; `invalid` needs a look at the token.
 */
export function judgeError(cause: unknown): Outcome.Outcome | 'invalid' | 'used' {
  const { type, code, decline_code: reason } = dataOf(cause)
  if (code === 'idempotency_key_in_use' || code === 'lock_timeout')
    return Outcome.indeterminate({ retryAfter: 1, cause })
  switch (type) {
    case 'StripeCardError':
      return declined(describeDecline(reason ?? code), cause)
    case 'StripeIdempotencyError':
      return 'used'
    case 'StripeAuthenticationError':
    case 'StripePermissionError':
      return Outcome.unsettled({ retryAfter: 60, cause })
    case 'StripeInvalidRequestError':
      return 'invalid'
    case 'StripeRateLimitError':
      return Outcome.indeterminate({ retryAfter: 5, cause })
    default:
      // An outage, a lost answer: the same key finds out.
      return Outcome.indeterminate({ retryAfter: 2, cause })
  }
}

/** Whether a request is invalid by the payment method that the token stands for, and so its payer's to mend. */
export const isUnfit = (cause: unknown): boolean => UNFIT.has(dataOf(cause).code)

const UNFIT: ReadonlySet<string | undefined> = new Set([
  'charge_exceeds_source_limit',
  'charge_exceeds_transaction_limit',
  'payment_intent_authentication_failure',
  'payment_intent_incompatible_payment_method',
  'payment_intent_payment_attempt_failed',
  'payment_method_billing_details_address_missing',
  'payment_method_currency_mismatch',
  'payment_method_customer_decline',
  'payment_method_not_available',
  'payment_method_provider_decline',
])

/** What is said of a payment method that is no good for this price. */
export const UNCHARGEABLE = 'The payment method cannot be charged.'

/** Whether an error is the one that Stripe has kept under a key, 500s included: it stays so while the key lives. */
export const isReplayed = (cause: unknown): boolean =>
  dataOf(cause).headers?.['idempotent-replayed'] === 'true'

/**
 * Says whose fault it is that Stripe found a request invalid: the token's, or ours.
 *
 * @param token - As Stripe shows it to its seller; `undefined` where there is none.
 * @param now - Epoch seconds.
 */
export function judgeToken(
  token: Granted | undefined,
  { amount, currency }: Order,
  { now, cause }: { now: number; cause: unknown },
): Outcome.Outcome {
  if (!token)
    return declined('This token is not known to Stripe, or not granted to this seller.', cause)
  const { deactivated_reason: reason, usage_limits: limits } = token
  if (reason) return declined(`This token is ${DEAD[reason] ?? 'no longer good'}.`, cause)
  if (limits?.expires_at != null && limits.expires_at <= now)
    return declined('This token has expired.', cause)
  if (limits && limits.currency !== currency)
    return declined('This token is for another currency.', cause)
  if (limits && (limitOf(limits) ?? MORE) < amount)
    return Outcome.rejected(
      'payment-insufficient',
      { detail: 'This token is for a lower amount.' },
      { cause },
    )
  return Outcome.unsettled({ retryAfter: 60, cause })
}

/** Whether a token may have paid an order, by how it looks now. */
export function mayHavePaid(token: Granted | undefined, { amount, currency }: Order): boolean {
  // Another account's key knows nothing of it.
  if (!token) return true
  const { deactivated_reason: reason, usage_limits: limits } = token
  if (reason === 'consumed' || reason === 'resolved') return true
  // One for more stays as it was.
  return limits?.currency === currency && (limitOf(limits) ?? MORE) > amount
}

/** What a token is for; undefined where a version of Stripe's interface tells it otherwise. */
const limitOf = ({ max_amount: most }: { max_amount?: unknown }): bigint | undefined =>
  Number.isSafeInteger(most) ? BigInt(Number(most)) : undefined

/** Beyond every price. */
const MORE = 2n ** 64n

const DEAD: Readonly<Record<string, string>> = {
  consumed: 'used',
  expired: 'expired',
  resolved: 'used',
  revoked: 'revoked',
}

/** What a payer may read of why a card was declined; Stripe's own advice is to say no more of the rest. */
const DECLINES: Readonly<Record<string, string>> = {
  insufficient_funds: 'too little money',
  expired_card: 'the card has expired',
  incorrect_cvc: 'the security code is wrong',
  incorrect_number: 'the card number is wrong',
  incorrect_zip: 'the postal code is wrong',
  card_not_supported: 'the card does not support this kind of purchase',
  currency_not_supported: 'the card does not support this currency',
  card_velocity_exceeded: 'the limit of the card is reached',
  withdrawal_count_limit_exceeded: 'the limit of the card is reached',
  processing_error: 'the card could not be processed, and may be tried again',
  issuer_not_available: 'the issuer cannot be reached, and may be tried again',
  try_again_later: 'the issuer asks to try again later',
  authentication_required: 'the payer must authenticate',
}

const describeDecline = (reason: string | undefined): string =>
  `The payment was declined: ${DECLINES[reason ?? ''] ?? 'ask the issuer of the payment method'}.`

/** A refusal in words for the payer. */
export function declined(detail: string, cause?: unknown): Outcome.Rejected {
  return Outcome.rejected(Errors.problem('verification-failed', { detail }), {}, { cause })
}

type Fault = {
  type?: string
  code?: string
  decline_code?: string
  headers?: Readonly<Record<string, unknown>>
}

const dataOf = (cause: unknown): Fault =>
  typeof cause === 'object' && cause !== null ? (cause as Fault) : {}
