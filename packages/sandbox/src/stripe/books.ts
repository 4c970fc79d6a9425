/**
 * The books, for tests: what was captured and given back, and every payment, refund and token, in minor units.
 *
 * @module
 */
import { look } from './tokens.js'
import type { DeactivatedReason, Payment, PaymentStatus, Refund, Token, World } from './world.js'

/** A sum of minor units, and how many payments or refunds make it. */
export type Total = { sum: bigint; count: number }

/** By currency. A currency without any is not there. */
export type Totals = Readonly<Record<string, Total>>

/** A PaymentIntent in the books. */
export type BookedPayment = {
  readonly id: string
  /** The account whose payment it is. */
  readonly account: string
  readonly amount: bigint
  readonly currency: string
  readonly status: PaymentStatus
  /** What was captured. */
  readonly received: bigint
  readonly refunded: bigint
  /** How many times a charge was tried. */
  readonly charges: number
  /** The token that pays or has paid it. */
  readonly token: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

/** A refund in the books. */
export type BookedRefund = {
  readonly id: string
  readonly paymentIntent: string
  readonly amount: bigint
  readonly currency: string
}

/** A Shared Payment Token in the books. */
export type BookedToken = {
  readonly id: string
  /** The profile of the seller. */
  readonly seller: string
  readonly currency: string
  readonly maxAmount: bigint
  readonly captured: bigint
  /** Seconds since 1970; undefined never. */
  readonly expiresAt: number | undefined
  /** Undefined while it can be used. */
  readonly deactivated: DeactivatedReason | undefined
}

/** What was captured, on every account, before refunds. */
export function captured(world: World): Totals {
  const charges = [...world.charges.values()].filter(({ isCaptured }) => isCaptured)
  return total(charges.map(({ captured: sum, payment }) => [payment.currency, sum]))
}

/** What was given back. */
export function refunded(world: World): Totals {
  const refunds = [...world.refunds.values()]
  return total(refunds.map(({ amount, charge }) => [charge.payment.currency, amount]))
}

function total(sums: readonly (readonly [currency: string, sum: bigint])[]): Totals {
  const totals: Record<string, Total> = {}
  for (const [currency, sum] of sums) {
    const before = totals[currency] ?? { sum: 0n, count: 0 }
    totals[currency] = { sum: before.sum + sum, count: before.count + 1 }
  }
  return totals
}

/** A payment as it stands now. */
export function bookPayment(payment: Payment): BookedPayment {
  const { id, account, amount, currency, status, received, charges, metadata } = payment
  const token = payment.token ?? charges.at(-1)?.token
  return {
    id,
    account: account.id,
    amount,
    currency,
    status,
    received,
    refunded: charges.reduce((sum, charge) => sum + charge.refunded, 0n),
    charges: charges.length,
    token: token?.id,
    metadata: { ...metadata },
  }
}

/** A refund. */
export function bookRefund({ id, charge, amount }: Refund): BookedRefund {
  const { payment } = charge
  return { id, paymentIntent: payment.id, amount, currency: payment.currency }
}

/** A token as it stands now. */
export function bookToken(world: World, token: Token): BookedToken {
  const {
    id,
    seller,
    currency,
    maxAmount,
    captured: used,
    expiresAt,
    deactivated,
  } = look(world, token)
  return {
    id,
    seller,
    currency,
    maxAmount,
    captured: used,
    expiresAt,
    deactivated: deactivated?.reason,
  }
}
