/**
 * Lines for other programs: CSV for tables, JSON lines for everything else, and totals.
 *
 * @module
 */
import { valueOf, type Line } from './line.js'

type Lines = AsyncIterable<Line> | Iterable<Line>

const COLUMNS: Readonly<Record<string, (line: Line) => string | number | null>> = {
  id: ({ id }) => id,
  at: ({ at }) => new Date(at).toISOString(),
  kind: ({ kind }) => kind,
  challenge_id: ({ challengeId }) => challengeId,
  rail: ({ method, intent }) => `${method}/${intent}`,
  realm: ({ realm }) => realm,
  value: valueOf,
  currency: ({ currency }) => currency,
  amount: ({ amount }) => amount,
  decimals: ({ decimals }) => decimals,
  reference: ({ reference }) => reference,
  settled_at: ({ settledAt }) => settledAt,
  payer: ({ payer }) => payer,
  source: ({ source }) => source,
  scope: ({ scope }) => scope,
  reason: ({ reason }) => reason,
}

/**
 * Writes lines as CSV (RFC 4180), a piece at a time. A cell that a spreadsheet would run as a formula begins with an
 * apostrophe, which is the only change: programs read {@link jsonLines}.
 *
 * @example
 * await pipeline(csv(ledger.entries()), createWriteStream('ledger.csv'))
 */
export async function* csv(lines: Lines): AsyncGenerator<string, void, undefined> {
  yield `${Object.keys(COLUMNS).join(',')}\r\n`
  const cells = Object.values(COLUMNS)
  for await (const line of lines) yield `${cells.map((cell) => quote(cell(line))).join(',')}\r\n`
}

/** What spreadsheets take for the beginning of a formula, in both widths, blanks before it or not. */
const FORMULA = /^\s*[=+\-@\t\r＝＋－＠]/
/** Some spreadsheets cut at these whatever the file says, so that a formula could begin after one. */
const SPECIAL = /[",;\s']/

function quote(cell: string | number | null): string {
  if (typeof cell === 'number') return String(cell)
  const text = cell ?? ''
  const safe = FORMULA.test(text) ? `'${text}` : text
  return SPECIAL.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/**
 * Writes lines as JSON, one a line, a piece at a time.
 *
 * @example
 * await pipeline(jsonLines(ledger.entries()), createWriteStream('ledger.jsonl'))
 */
export async function* jsonLines(lines: Lines): AsyncGenerator<string, void, undefined> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`
}

/** What one rail took in one currency on one day. */
export type Total = {
  /** UTC, by when the ledger heard of it: `2026-08-31`. */
  day: string
  rail: string
  currency: string | null
  decimals: number | null
  payments: number
  refunds: number
  /** Whole base units. */
  settled: bigint
  refunded: bigint
}

/**
 * Adds up lines a day, rail and currency, in the order of their first.
 *
 * @example
 * const days = await totals(ledger.entries({ since, kinds: ['settled', 'refunded'] }))
 */
export async function totals(lines: Lines): Promise<Total[]> {
  const found = new Map<string, Total>()
  for await (const line of lines) {
    const { kind, at, method, intent, currency, decimals } = line
    if (kind !== 'settled' && kind !== 'refunded') continue
    const [day, rail] = [new Date(at).toISOString().slice(0, 10), `${method}/${intent}`]
    const key = JSON.stringify([day, rail, currency, decimals])
    const total = found.get(key) ?? begin({ day, rail, currency, decimals })
    found.set(key, total)
    total[kind] += BigInt(line.amount ?? 0)
    total[kind === 'settled' ? 'payments' : 'refunds'] += 1
  }
  return [...found.values()]
}

const begin = (of: Pick<Total, 'day' | 'rail' | 'currency' | 'decimals'>): Total => ({
  ...of,
  payments: 0,
  refunds: 0,
  settled: 0n,
  refunded: 0n,
})
