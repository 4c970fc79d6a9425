/**
 * The paying side: `Mpp.create`.
 *
 * @module
 */
import { create, type Client } from './client/create.js'

/** Makes clients; as a type, a client. An object rather than a namespace, for it bundles smaller. */
export const Mpp = { create }
export type Mpp<context = unknown> = Client<context>

export type { create, Init } from './client/create.js'
export type { Account, Code, Events, Refusal } from './client/events.js'
export type { Amounts, Policy, Question } from './client/policy.js'
