/**
 * What a node pays: each payment hash once, and what became of it.
 *
 * @module
 */
import type {
  Bolt11Invoice,
  ThreeTuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZ as PaymentTuple,
} from 'lightningdevkit'
import { fromHex, optional, toHex, unwrap } from './devkit.js'
import type { Engine, Listener } from './engine.js'
import type { FailureReason, Outgoing, PaymentTerms } from './payment.js'

/** The paying half of a node. */
export type Sender = {
  /**
   * Begins a payment, unless it is under way or paid already; one that has failed begins anew.
   *
   * @throws Error when the invoice is not one that this node could ever pay.
   */
  send: (terms: PaymentTerms) => Outgoing
  find: (paymentHash: string) => Outgoing | undefined
  all: () => readonly Outgoing[]
  /** Begins no further attempt. What is under way may still arrive. */
  giveUp: (paymentHash: string) => void
  /** Resolves when the payment is paid or has failed. */
  done: (payment: Outgoing) => Promise<void>
  listener: Pick<Listener, 'sent' | 'failed'>
}

/** Attempts after the first. */
const retries = 3

type Stored = { -readonly [key in keyof Outgoing]: Outgoing[key] }

type Payable = { invoice: Bolt11Invoice; amountMsat: bigint; maxFeeMsat: bigint }

/** What LDK's reasons mean to a payer. */
const reasons: Partial<Record<string, FailureReason>> = {
  RecipientRejected: 'rejected by the payee',
  RouteNotFound: 'no route',
  RetriesExhausted: 'no route',
  UserAbandoned: 'timed out',
}

/** @param engine - The node. A function, since the engine is made with the listener. */
export function openOutgoing(engine: () => Engine): Sender {
  const payments = new Map<string, Stored>()
  const finish = (paymentHash: string, outcome: Partial<Stored>) => {
    const payment = payments.get(paymentHash)
    if (payment) Object.assign(payment, outcome, { doneAt: Math.floor(Date.now() / 1000) })
  }
  return {
    find: (paymentHash) => payments.get(paymentHash.toLowerCase()),
    all: () => [...payments.values()],
    send(terms) {
      const invoice = readInvoice(engine(), terms.invoice)
      const paymentHash = toHex(invoice.payment_hash())
      if (paymentHash !== (terms.paymentHash ?? paymentHash).toLowerCase()) {
        throw new Error('the invoice has another payment hash')
      }
      const known = payments.get(paymentHash)
      if (known !== undefined && known.status !== 'failed') return known
      const amountMsat = readAmount(invoice, terms.amountMsat)
      const payment: Stored = {
        invoice: terms.invoice,
        paymentHash,
        amountMsat,
        createdAt: Math.floor(Date.now() / 1000),
        status: 'pending',
      }
      payments.set(paymentHash, payment)
      const refusal = begin(engine(), { invoice, amountMsat, maxFeeMsat: terms.maxFeeMsat })
      if (refusal) finish(paymentHash, { status: 'failed', reason: refusal })
      return payment
    },
    giveUp(paymentHash) {
      engine().manager.abandon_payment(fromHex(paymentHash))
      engine().poke()
    },
    done: (payment) => engine().until(() => payment.status !== 'pending'),
    listener: {
      sent: ({ paymentHash, preimage, feeMsat }) =>
        finish(paymentHash, { status: 'paid', preimage, feeMsat }),
      failed: ({ paymentHash, reason }) =>
        finish(paymentHash, { status: 'failed', reason: reasons[reason] ?? 'failed' }),
    },
  }
}

function readInvoice({ devkit }: Engine, text: string): Bolt11Invoice {
  const read = devkit.Bolt11Invoice.constructor_from_str(text)
  if (!read.is_ok()) throw new Error('this is no BOLT11 invoice')
  const invoice = unwrap<Bolt11Invoice>(read, 'reading the invoice')
  if (invoice.currency() === devkit.Currency.LDKCurrency_Regtest) return invoice
  throw new Error('the invoice is not for regtest')
}

/** What an invoice that can be paid now costs. */
function readAmount(invoice: Bolt11Invoice, offered: bigint | undefined): bigint {
  if (invoice.would_expire(BigInt(Math.floor(Date.now() / 1000)))) {
    throw new Error('the invoice has expired')
  }
  const encoded = optional<bigint>(invoice.amount_milli_satoshis())
  if (encoded !== undefined && offered !== undefined) {
    throw new Error('the invoice has an amount of its own')
  }
  const amountMsat = encoded ?? offered
  if (amountMsat === undefined) throw new Error('the invoice has no amount')
  return amountMsat
}

/** Hands the payment to LDK. The hash serves as its id, so that LDK too refuses to pay it twice. */
function begin(
  engine: Engine,
  { invoice, amountMsat, maxFeeMsat }: Payable,
): FailureReason | undefined {
  const { devkit, manager, poke } = engine
  const { UtilMethods } = devkit
  const hasAmount = optional(invoice.amount_milli_satoshis()) !== undefined
  const parameters = unwrap<PaymentTuple>(
    hasAmount
      ? UtilMethods.constructor_payment_parameters_from_invoice(invoice)
      : UtilMethods.constructor_payment_parameters_from_variable_amount_invoice(
          invoice,
          amountMsat,
        ),
    'reading the invoice',
  )
  const route = parameters.get_c()
  route.set_max_total_routing_fee_msat(devkit.Option_u64Z.constructor_some(maxFeeMsat))
  const hash = parameters.get_a()
  const retry = devkit.Retry.constructor_attempts(retries)
  const sent = manager.send_payment(hash, parameters.get_b(), hash, route, retry)
  poke()
  if (sent.is_ok()) return undefined
  const failure = (sent as { err?: number }).err
  if (failure !== devkit.RetryableSendFailure.LDKRetryableSendFailure_RouteNotFound) return 'failed'
  return amountMsat > spendable(engine) ? 'insufficient balance' : 'no route'
}

/** What this node could pay if all its peers were there, in millisatoshis. */
function spendable({ manager }: Engine): bigint {
  return manager
    .list_channels()
    .reduce((sum, channel) => sum + channel.get_outbound_capacity_msat(), 0n)
}
