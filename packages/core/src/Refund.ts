/**
 * Refunds: what a payment method is asked when money is to go back, and what it answers.
 *
 * @module
 */
import type { Store } from './Store.js'

/** Money that went back. Amounts are whole base units. */
export type Refund = {
  /** The network's name for the refund. */
  reference: string
  amount: bigint
  /** What has not gone back yet of the payment. */
  left: bigint
}

/** As much of a receipt as names a payment. */
export type Payment = { method: string; reference: string; challengeId: string }

/** What a method is asked. */
export type Asked = {
  payment: Payment
  /** Whole base units; left out, all that has not gone back yet. */
  amount: bigint | undefined
  /** The refund's own name: however often it is told, the refund is made once. */
  id: string
  /** True when it may have been made already: then find out first. */
  isRepeated: boolean
  /** What an earlier attempt told by `Outcome.indeterminate`. */
  attempt: unknown
  /** Aborted at the settlement deadline. */
  signal: AbortSignal
  /** The server's store; its keys are this method's own. */
  store: Store
}
