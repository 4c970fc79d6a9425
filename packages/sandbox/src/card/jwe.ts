/**
 * JWE by Node's own cryptography: RSA-OAEP-256 and A256GCM in compact serialization, and nothing else.
 *
 * @module
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  X509Certificate,
} from 'node:crypto'
import { isEachOnce, isOfForm } from './json.js'

/** A public key as challenges have it. */
export type PublicJwk = {
  kty: 'RSA'
  kid: string
  use: 'enc'
  alg: 'RSA-OAEP-256'
  n: string
  e: string
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
const tagBytes = 16
const ivBytes = 12

/** What a test may have done wrong on purpose. */
export type Spoil = {
  /** In place of, or beside, the usual three. `undefined` takes a member away. */
  header?: Readonly<Record<string, unknown>>
  /** In place of the plaintext. */
  plaintext?: Uint8Array
}

/**
 * Encrypts a text for a key.
 *
 * @throws Error for a key that is not RSA, for RSA-OAEP-256, for encryption, of 2048 bits or more.
 */
export function seal(
  text: string,
  jwk: Readonly<Record<string, unknown>>,
  spoil: Spoil = {},
): string {
  const key = readKey(jwk)
  const header = { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: jwk['kid'], ...spoil.header }
  const protectedPart = encode(Buffer.from(JSON.stringify(header)))
  const [cek, iv] = [randomBytes(32), randomBytes(ivBytes)]
  const cipher = createCipheriv('aes-256-gcm', cek, iv).setAAD(Buffer.from(protectedPart))
  const ciphertext = Buffer.concat([
    cipher.update(spoil.plaintext ?? Buffer.from(text)),
    cipher.final(),
  ])
  const encryptedKey = publicEncrypt({ key, ...oaep }, cek)
  return [protectedPart, ...[encryptedKey, iv, ciphertext, cipher.getAuthTag()].map(encode)].join(
    '.',
  )
}

/**
 * Decrypts what was encrypted for one of the keys.
 *
 * @param keys - Private keys in PEM, by kid.
 * @returns The text, or undefined for whatever is not exactly what the draft asks.
 */
export function open(
  jwe: string,
  { kid, keys }: { kid: string; keys: ReadonlyMap<string, string> },
): string | undefined {
  const key = keys.get(kid)
  const [header, encryptedKey, iv, ciphertext, tag, ...more] = jwe.split('.').map(decode)
  const isWhole = header && encryptedKey && ciphertext && more.length === 0
  if (!key || !isWhole || iv?.length !== ivBytes || tag?.length !== tagBytes) return undefined
  if (!isHeader(header, kid)) return undefined
  try {
    const cek = privateDecrypt({ key, ...oaep }, encryptedKey)
    const decipher = createDecipheriv('aes-256-gcm', cek, iv, { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(encode(header))).setAuthTag(tag)
    const text = Buffer.concat([decipher.update(ciphertext), decipher.final()])
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch {
    return undefined
  }
}

type Header = Readonly<Record<string, unknown>>

/** The three members of the draft, each once, and what only says that this is a JWE, of JSON, and when it was made. */
function isHeader(bytes: Buffer, kid: string): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const { typ = 'JOSE', cty = 'json', iat = 0, ...rest } = JSON.parse(text) as Header
    const wanted = { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid }
    return (
      isEachOnce(text, JSON.parse(text)) &&
      Object.keys(rest).length === 3 &&
      Object.entries(wanted).every(([name, value]) => rest[name] === value) &&
      isOfForm(typ, /^(?:application\/)?(?:jose|jwe)$/i) &&
      isOfForm(cty, /^(?:application\/)?json$/i) &&
      isOfForm(typeof iat === 'number' ? String(iat) : iat, /^\d{1,13}$/)
    )
  } catch {
    return false
  }
}

const privateParts = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
const operations: readonly unknown[] = ['encrypt', 'wrapKey']

function readKey(jwk: Readonly<Record<string, unknown>>): KeyObject {
  const { kty, kid, n, e, key_ops: may } = jwk
  const isFit = kty === 'RSA' && jwk['use'] === 'enc' && jwk['alg'] === 'RSA-OAEP-256'
  if (!isFit || !isToEncrypt(may)) throw new Error('the key is not for RSA-OAEP-256')
  if (privateParts.some((name) => name in jwk)) throw new Error('the key is private')
  if (typeof kid !== 'string' || kid === '') throw new Error('the key has no kid')
  if (!isNumber(n) || !isNumber(e)) throw new Error('the key is malformed')
  const key = createPublicKey({ key: { kty, n, e } as JsonWebKey, format: 'jwk' })
  if (isWeak(key)) throw new Error('the key is weak')
  if (!isCertified(key, jwk['x5c'])) throw new Error('the certificate is of another key')
  return key
}

const isToEncrypt = (may: unknown = ['encrypt']): boolean =>
  Array.isArray(may) &&
  may.length > 0 &&
  may.length === new Set(may).size &&
  may.every((one) => operations.includes(one))

/** @throws Error for what is no certificate. */
function isCertified(key: KeyObject, chain: unknown): boolean {
  if (chain === undefined) return true
  if (!Array.isArray(chain) || chain.length === 0) return false
  const [own] = chain.map((one) => new X509Certificate(Buffer.from(String(one), 'base64')))
  return own !== undefined && own.publicKey.equals(key)
}

function isWeak({ asymmetricKeyDetails }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails ?? {}
  return modulusLength < 2048 || publicExponent < 65_537n || publicExponent % 2n === 0n
}

/** RFC 7518, section 2: in its one spelling, with no octet more than it needs. */
const isNumber = (value: unknown): boolean =>
  typeof value === 'string' && (decode(value)?.[0] ?? 0) > 0

const encode = (bytes: Buffer): string => bytes.toString('base64url')

/** Only the spelling that `encode` gives. */
function decode(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length > 0 && encode(bytes) === text ? bytes : undefined
}
