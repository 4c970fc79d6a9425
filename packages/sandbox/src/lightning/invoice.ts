/**
 * What a node is paid by: invoices, and payments that wait.
 *
 * @module
 */

/** An invoice of this node and what became of it. */
export type Invoice = {
  /** BOLT11. */
  readonly invoice: string
  /** 64 hexadecimal digits. */
  readonly paymentHash: string
  /** What the invoice tells its payer to show, 64 hexadecimal digits. */
  readonly paymentSecret: string
  /** Left out: for any amount. */
  readonly amountMsat?: bigint
  readonly description: string
  readonly expirySeconds: number
  /** Seconds since 1970. */
  readonly createdAt: number
  /** 64 hexadecimal digits; of a hold invoice, known when it is settled. */
  readonly preimage?: string
  /** `held`: the payment has arrived, and waits to be settled or cancelled. */
  readonly status: 'open' | 'held' | 'paid' | 'cancelled'
  /** What has arrived. */
  readonly receivedMsat?: bigint
  /** Seconds since 1970. */
  readonly paidAt?: number
}

/** What an invoice is to say. */
export type InvoiceTerms = {
  /** Left out: an invoice for any amount. */
  amountMsat?: bigint | undefined
  /** The invoice's memo. */
  description?: string | undefined
  /** Seconds that the invoice can be paid. */
  expirySeconds: number
  /** Hexadecimal, of a preimage that the caller keeps: a payment is held until `settle` or `cancel`. */
  paymentHash?: string | undefined
}

/** Payments that are held on purpose. */
export type Hold = Disposable & {
  /** Payment hashes of those that are held now. */
  readonly held: readonly string[]
  /** Resolves to the payment hashes when so many payments are held. Default: one. */
  arrived: (count?: number) => Promise<readonly string[]>
  /** Takes what is held, and holds no more. */
  release: () => void
  /** Sends back what is held, and holds no more. The invoices stay open. */
  fail: () => void
}
