/**
 * Puts the requirements of the drafts beside what proves them: conformance cases, and tests that carry an id in their title.
 *
 * A draft is one JSON file in `documents/`; dropping in another one is enough to have it traced.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { clientCases, methodCases, wireCases } from '@polyrail/conformance'

/**
 * @typedef {{ id: string, section: string, level: string, summary: string, elsewhere?: string }} Requirement
 *   `elsewhere` says why a requirement is not this code’s to meet.
 * @typedef {{ document: string, title: string, requirements: readonly Requirement[] }} Document
 * @typedef {{ by: string, requirement: string }} Trace `by` is a case id, or a file of tests.
 */

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = join(root, 'tooling/spec/documents')

/** @type {readonly Document[]} */
export const documents = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .toSorted()
  .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))

/** Requirement ids in square brackets, one or several: `[core-017]`, `[core-017 charge-003]`. */
const MARK = /\[([a-z][a-z-]*-\d{3}(?:[ ,]+[a-z][a-z-]*-\d{3})*)\]/g

/**
 * Reads the traces out of a test file: ids in brackets inside the title of a test or a suite.
 *
 * @param {string} by
 * @param {string} source
 * @returns {Trace[]}
 * @example
 * marks('Expires.test.ts', "it('[core-018] reads fractions', …)")
 */
export function marks(by, source) {
  // The second way is `it.each(table)('title', …)`.
  const titles = source.matchAll(
    /(?:\b(?:it|test|describe)(?:\.\w+)*\(|\)\()\s*(['"`])((?:\\.|(?!\1).)*)\1/gs,
  )
  return [...titles].flatMap(([, , title = '']) =>
    [...title.matchAll(MARK)].flatMap(([, ids = '']) =>
      ids.split(/[ ,]+/).map((requirement) => ({ by, requirement })),
    ),
  )
}

/** @returns {Trace[]} what the cases of the conformance suite prove */
export function caseTraces() {
  const cases = [...methodCases(), ...wireCases, ...clientCases]
  return cases.flatMap(({ id, requirements }) =>
    requirements.map((requirement) => ({ by: id, requirement })),
  )
}

/** @returns {Trace[]} what the tests of every workspace folder say that they prove */
export function testTraces() {
  const folders = ['packages', 'examples', 'tooling'].flatMap((group) =>
    readdirSync(join(root, group), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${group}/${name}/test`),
  )
  return folders.flatMap((tests) =>
    list(join(root, tests))
      .filter((name) => /\.test\.(ts|mjs)$/.test(name) && tests !== 'tooling/spec/test')
      .flatMap((name) => marks(`${tests}/${name}`, readFileSync(join(root, tests, name), 'utf8'))),
  )
}

/**
 * @param {string} directory
 * @returns {string[]} its files, in folders too
 */
function list(directory) {
  try {
    return readdirSync(directory, { recursive: true }).map(String).toSorted()
  } catch {
    return []
  }
}

/**
 * Joins requirements with what proves them.
 *
 * @param {readonly Document[]} drafts
 * @param {readonly Trace[]} traces
 * @returns the rows of the table, what nothing proves, and the traces that point nowhere
 */
export function balance(drafts, traces) {
  const rows = drafts.flatMap(({ requirements }) =>
    requirements.map((requirement) => ({
      ...requirement,
      by: [
        ...new Set(traces.filter((one) => one.requirement === requirement.id).map(({ by }) => by)),
      ],
    })),
  )
  const known = new Set(rows.map(({ id }) => id))
  return {
    rows,
    untraced: rows.filter(({ by, elsewhere }) => by.length === 0 && !elsewhere),
    adrift: traces.filter(({ requirement }) => !known.has(requirement)),
  }
}
