/**
 * Lightning on the wire: the method's definitions and types. No I/O, safe anywhere.
 *
 * @module
 */
export { WalletError } from './wallet/error.js'
export type { Payment, Wallet } from './wallet.js'
