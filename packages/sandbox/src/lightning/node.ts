/**
 * A Lightning node for tests: a wallet that makes, pays and looks up invoices, and what a test wants to see and to spoil.
 *
 * @module
 */
import { type Fault as AnyFault, type Injected, openFaults } from '../faults.js'
import type { ChannelDetails } from 'lightningdevkit'
import { optional, toHex } from './devkit.js'
import type { Engine } from './engine.js'
import type { Hold, Incoming, Invoice, InvoiceTerms } from './incoming.js'
import type { Outgoing, PaymentTerms, Sender } from './outgoing.js'

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

/** What a node is made of. */
export type Parts = {
  engine: Engine
  incoming: Incoming
  outgoing: Sender
  faults: Faults
  ended: AbortSignal
  connect: () => Promise<void>
  disconnect: () => void
}

type Failure = Payment | { message: string; code?: string }
type Faults = openFaults.Faults<Failure, NodeFault>

/** Opens the place for a node's faults. */
export function openNodeFaults(): Faults {
  return openFaults<Failure, NodeFault>((fault, call) => (fault.call ?? call) === call)
}

/** Makes a node of its parts. */
export function makeNode(parts: Parts): Node {
  const { engine, incoming, outgoing, faults } = parts
  const guard = <answer>(
    call: NonNullable<NodeFault['call']>,
    signal: AbortSignal | undefined,
    carryOut: () => Promise<answer>,
  ) => abortable(signal, () => struck(faults, call, carryOut))
  return {
    id: toHex(engine.pubkey),
    get balance() {
      return balanceOf(engine, incoming)
    },
    get income() {
      const payments = incoming.all().flatMap((one) => toReceived(one) ?? [])
      const sumMsat = payments.reduce((sum, { amountMsat }) => sum + amountMsat, 0n)
      return { count: payments.length, sumMsat, payments }
    },
    async createInvoice({ signal, ...terms }) {
      const make = async () => incoming.create(terms).invoice
      const made = await guard('createInvoice', signal, make)
      if (typeof made === 'string') return made
      throw new Error(`no invoice: ${made.status}`)
    },
    payInvoice: (order) => guard('payInvoice', order.signal, () => pay(outgoing, order)),
    lookupPayment: ({ paymentHash, signal }) =>
      guard('lookupPayment', signal, async () => toPayment(outgoing.find(paymentHash))),
    received: (paymentHash) => toReceived(incoming.find(paymentHash)),
    held: incoming.held,
    settle: incoming.settle,
    cancel: incoming.cancel,
    hold: incoming.hold,
    connect: parts.connect,
    disconnect: parts.disconnect,
    fault: faults.inject,
    ledger: {
      issue: incoming.create,
      invoice: incoming.find,
      invoices: incoming.all,
      send: outgoing.send,
      payment: outgoing.find,
      payments: outgoing.all,
      giveUp: outgoing.giveUp,
      done: outgoing.done,
      ended: parts.ended,
    },
  }
}

async function struck<answer>(
  { pass }: Faults,
  call: string,
  carryOut: () => Promise<answer>,
): Promise<answer | Payment> {
  const passed = await pass(call, carryOut)
  if ('answer' in passed) return passed.answer
  const { failure } = passed
  if (failure === 'drop') {
    throw Object.assign(new Error('the connection to the node was lost'), { code: 'ECONNRESET' })
  }
  if ('status' in failure) return failure
  const { message, ...code } = failure
  throw Object.assign(new Error(message), code)
}

/** Ends the wait for a call when the signal says so; the call itself goes on. */
async function abortable<answer>(
  signal: AbortSignal | undefined,
  call: () => Promise<answer>,
): Promise<answer> {
  signal?.throwIfAborted()
  if (signal === undefined) return call()
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    return await Promise.race([call(), aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function pay(outgoing: Sender, order: Order): Promise<Payment> {
  let payment: Outgoing
  try {
    payment = outgoing.send(order)
  } catch (error) {
    return { status: 'failed', reason: (error as Error).message }
  }
  const late = await new Promise<boolean>((resolve, reject) => {
    const timer = setTimeout(resolve, order.timeoutSeconds * 1000, true)
    void outgoing
      .done(payment)
      .then(() => resolve(false), reject)
      .finally(() => clearTimeout(timer))
  })
  if (late) outgoing.giveUp(payment.paymentHash)
  return toPayment(payment)
}

function toPayment(payment: Outgoing): Payment
function toPayment(payment: Outgoing | undefined): Payment | undefined
function toPayment(payment: Outgoing | undefined): Payment | undefined {
  if (payment === undefined) return undefined
  const { status, preimage = '', feeMsat, reason } = payment
  if (status === 'paid') return { status, preimage, feeMsat }
  return status === 'failed' ? { status, reason } : { status }
}

function toReceived(invoice: Invoice | undefined): Received | undefined {
  if (invoice?.status !== 'paid') return undefined
  const { paymentHash, receivedMsat: amountMsat = 0n, paidAt: at = 0 } = invoice
  return { paymentHash, amountMsat, at }
}

function balanceOf(engine: Engine, incoming: Incoming): bigint {
  return engine.manager.list_channels().reduce((sum, channel) => {
    const claimed = channel
      .get_pending_inbound_htlcs()
      .filter((htlc) => incoming.find(toHex(htlc.get_payment_hash()))?.status === 'paid')
    return sum + ownMsat(channel) + sumOf(claimed)
  }, 0n)
}

/** LDK tells what can be spent, which is all but a reserve; below the reserve, the other side's half tells. */
function ownMsat(channel: ChannelDetails): bigint {
  const spendable = channel.get_outbound_capacity_msat()
  const reserve = optional<bigint>(channel.get_unspendable_punishment_reserve()) ?? 0n
  if (spendable > 0n) return spendable + reserve * 1_000n
  const theirReserve = channel.get_counterparty().get_unspendable_punishment_reserve()
  const theirs = channel.get_inbound_capacity_msat() + theirReserve * 1_000n
  const moving = [...channel.get_pending_inbound_htlcs(), ...channel.get_pending_outbound_htlcs()]
  return channel.get_channel_value_satoshis() * 1_000n - theirs - sumOf(moving)
}

function sumOf(htlcs: readonly { get_amount_msat: () => bigint }[]): bigint {
  return htlcs.reduce((sum, htlc) => sum + htlc.get_amount_msat(), 0n)
}
