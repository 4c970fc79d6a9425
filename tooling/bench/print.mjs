/**
 * The results as Markdown tables, fit for a terminal and for the README.
 *
 * @module
 */
import { timed } from './cases.mjs'
import { median, ratio } from './rounds.mjs'

/** @param {readonly (readonly string[])[]} rows the first is the head */
function table(rows) {
  const widths =
    rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (/** @type {readonly string[]} */ row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const [head = [], ...body] = rows
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...body.map(line)].join('\n')
}

const number = (/** @type {number | undefined} */ value) =>
  value === undefined ? '–' : value.toFixed(value < 20 ? 1 : 0)

const times = (/** @type {number} */ value) => (Number.isNaN(value) ? '–' : `${value.toFixed(1)}×`)

/** @typedef {Record<string, import('./rounds.mjs').Row>} Rows */

/** @param {Rows} rows */
export function timesTable(rows) {
  const subjects = ['bare', 'polyrail', 'mppx', 'x402']
  const head = ['µs of CPU an operation', ...subjects, '/ bare', 'mppx /', 'x402 /']
  const body = timed.flatMap(({ path, title }) => {
    const row = rows[path]
    if (!row) return []
    const costs = subjects.map((subject) => number(row[subject] && median(row[subject])))
    const own = times(ratio(row, 'polyrail', 'bare'))
    const others = ['mppx', 'x402'].map((subject) => times(ratio(row, subject, 'polyrail')))
    return [[title, ...costs, own, ...others]]
  })
  return table([head, ...body])
}

/** @param {import('./bar.mjs').Results} results */
export function weightTable({ imports, installs, bundles }) {
  const subjects = ['polyrail', 'mppx', 'x402']
  const row = (/** @type {string} */ title, /** @type {(subject: string) => string} */ cell) => [
    title,
    ...subjects.map(cell),
  ]
  const kilo = (/** @type {number} */ bytes) => (bytes / 1000).toFixed(1)
  return table([
    ['weight', ...subjects],
    ...Object.entries(imports).map(([entry, /** @type {any} */ of]) =>
      row(`import the ${entry} entry, ms of CPU (wall)`, (one) =>
        of[one] ? `${number(of[one].cpu)} (${number(of[one].wall)})` : '–',
      ),
    ),
    row('packages installed', (one) => String(installs[one]?.packages ?? '–')),
    row('kB installed', (one) => String(installs[one]?.kilobytes ?? '–')),
    row('browser client: kB minified', (one) => (bundles[one] ? kilo(bundles[one].minified) : '–')),
    row('… gzip', (one) => (bundles[one] ? kilo(bundles[one].gzip) : '–')),
    row('… brotli', (one) => (bundles[one] ? kilo(bundles[one].brotli) : '–')),
  ])
}

/**
 * The client without the two calls that every client makes.
 *
 * @param {Rows} rows
 */
export function clientLine(rows) {
  const { bare = [], ...others } = rows['client/loop'] ?? {}
  const own = Object.entries(others).map(
    ([subject, rounds]) => `${subject} ${number(median(rounds) - median(bare))}`,
  )
  return own.length === 0 ? '' : `Client loop without its two calls: ${own.join(', ')} µs.`
}

/** @param {{ promise: string, measured: string, kept: boolean }[]} lines */
export const barTable = (lines) =>
  table([
    ['the bar', 'measured', ''],
    ...lines.map(({ promise, measured, kept }) => [promise, measured, kept ? 'pass' : 'FAIL']),
  ])
