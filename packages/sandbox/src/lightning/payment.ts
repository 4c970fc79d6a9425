/**
 * What a node pays, what became of it, and what it costs others to pay through it.
 *
 * @module
 */

/** Why a payment has failed. */
export type FailureReason =
  | 'insufficient balance'
  | 'no route'
  | 'rejected by the payee'
  | 'timed out'
  | 'failed'

/** A payment of this node. */
export type Outgoing = {
  readonly invoice: string
  /** 64 hexadecimal digits. */
  readonly paymentHash: string
  readonly amountMsat: bigint
  /** Seconds since 1970. */
  readonly createdAt: number
  readonly status: 'pending' | 'paid' | 'failed'
  /** Of one that is paid, 64 hexadecimal digits. */
  readonly preimage?: string
  /** Of one that is paid. */
  readonly feeMsat?: bigint
  /** Of one that has failed. */
  readonly reason?: FailureReason
  /** Seconds since 1970, when paid or failed. */
  readonly doneAt?: number
}

/** What to pay. */
export type PaymentTerms = {
  /** BOLT11. */
  invoice: string
  /** Hexadecimal, when it is to be compared with the invoice's. */
  paymentHash?: string | undefined
  /** For an invoice without an amount, and only for one. */
  amountMsat?: bigint | undefined
  /** Most that routing may cost. */
  maxFeeMsat: bigint
}

/** What forwarding a payment through a node costs. */
export type Fees = {
  /** Millisatoshis a payment. Default 1,000. */
  baseMsat?: number
  /** Millionths of the amount. Default 0. */
  proportionalMillionths?: number
}
