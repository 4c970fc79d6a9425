/**
 * Sends a payment of one's own, and waits for the ledger that has it.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import type { Transaction } from '@stellar/stellar-sdk/base'
import type { Network } from '../network.js'
import { drive } from './drive.js'
import { hexOf } from './transaction.js'

/** Milliseconds that a payment may take into a ledger, whoever has stopped waiting. */
const PATIENCE = 60_000

/**
 * Sends a signed transaction. From here on nothing calls it off.
 *
 * Resolves once it is in a ledger, or when nobody says whether it is: the server asks the network itself, and who has no proof to
 * show has paid for nothing.
 *
 * @throws PaymentError when nothing was paid.
 * @see Stellar charge draft, Push Mode
 */
export async function push(tx: Transaction, network: Network, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const hash = hexOf(tx.hash())
  const maxTime = Number(tx.timeBounds?.maxTime ?? 0)
  const ready = { raw: tx.toXdr(), hash, maxTime, since: Date.now() / 1000 }
  const driven = await drive(ready, { network, signal: AbortSignal.timeout(PATIENCE) })
  if (driven.status === 'sent') {
    const { fate } = driven
    if (fate === 'unknown' || (fate !== 'void' && fate.status === 'SUCCESS')) return
  }
  throw new Errors.PaymentError('verification-failed', {
    detail: `No ledger has taken the payment ${hash}, or it failed there; nothing was paid but a fee.`,
  })
}
