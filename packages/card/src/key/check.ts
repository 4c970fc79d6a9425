/**
 * Whether a JSON Web Key is one that a network token may be encrypted for. Pure judgement.
 *
 * @module
 */
import { CardError, type Code } from '../CardError.js'
import { ALGORITHM, LONGEST_KID } from '../constants.js'
import { isChainOf } from './certificate.js'
import { isExponent, isModulus } from './modulus.js'

/** The server’s public key, as it stands in a challenge or a key set. */
export type PublicKey = {
  kty: 'RSA'
  kid: string
  use: 'enc'
  alg: 'RSA-OAEP-256'
  /** Modulus, base64url. */
  n: string
  /** Exponent, base64url. */
  e: string
  /** Certificates in base64, that of the key first. */
  x5c?: readonly string[] | undefined
}

/** The same with its private parts: a secret of the Server Enabler. */
export type PrivateKey = PublicKey & {
  d: string
  p: string
  q: string
  dp: string
  dq: string
  qi: string
}

/** RFC 7518, sections 6.3.2 and 6.4: what only its owner may know. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/**
 * Checks a public key, and drops what is not needed of it.
 *
 * @param jwk - A JSON Web Key as it came.
 * @throws CardError with the code of what is wrong first.
 * @example
 * checkKey(challenge.request.methodDetails.encryptionJwk).kid // 'enc-2026-01'
 * @see Card charge draft, Encryption Key; RFC 7517, section 4
 */
export function checkKey(jwk: unknown): PublicKey {
  const key = readKey(jwk)
  if (PRIVATE.some((name) => name in key)) throw new CardError('key-private')
  return checkParts(key)
}

/**
 * Checks a private key with the same eyes. What comes out of a PEM file says neither `alg` nor `use`: those are of the JWK that is
 * published.
 *
 * @throws CardError with the code of what is wrong first.
 */
export function checkPrivateKey(jwk: unknown): PrivateKey {
  const key = readKey(jwk)
  const { alg = ALGORITHM, use = 'enc', d, p, q, dp, dq, qi } = key
  const parts = { d, p, q, dp, dq, qi }
  if ('oth' in key || !areTexts(parts)) throw new CardError('key-malformed')
  return { ...checkParts({ ...key, alg, use, key_ops: undefined }), ...parts }
}

/** What may be published of a key. */
const publicPart = ({ kty, kid, use, alg, n, e, x5c }: PublicKey): PublicKey => ({
  kty,
  kid,
  use,
  alg,
  n,
  e,
  ...(x5c && { x5c: [...x5c] }),
})

function readKey(jwk: unknown): Record<string, unknown> {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw new CardError('key-malformed')
  return jwk as Record<string, unknown>
}

function checkParts(key: Record<string, unknown>): PublicKey {
  const { kty, kid, use, alg, n, e, x5c, key_ops: operations } = key
  const isNamed = typeof kid === 'string' && kid !== '' && kid.length <= LONGEST_KID
  const wrong: [Code, boolean][] = [
    ['key-type', kty !== 'RSA'],
    ['key-algorithm', alg !== ALGORITHM],
    ['key-use', use !== 'enc' || !isToEncrypt(operations)],
    ['key-id', !isNamed],
    ['key-malformed', typeof n !== 'string' || typeof e !== 'string'],
    ['key-weak', !isModulus(n) || !isExponent(e)],
  ]
  const found = wrong.find(([, isWrong]) => isWrong)
  if (found) throw new CardError(found[0])
  const checked = publicPart({ ...key, x5c: undefined } as PublicKey)
  if (x5c === undefined) return checked
  if (!isChainOf(x5c, checked)) throw new CardError('key-certificate')
  return { ...checked, x5c: [...x5c] }
}

/** RFC 7517, section 4.3: beside `use`, the operations must say the same. */
function isToEncrypt(operations: unknown): boolean {
  if (operations === undefined) return true
  if (!Array.isArray(operations) || operations.length === 0) return false
  const isOnce = new Set(operations).size === operations.length
  return isOnce && operations.every((one) => one === 'encrypt' || one === 'wrapKey')
}

function areTexts<names extends string>(
  parts: Record<names, unknown>,
): parts is Record<names, string> {
  return Object.values(parts).every((part) => typeof part === 'string')
}
