/**
 * When a payment is over: by the clock, and by ledgers.
 *
 * @module
 */
import { Expires } from '@polyrail/core'
import { CHALLENGE_EXPIRY, LEDGER_CLOSE_TIME } from '../constants.js'

/**
 * The whole epoch second at which a challenge ends.
 *
 * @param now - Epoch seconds, from which a challenge without an end has five minutes.
 * @see Stellar charge draft, Ledger Expiration
 */
export function endOf(expires: string | undefined, now: number): number {
  const end = expires === undefined ? undefined : Expires.parse(expires)
  return end === undefined ? Math.floor(now) + CHALLENGE_EXPIRY : Math.floor(end / 1000)
}

/**
 * The last ledger in which an authorization may be used.
 *
 * @param currentLedger - The network's latest.
 * @param seconds - What is left of the challenge.
 * @see Stellar charge draft, Ledger Expiration
 */
export function lastLedger(currentLedger: number, seconds: number): number {
  return currentLedger + Math.max(0, Math.ceil(seconds / LEDGER_CLOSE_TIME))
}
