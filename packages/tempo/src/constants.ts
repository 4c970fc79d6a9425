/**
 * What is fixed about Tempo: chains, stablecoins and time limits, each with its source.
 *
 * @module
 */

/** A TIP-20 token or an account. */
export type Address = `0x${string}`
/** Bytes as hexadecimal text. */
export type Hex = `0x${string}`

/** Tempo mainnet. Source: viem's `tempo` chain. */
export const MAINNET = 4217

/** Tempo's public testnet, which a request means when it names no chain. Source: Tempo charge draft, Method Details. */
export const TESTNET = 42431

/** TIP-20 tokens have six decimals. Source: Tempo charge draft, Terminology. */
export const DECIMALS = 6

/** Where the public chains are asked when nothing else is given. Source: viem's chain definitions. */
export const RPC_URLS: Readonly<Record<number, string>> = {
  [MAINNET]: 'https://rpc.tempo.xyz',
  [TESTNET]: 'https://rpc.moderato.tempo.xyz',
}

/** The first stablecoin of every Tempo chain. Source: viem's `Addresses.pathUsd`. */
export const PATH_USD: Address = '0x20c0000000000000000000000000000000000000'

const USDC_E: Address = '0x20c000000000000000000000b9537d11c60e8b50'

/** The tokens of the testnet's faucet, which local chains have too. Source: viem's token list. */
const FAUCET: readonly Address[] = [
  PATH_USD,
  '0x20c0000000000000000000000000000000000001',
  '0x20c0000000000000000000000000000000000002',
  '0x20c0000000000000000000000000000000000003',
]

/** Dollar stablecoins that pay and are paid. Source: viem's token list (USDC.e, USDT0, OUSD, frxUSD). */
const STABLECOINS: Readonly<Record<number, readonly Address[]>> = {
  [MAINNET]: [
    USDC_E,
    PATH_USD,
    '0x20c00000000000000000000014f22ca97301eb73',
    '0x20c0000000000000000000006a37da5c996874be',
    '0x20c0000000000000000000003554d28269e0f3c2',
  ],
  [TESTNET]: [...FAUCET, '0x20c0000000000000000000009e8d7eb59b783726'],
}

/** The dollar stablecoins that a client knows on a chain; on a local chain, those of its genesis. */
export const stablecoinsOf = (chainId: number): readonly Address[] => STABLECOINS[chainId] ?? FAUCET

/** What a server asks for when nobody says: USDC.e on mainnet, pathUSD elsewhere, as deployed servers do. */
export const currencyOf = (chainId: number): Address => (chainId === MAINNET ? USDC_E : PATH_USD)

/** Seconds that a payment may wait for its block; deployed clients use the same. An expiring nonce has 30 on hardfork T4. */
export const VALIDITY = 25

/** Gas is priced in 10^-18 dollars, fees are paid in tokens of 10^-6. Source: Tempo transaction specification, fees. */
export const FEE_SCALE = 10n ** 12n

/** The nonce lane whose nonces expire with `validBefore` instead of counting up. Source: Tempo's TIP-1009. */
export const EXPIRING_NONCE_KEY = 2n ** 256n - 1n

/**
 * Seconds past `validBefore`, by the chain's own time, after which a transaction that no block has will never be in
 * one: the margin is for a node that lags behind its siblings.
 */
export const FINALITY_MARGIN = 5

/** Most splits of a charge, so that one block can hold its gas. Source: Tempo charge draft, Constraints. */
export const MOST_SPLITS = 10

/** The precompile that knows which keys may sign for which accounts. Source: viem's `Addresses.accountKeychain`. */
export const ACCOUNT_KEYCHAIN: Address = '0xaaaaaaaa00000000000000000000000000000000'
