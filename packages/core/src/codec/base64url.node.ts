/// <reference types="node" />
/**
 * Base64url, written without padding and read strictly, with the right padding or none, by Node's buffers.
 *
 * @module
 */
import { Buffer } from 'node:buffer'

/** Encodes bytes, or the UTF-8 bytes of a text. */
export function encode(data: string | Uint8Array): string {
  const buffer =
    typeof data === 'string'
      ? Buffer.from(data, 'utf8')
      : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return buffer.toString('base64url')
}

/** Decodes to text; `undefined` unless the input is canonical base64url of valid UTF-8. */
export function decode(encoded: string): string | undefined {
  const bytes = decodeBytes(encoded)
  try {
    return bytes && utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes to bytes; `undefined` unless encoding them gives the input again. */
export function decodeBytes(encoded: string): Uint8Array | undefined {
  const bytes = Buffer.from(encoded, 'base64url')
  const canonical = bytes.toString('base64url')
  return canonical === encoded || pad(canonical) === encoded ? bytes : undefined
}

const pad = (text: string): string => text.padEnd(Math.ceil(text.length / 4) * 4, '=')
