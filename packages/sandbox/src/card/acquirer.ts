/**
 * The Server Enabler: opens payloads, asks the issuer, and keeps the books of what was taken and given back.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Billing, Brand, DeclineReason } from './cards.js'
import { isOfForm } from './json.js'
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
  /** False: only authorised, to be captured or cancelled later. Default true. */
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

/** What is told of a refund. */
export type RefundTold =
  | { status: 'refunded'; idempotencyKey: string; reference: string; amount: string; left: string }
  | { status: 'declined'; idempotencyKey: string; reason: string }

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

/** Takes what was authorised. What has come to its end stays as it is. */
export function capture(charge: Charge): void {
  if (charge.status !== 'authorized') return
  charge.status = 'approved'
  charge.captured = charge.amount
}

/** Lets go of what was authorised. What has come to its end stays as it is. */
export function cancel(charge: Charge): void {
  if (charge.status === 'authorized') charge.status = 'canceled'
}

/** Gives back what was captured, or part of it, once for a key: as it was told the first time. */
export function refund(charge: Charge, key: string, body: unknown): RefundTold {
  const { reference, amount: asked } = readRefund(body)
  if (reference !== charge.reference) throw new Refusal(404, 'charge_not_found')
  const before = charge.refunds.get(key)
  if (before && before.asked !== asked) throw new Refusal(422, 'idempotency_conflict')
  if (before) return before.told
  const told = makeRefund(charge, key, asked)
  charge.refunds.set(key, { asked, told })
  return told
}

function makeRefund(charge: Charge, idempotencyKey: string, asked: bigint | undefined): RefundTold {
  const decline = (reason: string): RefundTold => ({ status: 'declined', idempotencyKey, reason })
  if (charge.status !== 'approved') return decline('not_captured')
  const left = charge.captured - charge.refunded
  const amount = asked ?? left
  if (amount < 1n || amount > left) return decline('amount_too_large')
  charge.refunded += amount
  const reference = `refund_test_${randomBytes(8).toString('hex')}`
  return {
    status: 'refunded',
    idempotencyKey,
    reference,
    amount: String(amount),
    left: String(left - amount),
  }
}

/** Tells of a charge. Nothing of the card is in it. */
export function tell(charge: Charge): Told {
  const { key: idempotencyKey, status, reason } = charge
  if (status === 'declined') return { status, idempotencyKey, reason: reason ?? 'do_not_honor' }
  if (status === 'canceled') return { status: 'declined', idempotencyKey, reason: 'canceled' }
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
  const { amount, currency, recipient, acceptedNetworks, payload } = order
  const isWhole =
    isOfForm(amount, /^[1-9]\d{0,11}$/) &&
    isOfForm(currency, /^[a-z]{3}$/) &&
    [order.merchantName, order.kid, payload?.encryptedPayload, payload?.network].every(
      (text) => typeof text === 'string',
    ) &&
    ['string', 'undefined'].includes(typeof order.attempt) &&
    ['boolean', 'undefined'].includes(typeof order.capture) &&
    Array.isArray(acceptedNetworks)
  if (!isWhole) throw new Refusal(400, 'invalid_request')
  if (recipient !== undefined && recipient !== world.recipient)
    throw new Refusal(403, 'recipient_unknown')
  return order as Order
}

function readRefund(body: unknown): { reference: string; amount: bigint | undefined } {
  const { reference, amount } = (body ?? {}) as { reference?: unknown; amount?: unknown }
  if (typeof reference !== 'string') throw new Refusal(400, 'invalid_request')
  if (amount === undefined) return { reference, amount }
  if (!isOfForm(amount, /^[1-9]\d{0,11}$/)) throw new Refusal(400, 'invalid_request')
  return { reference, amount: BigInt(amount) }
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
