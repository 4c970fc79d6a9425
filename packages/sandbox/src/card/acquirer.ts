/**
 * The Server Enabler: opens payloads, asks the issuer, and keeps the books of what was taken and given back.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Billing, Brand, DeclineReason } from './cards.js'
import { open } from './jwe.js'
import { Refusal } from './refusal.js'
import { type NetworkToken, readPlaintext, verify } from './tokens.js'
import type { Payload } from './vault.js'
import type { Charge, World } from './world.js'

/** What a merchant asks for. */
export type Order = {
  amount: string
  currency: string
  recipient?: string
  externalId?: string
  /** The merchant's own name of the attempt, told again. */
  attempt?: string
  merchantName: string
  acceptedNetworks: readonly string[]
  kid: string
  payload: Payload
  /** False: only authorised, to be captured or voided later. Default true. */
  capture?: boolean
}

/** What is told of a charge. */
export type Told = {
  status: string
  idempotencyKey: string
  attempt?: string
  reference?: string
  amount?: string
  currency?: string
  network?: string
  timestamp?: string
  captured?: string
  refunded?: string
  reason?: string
  retryAfter?: number
}

/**
 * Makes a charge of an order.
 *
 * @throws Refusal when the order itself is wrong: nothing is noted then.
 */
export function createCharge(world: World, key: string, body: unknown): Charge {
  const order = readOrder(world, body)
  const judged = authorize(world, order)
  const isDeclined = typeof judged === 'string'
  const verdict = isDeclined ? judged : judged.card.verdict
  const charge: Charge = {
    key,
    reference: `${order.payload.network}_test_${randomBytes(8).toString('hex')}`,
    status: 'pending',
    amount: BigInt(order.amount),
    currency: order.currency,
    network: order.payload.network as Brand,
    captured: 0n,
    refunded: 0n,
    reason: undefined,
    externalId: order.externalId,
    attempt: order.attempt,
    timestamp: new Date(world.now() * 1000).toISOString(),
    isSale: order.capture !== false,
    refunds: new Map(),
  }
  world.charges.set(key, charge)
  if (verdict !== 'pending') conclude(charge, verdict)
  return charge
}

/** Ends what an issuer has not decided yet. */
export function conclude(charge: Charge, verdict: 'approve' | DeclineReason): void {
  if (charge.status !== 'pending') throw new Error(`${charge.reference} is ${charge.status}`)
  charge.status = verdict === 'approve' ? (charge.isSale ? 'approved' : 'authorized') : 'declined'
  if (verdict !== 'approve') charge.reason = verdict
  else if (charge.isSale) charge.captured = charge.amount
}

/** Takes what was authorised, or less of it; the rest is let go. */
export function capture(charge: Charge, body: unknown): void {
  const amount = readAmount(body) ?? charge.amount
  // Asked again, it is captured already.
  if (charge.status === 'approved' && charge.captured === amount) return
  if (charge.status !== 'authorized') throw new Refusal(422, 'not_authorized')
  if (amount > charge.amount) throw new Refusal(422, 'amount_too_large')
  charge.status = 'approved'
  charge.captured = amount
}

/** Lets go of what was authorised and not captured. */
export function voidCharge(charge: Charge): void {
  if (charge.status === 'voided') return
  if (charge.status !== 'authorized') throw new Refusal(422, 'not_authorized')
  charge.status = 'voided'
}

/** Gives back what was captured, or part of it, once for a key. */
export function refund(charge: Charge, key: string, body: unknown): void {
  const amount = readAmount(body) ?? charge.captured - charge.refunded
  const before = charge.refunds.get(key)
  if (before !== undefined) {
    if (readAmount(body) !== undefined && before !== amount)
      throw new Refusal(422, 'idempotency_conflict')
    return
  }
  if (amount < 1n || amount > charge.captured - charge.refunded)
    throw new Refusal(422, 'amount_too_large')
  charge.refunds.set(key, amount)
  charge.refunded += amount
}

/** Tells of a charge. Nothing of the card is in it. */
export function tell(charge: Charge): Told {
  const { key: idempotencyKey, status, reason } = charge
  if (status === 'declined') return { status, idempotencyKey, reason: reason ?? 'do_not_honor' }
  if (status === 'voided') return { status: 'declined', idempotencyKey, reason: 'voided' }
  if (status === 'pending') return { status, idempotencyKey, retryAfter: 1 }
  const { attempt, reference, currency, network, timestamp } = charge
  return {
    status,
    idempotencyKey,
    ...(attempt !== undefined && { attempt }),
    reference,
    amount: String(charge.amount),
    currency,
    network,
    timestamp,
    captured: String(charge.captured),
    refunded: String(charge.refunded),
  }
}

function readOrder(world: World, body: unknown): Order {
  const order = (body ?? {}) as Partial<Order>
  const { amount, currency, recipient, merchantName, acceptedNetworks, kid, payload } = order
  const isWhole =
    /^[1-9]\d{0,11}$/.test(String(amount)) &&
    /^[a-z]{3}$/.test(String(currency)) &&
    typeof merchantName === 'string' &&
    typeof kid === 'string' &&
    Array.isArray(acceptedNetworks) &&
    typeof payload?.encryptedPayload === 'string'
  if (!isWhole) throw new Refusal(400, 'invalid_request')
  if (recipient !== undefined && recipient !== world.recipient)
    throw new Refusal(403, 'recipient_unknown')
  return order as Order
}

function readAmount(body: unknown): bigint | undefined {
  const { amount } = (body ?? {}) as { amount?: unknown }
  if (amount === undefined) return undefined
  if (typeof amount !== 'string' || !/^[1-9]\d{0,11}$/.test(amount))
    throw new Refusal(400, 'invalid_request')
  return BigInt(amount)
}

/** All that is checked before the issuer is asked. A cryptogram that is good is spent by it. */
function authorize(world: World, order: Order): NetworkToken | DeclineReason {
  const { kid, payload, amount, currency, acceptedNetworks } = order
  const text = open(payload.encryptedPayload, { kid, keys: world.keys })
  const plaintext = text === undefined ? undefined : readPlaintext(text)
  if (!plaintext) return 'invalid_payload'
  const found = verify(world.tokens, plaintext, { amount, currency, now: world.now() })
  if (typeof found === 'string') return found
  const { card } = found
  if (card.brand !== payload.network || !acceptedNetworks.includes(card.brand))
    return 'network_mismatch'
  const isShown =
    payload.panLastFour === card.pan.slice(-4) &&
    payload.panExpirationMonth === card.expirationMonth &&
    payload.panExpirationYear === card.expirationYear
  if (!isShown) return 'card_mismatch'
  found.isSpent = true
  return isBilledAt(payload.billingAddress, card.billing) ? found : 'address_mismatch'
}

/** Address verification: number and postal code, where either side says any. */
function isBilledAt(shown: Partial<Billing> | undefined, known: Billing | undefined): boolean {
  if (shown?.zip === undefined || !known) return true
  return shown.zip === known.zip && (shown.countryCode ?? known.countryCode) === known.countryCode
}
