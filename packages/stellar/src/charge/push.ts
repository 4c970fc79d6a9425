/**
 * Sends a payment of one's own, and waits until it is certain.
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
 * Resolves once it is in a ledger.
 *
 * @throws PaymentError `payment-indeterminate` when it may have been sent, and nobody says what became of it; with any other
 * error nothing was paid.
 * @see Stellar charge draft, Push Mode
 */
export async function push(tx: Transaction, network: Network, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const hash = hexOf(tx.hash())
  const ready = { raw: tx.toXdr(), hash, maxTime: Number(tx.timeBounds?.maxTime ?? 0) }
  const driven = await drive(ready, { network, signal: AbortSignal.timeout(PATIENCE) })
  if (driven.status === 'sent') {
    const { fate } = driven
    if (fate === 'unknown')
      throw new Errors.PaymentError('payment-indeterminate', {
        detail: `The payment ${hash} was sent, and is in no ledger yet.`,
      })
    if (fate !== 'void' && fate.status === 'SUCCESS') return
  }
  throw new Errors.PaymentError('verification-failed', {
    detail: `No ledger has taken the payment ${hash}, or it failed there; nothing was paid but a fee.`,
  })
}
