/**
 * Which key a challenge offers now: a key itself, or where it is and what it is called. Either may change while challenges are out.
 *
 * @module
 */
import { isSameOrigin } from './reference.js'
import { isSecure } from '../network.js'
import { checkKey, type PublicKey } from './check.js'

type Given = PublicKey | Readonly<Record<string, unknown>>

/** A key in the challenge, which the draft recommends, or a key set. */
export type KeyOptions =
  | {
      /** The public key, or what returns the present one. Its private part stays with the Server Enabler. */
      key: Given | (() => Given | Promise<Given>)
      jwksUri?: undefined
      kid?: undefined
    }
  | {
      key?: undefined
      /** https, on the origin of the realm. `card.jwks` serves it. */
      jwksUri: string
      /** The key in it, or what returns the present one’s name. */
      kid: string | (() => string | Promise<string>)
    }

/** What stands in `methodDetails`. */
type KeyDetails = { encryptionJwk: PublicKey } | { jwksUri: string; kid: string }

/**
 * Makes what names the present key.
 *
 * @throws TypeError for a key that must not be offered, both forms at once, or none.
 */
export function createKeySource(options: KeyOptions): (realm: string) => Promise<KeyDetails> {
  const { key, jwksUri, kid } = options
  if ((key === undefined) === (jwksUri === undefined))
    throw new TypeError('card/charge: give either key, or jwksUri with kid.')
  if (key === undefined) return fromSet(jwksUri, kid)
  if (kid !== undefined)
    throw new TypeError('card/charge: kid goes with jwksUri; a key has its own.')
  if (typeof key === 'function') return fromFunction(key)
  const encryptionJwk = checked(key)
  return async () => ({ encryptionJwk })
}

/** What returns the same object again has it checked once. */
function fromFunction(key: () => Given | Promise<Given>): () => Promise<KeyDetails> {
  let last: { given: Given; encryptionJwk: PublicKey } | undefined
  return async () => {
    const given = await key()
    if (last?.given !== given) last = { given, encryptionJwk: checked(given) }
    return { encryptionJwk: last.encryptionJwk }
  }
}

function fromSet(
  jwksUri: string,
  kid: Extract<KeyOptions, { jwksUri: string }>['kid'],
): (realm: string) => Promise<KeyDetails> {
  if (typeof jwksUri !== 'string' || !isSecure(jwksUri))
    throw new TypeError('card/charge: jwksUri must be an https URI.')
  if (typeof kid !== 'function') checkName(kid)
  return async (realm) => {
    if (!isSameOrigin(new URL(jwksUri), realm))
      throw new TypeError(
        `card/charge: jwksUri must be on the origin of the realm, ${realm}: payers refuse any other.`,
      )
    return { jwksUri, kid: checkName(typeof kid === 'function' ? await kid() : kid) }
  }
}

function checked(key: Given): PublicKey {
  try {
    return checkKey(key)
  } catch (cause) {
    throw new TypeError(`card/charge: key: ${(cause as Error).message}`, { cause })
  }
}

function checkName(kid: unknown): string {
  if (typeof kid !== 'string' || kid === '')
    throw new TypeError('card/charge: kid must name the key in the set at jwksUri.')
  return kid
}
