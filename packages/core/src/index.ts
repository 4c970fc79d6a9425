/**
 * The vocabulary of the Payment HTTP authentication scheme, one namespace a noun.
 *
 * @module
 */
export * as AcceptPayment from './AcceptPayment.js'
export * as BodyDigest from './BodyDigest.js'
export * as Challenge from './Challenge.js'
export * as ChallengeId from './ChallengeId.js'
export * as Credential from './Credential.js'
export * as Errors from './Errors.js'
export * as Expires from './Expires.js'
export * as Ledger from './Ledger.js'
export * as Method from './Method.js'
export * as Outcome from './Outcome.js'
export * as PaymentRequest from './PaymentRequest.js'
export * as Receipt from './Receipt.js'
export type * as Refund from './Refund.js'
export * as Store from './Store.js'
