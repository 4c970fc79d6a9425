/**
 * TIP-20 transfers: what a request asks for, what a call would do, and what a receipt shows was done.
 *
 * @module
 */
import {
  decodeEventLog,
  decodeFunctionData,
  encodeFunctionData,
  isAddressEqual,
  parseAbi,
} from 'viem'
import type { Address, Hex } from '../constants.js'
import type { Log } from '../network.js'
import type { Request } from './method.js'

const ABI = parseAbi([
  'function transfer(address to, uint256 amount) returns (bool)',
  'function transferWithMemo(address to, uint256 amount, bytes32 memo)',
  'event Transfer(address indexed from, address indexed to, uint256 amount)',
  'event TransferWithMemo(address indexed from, address indexed to, uint256 amount, bytes32 indexed memo)',
])

/** One transfer. `memo` in lower case. */
export type Transfer = { token: Address; to: Address; amount: bigint; memo?: Hex | undefined }

/** The transfer that a request asks for. */
export function transferOf({ amount, currency, recipient, methodDetails }: Request): Transfer {
  const memo = methodDetails?.memo?.toLowerCase() as Hex | undefined
  return { token: currency, to: recipient, amount: BigInt(amount), memo }
}

/** Writes a transfer as a call, `transferWithMemo` when it has a memo. */
export function encodeTransfer({ token, to, amount, memo }: Transfer): { to: Address; data: Hex } {
  const data =
    memo === undefined
      ? encodeFunctionData({ abi: ABI, functionName: 'transfer', args: [to, amount] })
      : encodeFunctionData({ abi: ABI, functionName: 'transferWithMemo', args: [to, amount, memo] })
  return { to: token, data }
}

/**
 * Reads a call as a transfer.
 *
 * @returns `undefined` for any other call: another function, a value, bytes that its encoding would not have.
 */
export function decodeTransfer(call: {
  to?: Address | undefined
  data?: Hex | undefined
  value?: bigint | undefined
}): Transfer | undefined {
  if (!call.to || !call.data || call.value) return undefined
  const transfer = readArguments(call.to, call.data)
  return transfer && encodeTransfer(transfer).data === call.data ? transfer : undefined
}

function readArguments(token: Address, data: Hex): Transfer | undefined {
  try {
    const { args } = decodeFunctionData({ abi: ABI, data })
    return { token, to: args[0], amount: args[1], memo: args[2] }
  } catch {
    return undefined
  }
}

/**
 * Whether the logs show the transfer, by token, payer, recipient, amount and memo.
 *
 * @see Tempo charge draft, Hash Verification
 */
export function hasTransfer(
  logs: readonly Log[],
  { token, to, amount, memo }: Transfer,
  from: Address,
): boolean {
  return logs.some((log) => {
    if (!isAddressEqual(log.address, token)) return false
    const event = readEvent(log)
    return (
      event?.eventName === (memo === undefined ? 'Transfer' : 'TransferWithMemo') &&
      isAddressEqual(event.args.from, from) &&
      isAddressEqual(event.args.to, to) &&
      event.args.amount === amount &&
      (memo === undefined || ('memo' in event.args && event.args.memo === memo))
    )
  })
}

function readEvent({ topics, data }: Log) {
  const [signature, ...indexed] = topics
  if (signature === undefined) return undefined
  try {
    return decodeEventLog({ abi: ABI, topics: [signature, ...indexed], data })
  } catch {
    return undefined
  }
}
