/**
 * A credential that came in time, when nobody could judge it: its payer may have paid before it came, and a network that is
 * back after the challenge has expired must not make them pay again.
 *
 * @module
 */
import type { Bound } from './bind.js'
import type { Visit } from './claim.js'

/** Seconds for which it is remembered. */
const REMEMBERED = 86_400

const keyOf = ({ challenge }: Bound): string => `mpp:presented:${challenge.id}`

/** Remembers who could not be answered. A store that is down as well remembers nobody. */
export async function remember(
  bound: Bound,
  { credential }: Pick<Visit, 'credential'>,
): Promise<void> {
  const { store, events } = bound.offer.kernel
  try {
    await store.set(keyOf(bound), credential, { ttl: REMEMBERED })
  } catch (cause) {
    events.emit('error', () => ({ cause }))
  }
}

/** Whether this very credential was presented before its challenge expired. */
export async function cameInTime(bound: Bound, { credential }: Visit): Promise<boolean> {
  return (await bound.offer.kernel.store.get(keyOf(bound))) === credential
}

/** Whether the method still judges what was paid before the end of this challenge. */
export const isInGrace = ({ offer, expires }: Bound): boolean =>
  Date.now() < expires + (offer.method.grace ?? 0) * 1000
