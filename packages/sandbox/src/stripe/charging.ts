/**
 * What happens to the money: a payment is attempted, authenticated, captured, cancelled. Each step is whole at once.
 *
 * @module
 */
import { bookCharge } from './connect.js'
import { newId } from './identifiers.js'
import { showMethod } from './methods.js'
import { automaticTypes, showPayment } from './payment-views.js'
import { type ErrorBody, invalid, Refusal } from './refusal.js'
import { type DeclineCode, declines, type Outcome, type TestMethod } from './test-methods.js'
import { checkLimits, spend } from './tokens.js'
import type { Charge, Payment, World } from './world.js'

/**
 * Attempts a payment with the method that it has.
 *
 * @param isUnattended - Nobody is there to authenticate: what wants that is declined.
 * @throws Refusal 400 when there is no method, or the token cannot pay this; 402 when the payment is declined, which it then remembers.
 */
export function attempt(world: World, payment: Payment, isUnattended: boolean): void {
  const { method, token } = payment
  if (method === undefined) {
    throw invalid('You cannot confirm this PaymentIntent because it has no payment method.', {
      code: 'payment_intent_unexpected_state',
      executed: true,
    })
  }
  if (token) checkLimits(world, token, payment)
  world.payments.set(payment.id, payment)
  follow(world, payment, { outcome: method.from.outcome, isUnattended })
}

/** @throws Refusal when a payment does not take a method of that type. */
export function checkType(
  { types = automaticTypes, currency, captureMethod }: Payment,
  { type }: TestMethod,
): void {
  const isBank = type === 'us_bank_account'
  if (!types.includes(type) || (isBank && captureMethod === 'manual')) {
    const words = `The payment method is of type ${type}, and this PaymentIntent takes ${types.join(', ')}, captured by ${captureMethod}.`
    throw invalid(words, { code: 'payment_intent_incompatible_payment_method', executed: true })
  }
  if (isBank && currency !== 'usd') {
    const words = `A us_bank_account pays in usd, not in ${currency}.`
    throw invalid(words, { code: 'payment_method_currency_mismatch', executed: true })
  }
}

function follow(
  world: World,
  payment: Payment,
  { outcome, isUnattended }: { outcome: Outcome; isUnattended: boolean },
): void {
  payment.lastError = null
  switch (outcome.kind) {
    case 'succeeds':
      return authorise(world, payment)
    case 'declines':
      throw decline(world, payment, outcome.decline)
    case 'authenticates':
      if (isUnattended) throw decline(world, payment, 'authentication_required')
      payment.status = 'requires_action'
      return
    case 'processes':
      payment.status = 'processing'
      if (payment.token) spend(world, payment.token, payment.amount)
      addCharge(world, payment, 'pending')
  }
}

/** The one place where a payment method is charged. */
function authorise(world: World, payment: Payment): void {
  if (payment.token) spend(world, payment.token, payment.amount)
  const charge = addCharge(world, payment, 'succeeded')
  if (payment.captureMethod === 'manual') payment.status = 'requires_capture'
  else collect(world, charge, payment.amount)
}

function collect(world: World, charge: Charge, amount: bigint): void {
  const { payment } = charge
  charge.status = 'succeeded'
  charge.isCaptured = true
  charge.captured = amount
  payment.received = amount
  payment.status = 'succeeded'
  if (payment.token) payment.token.captured += amount
  bookCharge(world, charge)
}

function addCharge(world: World, payment: Payment, status: Charge['status']): Charge {
  const { method } = payment
  if (method === undefined) throw new Error(`the payment ${payment.id} has nothing to charge`)
  const charge: Charge = {
    id: newId('charge'),
    payment,
    method,
    token: payment.token,
    amount: payment.amount,
    created: world.now(),
    status,
    isCaptured: false,
    captured: 0n,
    refunded: 0n,
    failure: undefined,
    entry: undefined,
    transferId: undefined,
    feeId: undefined,
  }
  world.charges.set(charge.id, charge)
  payment.charges.push(charge)
  return charge
}

/** A declined charge, remembered by its payment, which then wants another method. */
function decline(world: World, payment: Payment, code: DeclineCode): Refusal {
  const charge = payment.status === 'processing' ? payment.charges.at(-1) : undefined
  const { id, method } = markFailed(charge ?? addCharge(world, payment, 'failed'), code)
  const said = declines[code]
  const error: ErrorBody = {
    type: 'card_error',
    message: said.message,
    code: said.code,
    decline_code: code,
    advice_code: said.advice,
    charge: id,
    network_decline_code: said.network,
    payment_method: showMethod(method),
  }
  giveUp(payment, error)
  return new Refusal(
    402,
    { ...error, payment_intent: showPayment(payment) },
    { executed: true, headers: { 'stripe-should-retry': 'false' } },
  )
}

function markFailed(charge: Charge, code: DeclineCode): Charge {
  const { code: errorCode, message, network } = declines[code]
  charge.status = 'failed'
  charge.failure = { code: errorCode, message, network, reason: code }
  return charge
}

function giveUp(payment: Payment, error: ErrorBody): void {
  payment.status = 'requires_payment_method'
  payment.lastError = error
  payment.method = undefined
  payment.token = undefined
}

/**
 * What a payment waits for has happened: its customer authenticated, or the bank has paid. It may be declined after all.
 *
 * @throws Error when it waits for nothing.
 */
export function complete(world: World, payment: Payment): void {
  const charge = payment.charges.at(-1)
  if (payment.status === 'processing' && charge) return collect(world, charge, payment.amount)
  const outcome = payment.method?.from.outcome
  if (payment.status !== 'requires_action' || outcome?.kind !== 'authenticates') {
    throw new Error(`the payment ${payment.id} is ${payment.status}: it waits for nothing`)
  }
  try {
    if (payment.token) checkLimits(world, payment.token, payment)
    follow(world, payment, { outcome: outcome.after, isUnattended: true })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    if (payment.status === 'requires_action') giveUp(payment, error.error)
  }
}

/**
 * What a payment waits for has failed: its customer did not authenticate, or the bank has not paid.
 *
 * @throws Error when it waits for nothing.
 */
export function fail(world: World, payment: Payment, code: DeclineCode): void {
  if (payment.status === 'processing') return void decline(world, payment, code)
  if (payment.status !== 'requires_action') {
    throw new Error(`the payment ${payment.id} is ${payment.status}: it waits for nothing`)
  }
  giveUp(payment, {
    type: 'invalid_request_error',
    code: 'payment_intent_authentication_failure',
    message: 'The payment method has failed authentication.',
    ...(payment.method ? { payment_method: showMethod(payment.method) } : {}),
  })
}

/** @throws Refusal when there is nothing to capture, or less. */
export function capture(
  world: World,
  payment: Payment,
  { amount, fee }: { amount: bigint; fee: bigint | undefined },
): void {
  const charge = payment.charges.at(-1)
  if (payment.status !== 'requires_capture' || charge === undefined) {
    throw unexpected(payment, 'captured', ['requires_capture'])
  }
  if (amount > payment.amount) {
    const words = `The amount to capture, ${amount}, is more than the ${payment.amount} that can be captured.`
    throw invalid(words, { code: 'amount_too_large', param: 'amount_to_capture', executed: true })
  }
  if (fee !== undefined) payment.applicationFee = fee
  collect(world, charge, amount)
}

/** Seconds for which a card holds what its owner has authorised online. */
const heldFor = 7 * 24 * 60 * 60

/** Cancels what was authorised and not captured in time. */
export function lapse({ payments, now }: World): void {
  for (const payment of payments.values()) {
    const charge = payment.charges.at(-1)
    if (payment.status !== 'requires_capture' || charge === undefined) continue
    const end = charge.created + heldFor
    if (end > now()) continue
    payment.status = 'canceled'
    payment.canceled = { at: end, reason: 'automatic' }
  }
}

/** @throws Refusal when the payment has been made or cancelled. */
export function cancel(world: World, payment: Payment, reason: string | null): void {
  const { status } = payment
  if (status === 'succeeded' || status === 'canceled') {
    throw unexpected(payment, 'canceled', [
      'requires_payment_method',
      'requires_capture',
      'requires_confirmation',
      'requires_action',
      'processing',
    ])
  }
  const charge = payment.charges.at(-1)
  if (status === 'processing' && charge) charge.status = 'failed'
  payment.status = 'canceled'
  payment.canceled = { at: world.now(), reason }
}

/** The status does not allow it. */
export function unexpected(
  payment: Payment,
  done: string,
  statuses: readonly Payment['status'][],
): Refusal {
  const message = `This PaymentIntent could not be ${done} because it has a status of ${payment.status}. Only a PaymentIntent with one of the following statuses may be ${done}: ${statuses.join(', ')}.`
  const code = 'payment_intent_unexpected_state'
  const error = { type: 'invalid_request_error', message, code } as const
  return new Refusal(400, { ...error, payment_intent: showPayment(payment) }, { executed: true })
}
