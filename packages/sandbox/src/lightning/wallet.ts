/**
 * The wallet of a node: its calls, each of which a test may spoil, over what the node makes and pays.
 *
 * @module
 */
import type { ChannelDetails } from 'lightningdevkit'
import { openFaults } from '../faults.js'
import { optional, toHex } from './devkit.js'
import type { Engine } from './engine.js'
import type { Incoming } from './incoming.js'
import type { Invoice } from './invoice.js'
import type { Failure, Node, NodeFault, Order, Payment, Received } from './node.js'
import type { Sender } from './outgoing.js'
import type { Outgoing } from './payment.js'

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
