/**
 * What a Lightning wallet must be able to do, whatever node or service is behind it.
 *
 * @module
 */

/** What became of a payment that a wallet was asked to make. */
export type Payment =
  /** The money moved; `preimage` is the proof, 64 lower-case hexadecimal digits: a secret. */
  | { status: 'paid'; preimage: string; feeMsat?: bigint | undefined }
  /** Certain: nothing moved, and nothing will. `reason` is for the payer alone. */
  | { status: 'failed'; reason?: string | undefined }
  /** On its way, or nobody knows: it may still move. */
  | { status: 'pending' }

/**
 * A wallet or node. Amounts are whole millisatoshis, times are seconds. A throw says that the wallet could not be asked, so
 * that a payment may be under way.
 */
export interface Wallet {
  /**
   * Makes an invoice with a payment hash of its own.
   *
   * @returns The BOLT11 text.
   */
  createInvoice(terms: Wallet.Terms): Promise<string>
  /** Pays an invoice, and resolves when it is known what became of it, or that this will take longer. Never pays a hash twice. */
  payInvoice(order: Wallet.Order): Promise<Payment>
  /** Looks up what became of an earlier {@link payInvoice}; `undefined` when the wallet has never heard of it. */
  lookupPayment(query: Wallet.Query): Promise<Payment | undefined>
}

export declare namespace Wallet {
  type Terms = {
    /** Left out: an invoice for any amount. */
    amountMsat?: bigint | undefined
    /** The invoice's memo. */
    description?: string | undefined
    /** Seconds that the invoice can be paid. */
    expirySeconds: number
    signal?: AbortSignal | undefined
  }
  type Order = {
    /** BOLT11. */
    invoice: string
    /** Hexadecimal. */
    paymentHash: string
    /** For an invoice without an amount, and only for one. */
    amountMsat?: bigint | undefined
    /** Most that routing may cost. */
    maxFeeMsat: bigint
    /** Seconds after which no further attempt is begun. */
    timeoutSeconds: number
    /** Ends the wait; the payment itself may go on. */
    signal?: AbortSignal | undefined
  }
  type Query = {
    /** Hexadecimal. */
    paymentHash: string
    /** BOLT11. */
    invoice: string
    signal?: AbortSignal | undefined
  }
}
