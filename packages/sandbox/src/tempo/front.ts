/**
 * The JSON-RPC front of the local chain: what anvil leaves undone on a Tempo chain is done here, the rest passes through.
 *
 * @module
 */
import { type Hex, keccak256 } from 'viem'
import { type Answer, failure, isRecord } from '../json-rpc.js'
import { feeManager } from './constants.js'
import { call, estimateGas, isBatch } from './simulate.js'
import type { Upstream } from './upstream.js'
import { whyInvalid } from './invalid.js'

type Mend = (params: readonly unknown[], context: Context) => Promise<Answer>

type Context = {
  up: Upstream
  /** Sends each of the four stablecoins to an address; resolves to the transaction's hash. */
  fund: (address: string) => Promise<Hex>
}

/** Tempo's base fee is fixed, at 20 · 10^9; anvil's would sink towards nothing, and receipts without a fee with it. */
const baseFee = '0x4a817c800'

/** What makes the next block, or asks for its price. */
const priced = new Set([
  'anvil_mine',
  'evm_mine',
  'eth_feeHistory',
  'eth_fillTransaction',
  'eth_gasPrice',
  'eth_sendRawTransaction',
  'eth_sendRawTransactionSync',
  'eth_sendTransaction',
])

/** How long `eth_sendRawTransactionSync` waits unless its second parameter says otherwise, in milliseconds. */
const syncTimeout = 5_000

/** `Transfer(address,address,uint256)`. */
const transferTopic = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'

/**
 * Makes the handler of the front.
 *
 * @param context - Anvil, and the purse behind `tempo_fundAddress`.
 */
export function front(context: Context): (method: string, params: unknown) => Promise<Answer> {
  return async (method, params) => {
    if (priced.has(method)) await context.up('anvil_setNextBlockBaseFeePerGas', [baseFee])
    const mend = mends.get(method)
    return mend && Array.isArray(params) ? mend(params, context) : context.up(method, params)
  }
}

const mends = new Map<string, Mend>([
  [
    'eth_call',
    async (params, { up }) => (isBatch(params[0]) ? call(up, params[0]) : up('eth_call', params)),
  ],
  [
    'eth_estimateGas',
    async (params, { up }) =>
      isBatch(params[0]) ? estimateGas(up, params[0]) : up('eth_estimateGas', params),
  ],
  ['eth_fillTransaction', fill],
  ['eth_sendRawTransactionSync', sendSync],
  [
    'eth_getTransactionReceipt',
    async (params, { up }) => receipts(await up('eth_getTransactionReceipt', params)),
  ],
  [
    'eth_getBlockReceipts',
    async (params, { up }) => receipts(await up('eth_getBlockReceipts', params)),
  ],
  [
    'tempo_fundAddress',
    async ([address], { fund }) =>
      typeof address === 'string' && /^0x[0-9a-f]{40}$/i.test(address)
        ? { result: [await fund(address)] }
        : failure(-32602, 'expected an address'),
  ],
])

/** Anvil fills a batch as if it created an empty contract; nonce and fees are right, gas and calls are not. */
async function fill(params: readonly unknown[], { up }: Context): Promise<Answer> {
  const [request] = params
  const filled = await up('eth_fillTransaction', params)
  if (!isBatch(request) || 'error' in filled) return filled
  if (!isRecord(filled.result) || !isRecord(filled.result.tx)) return filled
  const { tx } = filled.result
  // `raw` would encode the empty call, so it goes.
  const batch = {
    ...tx,
    calls: request.calls.map(({ data, input = data, ...rest }) => ({ ...rest, input })),
  }
  if (request.gas !== undefined) return { result: { tx: batch } }
  const gas = await estimateGas(up, request)
  return 'error' in gas ? gas : { result: { tx: { ...batch, gas: gas.result } } }
}

/**
 * Anvil's own Sync call never answers for a transaction that turns out invalid when its block is made. Identical bytes
 * sent again get the same receipt.
 */
async function sendSync(params: readonly unknown[], { up }: Context): Promise<Answer> {
  const [raw, timeout] = params
  const sent = await up('eth_sendRawTransaction', [raw])
  const known = 'error' in sent && sent.error.message.includes('already imported')
  if ('error' in sent && !known) return sent
  const hash = 'error' in sent ? keccak256(raw as Hex) : sent.result
  const patience = typeof timeout === 'number' ? timeout : syncTimeout
  const deadline = performance.now() + patience
  for (let misses = 0, pause = 5; performance.now() < deadline; pause = Math.min(pause + 5, 50)) {
    const receipt = await up('eth_getTransactionReceipt', [hash])
    if ('error' in receipt || receipt.result) return receipts(receipt)
    const pending = await up('eth_getTransactionByHash', [hash])
    // Once may be the moment between the pool and the block; twice is gone.
    misses = 'result' in pending && pending.result === null ? misses + 1 : 0
    if (misses > 1) return failure(-32003, `transaction dropped: ${await whyInvalid(up, raw)}`)
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
  // EIP-7966: code 4, with the hash by which to ask later.
  return failure(4, `the transaction was not included within ${patience} ms`, hash)
}

/** A receipt, or several, with the fee's payer and token, as the fee's own Transfer log tells them. */
function receipts(answer: Answer): Answer {
  if ('error' in answer) return answer
  const { result } = answer
  return { result: Array.isArray(result) ? result.map(withFee) : withFee(result) }
}

function withFee(receipt: unknown): unknown {
  if (!isRecord(receipt) || !Array.isArray(receipt.logs)) return receipt
  const logs = receipt.logs as { address: Hex; topics: string[] }[]
  const fee = logs.findLast(
    ({ topics: [topic, , to] }) => topic === transferTopic && to?.endsWith(feeManager.slice(2)),
  )
  if (!fee?.topics[1]) return receipt
  return { ...receipt, feePayer: `0x${fee.topics[1].slice(-40)}`, feeToken: fee.address }
}
