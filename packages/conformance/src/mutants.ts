/**
 * Deliberately broken servers, rails, stores and clients, each of which a named case must catch.
 *
 * @module
 */
import { clientCases } from './cases/index.js'
import { client } from './mutants/client.js'
import { config } from './mutants/config.js'
import { money } from './mutants/money.js'
import { method } from './mutants/method.js'
import type { Mutant } from './mutants/mutant.js'
import { server } from './mutants/server.js'
import { store } from './mutants/store.js'
import { createClientBench, type CreateClient } from './purse.js'
import { order } from './reference/order.js'
import { suite } from './suite.js'
import { Mpp } from '@polyrail/core/client'

export type { Mutant } from './mutants/mutant.js'
export { huntStore, storeMutants, type StoreMutant } from './mutants/stock.js'

/** Every mutant, whatever it breaks. */
export const mutants: readonly Mutant[] = [
  ...store,
  ...method,
  ...money,
  ...config,
  ...server,
  ...client,
]

/** What became of one case on a mutant: `undefined` when it passed, and so did not bite. */
export type Catch = { id: string; failure: Error | undefined }

/**
 * Runs the cases that must catch a mutant, on it or on the real thing.
 *
 * @param options.cured - Leaves the bug out, to see that the cases pass without it.
 * @throws TypeError when the mutant names a case that does not exist or does not apply.
 * @example
 * for (const { id, failure } of await hunt(mutant)) assert(failure, `${id} let it pass`)
 */
export async function hunt(mutant: Mutant, options: { cured?: boolean } = {}): Promise<Catch[]> {
  const { cured = false } = options
  const caught: Catch[] = []
  for (const id of mutant.caughtBy)
    caught.push({ id, failure: await attempt(find(mutant, id, cured)) })
  return caught
}

function find(mutant: Mutant, id: string, cured: boolean): () => Promise<void> {
  if ('client' in mutant) {
    const real: CreateClient = Mpp.create
    const found = clientCases.find((one) => one.id === id)
    if (found) return () => found.run(createClientBench(cured ? real : mutant.client(real)))
  } else {
    const rail = (mutant.rail ?? order)()
    const seams = cured ? {} : mutant.seams()
    const found = suite(rail, { seams, copies: 20 }).find((one) => one.id === id)
    if (found) return found.run
  }
  throw new TypeError(`Mutant "${mutant.id}" names the case "${id}", which is not run for it.`)
}

async function attempt(run: () => Promise<void>): Promise<Error | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
