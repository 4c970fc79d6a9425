/**
 * Waits for what becomes of a transaction that may be on its way.
 *
 * @module
 */
import type { Found, Network } from '../network.js'

/** A transaction that may have been sent. */
export type Underway = {
  /** As hexadecimal text. */
  hash: string
  /** Epoch seconds of the last ledger that may have it. */
  maxTime: number
  /** Epoch seconds of when it could be sent at the earliest. */
  since: number
}

/** What became of it: a ledger has it, none ever will, or nobody knows. */
export type Fate = Found | 'void' | 'unknown'

/** Milliseconds between looks, which grow up to the last. */
const PAUSES = [50, 100, 200, 400, 800, 1000] as const

/**
 * Looks until it is known, or until `signal` says that nobody waits any more.
 *
 * @returns `void` when no ledger has it, and none ever will.
 */
export async function watch(
  underway: Underway,
  network: Network,
  signal: AbortSignal,
): Promise<Fate> {
  for (let turn = 0; !signal.aborted; turn++) {
    // It is sent by now: a look that fails is no answer.
    const found = await network.find(underway.hash, { signal }).catch(() => undefined)
    if (found && found.status !== 'NOT_FOUND') return found
    if (found && isVoid(found, underway)) return 'void'
    await pause(PAUSES[turn] ?? 1000, signal)
  }
  return 'unknown'
}

/** Seconds by which the clocks of ledgers and servers may differ, and more. */
const SKEW = 600

/**
 * Whether a transaction is in no ledger, and in none to come: the node's latest is later than it may be. A node that was set up
 * anew in the meantime has forgotten the ledgers in which it could be, and cannot tell.
 */
export const isVoid = (
  { status, closeTime, oldestTime = 0 }: Found,
  { maxTime, since }: Pick<Underway, 'maxTime' | 'since'>,
): boolean => status === 'NOT_FOUND' && closeTime > maxTime && oldestTime <= since - SKEW

/** Waits, or until `signal` ends it. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds === 0 || signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end)
  })
}
