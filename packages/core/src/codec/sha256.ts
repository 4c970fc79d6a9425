/**
 * SHA-256 and HMAC-SHA256 in plain JavaScript, for runtimes without a synchronous digest.
 *
 * @module
 */
import * as base64url from './base64url.js'

const blockSize = 64

/** A prepared key: the text's HMAC-SHA256 as base64url. A closure, so that no log shows the key. */
export type HmacKey = (text: string) => string

/** The SHA-256 digest of bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return digest(initialState, bytes, 0)
}

/** The SHA-256 digest of a text's UTF-8 bytes, as base64url without padding. */
export function sha256Text(text: string): string {
  return base64url.encode(sha256(new TextEncoder().encode(text)))
}

/** Prepares a secret of any length for {@link hmac}. */
export function hmacKey(secret: Uint8Array): HmacKey {
  const key = new Uint8Array(blockSize)
  key.set(secret.byteLength > blockSize ? sha256(secret) : secret)
  const inner = absorb(
    initialState,
    key.map((byte) => byte ^ 0x36),
  )
  const outer = absorb(
    initialState,
    key.map((byte) => byte ^ 0x5c),
  )
  const encoder = new TextEncoder()
  return (text) => {
    const innerDigest = digest(inner, encoder.encode(text), blockSize)
    return base64url.encode(digest(outer, innerDigest, blockSize))
  }
}

/** The HMAC-SHA256 of a text's UTF-8 bytes, as base64url without padding. */
export function hmac(key: HmacKey, text: string): string {
  return key(text)
}

type State = Uint32Array

/** Finishes the hash of a message whose first `absorbed` bytes are already in `state`. */
function digest(state: State, rest: Uint8Array, absorbed: number): Uint8Array {
  const padded = new Uint8Array(Math.ceil((rest.byteLength + 9) / blockSize) * blockSize)
  padded.set(rest)
  padded[rest.byteLength] = 0x80
  const bits = (absorbed + rest.byteLength) * 8
  const tail = new DataView(padded.buffer, padded.byteLength - 8)
  tail.setUint32(0, Math.floor(bits / 2 ** 32))
  tail.setUint32(4, bits >>> 0)
  const result = new DataView(new ArrayBuffer(32))
  absorb(state, padded).forEach((word, at) => result.setUint32(at * 4, word))
  return new Uint8Array(result.buffer)
}

/** The state after whole blocks, by FIPS 180-4, section 6.2.2. */
function absorb(state: State, blocks: Uint8Array): State {
  const next = state.slice()
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength)
  const schedule = new Uint32Array(64)
  for (let offset = 0; offset < blocks.byteLength; offset += blockSize) {
    for (let at = 0; at < 16; at++) schedule[at] = view.getUint32(offset + at * 4)
    for (let at = 16; at < 64; at++) schedule[at] = expand(schedule, at)
    compress(next, schedule)
  }
  return next
}

function expand(w: Uint32Array, at: number): number {
  const early = w[at - 15]!
  const late = w[at - 2]!
  const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3)
  const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10)
  return w[at - 16]! + s0 + w[at - 7]! + s1
}

function compress(state: State, schedule: Uint32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let at = 0; at < 64; at++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const t1 = h + s1 + ((e & f) ^ (~e & g)) + constants[at]! + schedule[at]!
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c))
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  const sum = [a, b, c, d, e, f, g, h]
  for (let at = 0; at < 8; at++) state[at]! += sum[at]!
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by))
}

/** The first 64 primes; the constants are the fractions of their roots (FIPS 180-4, 4.2.2, 5.3.3). */
const primes = /* @__PURE__ */ Array.from({ length: 312 }, (_, n) => n).filter((n) => {
  for (let factor = 2; factor * factor <= n; factor++) if (n % factor === 0) return false
  return n > 1
})
const fraction = (root: number): number => ((root - Math.floor(root)) * 2 ** 32) >>> 0
const constants = /* @__PURE__ */ Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))
const initialState = /* @__PURE__ */ Uint32Array.from(primes.slice(0, 8), (prime) =>
  fraction(Math.sqrt(prime)),
)
