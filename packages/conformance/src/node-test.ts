/**
 * The suite in Node's own test runner.
 *
 * @module
 */
import { after, describe, it } from 'node:test'
import type { Method } from '@polyrail/core'
import type { Rail } from './rail.js'
import { suite } from './suite.js'

/**
 * Registers one `node:test` test for each case that applies to the rail. A case that the rail
 * exempts is skipped with its reason.
 *
 * @param options.copies - How many copies of one credential race (100).
 * @param options.timeout - Milliseconds for one case (30,000).
 * @example
 * import { conformance } from '@polyrail/conformance/node-test'
 * conformance({ server, client, options, dearer, capabilities, tamper, fault, settled })
 */
export function conformance<method extends Method.Method>(
  rail: Rail<method>,
  options: conformance.Options = {},
): void {
  const { name, intent } = rail.server
  describe(`${name}/${intent} conforms`, () => {
    if (rail.stop) after(() => rail.stop?.())
    for (const { id, title, leftOut, run } of suite(rail, options))
      it(`${id}: ${title}`, { timeout: options.timeout ?? 30_000, skip: leftOut ?? false }, run)
  })
}

export declare namespace conformance {
  type Options = { copies?: number; timeout?: number }
}
