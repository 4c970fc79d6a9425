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
import type { Binding } from './attribution.js'
import type { Call } from './swap.js'
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

/**
 * The transfers that a request asks for: the recipient's first, who gets what the splits leave, then each split's.
 *
 * @example
 * transfersOf({ amount: '1000000', currency, recipient, methodDetails: { splits: [{ amount: '50000', recipient: platform }] } })
 * // [{ token: currency, to: recipient, amount: 950000n }, { token: currency, to: platform, amount: 50000n }]
 * @see Tempo charge draft, Split Payments
 */
export function transfersOf(request: Request): readonly [Transfer, ...Transfer[]] {
  const { amount, currency: token, recipient, methodDetails } = request
  const others = (methodDetails?.splits ?? []).map((split) => ({
    token,
    to: split.recipient,
    amount: BigInt(split.amount),
    memo: lower(split.memo),
  }))
  const rest = others.reduce((left, split) => left - split.amount, BigInt(amount))
  return [{ token, to: recipient, amount: rest, memo: lower(methodDetails?.memo) }, ...others]
}

const lower = (memo: Hex | undefined): Hex | undefined => memo?.toLowerCase() as Hex | undefined

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
export function decodeTransfer(call: Call): Transfer | undefined {
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

/** A hostile transaction must not make a server compare without end. */
const MOST_TRIED = 16

/** A transfer that was made: who paid, and the rest. */
export type Effect = Transfer & { from: Address }

/** The transfers of a payment among others, in the order in which they are due. */
export type Payment<transfer> = { transfers: readonly [transfer, ...transfer[]]; isBound: boolean }

/**
 * Finds the transfers that are due, each satisfied by one of its own, wherever it stands.
 *
 * @param due - The recipient's first.
 * @param bind - Whether a memo makes the recipient's transfer one for this challenge.
 * @returns `undefined` when one is missing. A payment that is bound is preferred to one that is not.
 * @see Tempo charge draft, Ordering
 */
export function findPayment<transfer extends Transfer>(
  made: readonly transfer[],
  due: readonly [Transfer, ...Transfer[]],
  bind: (memo: Hex | undefined) => Binding,
): Payment<transfer> | undefined {
  const [{ token, to, amount }, ...more] = due
  for (const binding of ['bound', 'unbound'] as const) {
    const fit = made.filter(
      (one) => isPayment(one, { token, to, amount }) && bind(one.memo) === binding,
    )
    for (const primary of fit.slice(0, MOST_TRIED)) {
      const rest = assign(made, { due: more, except: primary })
      if (rest) return { transfers: [primary, ...rest], isBound: binding === 'bound' }
    }
  }
  return undefined
}

/** Those with a memo choose first: a transfer without one is satisfied by any that nobody else needs. */
function assign<transfer extends Transfer>(
  made: readonly transfer[],
  { due, except }: { due: readonly Transfer[]; except: transfer },
): transfer[] | undefined {
  const left = made.filter((one) => one !== except)
  const found = new Map<Transfer, transfer>()
  const picky = due.toSorted((one, other) => Number(!one.memo) - Number(!other.memo))
  for (const transfer of picky) {
    const fit = left.filter((one) => isPayment(one, transfer))
    const one = fit.find(({ memo }) => memo === transfer.memo) ?? fit[0]
    if (!one) return undefined
    left.splice(left.indexOf(one), 1)
    found.set(transfer, one)
  }
  return due.flatMap((transfer) => found.get(transfer) ?? [])
}

/** Whether a transfer is one that is due, by token, recipient, amount and memo. */
const isPayment = (made: Transfer, due: Transfer): boolean =>
  isAddressEqual(made.token, due.token) &&
  isAddressEqual(made.to, due.to) &&
  made.amount === due.amount &&
  (due.memo === undefined || made.memo === due.memo)

/**
 * Reads what the logs of a transaction show was transferred, of one token.
 *
 * @see Tempo charge draft, Hash Verification
 */
export function effectsOf(logs: readonly Log[], token: Address): Effect[] {
  // A transfer with a memo leaves two logs, one of either kind; it is one transfer all the same.
  const plain: Effect[] = []
  const noted: Effect[] = []
  for (const log of logs) {
    const event = isAddressEqual(log.address, token) ? readEvent(log) : undefined
    if (!event) continue
    const { from, to, amount } = event.args
    if (event.eventName === 'Transfer') plain.push({ token, from, to, amount })
    else noted.push({ token, from, to, amount, memo: event.args.memo })
  }
  for (const { from, to, amount } of noted) {
    const twin = plain.findIndex(
      (one) => one.from === from && one.to === to && one.amount === amount,
    )
    if (twin >= 0) plain.splice(twin, 1)
  }
  return [...noted, ...plain]
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
