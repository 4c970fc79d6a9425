/**
 * Measures this repository beside the deployed SDK and x402, in one run.
 *
 *     npm run bench                          everything, about four minutes
 *     npm run bench -- --quick               fewer, shorter rounds
 *     npm run bench -- --cold                a server that was idle: no compiled code left
 *     npm run bench -- --only server/402     the cases whose name begins so, or `weight`
 *     npm run bench -- --json                the results as JSON
 *     npm run bench -- --check               exit 1 when the bar is missed
 *     npm run bench -- --profile paid        where the time goes (`mppx:client/loop` for others)
 *
 * @module
 */
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { judge } from './bar.mjs'
import { bundles, imports, installs, timed } from './cases.mjs'
import { bundle, importTimes, installedFromTarball, installedHere } from './footprint.mjs'
import { barTable, clientLine, timesTable, weightTable } from './print.mjs'
import { efforts, measure } from './rounds.mjs'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    cold: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
  },
})
const effort = { ...(flags.quick ? efforts.quick : efforts.full), cold: flags.cold }
const progress = (/** @type {string} */ text) => process.stderr.write(`· ${text}\n`)

/** @type {unknown[]} */
const failures = []

/**
 * Measures what can be measured: a subject that is broken must not hide the others.
 *
 * @template value
 * @param {string} title
 * @param {() => value | Promise<value>} work
 * @returns {Promise<value | undefined>}
 */
async function attempt(title, work) {
  progress(title)
  try {
    return await work()
  } catch (cause) {
    failures.push(title)
    process.stderr.write(`✗ ${title}: ${cause instanceof Error ? cause.message : cause}\n`)
    return undefined
  }
}

async function measureTimes() {
  /** @type {Record<string, import('./rounds.mjs').Row>} */
  const rows = {}
  for (const { path, title, subjects } of timed) {
    if (!path.startsWith(flags.only)) continue
    rows[path] = (await attempt(`${path}: ${title}`, () => measure(path, subjects, effort))) ?? {}
  }
  return rows
}

async function measureWeight() {
  /** @type {Pick<import('./bar.mjs').Results, 'imports' | 'installs' | 'bundles'>} */
  const weight = { imports: {}, installs: {}, bundles: {} }
  if (!'weight'.startsWith(flags.only)) return weight
  const core = fileURLToPath(new URL('../../packages/core', import.meta.url))
  weight.imports = (await attempt('import times', () => importTimes(imports, effort.rounds))) ?? {}
  weight.installs.polyrail = await attempt('install from a tarball', () =>
    installedFromTarball(core),
  )
  for (const [subject, names] of Object.entries(installs))
    weight.installs[subject] = installedHere(names)
  for (const [subject, code] of Object.entries(bundles))
    weight.bundles[subject] = await attempt(`bundle ${subject} for a browser`, () => bundle(code))
  return weight
}

async function run() {
  const results = { rows: await measureTimes(), ...(await measureWeight()) }
  const bar = judge(results).filter(
    ({ measured }) => flags.only === '' || !measured.includes('NaN'),
  )
  const machine = `${availableParallelism()} cores of ${cpus()[0]?.model}, Node ${process.versions.node}, ${flags.cold ? 'cold' : 'warm'}`
  if (flags.json)
    return { text: JSON.stringify({ machine, ...results, bar, failures }, null, 2), bar }
  const text = [
    Object.keys(results.rows).length > 0 ? timesTable(results.rows) : '',
    clientLine(results.rows),
    Object.keys(results.imports).length > 0 ? weightTable(results) : '',
    bar.length > 0 ? barTable(bar) : '',
    machine,
  ]
  return { text: text.filter(Boolean).join('\n\n'), bar }
}

if (flags.profile === undefined) {
  const { text, bar } = await run()
  process.stdout.write(`${text}\n`)
  const missed = failures.length > 0 || bar.some(({ kept }) => !kept)
  process.exitCode = flags.check && missed ? 1 : 0
} else {
  const { profile } = await import('./profile.mjs')
  const [, subject = 'polyrail', name = ''] = /^(?:(\w+):)?(.+)$/.exec(flags.profile) ?? []
  const report = await profile(subject, name.includes('/') ? name : `server/${name}`)
  process.stdout.write(`${report}\n`, () => process.exit())
}
