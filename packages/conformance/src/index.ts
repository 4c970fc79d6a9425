/**
 * The shared conformance suite: cases as data, a bench to run them on, runners and reports.
 *
 * @module
 */
export { codeOf, read, type Answer } from './answer.js'
export { createBench, present, type Bench, type Seams, type Site } from './bench.js'
export { buy } from './buy.js'
export { applies, must, type Case } from './case.js'
export { clientCases, concurrentCopies, methodCases, wireCases } from './cases/index.js'
export { probe } from './probe.js'
export { createClientBench, type ClientBench, type CreateClient } from './purse.js'
export type { Capabilities, Fault, Rail, Tampered } from './rail.js'
export * as reference from './reference/index.js'
export { line, summary } from './report.js'
export { run, type Report, type Result } from './run.js'
export { storeCases } from './cases/store/index.js'
export {
  createStoreBench,
  storeSuite,
  type CreateStore,
  type StoreBench,
  type StoreTraits,
} from './store.js'
export { suite, type Test } from './suite.js'
export { traits, wire, type Wire } from './wire.js'
