/**
 * Names for what must not be kept or sent as it is.
 *
 * @module
 */

/** The SHA-256 of a text, in hex. */
export async function fingerprint(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
