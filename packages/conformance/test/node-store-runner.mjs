/**
 * The store cases under `node --test`; started by `stores.test.ts`.
 *
 * @module
 */
import { storeConformance } from '@polyrail/conformance/node-test'
import { Store } from '@polyrail/core'

const store = Store.memory()
storeConformance(() => store, { name: 'memory', capabilities: { wakes: true, volatile: true } })
