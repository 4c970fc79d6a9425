/**
 * The payment methods for tests, by Stripe's own names, and what becomes of a payment with each.
 *
 * @module
 */

/** What becomes of a payment. */
export type Outcome =
  | { kind: 'succeeds' }
  | { kind: 'declines'; decline: DeclineCode }
  /** It waits for its customer, unless there is none at hand; then `after`. */
  | { kind: 'authenticates'; after: Outcome }
  /** It is under way, until it is told how it ends. */
  | { kind: 'processes' }

/** A payment method as its name says it. */
export type TestMethod = {
  name: string
  outcome: Outcome
} & (
  | { type: 'card'; brand: string; funding: string; last4: string }
  | { type: 'link' }
  | BankAccount
)

type BankAccount = { type: 'us_bank_account'; last4: string }

/** Why a card is declined, as `decline_code` says it. */
export type DeclineCode = keyof typeof declines

/** What an error says of a decline. */
export type Decline = {
  /** The error's `code`. */
  code: string
  message: string
  /** What the network said. */
  network: string
  advice: 'do_not_try_again' | 'try_again_later' | 'confirm_card_data'
}

const declined = 'Your card was declined.'

/** By `decline_code`. */
export const declines = {
  generic_decline: {
    code: 'card_declined',
    message: declined,
    network: '01',
    advice: 'try_again_later',
  },
  insufficient_funds: {
    code: 'card_declined',
    message: 'Your card has insufficient funds.',
    network: '51',
    advice: 'try_again_later',
  },
  lost_card: {
    code: 'card_declined',
    message: declined,
    network: '41',
    advice: 'do_not_try_again',
  },
  stolen_card: {
    code: 'card_declined',
    message: declined,
    network: '43',
    advice: 'do_not_try_again',
  },
  fraudulent: {
    code: 'card_declined',
    message: declined,
    network: '59',
    advice: 'do_not_try_again',
  },
  card_velocity_exceeded: {
    code: 'card_declined',
    message:
      'Your card was declined for exceeding the amount or the number of charges that it allows.',
    network: '65',
    advice: 'try_again_later',
  },
  expired_card: {
    code: 'expired_card',
    message: 'Your card has expired.',
    network: '54',
    advice: 'do_not_try_again',
  },
  incorrect_cvc: {
    code: 'incorrect_cvc',
    message: "Your card's security code is incorrect.",
    network: '82',
    advice: 'confirm_card_data',
  },
  processing_error: {
    code: 'processing_error',
    message: 'An error occurred while processing your card.',
    network: '96',
    advice: 'try_again_later',
  },
  authentication_required: {
    code: 'authentication_required',
    message: 'Your card was declined. This transaction requires authentication.',
    network: '1A',
    advice: 'try_again_later',
  },
} as const satisfies Record<string, Decline>

const succeeds: Outcome = { kind: 'succeeds' }
const processes: Outcome = { kind: 'processes' }
const authenticates: Outcome = { kind: 'authenticates', after: succeeds }
const declinesWith = (decline: DeclineCode): Outcome => ({ kind: 'declines', decline })

/** After `pm_card_`: brand, funding and last digits of cards that pay. */
const cards: Readonly<Record<string, readonly [brand: string, funding: string, last4: string]>> = {
  visa: ['visa', 'credit', '4242'],
  visa_debit: ['visa', 'debit', '5556'],
  mastercard: ['mastercard', 'credit', '4444'],
  mastercard_debit: ['mastercard', 'debit', '8210'],
  mastercard_prepaid: ['mastercard', 'prepaid', '5100'],
  amex: ['amex', 'credit', '8431'],
  discover: ['discover', 'credit', '9424'],
  diners: ['diners', 'credit', '0004'],
  jcb: ['jcb', 'credit', '0505'],
  unionpay: ['unionpay', 'credit', '0005'],
}

/** After `pm_card_` or `pm_card_visa_`: cards that do not simply pay. */
const special: Readonly<Record<string, readonly [outcome: Outcome, last4: string]>> = {
  chargeDeclined: [declinesWith('generic_decline'), '0002'],
  chargeDeclinedInsufficientFunds: [declinesWith('insufficient_funds'), '9995'],
  chargeDeclinedLostCard: [declinesWith('lost_card'), '9987'],
  chargeDeclinedStolenCard: [declinesWith('stolen_card'), '9979'],
  chargeDeclinedExpiredCard: [declinesWith('expired_card'), '0069'],
  chargeDeclinedIncorrectCvc: [declinesWith('incorrect_cvc'), '0127'],
  chargeDeclinedProcessingError: [declinesWith('processing_error'), '0119'],
  chargeDeclinedVelocityLimitExceeded: [declinesWith('card_velocity_exceeded'), '6975'],
  chargeDeclinedFraudulent: [declinesWith('fraudulent'), '0019'],
  radarBlock: [declinesWith('fraudulent'), '0019'],
  authenticationRequired: [authenticates, '3184'],
  authenticationRequiredChargeDeclinedInsufficientFunds: [
    { kind: 'authenticates', after: declinesWith('insufficient_funds') },
    '8341',
  ],
  threeDSecureRequired: [authenticates, '3063'],
  threeDSecure2Required: [authenticates, '3220'],
  threeDSecureRequiredChargeDeclined: [
    { kind: 'authenticates', after: declinesWith('generic_decline') },
    '8629',
  ],
  threeDSecureOptional: [succeeds, '3055'],
  threeDSecureNotSupported: [succeeds, '3055'],
}

const banks: Readonly<Record<string, string>> = {
  pm_usBankAccount: '6789',
  pm_usBankAccount_success: '6789',
  pm_usBankAccount_processing: '0009',
}

/** The payment method of that name, or undefined when there is none. */
export function findTestMethod(name: string): TestMethod | undefined {
  if (name === 'pm_link') return { name, type: 'link', outcome: succeeds }
  const bank = own(banks, name)
  if (bank !== undefined) return { name, type: 'us_bank_account', last4: bank, outcome: processes }
  if (!name.startsWith('pm_card_')) return undefined
  const rest = name.slice('pm_card_'.length)
  const card = own(cards, rest)
  if (card) {
    const [brand, funding, last4] = card
    return { name, type: 'card', brand, funding, last4, outcome: succeeds }
  }
  const [outcome, last4] = own(special, rest.replace(/^visa_/, '')) ?? []
  if (outcome === undefined || last4 === undefined) return undefined
  return { name, type: 'card', brand: 'visa', funding: 'credit', last4, outcome }
}

function own<value>(record: Readonly<Record<string, value>>, key: string): value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
