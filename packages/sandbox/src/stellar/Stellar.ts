/**
 * A Stellar network on your own machine, for tests and demos: a ledger with the network's rules behind a Soroban RPC node.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { Asset, Keypair, Networks, StrKey } from '@stellar/stellar-sdk'
import type { Injected } from '../faults.js'
import { listen } from '../json-rpc.js'
import { type AccountTerms, addAccount, addContractAccount, addLumens } from './accounts.js'
import type { Contract } from './call.js'
import { openStellarFaults, type StellarFault } from './faults.js'
import { type Applied, close, createLedger, type Ledger, type Transfer } from './ledger.js'
import { answer, range } from './rpc.js'
import { deployAsset, deployToken, type Token, type TokenOptions } from './tokens.js'

export type { Injected } from '../faults.js'
export type { AccountTerms } from './accounts.js'
export type { Call, Contract, Moved } from './call.js'
export type { StellarFailure, StellarFault } from './faults.js'
export type { Applied, Transfer } from './ledger.js'
export type { StellarMethod } from './rpc.js'
export type { Total, Token, TokenOptions } from './tokens.js'
export type { Transferring } from './token.js'

/** A running local network. */
export interface Network extends AsyncDisposable {
  /** The RPC endpoint, on loopback. */
  rpcUrl: string
  passphrase: string
  /** The contract of the lumens. */
  lumens: Token
  /** Opens an account with 10,000 lumens. */
  account: (terms?: AccountTerms) => Keypair
  /** Opens an account that is a contract. Its signers sign as those of classic accounts do. */
  contractAccount: (signers: readonly Keypair[]) => string
  /** Gives an address lumens, in stroops, as friendbot does; opens its account where there is none. Default: 10,000 lumens. */
  fund: (address: string, stroops?: bigint) => void
  /** Issues an asset, with its Stellar Asset Contract. */
  asset: (options?: AssetOptions) => Token
  /** Deploys a SEP-41 token of one's own, malicious if need be. */
  token: (options?: TokenOptions) => Token
  /** Puts code on the ledger. */
  deploy: (code: Pick<Contract, 'run' | 'checkAuth'>) => string
  /** The number of the latest ledger. */
  readonly ledger: number
  /** The ledger's time in epoch seconds: this machine's, plus what `advance` added. */
  now: () => number
  /** Moves the time forward by whole seconds, and the ledgers with it, one for each five seconds begun. */
  advance: (seconds: number) => void
  /** Closes a ledger now. */
  close: () => void
  /** Closes no more ledgers by itself: transactions are taken, and wait. */
  pause: () => void
  /** Closes ledgers again, beginning with what waited. */
  resume: () => void
  /** How many transactions wait for the next ledger. */
  readonly waiting: number
  /** All money that has moved in tokens, the oldest first, whatever their events say. */
  readonly transfers: readonly Transfer[]
  /** Every transaction that is in a ledger, the oldest first. */
  readonly transactions: readonly Applied[]
  /** What an account has, in stroops. */
  stroops: (address: string) => bigint
  /** Makes RPC calls fail, come late, lose their answer, or get another one. */
  fault: (fault: StellarFault) => Injected
  /** Ends it, cutting open connections. */
  stop: () => Promise<void>
}

/** Options of {@link Network.asset}. */
export type AssetOptions = Pick<TokenOptions, 'onTransfer'> & {
  /** Default `USDC`. */
  code?: string
  /** Default: a new account. */
  issuer?: Keypair | string
}

/**
 * Starts a Stellar network: a ledger in this process, and an RPC node on loopback before it.
 *
 * Any number may run at once.
 *
 * @param options - See {@link start.Options}.
 * @returns The running network.
 * @throws Error for the passphrase of the public network.
 * @example
 * ```ts
 * await using network = await Stellar.start()
 * const usdc = network.asset()
 * const payer = network.account()
 * usdc.mint(payer.publicKey(), 5_0000000n)
 * ```
 */
export async function start(options: start.Options = {}): Promise<Network> {
  const { passphrase = Networks.TESTNET, closeAfter = 25 } = options
  const { quiet = false, log = console.log } = options
  if (passphrase === Networks.PUBLIC)
    throw new Error('A local network cannot have the passphrase of the public network.')
  const begun = performance.now()
  let travelled = 0
  const now = () => Math.floor(Date.now() / 1000) + travelled
  const ledger = createLedger({ passphrase, now })
  const { wake, end, ...clock } = openClock(ledger, closeAfter)
  const node = { ledger, onQueued: wake }
  const faults = openStellarFaults(
    async (method, parameters) => answer(method, parameters, node),
    () => range(ledger),
  )
  const server = await listen(faults.handle)
  const stop = async () => {
    end()
    faults.clear()
    await server.close()
  }
  const network: Network = {
    ...openLedger(ledger),
    ...clock,
    rpcUrl: server.url,
    passphrase,
    now,
    get ledger() {
      return ledger.sequence
    },
    get waiting() {
      return ledger.queue.size
    },
    get transfers() {
      return [...ledger.transfers]
    },
    get transactions() {
      return [...new Set(ledger.applied.values())]
    },
    advance(seconds) {
      travelled += seconds
      ledger.sequence += Math.ceil(seconds / secondsPerLedger) - 1
      close(ledger)
    },
    fault: faults.inject,
    stop,
    [Symbol.asyncDispose]: stop,
  }
  const elapsed = Math.round(performance.now() - begun)
  if (!quiet) log(`Stellar network at ${network.rpcUrl}, ready in ${elapsed} ms`)
  return network
}

export declare namespace start {
  type Options = {
    /** Default: the test network's, so that `stellar:testnet` names it. The public network's is refused. */
    passphrase?: string
    /** Milliseconds after which a ledger closes when a transaction waits. Default 25. */
    closeAfter?: number
    /** Prints nothing. Default false. */
    quiet?: boolean
    /** Where the one line about the start goes. Default `console.log`. */
    log?: (line: string) => void
  }
}

/** What goes by when nothing waits. */
const secondsPerLedger = 5

function openLedger(ledger: Ledger) {
  return {
    lumens: deployAsset(ledger, Asset.native()),
    account: (terms: AccountTerms = {}) => addAccount(ledger, terms),
    contractAccount: (signers: readonly Keypair[]) => addContractAccount(ledger, signers),
    fund: (address: string, stroops?: bigint) => addLumens(ledger, address, stroops),
    asset({ code = 'USDC', issuer = addAccount(ledger), onTransfer }: AssetOptions = {}) {
      const address = typeof issuer === 'string' ? issuer : issuer.publicKey()
      return deployAsset(ledger, new Asset(code, address), onTransfer)
    },
    token: (options: TokenOptions = {}) => deployToken(ledger, options),
    deploy(code: Pick<Contract, 'run' | 'checkAuth'>) {
      const id = StrKey.encodeContract(randomBytes(32))
      ledger.contracts.set(id, { ...code, id })
      return id
    },
    stroops: (address: string) => ledger.state.accounts.get(address)?.balance ?? 0n,
  }
}

/** Closes ledgers: soon after something waits, else every five seconds. */
function openClock(ledger: Ledger, closeAfter: number) {
  let isPaused = false
  let soon: NodeJS.Timeout | undefined
  const closeNow = () => {
    clearTimeout(soon)
    soon = undefined
    close(ledger)
  }
  const wake = () => {
    if (!isPaused) soon ??= setTimeout(closeNow, closeAfter)
  }
  const beat = setInterval(() => {
    if (!isPaused) closeNow()
  }, secondsPerLedger * 1000)
  beat.unref()
  return {
    wake,
    close: closeNow,
    pause() {
      isPaused = true
      clearTimeout(soon)
      soon = undefined
    },
    resume() {
      isPaused = false
      if (ledger.queue.size > 0) wake()
    },
    end() {
      clearInterval(beat)
      clearTimeout(soon)
    },
  }
}
