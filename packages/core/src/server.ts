/**
 * Being paid: the server side of the Payment scheme.
 *
 * @module
 */
export * as Mpp from './server/mpp.js'
export { compose } from './server/compose.js'
export * as Errors from './Errors.js'
export * as Expires from './Expires.js'
export * as Method from './Method.js'
export * as Outcome from './Outcome.js'
export * as Store from './Store.js'
