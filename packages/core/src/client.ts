/**
 * The paying side: `Mpp.create`.
 *
 * @module
 */
export * as Mpp from './client/create.js'
export type { Account, Code, Events, Refusal } from './client/events.js'
export type { Amounts, Policy, Question } from './client/policy.js'
