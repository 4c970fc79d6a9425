/**
 * A report for people, one line a case.
 *
 * @module
 */
import type { Report, Result } from './run.js'

const MARKS = { passed: '✓', failed: '✗', 'left out': '–' } as const

/**
 * Writes one result as a line, and a second one that says why when it did not pass.
 *
 * @example
 * await run(wireCases, { context, onResult: (result) => console.log(line(result)) })
 */
export function line(result: Result): string {
  const { status, id, title, reason, requirements } = result
  const named = requirements.length > 0 && status === 'failed' ? ` [${requirements.join(' ')}]` : ''
  const first = `${MARKS[status]} ${id}: ${title}${named}`
  return reason === undefined ? first : `${first}\n    ${reason}`
}

/**
 * Sums a report up in one line.
 *
 * @example
 * summary(report) // '38 passed, 0 failed, 1 left out'
 */
export function summary({ passed, failed, leftOut }: Report): string {
  return `${passed} passed, ${failed} failed${leftOut > 0 ? `, ${leftOut} left out` : ''}`
}
