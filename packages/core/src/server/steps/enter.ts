/**
 * Writes the steps of a payment into the operator's ledger, where there is one.
 *
 * @module
 */
import type { Entry } from '../../Ledger.js'
import type { Receipt } from '../../Receipt.js'
import type { Offer } from '../route.js'
import { priceOf } from '../price.js'
import type { Bound } from './bind.js'
import { idOf } from './record.js'

/** A payment, and the key of its record: an Idempotency-Key leads from one challenge to the payment of another. */
export type Payment = { bound: Bound; key: string }

/**
 * Writes a step.
 *
 * @throws What the ledger throws: the caller decides what may happen without the entry.
 */
export async function enter(
  { bound, key }: Payment,
  kind: Entry['kind'],
  more: Pick<Entry, 'reference' | 'settledAt' | 'reason'> = {},
): Promise<void> {
  const { offer, challenge, scope, source, payer } = bound
  const entry = describe(offer, { id: idOf(key), request: challenge.request, scope })
  await offer.kernel.ledger?.write({ kind, ...entry, payer, source, ...more })
}

/** Writes a step that happened whether or not it can be written; when it cannot, the operator hears of it. */
export async function tryEnter(...step: Parameters<typeof enter>): Promise<void> {
  try {
    await enter(...step)
  } catch (cause) {
    step[0].bound.offer.kernel.events.emit('error', () => ({ cause }))
  }
}

/** The money moved. */
export const enterSettled = (payment: Payment, receipt: Receipt): Promise<void> =>
  enter(payment, 'settled', { reference: receipt.reference, settledAt: receipt.timestamp })

/** Takes note of a challenge that goes out. */
export function noteIssued(offer: Offer, id: string, scope: string): void {
  const { ledger, events } = offer.kernel
  try {
    ledger?.issue?.({ kind: 'issued', ...describe(offer, { id, request: offer.request, scope }) })
  } catch (cause) {
    events.emit('error', () => ({ cause }))
  }
}

const describe = (
  { method, kernel }: Offer,
  { id, request, scope }: { id: string; request: Record<string, unknown>; scope: string },
) => ({
  challengeId: id,
  realm: kernel.realm,
  method: method.name,
  intent: method.intent,
  scope,
  price: priceOf(method, request),
})
