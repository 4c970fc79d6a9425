#!/usr/bin/env node
/**
 * `polyrail-ledger`: exports a ledger, adds it up, and lists what wants attention.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { commands, Nonsense, WORDS } from './commands.js'
import { open } from './place.js'

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
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (values.help) console.log(HELP)
  if (values.help) return 0
  if (!command || where === undefined) throw new Nonsense(HELP)
  const surplus = rest[WORDS[name] ?? 0]
  if (surplus !== undefined)
    throw new Nonsense(`${name} does not know what to do with "${surplus}".`)
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
