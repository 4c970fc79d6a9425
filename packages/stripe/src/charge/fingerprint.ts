/**
 * What a secret is known by in a store, where the secret itself never is.
 *
 * @module
 */

/** SHA-256, in hexadecimal. */
export async function fingerprint(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
