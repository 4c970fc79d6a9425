/**
 * What is fixed on a Tempo chain: token addresses, the fee manager, and the chain ids that a local chain may not take.
 *
 * @module
 */
import type { Address } from 'viem'

/** The stablecoins of a fresh chain, each with 6 decimals. Genesis of anvil `--network tempo`. */
export const tokens = {
  pathUSD: '0x20c0000000000000000000000000000000000000',
  AlphaUSD: '0x20c0000000000000000000000000000000000001',
  BetaUSD: '0x20c0000000000000000000000000000000000002',
  ThetaUSD: '0x20c0000000000000000000000000000000000003',
} as const satisfies Record<string, Address>

/** Where a transaction's fee goes: the fee manager precompile. */
export const feeManager: Address = '0xfeec000000000000000000000000000000000000'

/** Tempo mainnet, Moderato testnet, devnet, and Ethereum: real or shared networks that a double must not pose as. */
export const publicChainIds: readonly number[] = [4217, 42431, 31318, 1]

/** An expiring nonce may live at most this many seconds on hardfork T4. */
export const expiringNonceWindow = 30
