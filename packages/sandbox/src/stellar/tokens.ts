/**
 * Deploying tokens, and counting what they have moved.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { type Asset, StrKey } from '@stellar/stellar-sdk'
import { assetHoldings, type Holdings, mostI64, ownHoldings } from './holdings.js'
import type { Ledger, Transfer } from './ledger.js'
import { createToken, type TokenTerms, type Transferring } from './token.js'

/** A token on the ledger. Amounts are base units. */
export type Token = {
  /** `C…` */
  readonly contract: string
  readonly decimals: number
  /** The classic asset behind it, if there is one. */
  readonly asset: Asset | undefined
  /** Makes units out of nothing, and opens a trustline where one is needed. */
  mint: (address: string, amount: bigint) => void
  /** Opens a trustline, or changes one. */
  trust: (address: string, line?: { limit?: bigint; isAuthorized?: boolean }) => void
  balance: (address: string) => bigint
  /** What has really moved, the oldest first. */
  transfers: (filter?: { from?: string; to?: string }) => readonly Transfer[]
  /** What an address has got by transfers. */
  received: (address: string) => Total
  /** What it has sent by transfers. */
  sent: (address: string) => Total
}

/** How many transfers, and of how much together. */
export type Total = { count: number; sum: bigint }

/** What a token of one's own is like. */
export type TokenOptions = {
  /** Default `TEST`. */
  symbol?: string
  /** Default 7. */
  decimals?: number
  /** Whether it can be sent to muxed accounts. Default true. */
  isMuxed?: boolean
  /** What it does after each transfer, to be malicious. */
  onTransfer?: (transfer: Transferring) => void
}

/** Deploys a token of one's own. */
export function deployToken(ledger: Ledger, options: TokenOptions): Token {
  const contract = StrKey.encodeContract(randomBytes(32))
  const { symbol = 'TEST', decimals = 7, isMuxed = true, onTransfer } = options
  const terms = { symbol, decimals, isMuxed, onTransfer }
  return deploy(ledger, { contract, terms, holdings: ownHoldings(contract) })
}

/** Deploys the contract of an asset. */
export function deployAsset(
  ledger: Ledger,
  asset: Asset,
  onTransfer?: TokenOptions['onTransfer'],
): Token {
  const contract = asset.contractId(ledger.passphrase)
  const assetName = asset.toString()
  const { code: symbol, issuer } = asset
  const terms = { symbol, decimals: 7, isMuxed: true, assetName, issuer, onTransfer }
  return deploy(ledger, { contract, terms, holdings: assetHoldings(contract, asset), asset })
}

type Deployed = { contract: string; terms: TokenTerms; holdings: Holdings; asset?: Asset }

function deploy(ledger: Ledger, { contract, terms, holdings, asset }: Deployed): Token {
  ledger.contracts.set(contract, createToken(contract, terms, holdings))
  const place = () => ({ state: ledger.state, touch: () => {} })
  const hasLines = asset !== undefined && !asset.isNative()
  const lineOf = (address: string) => `${address} ${String(asset)}`
  const transfers: Token['transfers'] = ({ from, to } = {}) =>
    ledger.transfers.filter(
      (one) =>
        one.token === contract && (from ?? one.from) === one.from && (to ?? one.to) === one.to,
    )
  const trust: Token['trust'] = (address, { limit = mostI64, isAuthorized = true } = {}) => {
    if (!hasLines) throw new Error(`${terms.symbol} needs no trustlines.`)
    const { balance } = ledger.state.trustlines.get(lineOf(address)) ?? { balance: 0n }
    ledger.state.trustlines.set(lineOf(address), { balance, limit, isAuthorized })
  }
  return {
    contract,
    decimals: terms.decimals,
    asset,
    trust,
    mint(address, amount) {
      const isClassic = hasLines && StrKey.isValidEd25519PublicKey(address)
      if (isClassic && !ledger.state.trustlines.has(lineOf(address))) trust(address)
      holdings.add(place(), address, amount)
    },
    balance: (address) => holdings.read(place(), address),
    transfers,
    received: (to) => total(transfers({ to })),
    sent: (from) => total(transfers({ from })),
  }
}

const total = (transfers: readonly Transfer[]): Total => ({
  count: transfers.length,
  sum: transfers.reduce((sum, { amount }) => sum + amount, 0n),
})
