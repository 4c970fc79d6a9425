/**
 * Every mutant is caught by the cases that it names, for the reason that they give, and by nothing else in the set-up.
 *
 * @module
 */
import { hunt, mutants } from '@polyrail/conformance/mutants'
import { describe, expect, it } from 'vitest'

/** The threats that concern the core, charges and their clients; the others belong to sessions, rails, stores and the proxy. */
const OURS = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 21, 22, 23, 25, 26, 27, 28, 29, 31, 33,
]

describe('mutants', () => {
  for (const mutant of mutants)
    it(`${mutant.id} is caught by ${mutant.caughtBy.join(', ')}`, async () => {
      expect(mutant.caughtBy.length).toBeGreaterThan(0)
      for (const { id, failure } of await hunt(mutant)) {
        expect(failure, `${id} lets it pass: ${mutant.breaks}`).toBeDefined()
        expect(failure?.name, `${id} crashes on it: ${failure?.stack}`).toBe('ConformanceFailure')
      }
      for (const { id, failure } of await hunt(mutant, { cured: true }))
        expect(failure, `${id} fails on the real thing`).toBeUndefined()
    })

  it('are at least thirty, and bring back every threat to the core and to charges', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(30)
    expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length)
    const threats = new Set(mutants.flatMap(({ threats }) => threats))
    expect(OURS.filter((threat) => !threats.has(threat))).toEqual([])
  })
})
