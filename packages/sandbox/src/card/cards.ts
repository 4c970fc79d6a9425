/**
 * Cards for tests, by their ids: which network, whose, and what their issuer says to a payment.
 *
 * @module
 */

/** A card network. */
export type Brand = 'visa' | 'mastercard' | 'amex' | 'discover'

/** What an issuer answers. */
export type Verdict =
  | 'approve'
  /** Known only after `complete` or `fail`. */
  | 'pending'
  | DeclineReason

/** Why a payment is declined. */
export type DeclineReason =
  | 'address_mismatch'
  | 'amount_mismatch'
  | 'authentication_required'
  | 'card_mismatch'
  | 'cryptogram_expired'
  | 'cryptogram_invalid'
  | 'do_not_honor'
  | 'expired_card'
  | 'insufficient_funds'
  | 'invalid_payload'
  | 'limit_exceeded'
  | 'lost_card'
  | 'network_mismatch'
  | 'token_expired'
  | 'voided'

/** Where a card is billed. */
export type Billing = {
  line1: string
  line2?: string
  city: string
  state: string
  zip: string
  countryCode: string
}

/** A card as its issuer knows it. */
export type Card = {
  brand: Brand
  /** Digits, of which only the last four are ever shown. */
  pan: string
  expirationMonth: string
  expirationYear: string
  verdict: Verdict
  holder?: string
  /** Payment Account Reference. */
  par?: string
  billing?: Billing
  /** The kind of its cryptograms. */
  dynamicDataType: DynamicDataType
}

/** EMV Secure Remote Commerce names these. */
export type DynamicDataType =
  | 'CARD_APPLICATION_CRYPTOGRAM_SHORT_FORM'
  | 'CARD_APPLICATION_CRYPTOGRAM_LONG_FORM'
  | 'CARDHOLDER_AUTHENTICATION_CRYPTOGRAM'
  | 'NONE'

const billing: Billing = {
  line1: '123 Main St',
  line2: 'Apt 4B',
  city: 'San Francisco',
  state: 'CA',
  zip: '94102',
  countryCode: 'US',
}

const card = (brand: Brand, number: string, more: Partial<Card> = {}): Card => ({
  brand,
  pan: withCheckDigit(number),
  expirationMonth: '06',
  expirationYear: '2034',
  verdict: 'approve',
  holder: 'Jane Smith',
  par: `PAR${number.padEnd(25, '0')}`,
  billing,
  dynamicDataType: 'CARD_APPLICATION_CRYPTOGRAM_SHORT_FORM',
  ...more,
})

/** The cards, by the ids that a Client Enabler knows them by. */
export const testCards: Readonly<Record<string, Card>> = {
  card_visa: card('visa', '424242424242424'),
  card_mastercard: card('mastercard', '555555555555444'),
  card_amex: card('amex', '37828224631000', {
    dynamicDataType: 'CARD_APPLICATION_CRYPTOGRAM_LONG_FORM',
  }),
  card_discover: card('discover', '601111111111111', {
    dynamicDataType: 'CARDHOLDER_AUTHENTICATION_CRYPTOGRAM',
  }),
  card_no_cryptogram: card('visa', '400000000000100', { dynamicDataType: 'NONE' }),
  card_pending: card('visa', '400000000000200', { verdict: 'pending' }),
  card_do_not_honor: card('mastercard', '510000000000300', { verdict: 'do_not_honor' }),
  card_insufficient_funds: card('visa', '400000000000995', { verdict: 'insufficient_funds' }),
  card_limit_exceeded: card('amex', '37000000000400', { verdict: 'limit_exceeded' }),
  card_lost: card('visa', '400000000000998', { verdict: 'lost_card' }),
  card_expired: card('discover', '601100000000500', {
    verdict: 'expired_card',
    expirationYear: '2020',
  }),
  card_authentication_required: card('visa', '400000000000315', {
    verdict: 'authentication_required',
  }),
  card_anonymous: anonymous(),
}

/** A card of which its vault knows nothing but the number. */
function anonymous(): Card {
  const { holder: _, par: __, billing: ___, ...rest } = card('visa', '400000000000600')
  return rest
}

/** Appends the check digit of ISO/IEC 7812. */
export function withCheckDigit(number: string): string {
  const sum = Array.from(number)
    .toReversed()
    .map((digit, at) => Number(digit) * (at % 2 === 0 ? 2 : 1))
    .reduce((total, value) => total + (value > 9 ? value - 9 : value), 0)
  return `${number}${(10 - (sum % 10)) % 10}`
}
