/**
 * The Tempo chain as this rail uses it: the only file that talks to the outside. A test may replace it whole.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import {
  createClient,
  decodeFunctionResult,
  encodeFunctionData,
  http,
  isAddressEqual,
  numberToHex,
  parseAbi,
  type Client,
} from 'viem'
import { Formatters, type Transaction } from 'viem/tempo'
import {
  ACCOUNT_KEYCHAIN,
  EXPIRING_NONCE_KEY,
  FEE_SCALE,
  MAINNET,
  RPC_URLS,
  type Address,
  type Hex,
} from './constants.js'
import { isRevert, parseBroadcastError, type Refused } from './refusal.js'

/** A log of a receipt. */
export type Log = { address: Address; topics: readonly Hex[]; data: Hex }

/** A transaction's receipt. */
export type Receipt = {
  hash: Hex
  /** False when the transaction was reverted. */
  success: boolean
  /** Epoch seconds of its block, where the node tells. */
  time?: number | undefined
  /** Who sent it. */
  from: Address
  /** What it cost whoever paid for it, in base units of the fee token. */
  fee: bigint
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

export type Calls = readonly { to: Address; data: Hex }[]

/** Calls to be priced. */
export type Unpriced = {
  /** Who will sign. Of its key only the kind counts, which costs gas. */
  account: { readonly address: Address }
  calls: Calls
  /** Left out when somebody else pays the fee. */
  feeToken?: Address | undefined
  /** What lets the account's access key sign from now on. */
  keyAuthorization?: Transaction.TransactionSerializableTempo['keyAuthorization']
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
  /** Whether an account lets a key of its own sign in its name, now. */
  readKey(key: { account: Address; accessKey: Address }, options?: Options): Promise<boolean>
  /** Base units of a token that an account lets a key of its own still spend; `undefined` when it sets no limit. */
  readLimit(
    key: { account: Address; accessKey: Address; token: Address },
    options?: Options,
  ): Promise<bigint | undefined>
  /** Whether the calls would go through, if the sender made them now. */
  simulate(transaction: { from: Address; calls: Calls }, options?: Options): Promise<boolean>
  /** What a call returns; `undefined` when it fails. */
  call(call: Calls[number], options?: Options): Promise<Hex | undefined>
  /** Asks the wallet that is behind the connection, once. A person may have to agree, so there is no deadline. */
  request(asked: { method: string; params: readonly unknown[] }): Promise<unknown>
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
    readKey: (key, options) => readKey(client, key, options),
    readLimit: (key, options) => readLimit(client, key, options),
    simulate: (transaction, options) => simulate(client, transaction, options),
    call: (call, options) => readCall(client, call, options),
    request: (asked) => client.request<Untyped>(asked, ONCE),
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

const KEYCHAIN = parseAbi([
  'struct Key { uint8 signatureType; address keyId; uint64 expiry; bool enforceLimits; bool isRevoked; }',
  'function getKey(address account, address keyId) view returns (Key key)',
  'function getRemainingLimitWithPeriod(address account, address keyId, address token) view returns (uint256 remaining, uint64 periodEnd)',
])

type Key = { account: Address; accessKey: Address }

async function askKeychain(client: Client, data: Hex, options: Options = {}): Promise<Hex> {
  const params = [{ to: ACCOUNT_KEYCHAIN, data }, 'latest'] as const
  return client.request({ method: 'eth_call', params: [...params] }, { ...READ, ...options })
}

/** Source: viem's `Abis.accountKeychain`. */
async function readKeyRecord(client: Client, { account, accessKey }: Key, options?: Options) {
  const call = { abi: KEYCHAIN, functionName: 'getKey' } as const
  const data = encodeFunctionData({ ...call, args: [account, accessKey] })
  return decodeFunctionResult({ ...call, data: await askKeychain(client, data, options) })
}

/** Authorized, not revoked, not expired. */
async function readKey(client: Client, key: Key, options?: Options): Promise<boolean> {
  const { keyId, expiry, isRevoked } = await readKeyRecord(client, key, options)
  return isAddressEqual(keyId, key.accessKey) && !isRevoked && Number(expiry) > Date.now() / 1000
}

async function readLimit(
  client: Client,
  { token, ...key }: Key & { token: Address },
  options?: Options,
): Promise<bigint | undefined> {
  const { enforceLimits } = await readKeyRecord(client, key, options)
  if (!enforceLimits) return undefined
  const call = { abi: KEYCHAIN, functionName: 'getRemainingLimitWithPeriod' } as const
  const data = encodeFunctionData({ ...call, args: [key.account, key.accessKey, token] })
  const [remaining] = decodeFunctionResult({
    ...call,
    data: await askKeychain(client, data, options),
  })
  return remaining
}

async function simulate(
  client: Client,
  { from, calls }: { from: Address; calls: Calls },
  options: Options = {},
): Promise<boolean> {
  const request = {
    from,
    calls: calls.map(({ to, data }) => ({ to, value: numberToHex(0), input: data })),
  }
  try {
    await client.request(
      { method: 'eth_call', params: [request, 'latest'] },
      { ...READ, ...options },
    )
    return true
  } catch (cause) {
    if (isRevert(cause)) return false
    throw cause
  }
}

type WireReceipt = {
  transactionHash: Hex
  from: Address
  gasUsed: Hex
  effectiveGasPrice: Hex
  status: string
  logs: readonly (Log & { blockTimestamp?: unknown })[]
}

function toReceipt(receipt: WireReceipt): Receipt {
  const { transactionHash, from, gasUsed, effectiveGasPrice, status, logs } = receipt
  const time = logs[0]?.blockTimestamp
  return {
    hash: transactionHash,
    from,
    fee: feeOf(BigInt(gasUsed), BigInt(effectiveGasPrice)),
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
    // It is sent by now: a look that fails is no answer.
    const receipt = await readReceipt(client, hash, { signal }).catch(() => undefined)
    if (receipt) return receipt
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
    signal.throwIfAborted()
  }
}

/** What viem's types know nothing of. */
type Untyped<answer = unknown> = {
  Method: string
  Parameters: readonly unknown[]
  ReturnType: answer
}

async function readCall(client: Client, { to, data }: Calls[number], options: Options = {}) {
  try {
    return await client.request(
      { method: 'eth_call', params: [{ to, data }, 'latest'] },
      { ...READ, ...options },
    )
  } catch (cause) {
    if (isRevert(cause)) return undefined
    throw cause
  }
}

async function quote(client: Client, unpriced: Unpriced, options: Options = {}): Promise<Quote> {
  const fields = { type: 'tempo', nonce: 0, nonceKey: EXPIRING_NONCE_KEY, ...unpriced } as const
  const request = Formatters.formatTransactionRequest(fields, 'estimateGas')
  const reading = { ...READ, ...options }
  const [estimated, block, tip] = await Promise.all([
    client.request<Untyped<Hex>>({ method: 'eth_estimateGas', params: [request] }, reading),
    readBlock(client, options),
    client.request({ method: 'eth_maxPriorityFeePerGas' }, reading).catch(() => '0x0'),
  ])
  const gas = withMargin(BigInt(estimated))
  const maxPriorityFeePerGas = BigInt(tip)
  const maxFeePerGas = withMargin(BigInt(block.baseFeePerGas ?? 0)) + maxPriorityFeePerGas
  return { gas, maxFeePerGas, maxPriorityFeePerGas, fee: feeOf(gas, maxFeePerGas) }
}

/** Base units of the fee token, rounded up. */
export const feeOf = (gas: bigint, price: bigint): bigint =>
  (gas * price + FEE_SCALE - 1n) / FEE_SCALE

/** A fifth more, for what changes until the transaction runs. What is not used is not charged. */
const withMargin = (amount: bigint): bigint => (amount * 6n) / 5n
