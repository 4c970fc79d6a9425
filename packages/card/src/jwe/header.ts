/**
 * The outside of a JWE, judged before anything is decrypted: its parts, their lengths, its protected header.
 *
 * @module
 */
import { ALGORITHM, ENCRYPTION, LONGEST_JWE, LONGEST_KID } from '../constants.js'
import { CardError } from '../CardError.js'
import { decodeBase64url } from './base64url.js'
import { readJson, readUtf8 } from './json.js'

/** A protected header that may be acted upon. */
export type Header = {
  alg: typeof ALGORITHM
  enc: typeof ENCRYPTION
  kid: string
  typ?: string
  cty?: string
  iat?: number | string
}

/** What is known of a JWE from its outside. */
export type Outside = {
  header: Header
  /** Bytes of the encrypted key: as long as the modulus that it is for. */
  keyBytes: number
}

/** RFC 7518, section 5.3. */
const IV_BYTES = 12
const TAG_BYTES = 16

/**
 * Beside the three of the draft, what says only what this is and when it was made, as the card networks' own services write
 * it. Any other member is for another algorithm, or another key.
 */
const KNOWN: ReadonlySet<string> = new Set(['alg', 'enc', 'kid', 'typ', 'cty', 'iat'])

/**
 * Judges the outside of a JWE.
 *
 * @param jwe - Compact serialization.
 * @throws CardError with the code of what is wrong first.
 * @example
 * const { header } = readOutside(payload.encryptedPayload)
 * const key = keyring.get(header.kid)
 * @see Card charge draft, Encrypted Payload Format; RFC 7516, section 5.2
 */
export function readOutside(jwe: unknown): Outside {
  if (typeof jwe !== 'string' || jwe.length > LONGEST_JWE) throw new CardError('jwe-malformed')
  const [head, ...parts] = jwe.split('.').map(decodeBase64url)
  if (!head || parts.length !== 4 || parts.includes(undefined)) throw new CardError('jwe-malformed')
  const header = readHeader(head)
  const [keyBytes = 0, iv, ciphertext, tag] = parts.map((part) => part?.length)
  if (!keyBytes || iv !== IV_BYTES || !ciphertext || tag !== TAG_BYTES)
    throw new CardError('jwe-size')
  return { header, keyBytes }
}

function readHeader(bytes: Uint8Array): Header {
  const written = readJson(readUtf8(bytes) ?? '')
  const value = written?.value
  if (!written || !isObject(value)) throw new CardError('jwe-malformed')
  if (written.isRepeating) throw new CardError('jwe-header')
  if ('zip' in value) throw new CardError('jwe-compressed')
  if ('crit' in value) throw new CardError('jwe-critical')
  if (value['alg'] !== ALGORITHM || value['enc'] !== ENCRYPTION)
    throw new CardError('jwe-algorithm')
  if (!isHeader(value)) throw new CardError('jwe-header')
  return value
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isHeader(value: Record<string, unknown>): value is Record<string, unknown> & Header {
  const { kid, typ, cty, iat = 0 } = value
  const isNamed = typeof kid === 'string' && kid !== '' && kid.length <= LONGEST_KID
  const isKnown = Object.keys(value).every((name) => KNOWN.has(name))
  // RFC 7519, sections 4.1.6 and 5.3, has seconds; the networks' services write milliseconds too, and either as text.
  const isMade = /^\d{1,13}$/.test(typeof iat === 'string' ? iat : JSON.stringify(iat))
  return isNamed && isKnown && isMade && isOfType(typ, ['jose', 'jwe']) && isOfType(cty, ['json'])
}

/** RFC 7516, sections 4.1.11 and 4.1.12: a media type, in whatever case, which may leave out `application/`. */
const isOfType = (value: unknown, types: readonly string[]): boolean =>
  value === undefined ||
  (typeof value === 'string' && types.includes(value.toLowerCase().replace(/^application\//, '')))
