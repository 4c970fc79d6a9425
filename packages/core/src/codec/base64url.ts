/**
 * Base64url, written without padding and read strictly, with the right padding or none: one text has one encoding.
 *
 * @module
 */

/** Encodes bytes, or the UTF-8 bytes of a text. */
export function encode(data: string | Uint8Array): string {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
}

/** Decodes to text; `undefined` unless the input is canonical base64url of valid UTF-8. */
export function decode(encoded: string): string | undefined {
  try {
    const text = utf8.decode(read(encoded))
    return encode(text) === encoded.replace(/=/g, '') ? text : undefined
  } catch {
    return undefined
  }
}

const utf8 = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Decodes to bytes; `undefined` unless encoding them gives the input again. */
export function decodeBytes(encoded: string): Uint8Array | undefined {
  try {
    const bytes = read(encoded)
    return encode(bytes) === encoded.replace(/=/g, '') ? bytes : undefined
  } catch {
    return undefined
  }
}

function read(encoded: string): Uint8Array {
  const binary = atob(encoded.replace(/-/g, '+').replace(/_/g, '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
