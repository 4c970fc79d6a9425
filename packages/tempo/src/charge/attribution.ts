/**
 * The memo that binds a transfer to one challenge. No draft defines it: deployed clients send it, and deployed servers
 * insist on it.
 *
 * Its 32 bytes are a tag (4), a version (1), the realm (10), the client (10, zero when it does not say) and the
 * challenge id (7), each but the version the beginning of a Keccak-256 hash.
 *
 * @module
 */
import { concat, keccak256, pad, slice, toHex } from 'viem'
import type { Hex } from '../constants.js'

const TAG = concat([slice(keccak256(toHex('mpp')), 0, 4), '0x01'])

/** In the place of a client that does not say its name. */
const NOBODY = pad('0x', { size: 10 })

/** What a memo is bound to. */
export type Attributed = { id: string; realm: string }

/**
 * Makes the memo for a challenge.
 *
 * @param clientId - A name of the paying software, for the server's statistics; its hash can be seen on the chain.
 * @example
 * const memo = createMemo(challenge)
 */
export function createMemo({ id, realm }: Attributed, clientId?: string): Hex {
  const client = clientId === undefined ? NOBODY : digest(clientId, 10)
  return concat([placeOf(realm), client, digest(id, 7)])
}

/**
 * Makes a memo for a challenge that has no id yet, for its request to ask for: no other challenge asks for the same. It
 * names the realm where a client's own memo does, and is otherwise random.
 */
export function createNonceMemo(realm: string): Hex {
  const nonce = toHex(crypto.getRandomValues(new Uint8Array(7)))
  return concat([placeOf(realm), NOBODY, nonce])
}

/**
 * Whether a memo that a request asks for was made for another realm. Who passes on another's challenge as its own would have
 * its visitors pay there.
 */
export const isForeign = (memo: Hex, { realm }: Pick<Attributed, 'realm'>): boolean =>
  memo.toLowerCase().startsWith(TAG) && !memo.toLowerCase().startsWith(placeOf(realm))

/**
 * Whether a transfer with this memo pays the challenge: it alone (`bound`), it and whatever else asks the same
 * (`unbound`), or another one (`wrong`).
 *
 * A memo of `createNonceMemo` is asked for only to bind. Deployed clients do not read it, and bind with one of their own.
 *
 * @param options.asked - The memo that the request asks for.
 */
export function bindingOf(
  memo: Hex | undefined,
  { id, realm, asked }: Attributed & { asked: Hex | undefined },
): Binding {
  const place = placeOf(realm)
  const isOwn = memo?.startsWith(TAG) === true
  const isBound = isOwn && memo.startsWith(place) && memo.endsWith(digest(id, 7).slice(2))
  if (asked === undefined) return isBound ? 'bound' : isOwn ? 'wrong' : 'unbound'
  const isNonce = asked.startsWith(place + NOBODY.slice(2))
  if (memo === asked) return isNonce ? 'bound' : 'unbound'
  return isNonce && isBound ? 'bound' : 'wrong'
}

export type Binding = 'bound' | 'unbound' | 'wrong'

let known: { realm: string; place: Hex } | undefined

/** How every memo of a realm begins. A server has one realm, and hashes it once. */
function placeOf(realm: string): Hex {
  if (known?.realm !== realm) known = { realm, place: concat([TAG, digest(realm, 10)]) }
  return known.place
}

const digest = (text: string, size: number): Hex => slice(keccak256(toHex(text)), 0, size)
