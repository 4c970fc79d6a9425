/**
 * Why a key, a JWE or a plaintext is refused, as data: a closed list of codes, and never a part of what was refused.
 *
 * @module
 */

/** Every code with what it means. */
export const CODES = {
  'key-missing': 'The challenge has no encryption key.',
  'key-ambiguous':
    'The challenge must have one encryption key, by encryptionJwk or by jwksUri and kid.',
  'key-insecure': 'The key set must be fetched over https.',
  'key-foreign': 'The key set is not on the origin of the challenge’s realm.',
  'key-private-host': 'The key set is on a private or local host.',
  'key-unreachable': 'The key set cannot be fetched.',
  'key-unknown': 'The key set has no key of this kid, or several.',
  'key-malformed': 'The key is not a JSON Web Key of the form that is asked.',
  'key-type': 'The key is not an RSA key.',
  'key-algorithm': 'The key is not for RSA-OAEP-256.',
  'key-use': 'The key is not for encryption.',
  'key-id': 'The key has no kid, or one of more than 200 characters.',
  'key-private': 'The key has private parts.',
  'key-weak': 'The RSA key is weak: its modulus or its exponent is not one to encrypt with.',
  'key-certificate': 'The certificate is not of this key.',
  'jwe-malformed': 'The encrypted payload is not a JWE in compact serialization.',
  'jwe-header': 'The protected header has members that it must not have, or lacks some.',
  'jwe-algorithm': 'The JWE is not encrypted by RSA-OAEP-256 and A256GCM.',
  'jwe-compressed': 'The JWE must not be compressed.',
  'jwe-critical': 'The JWE has critical extensions.',
  'jwe-kid': 'The JWE is for another key.',
  'jwe-size': 'A part of the JWE has the wrong length.',
  'jwe-undecryptable': 'The JWE cannot be decrypted.',
  'plaintext-malformed': 'The plaintext is not minified JSON in UTF-8, with each name once.',
  'plaintext-fields': 'The plaintext lacks fields, or some are not what is asked.',
  'token-expired': 'The network token has expired.',
  'cryptogram-expired': 'The cryptogram has expired.',
} as const satisfies Readonly<Record<string, string>>

/** A stable name of why something is refused. */
export type Code = keyof typeof CODES

/**
 * Thrown by the checks of keys and payloads. `code` is stable; the message says no more than it.
 *
 * @example
 * try { await decrypt(jwe, { keys }) } catch (error) { if (isCardError(error)) console.log(error.code) }
 */
export class CardError extends Error {
  override readonly name: string = 'CardError'
  readonly code: Code

  constructor(code: Code, options?: { cause?: unknown }) {
    super(CODES[code], options)
    this.code = code
  }
}

/** Whether a thrown value is a {@link CardError}, of this copy of the package or another: PSPs have errors of that name too. */
export const isCardError = (error: unknown): error is CardError => {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown }
  return name === 'CardError' && typeof code === 'string' && Object.hasOwn(CODES, code)
}
