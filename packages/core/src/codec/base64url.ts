/**
 * Base64url without padding, strict: one text has one encoding.
 *
 * @module
 */

type NodeBuffer = Uint8Array & { toString(encoding: string): string }
type NodeBufferConstructor = {
  from(data: string, encoding: string): NodeBuffer
  from(data: ArrayBufferLike, offset: number, length: number): NodeBuffer
}

// Absent in browsers; reached by way of an object so that no bundler puts one in.
const nodeBuffer: NodeBufferConstructor | undefined = /* @__PURE__ */ Object(globalThis).Buffer

/** Encodes bytes, or the UTF-8 bytes of a text. */
export function encode(data: string | Uint8Array): string {
  if (nodeBuffer) {
    const buffer =
      typeof data === 'string'
        ? nodeBuffer.from(data, 'utf8')
        : nodeBuffer.from(data.buffer, data.byteOffset, data.byteLength)
    return buffer.toString('base64url')
  }
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
}

/** Decodes to text; `undefined` unless the input is canonical base64url of valid UTF-8. */
export function decode(encoded: string): string | undefined {
  if (!isCanonical(encoded)) return undefined
  if (nodeBuffer) {
    const text = nodeBuffer.from(encoded, 'base64url').toString('utf8')
    // Buffer replaces invalid bytes silently: only a text with U+FFFD needs the strict decoder.
    if (!text.includes('\ufffd')) return text
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(toBytes(encoded))
  } catch {
    return undefined
  }
}

/** Decodes to bytes; `undefined` unless the input is canonical base64url. */
export function decodeBytes(encoded: string): Uint8Array<ArrayBuffer> | undefined {
  return isCanonical(encoded) ? toBytes(encoded) : undefined
}

function toBytes(encoded: string): Uint8Array<ArrayBuffer> {
  const binary = atob(encoded.replace(/-/g, '+').replace(/_/g, '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}

/** The alphabet alone, a possible length, and no bits set in the unused tail of the last character. */
function isCanonical(encoded: string): boolean {
  if (!/^[\w-]*$/.test(encoded)) return false
  const tail = encoded.length % 4
  if (tail === 0) return true
  return tail !== 1 && (tail === 2 ? /[AQgw]$/ : /[AEIMQUYcgkosw048]$/).test(encoded.slice(-1))
}
