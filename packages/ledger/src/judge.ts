/**
 * What an operator may record of a payment.
 *
 * @module
 */
import { clean, type Kind, type Line, type NewLine } from './line.js'

/**
 * The line of a refund.
 *
 * @param lines - All of its payment.
 * @throws RangeError when it cannot be.
 */
export function judgeRefund(
  lines: readonly Line[],
  refund: { challengeId: string; reference: string; amount?: string },
): NewLine {
  const { challengeId, amount } = refund
  const turn = clean(refund.reference)
  if (!turn) throw new RangeError('A refund needs a reference: its own name on its network.')
  const settled = lines.find(({ kind }) => kind === 'settled')
  if (!settled) throw new RangeError(`No settled payment "${challengeId}" is in this ledger.`)
  const left = leftOf(
    settled,
    lines.filter((line) => line.turn !== turn),
  )
  if (amount !== undefined && !/^[1-9]\d{0,77}$/.test(amount))
    throw new RangeError('A refund’s amount is whole base units, as digits.')
  if (left !== undefined && BigInt(amount ?? left) > left)
    throw new RangeError(`Only ${left} base units of payment "${challengeId}" are left to refund.`)
  return {
    ...settled,
    at: Date.now(),
    kind: 'refunded',
    turn,
    amount: amount ?? (left === undefined ? null : String(left)),
    reference: turn,
    settledAt: null,
  }
}

/** What a settled payment still has to give back; `undefined` when nobody knows its amount. */
export function leftOf(settled: Line, lines: readonly Line[]): bigint | undefined {
  if (settled.amount === null) return undefined
  let left = BigInt(settled.amount)
  for (const { kind, amount } of lines) if (kind === 'refunded') left -= BigInt(amount ?? 0)
  return left
}

/**
 * The lines of what an operator found out.
 *
 * @param lines - All of its payment.
 * @throws RangeError when it cannot be.
 */
export function judgeResolution(
  lines: readonly Line[],
  {
    challengeId,
    outcome,
    reference,
  }: { challengeId: string; outcome: Kind; reference: string | undefined },
): NewLine[] {
  const claimed = lines.findLast(({ kind }) => kind === 'claimed')
  if (!claimed) throw new RangeError(`Nobody claimed a payment "${challengeId}" in this ledger.`)
  const settled = lines.find(({ kind }) => kind === 'settled')
  if (settled && outcome === 'failed')
    throw new RangeError(`Payment "${challengeId}" is settled; record a refund instead.`)
  if (!settled && outcome !== 'failed' && !reference)
    throw new RangeError('A settled payment needs the reference of its network.')
  const base = { ...(settled ?? claimed), at: Date.now(), turn: '' }
  const paid = { reference: settled?.reference ?? clean(reference) }
  if (outcome === 'failed') return [{ ...base, kind: 'failed', reason: 'resolved-by-operator' }]
  const made: NewLine[] = [{ ...base, kind: 'settled', ...paid }]
  if (outcome === 'delivered')
    made.push({ ...base, kind: 'delivered', reference: null, settledAt: null })
  return made
}
