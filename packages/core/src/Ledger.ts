/**
 * The ledger contract: where a server writes what became of each payment, for its operator's books.
 *
 * @module
 */
import type { Price } from './Method.js'
import type { Receipt } from './Receipt.js'
import type { Store } from './Store.js'
import { challengeKey, type PaymentRecord } from './server/steps/record.js'

/** One step of one payment. It holds no proof, no signature and nobody's words but the payer's own `source`. */
export type Entry = {
  /**
   * - `issued`: a challenge went out
   * - `claimed`: somebody pays it; nothing has moved yet
   * - `settled`: the money moved
   * - `delivered`: the payer was answered
   * - `failed`: nothing moved
   */
  kind: 'issued' | 'claimed' | 'settled' | 'delivered' | 'failed'
  challengeId: string
  realm: string
  /** With `intent`, the rail. */
  method: string
  intent: string
  /** The route, as the challenge names it. */
  scope: string
  /** Left out where the request does not say it in the draft's words, and the method not in its own. */
  price?: Price | undefined
  /** Who pays, proved by the rail. */
  payer?: string | undefined
  /** Who the payer says they are: anything. */
  source?: string | undefined
  /** The network's name for a settled payment. */
  reference?: string | undefined
  /** When it settled by the network's account, RFC 3339. */
  settledAt?: string | undefined
  /** The problem's code, for a failed one. */
  reason?: string | undefined
}

/**
 * A ledger. One entry may come several times (after a crash, from several servers) and counts once; a challenge may be
 * claimed anew after it failed.
 */
export interface Ledger {
  /**
   * Resolves once the entry is kept for good. Nothing is settled whose claim could not be written, and nobody is told of a
   * settlement that could not be. It must give up in time: visitors wait.
   */
  write(entry: Entry): Promise<unknown>
  /**
   * Records that money went back. One refund may be told several times and counts once.
   *
   * @param refund.amount - Whole base units.
   * @throws RangeError when it does not fit the payment as it is known here; anything else is a failure, and it is told again.
   */
  refund?(challengeId: string, refund: { reference: string; amount: string }): Promise<unknown>
  /** Takes note of a challenge that goes out, without keeping anybody waiting. Left out, they are not noted. */
  issue?(entry: Entry): void
}

/** How a payment stands with its server. */
export type Standing = { state: PaymentRecord['state']; receipt?: Receipt | undefined }

/**
 * Looks up how a payment stands in its server's store.
 *
 * @returns `undefined` when the store does not know it, or not any more: what is owed is kept for a day.
 * @example
 * const standing = await Ledger.find(store, challengeId)
 */
export async function find(store: Store, challengeId: string): Promise<Standing | undefined> {
  const record = (await store.get(challengeKey(challengeId))) as PaymentRecord | undefined
  return record && { state: record.state, receipt: record.receipt }
}
