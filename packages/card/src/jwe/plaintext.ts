/**
 * What a network token’s JWE holds: the token and the cryptogram, as the draft defines them.
 *
 * @module
 */
import { custom, enum as oneOf, int, nonnegative, object, optional, string } from 'zod/mini'
import type { output } from 'zod/mini'
import { CardError } from '../CardError.js'
import { readJson, readUtf8 } from './json.js'

const matching = (pattern: RegExp) =>
  custom<string>((value) => typeof value === 'string' && pattern.test(value))

/** Draft, Token Data. */
const token = object({
  /** The network token, in place of a card number. ISO/IEC 7812: up to 19 digits. */
  paymentToken: matching(/^\d{12,19}$/),
  tokenExpirationMonth: matching(/^(?:0[1-9]|1[0-2])$/),
  tokenExpirationYear: matching(/^\d{4}$/),
  /** Electronic Commerce Indicator. */
  eci: matching(/^\d{1,2}$/),
})

/** Draft, Dynamic Data. */
const dynamicData = object({
  /** The cryptogram. May be left out when the type is `NONE`. */
  dynamicDataValue: optional(string()),
  dynamicDataType: oneOf([
    'CARD_APPLICATION_CRYPTOGRAM_SHORT_FORM',
    'CARD_APPLICATION_CRYPTOGRAM_LONG_FORM',
    'CARDHOLDER_AUTHENTICATION_CRYPTOGRAM',
    'NONE',
  ]),
  /** Epoch seconds. */
  dynamicDataExpiration: int().check(nonnegative()),
})

const plaintext = object({ token, dynamicData })

/** The token and its cryptogram. A secret: whoever has both can pay with them. */
export type Plaintext = output<typeof plaintext>

/** Later than this it is no time in seconds: milliseconds would make a cryptogram that never expires. */
const LATEST = 100_000_000_000
/** The draft names no length: from three digits to the 255 bytes of a chip’s data, and more. */
const CRYPTOGRAM = /^[\w+/-]{3,1024}={0,2}$/

/**
 * Reads the bytes that a JWE held.
 *
 * @param bytes - What the content encryption gave. Whether token and cryptogram have expired is `checkTimely`'s to say.
 * @throws CardError `plaintext-malformed` when they are not minified JSON in UTF-8; `plaintext-fields` when a field is missing or wrong.
 * @example
 * const plaintext = readPlaintext(await hardware.open(encryptedPayload))
 * checkTimely(plaintext)
 * @see Card charge draft, Encrypted Payload Format
 */
export function readPlaintext(bytes: Uint8Array | ArrayBuffer): Plaintext {
  const written = readJson(readUtf8(bytes) ?? '')
  if (!written || written.isSpaced || written.isRepeating)
    throw new CardError('plaintext-malformed')
  return checkPlaintext(written.value)
}

/**
 * Checks a token and its cryptogram, and drops what the draft does not know.
 *
 * @throws CardError `plaintext-fields`.
 */
export function checkPlaintext(value: unknown): Plaintext {
  const read = plaintext.safeParse(value)
  if (!read.success) throw new CardError('plaintext-fields')
  const { dynamicDataType, dynamicDataValue = '', dynamicDataExpiration } = read.data.dynamicData
  const isPresent = CRYPTOGRAM.test(dynamicDataValue)
  const isFit = dynamicDataType === 'NONE' ? isPresent || dynamicDataValue === '' : isPresent
  if (!isFit || dynamicDataExpiration > LATEST) throw new CardError('plaintext-fields')
  return read.data
}

/**
 * Checks that neither token nor cryptogram has expired. A token is good to the end of its month, anywhere on earth.
 *
 * @param now - Epoch milliseconds; left out, the clock’s.
 * @throws CardError `token-expired` or `cryptogram-expired`; a token of type `NONE` has no cryptogram that could.
 * @example
 * checkTimely(readPlaintext(bytes))
 * @see Card charge draft, Token Data and Dynamic Data
 */
export function checkTimely({ token, dynamicData }: Plaintext, now: number = Date.now()): void {
  const month = Date.UTC(Number(token.tokenExpirationYear), Number(token.tokenExpirationMonth))
  if (month + 12 * 3_600_000 <= now) throw new CardError('token-expired')
  const { dynamicDataType, dynamicDataExpiration } = dynamicData
  if (dynamicDataType !== 'NONE' && dynamicDataExpiration * 1000 <= now)
    throw new CardError('cryptogram-expired')
}
