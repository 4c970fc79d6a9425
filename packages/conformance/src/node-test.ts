/**
 * The suite in Node's own test runner.
 *
 * @module
 */
import { after, describe, it } from 'node:test'
import type { Method } from '@polyrail/core'
import type { Rail } from './rail.js'
import { storeSuite, type CreateStore } from './store.js'
import { suite, type Test } from './suite.js'

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
    register(suite(rail, options), options.timeout)
  })
}

export declare namespace conformance {
  type Options = { copies?: number; timeout?: number }
}

/**
 * Registers one `node:test` test for each case that applies to a store.
 *
 * @param create - Opens the store; each call another connection to the same data.
 * @param options.name - Shown in the report.
 * @param options.timeout - Milliseconds for one case (30,000).
 * @example
 * import { storeConformance } from '@polyrail/conformance/node-test'
 * storeConformance(() => etcd(client), { name: 'etcd', capabilities: { wakes: true, volatile: false } })
 */
export function storeConformance(create: CreateStore, options: storeConformance.Options): void {
  describe(`store ${options.name ?? ''} conforms`, () => {
    register(storeSuite(create, options), options.timeout)
  })
}

export declare namespace storeConformance {
  type Options = storeSuite.Options & { name?: string | undefined; timeout?: number | undefined }
}

function register(tests: readonly Test[], timeout = 30_000): void {
  for (const { id, title, leftOut, run } of tests)
    it(`${id}: ${title}`, { timeout, skip: leftOut ?? false }, run)
}
