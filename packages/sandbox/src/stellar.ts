/**
 * A Stellar network on your own machine: `Stellar.start()` answers the real `@stellar/stellar-sdk` over HTTP, and keeps a ledger.
 *
 * @module
 */
export * as Stellar from './stellar/Stellar.js'
