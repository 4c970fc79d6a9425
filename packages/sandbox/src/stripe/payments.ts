/**
 * PaymentIntents: creating, confirming, capturing, cancelling and reading them.
 *
 * @module
 */
import type { Call } from './call.js'
import { attempt, cancel, capture, checkType, unexpected } from './charging.js'
import { readFee } from './connect.js'
import { readPositive } from './currencies.js'
import { newId, randomLetters } from './identifiers.js'
import { type Instrument, readInstrument, readTerms } from './payment-terms.js'
import { showPayment } from './payment-views.js'
import { changeMetadata } from './metadata.js'
import { invalid, unknownId } from './refusal.js'
import { usableToken } from './tokens.js'
import { addMethod, findMethod, type Payment } from './world.js'

/** `POST /v1/payment_intents` */
export function createPayment(call: Call): object {
  const { world, account, parameters } = call
  const terms = readTerms(call)
  const instrument = readInstrument(call)
  const isConfirmed = parameters.flag('confirm') ?? false
  const isUnattended = readUnattended(call)
  parameters.end()
  const id = newId('paymentIntent')
  const payment: Payment = {
    ...terms,
    id,
    secret: `${id}_secret_${randomLetters(25)}`,
    account,
    created: world.now(),
    status: 'requires_payment_method',
    token: undefined,
    method: undefined,
    charges: [],
    received: 0n,
    lastError: null,
    canceled: undefined,
  }
  if (isConfirmed) checkRedirects(payment, instrument)
  if (instrument) take(call, payment, instrument)
  if (isConfirmed) attempt(world, payment, isUnattended)
  world.payments.set(payment.id, payment)
  return showPayment(payment)
}

function readUnattended({ parameters }: Call): boolean {
  const flags = [parameters.flag('off_session'), parameters.flag('error_on_requires_action')]
  return flags.includes(true)
}

/** A method that might redirect needs somewhere to come back to. A token has been authenticated by its agent. */
function checkRedirects(payment: Payment, instrument: Instrument | undefined): void {
  const mayRedirect = payment.types === undefined && payment.allowRedirects === 'always'
  if (!mayRedirect || payment.returnUrl !== undefined || instrument?.kind === 'token') return
  throw invalid(
    'Automatic payment methods may redirect the customer: give a return_url, or set automatic_payment_methods[allow_redirects] to never.',
    { param: 'return_url' },
  )
}

/** Gives a payment the method, or the token, with which it is to be paid. */
function take(call: Call, payment: Payment, instrument: Instrument): void {
  const { world, account } = call
  const { id, param } = instrument
  const { amount, currency } = payment
  const token =
    instrument.kind === 'token' ? usableToken(call, id, { amount, currency, param }) : undefined
  const from = token ? token.method : findMethod(world, account, id)
  if (from === undefined) throw unknownId('PaymentMethod', id, { param, status: 400 })
  checkType(payment, from)
  payment.token = token
  payment.method = addMethod(world, account, from)
  payment.status = 'requires_confirmation'
}

/** `GET /v1/payment_intents/:id` */
export function retrievePayment(call: Call): object {
  call.parameters.text('client_secret')
  call.parameters.end()
  return showPayment(expectPayment(call))
}

/** `POST /v1/payment_intents/:id`: its words, not its terms. */
export function updatePayment(call: Call): object {
  const { parameters } = call
  const payment = expectPayment(call)
  const metadata = changeMetadata(parameters, payment.metadata)
  const description = parameters.text('description')
  parameters.end()
  payment.metadata = metadata
  if (description !== undefined) payment.description = description
  return showPayment(payment)
}

/** `POST /v1/payment_intents/:id/confirm` */
export function confirmPayment(call: Call): object {
  const { world, parameters } = call
  const instrument = readInstrument(call)
  const isUnattended = readUnattended(call)
  const returnUrl = parameters.text('return_url')
  parameters.flag('use_stripe_sdk')
  parameters.end()
  const payment = expectPayment(call)
  const open = ['requires_payment_method', 'requires_confirmation', 'requires_action'] as const
  if (!open.some((status) => status === payment.status)) {
    throw unexpected(payment, 'confirmed', open)
  }
  if (returnUrl !== undefined) payment.returnUrl = returnUrl
  checkRedirects(payment, instrument ?? (payment.token && { kind: 'token', id: '', param: '' }))
  if (instrument) take(call, payment, instrument)
  attempt(world, payment, isUnattended)
  return showPayment(payment)
}

/** `POST /v1/payment_intents/:id/capture`: once, since more captures want an agreement with Stripe. */
export function capturePayment(call: Call): object {
  const { parameters } = call
  const payment = expectPayment(call)
  const amount = readPositive(parameters, 'amount_to_capture') ?? payment.amount
  const metadata = changeMetadata(parameters, payment.metadata)
  if (parameters.flag('final_capture') === false) {
    const words = 'This payment can be captured once: final_capture cannot be false.'
    throw parameters.refuse('final_capture', words)
  }
  const fee = readFee(call, payment.amount, payment.transfer)
  parameters.end()
  capture(call.world, payment, { amount, fee })
  payment.metadata = metadata
  return showPayment(payment)
}

/** `POST /v1/payment_intents/:id/cancel` */
export function cancelPayment(call: Call): object {
  const reasons = ['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned'] as const
  const reason = call.parameters.choice('cancellation_reason', reasons)
  call.parameters.end()
  const payment = expectPayment(call)
  cancel(call.world, payment, reason ?? null)
  return showPayment(payment)
}

/** The payment of the path, if the account has one of that id. */
function expectPayment({ world, account, id }: Call): Payment {
  const payment = world.payments.get(id)
  if (payment?.account === account) return payment
  throw unknownId('payment_intent', id, { param: 'intent', status: 404 })
}
