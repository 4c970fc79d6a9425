/**
 * The token service: network tokens in place of card numbers, and cryptograms that are good for one payment.
 *
 * @module
 */
import { randomBytes, randomInt } from 'node:crypto'
import { type Brand, type Card, type DeclineReason, withCheckDigit } from './cards.js'
import { isEachOnce, isMinified } from './json.js'

/** A network token in the service's books. */
export type NetworkToken = {
  number: string
  card: Card
  cardId: string
  expirationMonth: string
  expirationYear: string
  /** What its cryptogram is for. */
  cryptogram: string
  amount: string
  currency: string
  /** Seconds since 1970. */
  cryptogramExpires: number
  isSpent: boolean
}

/** What a payload holds when it is opened: the draft's shape. */
export type Plaintext = {
  token: {
    paymentToken: string
    tokenExpirationMonth: string
    tokenExpirationYear: string
    eci: string
  }
  dynamicData: {
    dynamicDataValue: string
    dynamicDataType: string
    dynamicDataExpiration: number
  }
}

/** Numbers that begin a token of each network, and how long it is. */
const ranges: Record<Brand, { prefix: string; length: number }> = {
  visa: { prefix: '489537', length: 16 },
  mastercard: { prefix: '520424', length: 16 },
  amex: { prefix: '374622', length: 15 },
  discover: { prefix: '601199', length: 16 },
}

/** Electronic Commerce Indicators: authenticated by the network, or not. */
const indicators: Record<Brand, string> = {
  visa: '07',
  mastercard: '02',
  amex: '07',
  discover: '07',
}

/** Opens the books of a token service. */
export function openTokens() {
  const tokens = new Map<string, NetworkToken>()
  return {
    /** Provisions a token, with a cryptogram for one amount. */
    provision(cardId: string, card: Card, terms: Terms): NetworkToken {
      const { prefix, length } = ranges[card.brand]
      const digits = Array.from({ length: length - prefix.length - 1 }, () => randomInt(10))
      const token: NetworkToken = {
        ...terms,
        number: withCheckDigit(prefix + digits.join('')),
        card,
        cardId,
        expirationMonth: terms.expirationMonth ?? '06',
        expirationYear: terms.expirationYear ?? '2034',
        cryptogram: cryptogramOf(card),
        isSpent: false,
      }
      tokens.set(token.number, token)
      return token
    },

    find: (number: string): NetworkToken | undefined => tokens.get(number),
  }
}

export type Tokens = ReturnType<typeof openTokens>

/** What a token is made for. */
export type Terms = {
  /** Minor units. */
  amount: string
  currency: string
  /** Seconds since 1970. */
  cryptogramExpires: number
  expirationMonth?: string
  expirationYear?: string
}

function cryptogramOf({ dynamicDataType }: Card): string {
  if (dynamicDataType === 'NONE') return ''
  const bytes = dynamicDataType === 'CARD_APPLICATION_CRYPTOGRAM_SHORT_FORM' ? 8 : 20
  return randomBytes(bytes).toString('base64')
}

/** Writes a token as a payload has it. */
export const toPlaintext = (token: NetworkToken): Plaintext => ({
  token: {
    paymentToken: token.number,
    tokenExpirationMonth: token.expirationMonth,
    tokenExpirationYear: token.expirationYear,
    eci: indicators[token.card.brand],
  },
  dynamicData: {
    dynamicDataValue: token.cryptogram,
    dynamicDataType: token.card.dynamicDataType,
    dynamicDataExpiration: token.cryptogramExpires,
  },
})

/**
 * Reads an opened payload. A value that a payload of type `NONE` leaves out is an empty one.
 *
 * @returns undefined when a field is missing or no text of its kind.
 */
export function readPlaintext(text: string): Plaintext | undefined {
  try {
    const { token, dynamicData } = JSON.parse(text) as Plaintext
    const { paymentToken, tokenExpirationMonth, tokenExpirationYear, eci } = token
    const { dynamicDataType, dynamicDataExpiration } = dynamicData
    const { dynamicDataValue = dynamicDataType === 'NONE' ? '' : undefined } = dynamicData
    const isWritten = isMinified(text) && isEachOnce(text, JSON.parse(text))
    const isWhole =
      [paymentToken, tokenExpirationMonth, tokenExpirationYear, eci].every(isText) &&
      isText(dynamicDataType) &&
      isText(dynamicDataValue) &&
      Number.isSafeInteger(dynamicDataExpiration)
    if (!isWritten || !isWhole) return undefined
    return { token, dynamicData: { ...dynamicData, dynamicDataValue } }
  } catch {
    return undefined
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'

/**
 * Checks an opened payload against the books.
 *
 * @param now - Seconds since 1970.
 */
export function verify(
  tokens: Tokens,
  { token, dynamicData }: Plaintext,
  { amount, currency, now }: { amount: string; currency: string; now: number },
): NetworkToken | DeclineReason {
  const known = tokens.find(token.paymentToken)
  if (!known) return 'invalid_payload'
  const own = toPlaintext(known)
  if (!isSame(token, own.token)) return 'invalid_payload'
  const { expirationYear, expirationMonth, isSpent, cryptogramExpires } = known
  if (Date.UTC(Number(expirationYear), Number(expirationMonth)) / 1000 <= now)
    return 'token_expired'
  if (isSpent || !isSame(dynamicData, own.dynamicData)) return 'cryptogram_invalid'
  if (cryptogramExpires <= now) return 'cryptogram_expired'
  return amount === known.amount && currency === known.currency ? known : 'amount_mismatch'
}

const isSame = (given: Readonly<Record<string, unknown>>, own: object): boolean =>
  Object.entries(own).every(([name, value]) => given[name] === value)
