/**
 * `npm run spec`: prints every MUST and SHOULD of the drafts with what proves it, and fails when something is missing.
 *
 * @module
 */
import { balance, caseTraces, documents, testTraces } from './ledger.mjs'

const { rows, untraced, adrift } = balance(documents, [...caseTraces(), ...testTraces()])

for (const { document, title, requirements } of documents) {
  console.log(`\n${document}: ${title}`)
  const ids = new Set(requirements.map(({ id }) => id))
  let section = ''
  for (const row of rows.filter(({ id }) => ids.has(id))) {
    if (row.section !== section) console.log(`\n  ${(section = row.section)}`)
    console.log(`    ${row.id}  ${row.level.padEnd(10)}  ${row.summary}`)
    const proof = row.by.length > 0 ? row.by.join(', ') : undefined
    const indent = ' '.repeat(row.id.length + 6)
    if (proof) console.log(`${indent}✓ ${proof}`)
    if (row.elsewhere) console.log(`${indent}– ${row.elsewhere}`)
    if (!proof && !row.elsewhere) console.log(`${indent}✗ nothing proves it`)
  }
}

const proven = rows.filter(({ by }) => by.length > 0).length
const elsewhere = rows.filter(({ by, elsewhere }) => by.length === 0 && elsewhere).length
console.log(
  `\n${rows.length} requirements: ${proven} proven, ${elsewhere} not ours to meet, ${untraced.length} untraced.`,
)
for (const { by, requirement } of adrift)
  console.log(`✗ ${by} names ${requirement}, which no document has.`)
process.exitCode = untraced.length + adrift.length > 0 ? 1 : 0
