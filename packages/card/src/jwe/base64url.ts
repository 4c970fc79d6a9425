/**
 * base64url without padding, in its one canonical spelling.
 *
 * @module
 */

/** Whole groups of four, then two or three characters whose unused bits are zero: any bytes have one spelling. */
export const CANONICAL = '(?:[\\w-]{4})*(?:[\\w-][AQgw]|[\\w-]{2}[AEIMQUYcgkosw048])?'

const PATTERN = new RegExp(`^${CANONICAL}$`)

/**
 * Reads bytes.
 *
 * @returns `undefined` for another spelling, and for what is none.
 */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!PATTERN.test(text)) return undefined
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (character) => character.charCodeAt(0))
}
