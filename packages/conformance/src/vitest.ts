/**
 * The suite in vitest.
 *
 * @module
 */
import { afterAll, describe, it } from 'vitest'
import type { Method } from '@polyrail/core'
import type { Rail } from './rail.js'
import { suite } from './suite.js'

/**
 * Registers one vitest test for each case that applies to the rail. A case that the rail exempts is
 * shown as skipped, with its reason in its name.
 *
 * @param options.copies - How many copies of one credential race (100).
 * @param options.timeout - Milliseconds for one case (30,000).
 * @example
 * import { conformance } from '@polyrail/conformance/vitest'
 * conformance({ server, client, options, dearer, capabilities, tamper, fault, settled })
 */
export function conformance<method extends Method.Method>(
  rail: Rail<method>,
  options: conformance.Options = {},
): void {
  const { name, intent } = rail.server
  describe(`${name}/${intent} conforms`, () => {
    if (rail.stop) afterAll(() => rail.stop?.())
    for (const { id, title, leftOut, run } of suite(rail, options)) {
      if (leftOut === undefined) it(`${id}: ${title}`, run, options.timeout ?? 30_000)
      else it.skip(`${id}: left out: ${leftOut}`, run)
    }
  })
}

export declare namespace conformance {
  type Options = { copies?: number; timeout?: number }
}
