/**
 * Whether a certificate is of a key.
 *
 * @module
 */
import { readNumber } from './modulus.js'

/** Certificates in a chain, and base64 characters of one of them. */
const MOST = 10
const LONGEST = 16_384

/**
 * Whether a chain is one of certificates, and its first holds a key: the bit string of its SubjectPublicKeyInfo is the
 * RSAPublicKey (RFC 5280, section 4.1; RFC 8017, appendix A.1.1). Nobody's signature is verified.
 *
 * @param chain - DER in base64, as `x5c` has it.
 */
export function isChainOf(chain: unknown, key: { n: string; e: string }): chain is string[] {
  if (!Array.isArray(chain) || chain.length === 0 || chain.length > MOST) return false
  const [own, ...others] = chain.map(keyIn)
  const [n, e] = [readNumber(key.n)?.bytes, readNumber(key.e)?.bytes]
  if (!n || !e || others.includes(undefined)) return false
  return own === String.fromCharCode(0, ...sequence([...integer(n), ...integer(e)]))
}

/** One element of DER: what it is, and its content with one character a byte. */
type Element = { tag: number; content: string }

const [INTEGER, BITS, SEQUENCE, VERSION] = [0x02, 0x03, 0x30, 0xa0]
const CERTIFICATE = [SEQUENCE, SEQUENCE, BITS]
/** Serial number, algorithm, issuer, validity, subject, key. */
const SIGNED = [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]
const KEY = [SEQUENCE, BITS]

/** The key that a certificate holds; `undefined` for what is no certificate. */
function keyIn(certificate: unknown): string | undefined {
  if (typeof certificate !== 'string' || certificate.length > LONGEST) return undefined
  try {
    const der = atob(certificate)
    if (btoa(der) !== certificate) return undefined
    const [whole] = readAll(der, [SEQUENCE], 1)
    const [signed] = readAll(whole, CERTIFICATE, 3)
    const first = Number(signed?.charCodeAt(0) === VERSION)
    const tags = [...(first ? [VERSION] : []), ...SIGNED]
    return readAll(readAll(signed, tags)[first + 5], KEY, 2)[1]
  } catch {
    return undefined
  }
}

/** The contents of what stands one after the other, if it begins with elements of these tags. */
function readAll(der = '', tags: readonly number[], most = Infinity): string[] {
  const elements: Element[] = []
  let rest = der
  while (rest !== '') {
    const { element, length } = readElement(rest)
    elements.push(element)
    rest = rest.slice(length)
  }
  if (elements.length > most || tags.some((tag, at) => elements[at]?.tag !== tag))
    throw new RangeError('not a certificate')
  return elements.map(({ content }) => content)
}

function readElement(der: string): { element: Element; length: number } {
  const size = der.charCodeAt(1)
  const more = size < 0x80 ? 0 : size - 0x80
  const digits = Array.from(der.slice(2, 2 + more), (one) => one.charCodeAt(0))
  const content = more === 0 ? size : digits.reduce((sum, digit) => sum * 256 + digit, 0)
  const length = 2 + more + content
  if (size === 0x80 || more > 3 || !(length <= der.length)) throw new RangeError('not DER')
  return { element: { tag: der.charCodeAt(0), content: der.slice(2 + more, length) }, length }
}

/** DER: a positive number begins with a bit that is zero. */
const integer = (bytes: Uint8Array): number[] => {
  const content = (bytes[0] ?? 0) >= 0x80 ? [0, ...bytes] : [...bytes]
  return [INTEGER, ...lengthOf(content), ...content]
}
const sequence = (content: readonly number[]): number[] => [
  SEQUENCE,
  ...lengthOf(content),
  ...content,
]

function lengthOf({ length }: readonly number[]): number[] {
  if (length < 0x80) return [length]
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
}
