/**
 * The Tempo chain as this rail uses it: the only file that talks to the outside. A test may replace it whole.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { createClient, http, numberToHex, type Client } from 'viem'
import {
  EXPIRING_NONCE_KEY,
  FEE_SCALE,
  MAINNET,
  RPC_URLS,
  type Address,
  type Hex,
} from './constants.js'
import { parseBroadcastError, type Refused } from './refusal.js'

/** A log of a receipt. */
export type Log = { address: Address; topics: readonly Hex[]; data: Hex }

/** A transaction's receipt. */
export type Receipt = {
  hash: Hex
  /** False when the transaction was reverted. */
  success: boolean
  /** Epoch seconds of its block, where the node tells. */
  time?: number | undefined
  logs: readonly Log[]
}

/** What became of a broadcast. */
export type Broadcast =
  /** It is in a block. */
  | { status: 'included'; receipt: Receipt }
  /** The node did not take it, and says why. */
  | Refused
  /** It never left: no connection came about. */
  | { status: 'unreached'; cause: unknown }
  /** It was sent, and nobody answered what became of it. */
  | { status: 'unknown'; cause: unknown }

/** A call to be priced. */
export type Unpriced = {
  from: Address
  call: { to: Address; data: Hex }
  feeToken: Address
  /** Epoch seconds. */
  validBefore: number
}

/** Gas limit and prices of a transaction. */
export type Quote = {
  gas: bigint
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
  /** The most that the fee can come to, in base units of the fee token. */
  fee: bigint
}

type Options = { signal?: AbortSignal | undefined }

/** What the rail asks of a chain. Every method rejects when the chain cannot be asked, but for `broadcast`. */
export interface Network {
  /** The chain that this is meant to be. */
  readonly chainId: number
  /** Makes sure that it is. Asks once, and rejects when the node is on another chain. */
  checkChain(options?: Options): Promise<void>
  /** Epoch seconds of the latest block. */
  readTime(options?: Options): Promise<number>
  /** Base units of `token` that `owner` holds. */
  readBalance(of: { token: Address; owner: Address }, options?: Options): Promise<bigint>
  /** The receipt of a transaction that is in a block. */
  readReceipt(hash: Hex, options?: Options): Promise<Receipt | undefined>
  /** What a transaction will cost at most. */
  quote(transaction: Unpriced, options?: Options): Promise<Quote>
  /** Sends a signed transaction and waits for its block. The same bytes may be sent any number of times. */
  broadcast(transaction: { raw: Hex; hash: Hex }, options?: Options): Promise<Broadcast>
}

/** Where the chain is. */
export type Location = {
  /** JSON-RPC endpoint. Left out: the public one of the chain. */
  rpcUrl?: string | undefined
  /** A viem client, in place of `rpcUrl`. */
  client?: Client | undefined
  /** The chain. Left out: the client's, else mainnet (4217). */
  chainId?: number | undefined
  /** What stands in for the chain, in tests. */
  network?: Network | undefined
}

/** Milliseconds that a broadcast waits for its block; blocks come twice a second. */
const PATIENCE = 15_000
/** Milliseconds between looks for a receipt, at a node that cannot wait itself. */
const PAUSE = 250
const READ = { retryCount: 2 }
const ONCE = { retryCount: 0 }

/**
 * Connects to a chain. Nothing is asked yet.
 *
 * @throws TypeError when no endpoint is known for the chain.
 */
export function connect({ network, client, chainId, rpcUrl }: Location): Network {
  if (network) return network
  const id = chainId ?? client?.chain?.id ?? MAINNET
  const url = rpcUrl ?? RPC_URLS[id]
  if (client) return createNetwork(client, id)
  if (url === undefined)
    throw new TypeError(
      `tempo: no public endpoint is known for chain ${id}: give rpcUrl or client.`,
    )
  return createNetwork(createClient({ transport: http(url, { timeout: PATIENCE + 5000 }) }), id)
}

function createNetwork(client: Client, chainId: number): Network {
  let checked = false
  return {
    chainId,
    async checkChain(options) {
      if (checked) return
      const actual = Number(
        await client.request({ method: 'eth_chainId' }, { ...READ, ...options }),
      )
      if (actual !== chainId) throw wrongChain(actual, chainId)
      checked = true
    },
    async readTime(options) {
      return Number((await readBlock(client, options)).timestamp)
    },
    async readBalance({ token, owner }, options) {
      const data: Hex = `0x70a08231${owner.slice(2).padStart(64, '0')}`
      const answer = await client.request(
        { method: 'eth_call', params: [{ to: token, data }, 'latest'] },
        { ...READ, ...options },
      )
      return answer === '0x' ? 0n : BigInt(answer)
    },
    readReceipt: (hash, options) => readReceipt(client, hash, options),
    quote: (transaction, options) => quote(client, transaction, options),
    async broadcast(transaction, { signal } = {}) {
      const patience = AbortSignal.timeout(PATIENCE)
      const until = signal ? AbortSignal.any([signal, patience]) : patience
      try {
        return { status: 'included', receipt: await send(client, transaction, until) }
      } catch (cause) {
        return parseBroadcastError(cause, { single: client.transport.type === 'http' })
      }
    },
  }
}

const wrongChain = (actual: number, meant: number) =>
  new Errors.PaymentError('settlement-unavailable', {
    detail: `The Tempo node is on chain ${actual}, and payments here are on chain ${meant}.`,
  })

async function readBlock(client: Client, options: Options = {}) {
  const block = await client.request(
    { method: 'eth_getBlockByNumber', params: ['latest', false] },
    { ...READ, ...options },
  )
  if (!block) throw new Error('The node knows no latest block.')
  return block
}

async function readReceipt(client: Client, hash: Hex, options: Options = {}) {
  const receipt = await client.request(
    { method: 'eth_getTransactionReceipt', params: [hash] },
    { ...READ, ...options },
  )
  return receipt ? toReceipt(receipt) : undefined
}

type WireReceipt = {
  transactionHash: Hex
  status: string
  logs: readonly (Log & { blockTimestamp?: unknown })[]
}

function toReceipt({ transactionHash, status, logs }: WireReceipt): Receipt {
  const time = logs[0]?.blockTimestamp
  return {
    hash: transactionHash,
    success: status === '0x1',
    time: typeof time === 'string' ? Number(time) : undefined,
    logs,
  }
}

/** Nodes without `eth_sendRawTransactionSync` are asked until they have the receipt. */
async function send(client: Client, { raw, hash }: { raw: Hex; hash: Hex }, signal: AbortSignal) {
  try {
    const sent = await client.request(
      { method: 'eth_sendRawTransactionSync', params: [raw] },
      { ...ONCE, signal },
    )
    return toReceipt(sent)
  } catch (cause) {
    const { code } = cause as { code?: unknown }
    if (code !== -32601 && code !== -32004) throw cause
  }
  await client.request({ method: 'eth_sendRawTransaction', params: [raw] }, { ...ONCE, signal })
  for (;;) {
    const receipt = await readReceipt(client, hash, { signal })
    if (receipt) return receipt
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
    signal.throwIfAborted()
  }
}

async function quote(client: Client, unpriced: Unpriced, options: Options = {}): Promise<Quote> {
  const { from, call, feeToken, validBefore } = unpriced
  const request = {
    from,
    calls: [{ to: call.to, value: numberToHex(0), input: call.data }],
    feeToken,
    nonce: numberToHex(0),
    nonceKey: numberToHex(EXPIRING_NONCE_KEY),
    validBefore: numberToHex(validBefore),
  }
  const reading = { ...READ, ...options }
  const [estimated, block, tip] = await Promise.all([
    client.request({ method: 'eth_estimateGas', params: [request] }, reading),
    readBlock(client, options),
    client.request({ method: 'eth_maxPriorityFeePerGas' }, reading).catch(() => '0x0'),
  ])
  const gas = withMargin(BigInt(estimated))
  const maxPriorityFeePerGas = BigInt(tip)
  const maxFeePerGas = withMargin(BigInt(block.baseFeePerGas ?? 0)) + maxPriorityFeePerGas
  const fee = (gas * maxFeePerGas + FEE_SCALE - 1n) / FEE_SCALE
  return { gas, maxFeePerGas, maxPriorityFeePerGas, fee }
}

/** A fifth more, for what changes until the transaction runs. What is not used is not charged. */
const withMargin = (amount: bigint): bigint => (amount * 6n) / 5n
