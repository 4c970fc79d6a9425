/**
 * Whether an RSA modulus and exponent are ones to encrypt with.
 *
 * @module
 */
import { LEAST_BITS, MOST_BITS } from '../constants.js'
import { decodeBase64url } from '../jwe/base64url.js'
import { isFactored } from './factors.js'

/** RFC 7518, section 6.3.1.1: no more octets than the number needs. */
export function readNumber(text: unknown): { bytes: Uint8Array; value: bigint } | undefined {
  const bytes = typeof text === 'string' ? decodeBase64url(text) : undefined
  if (!bytes?.[0]) return undefined
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return { bytes, value: BigInt(`0x${hex}`) }
}

/** What was found of moduli: keys are few, and looked at again and again. */
const judged = new Map<string, boolean>()
/** Moduli that are remembered. */
const MOST = 200

/** Whether a modulus can have come out of a good generator: its size, and no factor that anybody finds at once. */
export function isModulus(text: unknown): boolean {
  if (typeof text !== 'string' || text.length > MOST_BITS / 6 + 2) return false
  const known = judged.get(text)
  if (known !== undefined) return known
  const isFit = judge(text)
  const [oldest] = judged.keys()
  if (oldest !== undefined && judged.size >= MOST) judged.delete(oldest)
  judged.set(text, isFit)
  return isFit
}

function judge(text: string): boolean {
  const value = readNumber(text)?.value
  if (value === undefined) return false
  const bits = value.toString(2).length
  if (bits < LEAST_BITS || bits > MOST_BITS) return false
  return !isFactored(value)
}

/**
 * Whether an exponent is odd, at least 65537 (FIPS 186-5, section A.1.1), and at most 32 bits, which every platform takes.
 */
export function isExponent(text: unknown): boolean {
  if (typeof text !== 'string' || text.length > 6) return false
  const value = readNumber(text)?.value
  return value !== undefined && value >= 65_537n && value < 2n ** 32n && value % 2n === 1n
}

/** Bytes of a modulus. */
export const bytesOf = (text: string): number => readNumber(text)?.bytes.length ?? 0
