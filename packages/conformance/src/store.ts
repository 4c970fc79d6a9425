/**
 * The workbench of a store case, and all that a store has to pass.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { applies, type Case } from './case.js'
import { storeCases } from './cases/store/index.js'
import { checkExemptions } from './run.js'
import type { Test } from './suite.js'

/**
 * Opens the store under test. Each call opens a connection of its own to the same data, as another server would; a store
 * that lives in one process returns itself each time.
 */
export type CreateStore = () => Store.Store | Promise<Store.Store>

/** What a store promises about itself; each is tested when true and when false. */
export type StoreTraits = {
  /** It has a `wait`, which ends when another connection changes the key. */
  wakes: boolean
  /** It dies with its process, and says so by `volatile`. */
  volatile: boolean
}

export type StoreBench = {
  /** Another connection to the same data; they are few and used again. */
  open(): Promise<Store.Store>
  /** A key that nothing else has used. */
  key(name?: string): string
}

const MOST_CONNECTIONS = 4

/**
 * Sets up a bench for a store.
 *
 * @example
 * const report = await run(storeCases, { context: createStoreBench(createStore), has: { wakes: true } })
 */
export function createStoreBench(create: CreateStore): StoreBench {
  const run = crypto.randomUUID()
  const stores: Promise<Store.Store>[] = []
  let opened = 0
  let keys = 0
  return {
    async open() {
      const index = opened++ % MOST_CONNECTIONS
      return (stores[index] ??= Promise.resolve(create()))
    },
    key: (name = 'key') => `${run}:${keys++}:${name}`,
  }
}

/**
 * Picks the cases that apply to a store, as plain tests for whatever runs them.
 *
 * @throws TypeError when an exemption names a case that does not exist.
 * @example
 * for (const { title, run } of storeSuite(createStore, { capabilities })) test(title, run)
 */
export function storeSuite(create: CreateStore, options: storeSuite.Options): Test[] {
  const { capabilities, exempt = {} } = options
  checkExemptions(storeCases, exempt)
  const bench = createStoreBench(create)
  const chosen: readonly Case<StoreBench>[] = storeCases.filter(({ needs }) =>
    applies(needs, capabilities),
  )
  return chosen.map((one) => {
    const { id, title } = one
    const reason = exempt[id]
    const run = () => one.run(bench)
    return reason === undefined ? { id, title, run } : { id, title, run, leftOut: reason }
  })
}

export declare namespace storeSuite {
  type Options = {
    /** What the store promises about itself. */
    capabilities: StoreTraits
    /** Case id → why it cannot hold here. */
    exempt?: Readonly<Record<string, string>> | undefined
  }
}
