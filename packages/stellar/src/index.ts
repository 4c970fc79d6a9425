/**
 * Stellar on the wire: the method's definitions and types. No I/O, safe anywhere.
 *
 * @module
 */
export { charge } from './charge/method.js'
export type { Payload as ChargePayload, Request as ChargeRequest } from './charge/method.js'
export { DECIMALS, PUBNET, TESTNET, USDC } from './constants.js'
export type { NetworkId } from './constants.js'
