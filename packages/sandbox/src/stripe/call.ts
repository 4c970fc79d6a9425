/**
 * A call to the API, as its endpoints get it: who calls for whom, in which version, with which parameters.
 *
 * @module
 */
import type { Parameters } from './parameters.js'
import type { Account, World } from './world.js'

/** A call that has been let in. */
export type Call = {
  world: World
  /** Whose key it is. */
  caller: Account
  /** For whom it acts: the caller, or the account of the `Stripe-Account` header. */
  account: Account
  /** Whether the version of the API knows Shared Payment Tokens. */
  preview: boolean
  /** The id in the path, if there is one. */
  id: string
  parameters: Parameters
  /** The path, for lists to name themselves. */
  path: string
}

/** Carries out a call at once and whole. Its refusals are thrown. */
export type Endpoint = (call: Call) => object
