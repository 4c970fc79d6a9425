/**
 * What is fixed about Stellar: networks, tokens and times, each with its source.
 *
 * @module
 */

/** Stellar's public network. Source: CAIP-2, Stellar namespace. */
export const PUBNET = 'stellar:pubnet'

/** Stellar's test network. Source: CAIP-2, Stellar namespace. */
export const TESTNET = 'stellar:testnet'

/** The networks that a charge may be on. Source: Stellar charge draft, Method Details. */
export type NetworkId = typeof PUBNET | typeof TESTNET

/** What signatures are bound to. Source: the SDK's `Networks`. */
export const PASSPHRASES: Readonly<Record<NetworkId, string>> = {
  [PUBNET]: 'Public Global Stellar Network ; September 2015',
  [TESTNET]: 'Test SDF Network ; September 2015',
}

/** Where a network is asked when nothing else is given. Source: Stellar's list of RPC providers. */
export const RPC_URLS: Readonly<Record<NetworkId, string>> = {
  [PUBNET]: 'https://mainnet.sorobanrpc.com',
  [TESTNET]: 'https://soroban-testnet.stellar.org',
}

/** Circle's USDC: the contract of the asset that `G…` issues. Source: Circle's list of addresses. */
export const USDC: Readonly<Record<NetworkId, string>> = {
  [PUBNET]: 'CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75',
  [TESTNET]: 'CBIELTK6YBZJU5UP2WWQEUCYKLPU6AUNZ2BQ4WWFEIE3USCIHMXQDAMA',
}

/** Who issues Circle's USDC. Source: as above. */
export const USDC_ISSUERS: Readonly<Record<NetworkId, string>> = {
  [PUBNET]: 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN',
  [TESTNET]: 'GBBD47IF6LWK7P7MDEVSCWR7DPUWV3NY3DTQEVFL4NAT4AQH3ZLLFLA5',
}

/** Stellar assets have seven decimals; other SEP-41 tokens may have more or fewer. */
export const DECIMALS = 7

/** The most that an i128 holds. */
export const MOST_AMOUNT = 2n ** 127n - 1n

/** Seconds between ledgers. Source: Stellar charge draft, Terminology (DEFAULT_LEDGER_CLOSE_TIME). */
export const LEDGER_CLOSE_TIME = 5

/** Seconds that a challenge without an end lives. Source: Stellar charge draft, Terminology (DEFAULT_CHALLENGE_EXPIRY). */
export const CHALLENGE_EXPIRY = 300

/** The source of a transaction whose sponsor is not known yet. Source: Stellar charge draft, Transaction Payload. */
export const NOBODY = 'GAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAWHF'

/** Stroops bid for being in a ledger, above the least of 100; what others do not bid is not charged. */
export const BID = 1_000n
