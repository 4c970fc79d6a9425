/**
 * Three rails without a network, which between them answer every declared capability with yes and with no.
 *
 * @module
 */
export { order } from './order.js'
export { token } from './token.js'
export { invoice } from './invoice.js'
export { createBank, type Bank } from './bank.js'
