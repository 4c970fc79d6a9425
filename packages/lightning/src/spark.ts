/**
 * A wallet on Spark, which holds its own keys and runs no node.
 *
 * @module
 */
import { charge as paying } from './charge/client.js'
import { charge as paid } from './charge/server.js'
import { createInvoice, lookupPayment, payInvoice, type Spark } from './spark/wallet.js'
import type { SparkNetwork, SparkSdk, SparkWallet } from './spark/sdk.js'
import { WalletError } from './wallet/error.js'
import { onePerHash } from './wallet/in-flight.js'
import type { Wallet } from './wallet.js'

export declare namespace spark {
  type Options = {
    /** Twelve words or more, or another seed that the SDK knows: a secret. */
    mnemonic?: string | undefined
    /** The same, as the SDK calls it; bytes are a seed. */
    mnemonicOrSeed?: string | Uint8Array | undefined
    /** Left out: `mainnet`. */
    network?: 'mainnet' | 'regtest' | 'signet' | SparkNetwork | undefined
    /** Seconds to wait for an answer that needs no payment. Default 30. */
    timeout?: number | undefined
    /** Milliseconds between looks at a payment that is under way: 500. */
    pollInterval?: number | undefined
    /** The module `@buildonspark/spark-sdk`. Left out, it is loaded when it is needed. */
    sdk?: SparkSdk | undefined
  }
  /** A wallet that holds connections, which a process waits for. */
  type Connected = Wallet & {
    /** Ends the connections. The wallet may be used again, and connects anew. */
    close(): Promise<void>
  }
  /** `timeout` is that of a payment: seconds to wait for it. */
  type ChargeOptions = Omit<Options, 'network' | 'timeout'> &
    Omit<paying.Options & paid.Options, 'wallet'>
  /** A payment method for a client and for a server. */
  type Charge = paying.Rail &
    paid.Rail & {
      /** Ends the wallet's connections, which a process waits for. */
      cleanup(): Promise<void>
    }
}

const NETWORKS: readonly string[] = ['MAINNET', 'REGTEST', 'TESTNET', 'SIGNET', 'LOCAL']

/**
 * Makes a wallet on Spark. It needs the package `@buildonspark/spark-sdk`, which is loaded with the first call. Whole satoshis
 * only.
 *
 * @throws TypeError for options that cannot work. The wallet's methods throw {@link WalletError}.
 *
 * @example
 * const wallet = spark({ mnemonic: process.env.MNEMONIC, network: 'regtest' })
 */
export function spark(options: spark.Options): spark.Connected {
  const { pollInterval = 500, timeout = 30, sdk } = options
  const seed = checkSeed(options)
  const network = checkNetwork(options.network ?? 'mainnet')
  let wallet: Promise<SparkWallet> | undefined

  const open = async () => {
    const { SparkWallet } = sdk ?? (await loadSdk())
    const props = { mnemonicOrSeed: seed, options: { network } }
    const opened = await SparkWallet.initialize(props).catch(() => undefined)
    if (opened) return opened.wallet
    wallet = undefined
    throw new WalletError('unreachable', 'Spark could not open the wallet: check the seed.')
  }
  const it: Spark = { load: () => (wallet ??= open()), timeout, pause: pollInterval }
  return {
    createInvoice: (terms) => createInvoice(it, terms),
    payInvoice: onePerHash((order) => payInvoice(it, order)),
    lookupPayment: (query) => lookupPayment(it, query),
    async close() {
      const closing = wallet
      wallet = undefined
      await closing?.then(
        (opened) => opened.cleanup(),
        () => {},
      )
    },
  }
}

spark.charge = charge

/**
 * A wallet on Spark as a payment method: it pays in `Mpp.create` of a client, and is paid in that of a server.
 *
 * @throws TypeError for options that cannot work.
 * @example
 * const method = spark.charge({ mnemonic: process.env.MNEMONIC, network: 'regtest' })
 * const mpp = Mpp.create({ methods: [method], realm, secretKey })
 * await method.cleanup()
 */
function charge(options: spark.ChargeOptions): spark.Charge {
  const { timeout, maxFee, store, unpaid, ...rest } = options
  const { network } = rest
  const wallet = spark(rest)
  return Object.freeze({
    ...paying({ wallet, network, timeout, maxFee, store }),
    ...paid({ wallet, network, unpaid }),
    cleanup: () => wallet.close(),
  })
}

function checkSeed({ mnemonic, mnemonicOrSeed }: spark.Options): string | Uint8Array {
  const seed = mnemonic ?? mnemonicOrSeed
  if (!seed || (mnemonic !== undefined && mnemonicOrSeed !== undefined))
    throw new TypeError('spark: give mnemonic or mnemonicOrSeed, one of them.')
  return seed
}

function checkNetwork(network: string): SparkNetwork {
  const name = network.toUpperCase()
  if (!NETWORKS.includes(name))
    throw new TypeError('spark: network must be mainnet, regtest or signet.')
  return name as SparkNetwork
}

async function loadSdk(): Promise<SparkSdk> {
  try {
    const name = '@buildonspark/spark-sdk'
    return (await import(name)) as SparkSdk
  } catch {
    throw new WalletError('missing', 'spark: install @buildonspark/spark-sdk.')
  }
}
