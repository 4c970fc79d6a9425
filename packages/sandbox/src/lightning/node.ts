/**
 * A Lightning node for tests: a wallet that makes, pays and looks up invoices, and what a test wants to see and to spoil.
 *
 * @module
 */
import type { Fault as AnyFault, Injected } from '../faults.js'
import type { Hold, Invoice, InvoiceTerms } from './invoice.js'
import type { Outgoing, PaymentTerms } from './payment.js'

/** What became of a payment that a node was asked to make. */
export type Payment =
  /** The money moved; `preimage` is the proof, 64 lower-case hexadecimal digits. */
  | { status: 'paid'; preimage: string; feeMsat?: bigint | undefined }
  /** Certain: nothing moved, and nothing will. */
  | { status: 'failed'; reason?: string | undefined }
  /** On its way: it may still move. */
  | { status: 'pending' }

/** A fault on a node's wallet calls. It may fail as an error to throw, or as an answer of {@link Payment}'s kind. */
export type NodeFault = AnyFault<Failure> & {
  /** The call that it strikes. Default: each of the three. */
  call?: 'createInvoice' | 'payInvoice' | 'lookupPayment'
}

/** A payment that a node has received. */
export type Received = {
  /** 64 hexadecimal digits. */
  paymentHash: string
  amountMsat: bigint
  /** Seconds since 1970. */
  at: number
}

/** A node. Amounts are whole millisatoshis, times are seconds. */
export interface Node {
  /** The node's public key, 66 hexadecimal digits. */
  readonly id: string
  /** What is this node's in its channels, in millisatoshis: what it has received, not what is on its way in or out. */
  readonly balance: bigint
  /** Every payment received so far, and their sum. */
  readonly income: { count: number; sumMsat: bigint; payments: readonly Received[] }
  /**
   * Makes an invoice. With a `paymentHash` of the caller's, it is a hold invoice.
   *
   * @returns The BOLT11 text. Its timestamp is the clock's.
   */
  createInvoice: (terms: InvoiceTerms & { signal?: AbortSignal | undefined }) => Promise<string>
  /**
   * Pays an invoice. A hash that is paid or under way is not paid again: the answer tells what became of it. One that
   * has failed is tried anew.
   *
   * @returns `pending` when `timeoutSeconds` are over and the payment is still out; no further attempt is begun then.
   * @throws The signal's reason when it aborts; the payment itself goes on.
   */
  payInvoice: (order: Order) => Promise<Payment>
  /** What became of a payment; undefined when this node has not been asked to make it. */
  lookupPayment: (query: Query) => Promise<Payment | undefined>
  /** What an invoice has received, undefined when nothing. */
  received: (paymentHash: string) => Received | undefined
  /** Resolves when a payment for a hold invoice is held. */
  held: (paymentHash: string) => Promise<Invoice>
  /** Takes a held payment. Resolves when the money is this node's. */
  settle: (preimage: string) => Promise<Invoice>
  /** Sends a held payment back, and lets the invoice be paid no more. */
  cancel: (paymentHash: string) => void
  /** Holds every payment that arrives from now on, as a slow payee does. */
  hold: () => Hold
  /** Cuts this node off from its peers. What is under way stays under way. */
  disconnect: () => void
  /** Joins its peers again. Resolves when the channels can be used. */
  connect: () => Promise<void>
  /** Makes wallet calls fail, come late, or lose their answer. */
  fault: (fault: NodeFault) => Injected
  /** Beneath the wallet, where no fault strikes: what the facades stand on. */
  readonly ledger: Ledger
}

/** A node's invoices and payments. */
export type Ledger = {
  /** Makes an invoice. */
  issue: (terms: InvoiceTerms) => Invoice
  invoice: (paymentHash: string) => Invoice | undefined
  invoices: () => readonly Invoice[]
  /** Begins a payment, unless it is under way or paid. Throws when the invoice cannot be paid. */
  send: (terms: PaymentTerms) => Outgoing
  payment: (paymentHash: string) => Outgoing | undefined
  payments: () => readonly Outgoing[]
  /** Begins no further attempt to make a payment. */
  giveUp: (paymentHash: string) => void
  /** Resolves when a payment is paid or has failed. */
  done: (payment: Outgoing) => Promise<void>
  /** Aborts at the end of the network. */
  ended: AbortSignal
}

/** What to pay. */
export type Order = PaymentTerms & {
  /** Hexadecimal. */
  paymentHash: string
  /** Seconds after which no further attempt is begun. */
  timeoutSeconds: number
  /** Ends the wait; the payment itself goes on. */
  signal?: AbortSignal | undefined
}

/** Which payment to look up. */
export type Query = {
  /** Hexadecimal. */
  paymentHash: string
  /** BOLT11. */
  invoice?: string
  signal?: AbortSignal | undefined
}

/** What a spoilt call fails by. */
export type Failure = Payment | { message: string; code?: string }
