/**
 * Which key a challenge names, and whether it may name it so. Pure judgement.
 *
 * @module
 */
import { CardError } from '../CardError.js'
import { LONGEST_KID } from '../constants.js'
import { isLoopback, isPrivate } from '../network.js'
import { checkKey, type PublicKey } from './check.js'

/** The part of a challenge that names its key. */
export type Details = {
  encryptionJwk?: unknown
  jwksUri?: unknown
  kid?: unknown
}

/** A key, or where it is. */
export type Reference = { key: PublicKey } | { jwksUri: string; kid: string }

/**
 * Reads which key a challenge names.
 *
 * @param details - `methodDetails` of the challenge, or what a Client Enabler was sent of it.
 * @param options.realm - The challenge’s realm, on whose origin the key set must be.
 * @param options.loopback - Takes key sets of this machine, and http there: for tests.
 * @returns The key, if it is in the challenge; else where it is, and its `kid`.
 * @throws CardError with the code of what is wrong first.
 * @example
 * readReference({ jwksUri: 'https://api.example.com/jwks', kid: 'enc-1' }, { realm: 'api.example.com' })
 * @see Card charge draft, Encryption Key, key resolution procedure
 */
export function readReference(
  { encryptionJwk, jwksUri, kid }: Details,
  { realm, loopback = false }: readReference.Options,
): Reference {
  if (encryptionJwk === undefined && jwksUri === undefined) throw new CardError('key-missing')
  if (jwksUri === undefined) {
    if (kid !== undefined) throw new CardError('key-ambiguous')
    return { key: checkKey(encryptionJwk) }
  }
  if (encryptionJwk !== undefined) throw new CardError('key-ambiguous')
  if (typeof kid !== 'string' || kid === '' || kid.length > LONGEST_KID)
    throw new CardError('key-id')
  return { jwksUri: checkUri(jwksUri, { realm, loopback }), kid }
}

export declare namespace readReference {
  type Options = { realm: string; loopback?: boolean | undefined }
}

function checkUri(
  given: unknown,
  { realm, loopback }: { realm: string; loopback: boolean },
): string {
  const uri = typeof given === 'string' && given.length <= 2048 ? parse(given) : undefined
  const isLocal = loopback && uri !== undefined && isLoopback(uri.hostname)
  if (!uri || !isSecure(uri, isLocal)) throw new CardError('key-insecure')
  if (!isSameOrigin(uri, realm)) throw new CardError('key-foreign')
  if (!isLocal && isPrivate(uri.hostname)) throw new CardError('key-private-host')
  uri.hash = ''
  return uri.href
}

const isSecure = ({ protocol, username, password }: URL, isLocal: boolean): boolean =>
  !username && !password && (protocol === 'https:' || (isLocal && protocol === 'http:'))

/**
 * Whether a URI is on the origin of a realm: `api.example.com` means https and its usual port. A realm of this machine that
 * names no port stands for any, since a test has no usual one.
 */
export function isSameOrigin(uri: URL, realm: string): boolean {
  const isWhole = /^https?:\/\//i.test(realm)
  const own = parse(isWhole ? realm : `https://${realm}`)
  if (!own || own.username || own.password) return false
  if (isLoopback(own.hostname) && uri.hostname === own.hostname)
    return own.port === '' || own.port === uri.port
  return uri.origin === own.origin
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
