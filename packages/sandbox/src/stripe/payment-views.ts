/**
 * Payments, charges and balance transactions as the API shows them.
 *
 * @module
 */
import { showBillingDetails, showCard } from './methods.js'
import type { Charge, Entry, Payment } from './world.js'

/** The types that Stripe chooses from, unless the payment names some. */
export const automaticTypes: readonly string[] = ['card', 'link', 'us_bank_account']

/** A PaymentIntent. */
export function showPayment(payment: Payment): object {
  const { status, amount, canceled } = payment
  return {
    id: payment.id,
    object: 'payment_intent',
    amount: Number(amount),
    amount_capturable: status === 'requires_capture' ? Number(amount) : 0,
    amount_details: { tip: {} },
    amount_received: Number(payment.received),
    application: null,
    canceled_at: canceled ? canceled.at : null,
    cancellation_reason: canceled ? canceled.reason : null,
    capture_method: payment.captureMethod,
    client_secret: payment.secret,
    confirmation_method: payment.confirmationMethod,
    created: payment.created,
    currency: payment.currency,
    customer: null,
    description: orNull(payment.description),
    last_payment_error: payment.lastError,
    livemode: false,
    metadata: payment.metadata,
    next_action: showNextAction(payment),
    payment_method_options: {},
    processing: showProcessing(payment),
    receipt_email: orNull(payment.receiptEmail),
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: orNull(payment.descriptor),
    statement_descriptor_suffix: orNull(payment.descriptorSuffix),
    status,
    ...showMeans(payment),
    ...showConnect(payment),
  }
}

function showMeans({ types, allowRedirects, method, charges }: Payment) {
  const automatic = types === undefined ? { allow_redirects: allowRedirects, enabled: true } : null
  return {
    automatic_payment_methods: automatic,
    latest_charge: orNull(charges.at(-1)?.id),
    payment_method: orNull(method?.id),
    payment_method_types: types ?? automaticTypes,
  }
}

function showConnect({ applicationFee, onBehalfOf, transfer, transferGroup }: Payment) {
  return {
    application_fee_amount: applicationFee === undefined ? null : Number(applicationFee),
    on_behalf_of: orNull(onBehalfOf),
    transfer_data: transfer
      ? {
          ...(transfer.amount === undefined ? {} : { amount: Number(transfer.amount) }),
          destination: transfer.destination.id,
        }
      : null,
    transfer_group: orNull(transferGroup),
  }
}

function showNextAction({ status, id, returnUrl, allowRedirects }: Payment): object | null {
  if (status !== 'requires_action') return null
  const url = `https://hooks.stripe.com/redirect/authenticate/${id}`
  if (returnUrl !== undefined && allowRedirects === 'always') {
    return { type: 'redirect_to_url', redirect_to_url: { return_url: returnUrl, url } }
  }
  const sdk = { type: 'three_d_secure_redirect', source: id, stripe_js: url }
  return { type: 'use_stripe_sdk', use_stripe_sdk: sdk }
}

function showProcessing({ status, method }: Payment): object | null {
  return status === 'processing' && method ? { type: method.from.type } : null
}

/** A charge. */
export function showCharge(charge: Charge): object {
  const { payment, failure, amount, captured, status } = charge
  const { type } = charge.method.from
  const givenBack = givenBackOf(charge)
  return {
    id: charge.id,
    object: 'charge',
    amount: Number(amount),
    amount_captured: Number(captured),
    amount_refunded: Number(givenBack),
    application: null,
    application_fee: orNull(charge.feeId),
    balance_transaction: orNull(charge.entry?.id),
    billing_details: showBillingDetails(),
    captured: charge.isCaptured,
    created: charge.created,
    currency: payment.currency,
    customer: null,
    description: orNull(payment.description),
    destination: orNull(payment.transfer?.destination.id),
    disputed: false,
    failure_balance_transaction: null,
    failure_code: orNull(failure?.code),
    failure_message: orNull(failure?.message),
    livemode: false,
    metadata: payment.metadata,
    outcome: showOutcome(charge),
    paid: status !== 'failed',
    payment_intent: payment.id,
    payment_method: charge.method.id,
    payment_method_details: { [type]: showCard(charge.method.from), type },
    receipt_email: orNull(payment.receiptEmail),
    refunded: status === 'succeeded' && givenBack === amount,
    status,
    transfer: orNull(charge.transferId),
    ...showConnect(payment),
  }
}

/** What was refunded, and what was authorised and then never captured. */
function givenBackOf({ payment, status, isCaptured, amount, captured, refunded }: Charge): bigint {
  if (status !== 'succeeded') return 0n
  const isOver = isCaptured || payment.status === 'canceled'
  return isOver ? refunded + amount - captured : 0n
}

function showOutcome({ failure, status }: Charge): object | null {
  if (status === 'pending') return null
  if (failure === undefined) {
    const message = 'Payment complete.'
    return {
      network_status: 'approved_by_network',
      reason: null,
      seller_message: message,
      type: 'authorized',
    }
  }
  return {
    network_decline_code: failure.network,
    network_status: 'declined_by_network',
    reason: failure.reason,
    seller_message: failure.message,
    type: 'issuer_declined',
  }
}

/** A balance transaction. It is available at once. */
export function showEntry(entry: Entry): object {
  const { amount, created, currency, fees } = entry
  const fee = feesOf(entry)
  return {
    id: entry.id,
    object: 'balance_transaction',
    amount: Number(amount),
    available_on: created,
    created,
    currency,
    description: null,
    exchange_rate: null,
    fee: Number(fee),
    fee_details: fees.map(({ type, amount: part }) => ({
      amount: Number(part),
      application: null,
      currency,
      description: null,
      type,
    })),
    net: Number(amount - fee),
    reporting_category: entry.type,
    source: entry.source,
    status: 'available',
    type: entry.type,
  }
}

/** What was taken of an entry. */
export function feesOf({ fees }: Entry): bigint {
  return fees.reduce((sum, { amount }) => sum + amount, 0n)
}

function orNull<value>(value: value | undefined): value | null {
  return value === undefined ? null : value
}
