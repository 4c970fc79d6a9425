/**
 * A Tempo chain on your own machine, for tests and demos: real blocks, real TIP-20 tokens, no internet.
 *
 * @module
 */
import { type Address, encodeFunctionData, type Hex, http, type Transport } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Abis, Account, type Client, createClient } from 'viem/tempo'
import { type Fault, type Injected, withFaults } from './faults.js'
import { listen } from '../json-rpc.js'
import { run } from './anvil.js'
import { defineLocalChain } from './chain.js'
import { publicChainIds, tokens } from './constants.js'
import { front } from './front.js'
import { openPurse } from './funding.js'
import { connect, expectResult } from './upstream.js'

export { tokens } from './constants.js'
export type { Fault, Injected } from './faults.js'

/** A running local chain. */
export interface Chain extends AsyncDisposable {
  /** The JSON-RPC endpoint, on loopback. */
  rpcUrl: string
  chainId: number
  /** The chain for viem's `createClient({ chain })`. */
  chain: defineLocalChain.LocalChain
  /** Ten dev accounts, the same in every chain, each with some 18 trillion units of each token. */
  accounts: readonly LocalAccount[]
  /** Addresses of the stablecoins, by symbol. */
  tokens: typeof tokens
  /** A new account with `amount` (base units, default 1,000.00) of each of `tokens` (default: all four). */
  account: (options?: openPurse.FundOptions) => Promise<LocalAccount>
  /** Sends `amount` of each of `tokens` to an address. Resolves to the hash once it is in a block. */
  fund: openPurse.Fund
  /** What an address holds, in base units. Default token: pathUSD. */
  balance: (address: Address, token?: Address) => Promise<bigint>
  /** A viem client of this chain, with viem's public, wallet and Tempo actions. Fees are paid in AlphaUSD unless told otherwise. */
  client: <account extends LocalAccount | undefined = undefined>(
    options?: ClientOptions<account>,
  ) => LocalClient<account>
  /** The chain's time in seconds: this machine's, plus what `advance` added. */
  now: () => number
  /** Moves the chain's time forward by whole seconds and makes a block. */
  advance: (seconds: number) => Promise<void>
  /** Stops making blocks: transactions are taken, and wait. */
  pause: () => Promise<void>
  /** Makes blocks again, beginning with what waited. */
  resume: () => Promise<void>
  /** Makes RPC calls fail, come late, or lose their answer. */
  fault: (fault: Fault) => Injected
  /** Ends the chain. Resolves when its process is gone. */
  stop: () => Promise<void>
}

/** A local account that signs Tempo transactions. */
export type LocalAccount = Account.RootAccount

/** A viem client of the local chain. */
export type LocalClient<account extends LocalAccount | undefined = undefined> = Client<
  Transport,
  defineLocalChain.LocalChain,
  account
>

/** Options of {@link Chain.client}. */
export type ClientOptions<account extends LocalAccount | undefined = undefined> = {
  /** Who signs. Default: nobody, for reading only. */
  account?: account
  /** In which token fees are paid. Default: AlphaUSD, so that a payment in pathUSD moves exact amounts. */
  feeToken?: Address
}

/**
 * Starts a Tempo chain: anvil with Tempo's precompiles at hardfork T4, behind a front that mends what anvil lacks.
 *
 * Any number of chains may run at once, each on a port of its own. The process ends with the one that started it,
 * however that ends.
 *
 * @param options - See {@link start.Options}.
 * @returns The running chain.
 * @throws Error that says what to install when anvil is missing; when `chainId` is that of a public network.
 * @example
 * ```ts
 * await using chain = await Tempo.start()
 * const payer = await chain.account({ amount: 5_000_000n })
 * const hash = await chain.client({ account: payer }).token.transfer({ amount: 1_000_000n, to, token: chain.tokens.pathUSD })
 * ```
 */
export async function start(options: start.Options = {}): Promise<Chain> {
  const { binary, chainId = 1337, quiet = false, log = console.log } = options
  if (publicChainIds.includes(chainId)) {
    throw new Error(
      `A local chain cannot have chain id ${chainId}: it belongs to a public network.`,
    )
  }
  const begun = performance.now()
  const anvil = await run({ binary, chainId })
  try {
    const chain = await assemble(anvil, chainId)
    const elapsed = Math.round(performance.now() - begun)
    if (!quiet) log(`Tempo chain ${chainId} at ${chain.rpcUrl}, ready in ${elapsed} ms`)
    return chain
  } catch (error) {
    await anvil.stop()
    throw error
  }
}

export declare namespace start {
  type Options = {
    /** Default 1337. The ids of public networks are refused. */
    chainId?: number
    /** Path of anvil's binary. Default: that of the `@foundry-rs/anvil` package. */
    binary?: string
    /** Prints nothing. Default false. */
    quiet?: boolean
    /** Where the one line about the start goes. Default `console.log`. */
    log?: (line: string) => void
  }
}

async function assemble(anvil: run.Anvil, chainId: number): Promise<Chain> {
  const up = connect(anvil)
  const purseKey = anvil.keys.at(-1)
  if (!purseKey) throw new Error('anvil named no dev accounts')
  let travelled = 0
  const now = () => Math.floor(Date.now() / 1000) + travelled
  const handle = front({ up, fund: (address) => fund(address as Address) })
  const fund = openPurse({ chainId, key: purseKey, send: handle, now })
  const faults = withFaults(handle)
  const server = await listen(faults.handle)
  const rpcUrl = server.url
  const chain = defineLocalChain({ id: chainId, rpcUrl, now })
  const stop = async () => {
    faults.clear()
    await Promise.all([server.close(), anvil.stop()])
  }

  return {
    rpcUrl,
    chainId,
    chain,
    accounts: anvil.keys.slice(0, -1).map((key) => Account.fromSecp256k1(key)),
    tokens,
    async account(options) {
      const account = Account.fromSecp256k1(generatePrivateKey())
      await fund(account.address, options)
      return account
    },
    fund,
    async balance(address, token = tokens.pathUSD) {
      const data = encodeFunctionData({
        abi: Abis.tip20,
        functionName: 'balanceOf',
        args: [address],
      })
      return BigInt(await expectResult<Hex>(up('eth_call', [{ to: token, data }, 'latest'])))
    },
    client: ({ account, feeToken = chain.feeToken } = {}) =>
      connectClient({ ...chain, feeToken }, account),
    now,
    async advance(seconds) {
      await expectResult(up('evm_increaseTime', [seconds]))
      await expectResult(handle('evm_mine', []))
      travelled += seconds
    },
    pause: async () => void (await expectResult(up('evm_setAutomine', [false]))),
    resume: async () => void (await expectResult(up('evm_setAutomine', [true]))),
    fault: faults.inject,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function connectClient<account extends LocalAccount | undefined>(
  chain: defineLocalChain.LocalChain,
  account: account | undefined,
): LocalClient<account> {
  const transport = http(chain.rpcUrls.default.http[0])
  return createClient<Transport, defineLocalChain.LocalChain, account>({
    ...(account ? { account } : {}),
    chain,
    transport,
  }) as LocalClient<account>
}
