/**
 * Digests that bind a challenge to the body of a request (RFC 9530).
 *
 * @module
 */
import { sha256 } from '#sha256'
import * as base64url from '#base64url'
import { equal } from './codec/equal.js'

/**
 * Computes the SHA-256 content digest of a body; text counts as its UTF-8 bytes.
 *
 * @example
 * BodyDigest.create('{"query":"hello"}') // 'sha-256=:…=:'
 *
 * @see core draft, Request Body Digest Binding
 */
export function create(body: string | Uint8Array): string {
  return `sha-256=:${compute(body)}:`
}

/**
 * Whether a digest is that of a body, in constant time. It reads the RFC 9530 form, a list of
 * algorithms that includes SHA-256, and the form of deployed software without colons.
 *
 * @example
 * BodyDigest.verify('sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:', body)
 *
 * @see core draft, Request Body Digest Binding
 */
export function verify(digest: string, body: string | Uint8Array): boolean {
  const found = digest
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member.startsWith('sha-256='))
  const [, , value] = /^sha-256=(:?)([A-Za-z\d+/]{43}=)\1$/.exec(found[0] ?? '') ?? []
  return value !== undefined && found.length === 1 && equal(value, compute(body))
}

/** Base64, with padding, of the SHA-256 of a body. */
function compute(body: string | Uint8Array): string {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return `${base64url.encode(sha256(bytes)).replace(/-/g, '+').replace(/_/g, '/')}=`
}
