/**
 * What the command line can do with a ledger.
 *
 * @module
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { csv, jsonLines, totals } from './export.js'
import { valueOf, type Kind } from './line.js'
import type { Place } from './place.js'
import type { Finding } from './reconcile.js'
import type { Query } from './sql.js'

/** What is wrong with the command itself. */
export class Nonsense extends Error {}

/** What may follow a command, as it was typed. */
export type Values = {
  format?: string | undefined
  kind?: string[] | undefined
  since?: string | undefined
  until?: string | undefined
  older?: string | undefined
  json?: boolean | undefined
  reference?: string | undefined
  amount?: string | undefined
}

/** Resolves with an exit code. */
type Command = (place: Place, values: Values, rest: readonly string[]) => Promise<number>

/** How many words a command takes after its place; the others none. */
export const WORDS: Readonly<Record<string, number>> = { refund: 1, resolve: 2 }

/** @throws Nonsense, or RangeError where the ledger says that it cannot be. */
export const commands: Readonly<Record<string, Command>> = {
  async export({ ledger }, values) {
    const { format = 'jsonl' } = values
    if (format !== 'csv' && format !== 'jsonl') throw new Nonsense('--format is csv or jsonl.')
    const lines = ledger.entries(readQuery(values))
    const written = format === 'csv' ? csv(lines) : jsonLines(lines)
    await pipeline(Readable.from(written), process.stdout, { end: false })
    return 0
  },

  async totals({ ledger }, values) {
    const kinds: Kind[] = ['settled', 'refunded']
    for (const total of await totals(ledger.entries({ ...readQuery(values), kinds }))) {
      const { day, rail, currency, payments, refunds, decimals } = total
      const value = (sum: bigint) => valueOf({ amount: String(sum), decimals })
      const refunded = refunds > 0 ? `\t-${value(total.refunded)} in ${refunds} refunds` : ''
      const taken = `${value(total.settled)} ${currency ?? ''} in ${payments} payments`
      console.log(`${day}\t${rail}\t${taken}${refunded}`)
    }
    return 0
  },

  async reconcile({ ledger, store }, values) {
    const { older = '15' } = values
    if (!/^\d{1,9}$/.test(older)) throw new Nonsense('--older is whole minutes.')
    const olderThan = Number(older) * 60_000
    const { owed, unknown, added } = await ledger.reconcile({ store, olderThan })
    for (const finding of [...owed, ...unknown])
      console.log(values.json ? JSON.stringify(finding) : describe(finding))
    if (!values.json) {
      const learned = added > 0 ? `; ${added} lines learned from the store` : ''
      console.log(`${owed.length} settled and not delivered, ${unknown.length} unknown${learned}`)
    }
    return owed.length + unknown.length > 0 ? 1 : 0
  },

  async refund({ ledger }, { reference, amount }, [challengeId]) {
    if (!challengeId || !reference)
      throw new Nonsense('refund takes a challenge and its --reference.')
    const line = await ledger.refund(challengeId, {
      reference,
      ...(amount !== undefined && { amount }),
    })
    console.log(`refunded ${valueOf(line)} ${line.currency ?? ''}`)
    return 0
  },

  async resolve({ ledger }, { reference }, [challengeId, outcome]) {
    if (!challengeId || (outcome !== 'settled' && outcome !== 'failed' && outcome !== 'delivered'))
      throw new Nonsense('resolve takes a challenge and settled, failed or delivered.')
    await ledger.resolve(challengeId, outcome, reference === undefined ? {} : { reference })
    return 0
  },
}

const KINDS: readonly string[] = ['issued', 'claimed', 'settled', 'delivered', 'refunded', 'failed']
const isKind = (text: string): text is Kind => KINDS.includes(text)

function readQuery({ kind, since, until }: Values): Query {
  if (kind && !kind.every(isKind)) throw new Nonsense(`--kind is one of ${KINDS.join(', ')}.`)
  return {
    kinds: kind?.filter(isKind),
    since: readTime('since', since),
    until: readTime('until', until),
  }
}

function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new Nonsense(`--${name} is a day or a moment, such as 2026-08-31.`)
  return time
}

function describe({ challengeId, state, since, left, store, line, advice }: Finding): string {
  const { method, intent, currency, decimals, reference, payer } = line
  const facts = [
    `${state.toUpperCase()} ${challengeId}`,
    `${method}/${intent}`,
    `${valueOf({ amount: left, decimals })} ${currency ?? ''}`.trim(),
    `since ${new Date(since).toISOString()}`,
    reference && `reference ${reference}`,
    payer && `payer ${payer}`,
    store && `the store says ${store}`,
  ]
  return `${facts.filter(Boolean).join('  ')}\n  ${advice}`
}
