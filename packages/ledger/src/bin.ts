#!/usr/bin/env node
/**
 * `polyrail-ledger`: exports a ledger, adds it up, and lists what wants attention.
 *
 * @module
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { csv, jsonLines, totals } from './export.js'
import { valueOf, type Kind } from './line.js'
import { open, type Place } from './place.js'
import type { Finding } from './reconcile.js'
import type { Query } from './sql.js'

const HELP = `Usage: polyrail-ledger <command> <where> [options]

<where> is an SQLite file, a postgres:// address, or a module that exports \`ledger\` and, if it likes, \`store\`.

  export <where>             writes the lines to standard output
    --format csv|jsonl         (jsonl)
    --kind <kind>              issued, claimed, settled, delivered, refunded or failed; may be given several times
    --since, --until <time>    a day (2026-08-31) or a moment; until is not included
  totals <where>             what each rail took, a day and currency; --since and --until as above
  reconcile <where>          lists what is settled and not delivered, and what nobody knows
    --older <minutes>          leaves younger payments alone (15)
    --json                     one JSON object a payment
  refund <where> <challenge> records a refund that you made
    --reference <text>         its name on its network
    --amount <digits>          whole base units; left out, all that is left
  resolve <where> <challenge> settled|failed|delivered
                             records what you found out
    --reference <text>         the payment's name on its network

Exit code: 0 done, 1 something wants attention, 2 the command makes no sense, 3 the ledger cannot be read.`

/** What is wrong with the command itself. */
class Nonsense extends Error {}

try {
  process.exitCode = await main()
} catch (error) {
  // `head` had enough.
  if ((error as { code?: unknown }).code === 'EPIPE') process.exit(0)
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = error instanceof Nonsense || error instanceof RangeError ? 2 : 3
}
// Once all is printed, whatever a module still holds open.
process.stdout.write('', () => process.exit())

async function main(): Promise<number> {
  const { values, positionals } = readCommand()
  const [name = '', where, ...rest] = positionals
  const command = COMMANDS[name]
  if (values.help) console.log(HELP)
  if (values.help) return 0
  if (!command || where === undefined) throw new Nonsense(HELP)
  const place = await open(where)
  try {
    return await command(place, values, rest)
  } finally {
    await place.close()
  }
}

function readCommand() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        format: { type: 'string' },
        kind: { type: 'string', multiple: true },
        since: { type: 'string' },
        until: { type: 'string' },
        older: { type: 'string' },
        json: { type: 'boolean' },
        reference: { type: 'string' },
        amount: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Nonsense((error as Error).message)
  }
}

type Values = ReturnType<typeof readCommand>['values']
type Command = (place: Place, values: Values, rest: readonly string[]) => Promise<number>

const COMMANDS: Readonly<Record<string, Command>> = {
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
    const minutes = Number(values.older ?? 15)
    if (!(minutes >= 0)) throw new Nonsense('--older is minutes.')
    const { owed, unknown, added } = await ledger.reconcile({ store, olderThan: minutes * 60_000 })
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
    const line = await ledger.refund(challengeId, { reference, ...(amount && { amount }) })
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
