/**
 * The SQL of a ledger, in what SQLite and PostgreSQL have in common. Parameters are written `?1`, `?2`, …
 *
 * @module
 */
import type { Kind, Line, NewLine } from './line.js'

export const TABLE = 'polyrail_ledger'

/** Each column with the field of a line that it holds. */
const COLUMNS = [
  ['at', 'at'],
  ['kind', 'kind'],
  ['challenge_id', 'challengeId'],
  ['turn', 'turn'],
  ['realm', 'realm'],
  ['method', 'method'],
  ['intent', 'intent'],
  ['scope', 'scope'],
  ['amount', 'amount'],
  ['currency', 'currency'],
  ['decimals', 'decimals'],
  ['reference', 'reference'],
  ['settled_at', 'settledAt'],
  ['payer', 'payer'],
  ['source', 'source'],
  ['reason', 'reason'],
] as const satisfies readonly (readonly [string, keyof NewLine])[]

const NAMES = COLUMNS.map(([name]) => name)

/** The table's columns after its `id`. */
export const DEFINITION = `at bigint NOT NULL, kind text NOT NULL, challenge_id text NOT NULL, turn text NOT NULL,
  realm text NOT NULL, method text NOT NULL, intent text NOT NULL, scope text,
  amount text, currency text, decimals integer, reference text, settled_at text, payer text, source text, reason text,
  UNIQUE (challenge_id, kind, turn)`

export type Parameter = string | number | null
export type Statement = { sql: string; values: Parameter[] }

/**
 * Adds lines that are not there yet, and returns one row for each that was not.
 *
 * The attempts of a payment are counted: a claim belongs to the attempt after the last that failed, a failure to the one
 * claimed last. A line told twice is then the same line.
 */
export function insert(lines: readonly NewLine[], table: string = TABLE): Statement {
  const values: Parameter[] = []
  const rows = lines.map((line) => {
    const first = values.length
    values.push(...COLUMNS.map(([, field]) => line[field]))
    const cells = NAMES.map((name, index) =>
      name === 'turn' ? turnOf(line.kind, first, table) : `?${first + index + 1}`,
    )
    return `(${cells.join(', ')})`
  })
  const sql = `INSERT INTO ${table} (${NAMES.join(', ')}) VALUES ${rows.join(', ')}
    ON CONFLICT (challenge_id, kind, turn) DO NOTHING RETURNING id`
  return { sql, values }
}

function turnOf(kind: Kind, first: number, table: string): string {
  const given = `?${first + NAMES.indexOf('turn') + 1}`
  if (kind !== 'claimed' && kind !== 'failed') return given
  const other = kind === 'claimed' ? 'failed' : 'claimed'
  const count =
    kind === 'claimed' ? 'count(*)' : 'CASE WHEN count(*) = 0 THEN 0 ELSE count(*) - 1 END'
  const challenge = `?${first + NAMES.indexOf('challenge_id') + 1}`
  // Every parameter is used, so that each has a type.
  return `(SELECT ${given} || CAST(${count} AS text) FROM ${table} WHERE challenge_id = ${challenge} AND kind = '${other}')`
}

/** Which lines. */
export type Query = {
  /** Written at this time or later, and before that; epoch milliseconds. */
  since?: number | undefined
  until?: number | undefined
  kinds?: readonly Kind[] | undefined
  challengeId?: string | undefined
}

/** One page of lines. */
export type Page = { after: number; limit: number }

export function select(query: Query & Page, table: string = TABLE): Statement {
  const values: Parameter[] = []
  const put = (value: Parameter): string => `?${values.push(value)}`
  const conditions = [`id > ${put(query.after)}`]
  if (query.since !== undefined) conditions.push(`at >= ${put(query.since)}`)
  if (query.until !== undefined) conditions.push(`at < ${put(query.until)}`)
  if (query.challengeId !== undefined) conditions.push(`challenge_id = ${put(query.challengeId)}`)
  if (query.kinds) conditions.push(`kind IN (${[...query.kinds, null].map(put).join(', ')})`)
  return page(table, { conditions, values, limit: query.limit })
}

/** The payments whose last word is missing: settled and not delivered, or claimed and neither settled nor failed. */
export type Open = Page & { kind: 'settled' | 'claimed'; before: number }

export function selectOpen({ kind, before, after, limit }: Open, table: string = TABLE): Statement {
  const none = (condition: string) =>
    `NOT EXISTS (SELECT 1 FROM ${table} AS other WHERE other.challenge_id = line.challenge_id AND ${condition})`
  const closed =
    kind === 'settled'
      ? [none(`other.kind = 'delivered'`)]
      : [none(`other.kind = 'settled'`), none(`other.kind = 'failed' AND other.turn = line.turn`)]
  const conditions = ['id > ?1', 'at < ?2', `kind = '${kind}'`, ...closed]
  return page(table, { conditions, values: [after, before], limit })
}

function page(
  table: string,
  {
    conditions,
    values,
    limit,
  }: { conditions: readonly string[]; values: Parameter[]; limit: number },
): Statement {
  const sql = `SELECT id, ${NAMES.join(', ')} FROM ${table} AS line
    WHERE ${conditions.join(' AND ')} ORDER BY id LIMIT ${limit}`
  return { sql, values }
}

/** Reads a row of either database: PostgreSQL gives 64-bit integers as texts. */
export function read(row: Readonly<Record<string, unknown>>): Line {
  const line: Record<string, unknown> = { id: Number(row['id']) }
  for (const [name, field] of COLUMNS) line[field] = row[name] ?? null
  line['at'] = Number(row['at'])
  return line as Line
}
