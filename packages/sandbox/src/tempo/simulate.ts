/**
 * What a Tempo transaction's batch of calls would do: anvil simulates single calls only, so the batch runs as a block.
 *
 * @module
 */
import type { Address, Hex } from 'viem'
import { type Answer, failure, isRecord, type RpcError } from '../json-rpc.js'
import type { Upstream } from './upstream.js'

/** The request of `eth_call`, `eth_estimateGas` or `eth_fillTransaction`, when it holds a batch. */
export type BatchRequest = Record<string, unknown> & { calls: Record<string, unknown>[] }

/** Added to what the calls cost, for the signature, a fee token's first use and the nonce's bookkeeping. */
const margin = 60_000n

/** The first transaction on a 2D nonce lane creates state. The simulation knows only of the protocol nonce's own lane. */
const newLane = 250_000n

/** A new slot of state, of which the registration of an access key makes several. The simulation knows nothing of it. */
const newSlot = 255_000n

const nobody: Address = '0x0000000000000000000000000000000000000001'

type SimulatedCall = { status: Hex; gasUsed: Hex; returnData: Hex; error?: RpcError }

/** Whether a JSON-RPC transaction request holds a batch of calls. */
export function isBatch(request: unknown): request is BatchRequest {
  return isRecord(request) && Array.isArray(request.calls) && request.calls.every(isRecord)
}

/**
 * Answers `eth_call` for a batch: what its last call returns.
 *
 * @returns The return data, or error 3 `execution reverted` with the data of the call that failed.
 */
export async function call(up: Upstream, request: BatchRequest): Promise<Answer> {
  const outcome = await run(up, request)
  return 'error' in outcome ? outcome : { result: outcome.returnData }
}

/**
 * Answers `eth_estimateGas` for a batch.
 *
 * @returns A gas limit that suffices, as hex, or error 3 when a call fails.
 */
export async function estimateGas(up: Upstream, request: BatchRequest): Promise<Answer> {
  const outcome = await run(up, request)
  if ('error' in outcome) return outcome
  const lane = hasLane(request.nonceKey) ? newLane : 0n
  const key = countSlots(request.keyAuthorization) * newSlot
  return { result: toHexQuantity(outcome.gas + margin + lane + key) }
}

/** Slots of state that an access key takes, with its spending limits and the rules of what it may call, as measured. */
function countSlots(authorization: unknown): bigint {
  if (!isRecord(authorization)) return 0n
  const { limits, allowedCalls } = authorization
  const rules = countRules(allowedCalls, ['selectorRules', 'recipients'])
  return BigInt(1 + 2 * (Array.isArray(limits) ? limits.length : 0) + (rules && rules + 1))
}

/** Each list has its length, and for each of its rules two slots and a narrower list. */
function countRules(rules: unknown, [narrower = '', ...rest]: readonly string[]): number {
  if (!Array.isArray(rules) || rules.length === 0) return 0
  return rules.reduce<number>(
    (sum, rule) => sum + 2 + (isRecord(rule) ? countRules(rule[narrower], rest) : 0),
    1,
  )
}

async function run(
  up: Upstream,
  request: BatchRequest,
): Promise<{ error: RpcError } | { gas: bigint; returnData: Hex }> {
  const from = typeof request.from === 'string' ? request.from : nobody
  // Each simulated call is charged as a transaction; an empty one tells how much of that is not the call itself.
  const empty = { from, to: from, input: '0x' }
  const batch = request.calls.map(({ to, data, input = data, value }) => ({
    from,
    ...(to ? { to } : {}),
    input: input ?? '0x',
    ...(value ? { value } : {}),
  }))
  const answer = await up('eth_simulateV1', [
    { blockStateCalls: [{ calls: [empty, ...batch] }] },
    'latest',
  ])
  if ('error' in answer) return answer
  const [block] = answer.result as [{ calls: [SimulatedCall, ...SimulatedCall[]] }]
  const [base, ...calls] = block.calls
  const failed = calls.find(({ status }) => status !== '0x1')
  if (failed) return revert(failed)
  const intrinsic = BigInt(base.gasUsed)
  const gas = calls.reduce((sum, { gasUsed }) => sum + BigInt(gasUsed) - intrinsic, intrinsic)
  return { gas, returnData: calls.at(-1)?.returnData ?? '0x' }
}

function revert({ error, returnData }: SimulatedCall): { error: RpcError } {
  const data = typeof error?.data === 'string' && error.data !== '0x' ? error.data : returnData
  const reason = error?.message?.replace(/^execution reverted:? ?/, '')
  return failure(3, reason ? `execution reverted: ${reason}` : 'execution reverted', data)
}

/** Whether the nonce is 2D: not the protocol's (key 0, the default), not an expiring one (key 2^256 − 1). */
function hasLane(nonceKey: unknown): boolean {
  return typeof nonceKey === 'string' && !/^0x(0*|f{64})$/i.test(nonceKey)
}

function toHexQuantity(value: bigint): Hex {
  return `0x${value.toString(16)}`
}
