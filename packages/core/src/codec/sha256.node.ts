/// <reference types="node" />
/**
 * SHA-256 and HMAC-SHA256 by `node:crypto`.
 *
 * @module
 */
import * as crypto from 'node:crypto'

const blockSize = 64
const digestSize = 32

/** A prepared key: the text's HMAC-SHA256 as base64url. A closure, so that no log shows the key. */
export type HmacKey = (text: string) => string

/** The SHA-256 digest of bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(hash(bytes))
}

/** The SHA-256 digest of a text's UTF-8 bytes, as base64url without padding. */
export function sha256Text(text: string): string {
  return hashText(text)
}

/** Prepares a secret of any length for {@link hmac}. */
export function hmacKey(secret: Uint8Array): HmacKey {
  const key = Buffer.alloc(blockSize)
  key.set(secret.byteLength > blockSize ? hash(secret) : secret)
  const outer = Buffer.alloc(blockSize + digestSize)
  let inner = Buffer.alloc(blockSize + 1024)
  key.forEach((byte, at) => {
    inner[at] = byte ^ 0x36
    outer[at] = byte ^ 0x5c
  })
  return (text) => {
    // A UTF-16 code unit takes at most three bytes of UTF-8.
    const most = blockSize + text.length * 3
    if (inner.byteLength < most) inner = Buffer.concat([inner], most)
    const end = blockSize + inner.write(text, blockSize, 'utf8')
    // As a string: a buffer a call, each with memory of its own, is dear to collect.
    outer.write(hashBinary(inner.subarray(0, end)), blockSize, 'binary')
    return hashText(outer)
  }
}

/** The HMAC-SHA256 of a text's UTF-8 bytes, as base64url without padding. */
export function hmac(key: HmacKey, text: string): string {
  return key(text)
}

// One-shot hashing halves the cost; runtimes that only resemble Node may lack it.
const hash: (bytes: Uint8Array) => Uint8Array = crypto.hash
  ? (bytes) => crypto.hash('sha256', bytes, 'buffer')
  : (bytes) => crypto.createHash('sha256').update(bytes).digest()

const hashText: (data: Uint8Array | string) => string = crypto.hash
  ? (data) => crypto.hash('sha256', data, 'base64url')
  : (data) => crypto.createHash('sha256').update(data).digest('base64url')

const hashBinary: (bytes: Uint8Array) => string = crypto.hash
  ? (bytes) => crypto.hash('sha256', bytes, 'binary')
  : (bytes) => crypto.createHash('sha256').update(bytes).digest('binary')
