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
  const client = clientId === undefined ? pad('0x', { size: 10 }) : digest(clientId, 10)
  return concat([TAG, digest(realm, 10), client, digest(id, 7)])
}

/** Whether a memo is bound to this challenge, to another one, or to none at all. */
export function bindingOf(memo: Hex | undefined, { id, realm }: Attributed): Binding {
  if (memo === undefined || slice(memo, 0, 5) !== TAG) return 'none'
  const bound = slice(memo, 5, 15) === digest(realm, 10) && slice(memo, 25) === digest(id, 7)
  return bound ? 'this' : 'other'
}

export type Binding = 'this' | 'other' | 'none'

const digest = (text: string, size: number): Hex => slice(keccak256(toHex(text)), 0, size)
