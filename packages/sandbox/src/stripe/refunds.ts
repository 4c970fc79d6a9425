/**
 * Refunds: of a whole charge or of a part, never of more.
 *
 * @module
 */
import type { Call } from './call.js'
import { checkReversal, reverseConnect } from './connect.js'
import { formatAmount, readPositive } from './currencies.js'
import { newId } from './identifiers.js'
import { readMetadata } from './metadata.js'
import { invalid, missing, unknownId } from './refusal.js'
import { addEntry, type Charge, type Refund } from './world.js'

/** `POST /v1/refunds` */
export function createRefund(call: Call): object {
  const { world, parameters } = call
  const paymentId = parameters.text('payment_intent')
  const chargeId = parameters.text('charge')
  const amount = readPositive(parameters, 'amount')
  const reasons = ['duplicate', 'fraudulent', 'requested_by_customer'] as const
  const reason = parameters.choice('reason', reasons) ?? null
  const metadata = readMetadata(parameters) ?? {}
  const reversal = {
    transfer: parameters.flag('reverse_transfer') ?? false,
    fee: parameters.flag('refund_application_fee') ?? false,
  }
  parameters.end()
  const charge = findCharge(call, paymentId, chargeId)
  checkReversal(charge, reversal)
  const refunded = checkAmount(charge, amount)
  const id = newId('refund')
  const { account, currency } = charge.payment
  const type = charge.method.from.type === 'us_bank_account' ? 'payment_refund' : 'refund'
  const entry = addEntry(world, { account, currency, type, amount: -refunded, source: id })
  const created = world.now()
  const refund: Refund = { id, charge, amount: refunded, created, reason, metadata, entry }
  reverseConnect(world, charge, { ...reversal, refunded })
  charge.refunded += refunded
  world.refunds.set(id, refund)
  return showRefund(refund)
}

function findCharge(
  { world, account }: Call,
  paymentId: string | undefined,
  chargeId: string | undefined,
): Charge {
  if (paymentId !== undefined) {
    const payment = world.payments.get(paymentId)
    if (payment?.account !== account) {
      throw unknownId('payment_intent', paymentId, { param: 'payment_intent', status: 400 })
    }
    const charge = payment.charges.find(
      ({ status, isCaptured }) => status === 'succeeded' && isCaptured,
    )
    if (charge) return charge
    const words = `The PaymentIntent ${paymentId} has no successful charge to refund.`
    throw invalid(words, { param: 'payment_intent', executed: true })
  }
  if (chargeId === undefined) throw missing('charge')
  const charge = world.charges.get(chargeId)
  if (charge?.payment.account !== account) {
    throw unknownId('charge', chargeId, { param: 'charge', status: 400 })
  }
  return charge
}

/** How much is given back: all that is left, unless it is told. */
function checkAmount(charge: Charge, amount: bigint | undefined): bigint {
  const { currency } = charge.payment
  const left = charge.captured - charge.refunded
  if (charge.status !== 'succeeded' || !charge.isCaptured) {
    const words = `The charge ${charge.id} has not been captured: there is nothing to refund.`
    throw invalid(words, { code: 'charge_not_refundable', executed: true })
  }
  if (left === 0n) {
    const words = `Charge ${charge.id} has already been refunded.`
    throw invalid(words, { code: 'charge_already_refunded', executed: true })
  }
  if (amount !== undefined && amount > left) {
    const words = `Refund amount (${formatAmount(amount, currency)}) is greater than unrefunded amount on charge (${formatAmount(left, currency)})`
    throw invalid(words, { param: 'amount', executed: true })
  }
  return amount ?? left
}

/** `GET /v1/refunds/:id` */
export function retrieveRefund({ world, account, id, parameters }: Call): object {
  parameters.end()
  const refund = world.refunds.get(id)
  if (refund?.charge.payment.account === account) return showRefund(refund)
  throw unknownId('refund', id, { param: 'id', status: 404 })
}

/** A refund. It succeeds at once. */
export function showRefund({
  id,
  charge,
  amount,
  created,
  reason,
  metadata,
  entry,
}: Refund): object {
  return {
    id,
    object: 'refund',
    amount: Number(amount),
    balance_transaction: entry.id,
    charge: charge.id,
    created,
    currency: charge.payment.currency,
    destination_details: null,
    metadata,
    payment_intent: charge.payment.id,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: 'succeeded',
    transfer_reversal: null,
  }
}
