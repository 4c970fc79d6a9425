/**
 * A line of the ledger: what is kept of one step of one payment.
 *
 * @module
 */
import type { Ledger } from '@polyrail/core'

export type Kind = Ledger.Entry['kind'] | 'refunded'

/** A line as it is kept, written once and never changed. */
export type Line = {
  /** Its place: later lines have higher ones. */
  id: number
  /** When it was written, epoch milliseconds. */
  at: number
  kind: Kind
  challengeId: string
  /** Tells lines of one kind and challenge apart: which attempt, which refund. Empty where there is but one. */
  turn: string
  realm: string
  /** With `intent`, the rail. */
  method: string
  intent: string
  /** The route, as the challenge names it. */
  scope: string | null
  /** Whole base units, as digits. */
  amount: string | null
  currency: string | null
  /** Decimal places between a base unit and the unit people read. */
  decimals: number | null
  /** The network's name for the payment, or the operator's for a refund. */
  reference: string | null
  /** When the network says that it settled, RFC 3339. */
  settledAt: string | null
  /** Who pays, proved by the rail. */
  payer: string | null
  /** Who the payer says they are: anything. */
  source: string | null
  /** Why it failed: a problem's code. */
  reason: string | null
}

export type NewLine = Omit<Line, 'id'>

/** Makes a line of what a server tells. */
export function lineOf(entry: Ledger.Entry): NewLine {
  const { price } = entry
  return {
    at: Date.now(),
    kind: entry.kind,
    challengeId: entry.challengeId,
    turn: '',
    realm: clean(entry.realm) ?? '',
    method: entry.method,
    intent: entry.intent,
    scope: clean(entry.scope),
    amount: price ? String(price.amount) : null,
    currency: clean(price?.currency),
    decimals: price?.decimals ?? null,
    reference: clean(entry.reference),
    settledAt: clean(entry.settledAt),
    payer: clean(entry.payer),
    source: clean(entry.source),
    reason: clean(entry.reason),
  }
}

const LONGEST = 512

/** What others may have written: cut to a length, and without what a database, a terminal or a table would stumble over. */
export const clean = (text: string | undefined): string | null =>
  text === undefined ? null : text.slice(0, LONGEST).replaceAll(/\p{C}|\p{Zl}|\p{Zp}/gu, '\uFFFD')

/** A base-unit amount as people read it: `1234`, 3 → `1.234`. */
export function valueOf({ amount, decimals }: Pick<Line, 'amount' | 'decimals'>): string {
  if (amount === null) return ''
  if (!decimals) return amount
  const digits = amount.padStart(decimals + 1, '0')
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
}
