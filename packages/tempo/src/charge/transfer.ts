/**
 * TIP-20 transfers: what a request asks for, what a call would do, and what a receipt shows was done.
 *
 * @module
 */
import { encodeFunctionData, isAddressEqual, parseAbi } from 'viem'
import type { Address, Hex } from '../constants.js'
import type { Binding } from './attribution.js'
import type { Call } from './swap.js'
import type { Log } from '../network.js'
import type { Request } from './method.js'

const ABI = parseAbi([
  'function transfer(address to, uint256 amount) returns (bool)',
  'function transferWithMemo(address to, uint256 amount, bytes32 memo)',
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
 * A call of `transfer(address,uint256)` or `transferWithMemo(address,uint256,bytes32)`, in lower case: its selector, and its
 * arguments in words of 32 bytes.
 */
const CALL = /^0x(?:a9059cbb|(95777d59))0{24}([\da-f]{40})([\da-f]{64})([\da-f]{64})?$/

/**
 * Reads a call as a transfer.
 *
 * @returns `undefined` for any other call: another function, a value, bytes that its encoding would not have.
 */
export function decodeTransfer({ to: token, data, value }: Call): Transfer | undefined {
  const [call, withMemo, to, amount, memo] = CALL.exec(data ?? '') ?? []
  if (!token || !call || value || !withMemo !== !memo) return undefined
  const transfer = { token, to: `0x${to}`, amount: BigInt(`0x${amount}`) } as const
  return memo ? { ...transfer, memo: `0x${memo}` } : transfer
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
  const effects = logs.flatMap((log) =>
    isAddressEqual(log.address, token) ? (readEvent(log) ?? []) : [],
  )
  // A transfer with a memo leaves two logs, one of either kind; it is one transfer all the same.
  const plain = effects.filter(({ memo }) => memo === undefined)
  const noted = effects.filter(({ memo }) => memo !== undefined)
  for (const { from, to, amount } of noted) {
    const twin = plain.findIndex(
      (one) => one.from === from && one.to === to && one.amount === amount,
    )
    if (twin >= 0) plain.splice(twin, 1)
  }
  return [...noted, ...plain]
}

/** Topics of `Transfer(address,address,uint256)` and `TransferWithMemo(address,address,uint256,bytes32)`. */
const TRANSFERRED = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const TRANSFERRED_WITH_MEMO = '0x57bc7354aa85aed339e000bccffabbc529466af35f0772c8f8ee1145927de7f0'

/** An address in a word of 32 bytes. */
const ADDRESS = /^0x0{24}([\da-f]{40})$/i

function readEvent({ address, topics, data }: Log): Effect | undefined {
  const [event, sender = '', recipient = '', memo] = topics
  const [from, to] = [ADDRESS.exec(sender)?.[1], ADDRESS.exec(recipient)?.[1]]
  const isNoted = event === TRANSFERRED_WITH_MEMO && memo !== undefined
  if (!from || !to || !/^0x[\da-f]{64}$/i.test(data)) return undefined
  if (!isNoted && (event !== TRANSFERRED || memo !== undefined)) return undefined
  return {
    token: address,
    from: `0x${from.toLowerCase()}`,
    to: `0x${to.toLowerCase()}`,
    amount: BigInt(data),
    memo: lower(memo),
  }
}
