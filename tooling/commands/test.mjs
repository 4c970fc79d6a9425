/**
 * `npm test`: sets up, then runs every check and every test, and ends with `N passed, N failed`.
 *
 * A check counts as one; tests count as vitest counts them. One failure does not hide the next: all of them run.
 *
 * @module
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setup } from './setup.mjs'
import { root, step } from './steps.mjs'

/** @type {readonly (readonly [title: string, command: readonly string[]])[]} */
const first = [
  ['format (oxfmt)', ['oxfmt', '--check']],
  ['lint (oxlint)', ['oxlint']],
  ['unused code and dependencies (knip)', ['knip']],
  ['package manifests (sherif)', ['sherif']],
  ['dependency direction (turbo boundaries)', ['turbo', 'boundaries']],
  ['types of the tests, examples and tooling (tsc)', ['tsc', '-p', 'tsconfig.tests.json']],
]

/** @type {typeof first} */
const last = [
  ['size of the browser entry (size-limit)', ['size-limit']],
  ['packages as a consumer meets them', ['node', 'tooling/commands/consumer.mjs']],
]

const results = join(root, 'node_modules', '.cache', 'polyrail')
const report = join(results, 'vitest.json')

if (await setup()) {
  const total = { passed: 1, failed: 0 }
  for (const [title, command] of first) count(total, await step(title, command))
  await unitTests(total)
  for (const [title, command] of last) count(total, await step(title, command))
  finish(total)
} else {
  finish({ passed: 0, failed: 1 })
}

/** @param {{ passed: number, failed: number }} total */
async function unitTests(total) {
  mkdirSync(results, { recursive: true })
  rmSync(report, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  // A busy machine is slow, and what hangs ends all the same.
  const patience = '--testTimeout=30000'
  const clean = await step('tests (vitest)', ['vitest', 'run', patience, ...reporters])
  const { passed, failed, skipped } = summary()
  total.passed += passed
  total.failed += failed
  // A crash of the runner itself, or an error outside any test, must not pass unseen.
  if (!clean && failed === 0) total.failed += 1
  if (skipped.length > 0) {
    console.log(`\n!!! LEFT OUT: ${skipped.length} tests did not run here:`)
    for (const name of skipped) console.log(`!!!   ${name}`)
    console.log('')
  }
}

/** Reads vitest's own report; an absent one counts as nothing run. */
function summary() {
  /** @type {readonly { status: string, assertionResults: readonly { status: string, fullName: string }[] }[]} */
  let files
  try {
    files = JSON.parse(readFileSync(report, 'utf8')).testResults
  } catch {
    files = []
  }
  const tests = files.flatMap((file) => file.assertionResults)
  const broken = files.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  )
  const failed = tests.filter((test) => test.status === 'failed').length + broken.length
  const passed = tests.filter((test) => test.status === 'passed').length
  const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed')
  return { passed, failed, skipped: skipped.map((test) => test.fullName) }
}

/**
 * @param {{ passed: number, failed: number }} total
 * @param {boolean} passed
 */
function count(total, passed) {
  total[passed ? 'passed' : 'failed'] += 1
}

/** @param {{ passed: number, failed: number }} total */
function finish({ passed, failed }) {
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
