/**
 * Turns what a route says into the request that travels.
 *
 * @module
 */
import { isAddress } from 'viem'
import { DECIMALS, MOST_SPLITS, currencyOf, type Address, type Hex } from '../constants.js'
import type { Mode, Request } from './method.js'

/** What a route says, with what the rail says for all routes. */
export type Terms = {
  amount: string
  currency?: Address | undefined
  recipient?: Address | undefined
  memo?: Hex | undefined
  splits?: readonly Split[] | undefined
  externalId?: string | undefined
  modes?: readonly Mode[] | undefined
  /** Whether the server pays the fee. */
  feePayer?: boolean | undefined
}

/** A part of the amount that somebody else gets. */
export type Split = {
  /** In whole units of the currency, as the price: `'0.002'`. */
  amount: string
  recipient: Address
  memo?: Hex | undefined
}

/**
 * Makes the request of a route.
 *
 * @throws TypeError for a price that Tempo cannot express, or when nobody is paid.
 * @see Tempo charge draft, Request Schema
 */
export function createRequest(terms: Terms, chainId: number): Request {
  const { amount, currency = currencyOf(chainId), recipient, externalId } = terms
  if (recipient === undefined || isNobody(recipient))
    throw new TypeError('tempo/charge: say who is paid: recipient is the address of your wallet.')
  checkChecksum(recipient, 'recipient')
  checkChecksum(currency, 'currency')
  const request = {
    amount: toBaseUnits(amount),
    currency: lower(currency),
    recipient: lower(recipient),
    ...(externalId !== undefined && { externalId }),
  }
  const details = request.amount === '0' ? detailsOfZero(terms) : detailsOf(terms, request.amount)
  return { ...request, methodDetails: { chainId, ...details } }
}

/** Nothing is transferred, so there is nothing to say of a transfer. @see Tempo charge draft, Proof Payload */
function detailsOfZero({ memo, splits }: Terms): object {
  if (memo !== undefined || splits !== undefined)
    throw new TypeError(
      'tempo/charge: a charge of zero makes no transfer, so it has no memo and no splits.',
    )
  return {}
}

function detailsOf(terms: Terms, total: string): object {
  const { memo, splits, feePayer } = terms
  const modes = modesOf(terms)
  return {
    ...(feePayer && { feePayer }),
    ...(memo !== undefined && { memo: lower(memo) }),
    ...(splits && { splits: splitsOf(splits, BigInt(total)) }),
    ...(modes.length === 1 && { supportedModes: modes }),
  }
}

/**
 * The modes of a route. A transaction that somebody else broadcast is taken only when its memo is this challenge's own,
 * and a fee is paid only for a transaction that is not broadcast yet.
 *
 * @throws TypeError when none is left.
 */
function modesOf({ modes = ['pull', 'push'], memo, feePayer }: Terms): Mode[] {
  if (modes.length === 0 || modes.some((mode) => mode !== 'pull' && mode !== 'push'))
    throw new TypeError("tempo/charge: modes must name 'pull', 'push' or both.")
  const isPullOnly = feePayer || memo !== undefined
  const left = (['pull', 'push'] as const).filter(
    (mode) => modes.includes(mode) && !(isPullOnly && mode === 'push'),
  )
  if (left.length > 0) return left
  throw new TypeError(
    "tempo/charge: a route with a memo of its own, or whose fee the server pays, needs the mode 'pull'.",
  )
}

function splitsOf(splits: readonly Split[], total: bigint) {
  if (splits.length === 0 || splits.length > MOST_SPLITS)
    throw new TypeError(`tempo/charge: splits must have 1 to ${MOST_SPLITS} entries.`)
  for (const { recipient } of splits) checkChecksum(recipient, 'splits[].recipient')
  const parts = splits.map(({ amount, recipient, memo }) => ({
    amount: toBaseUnits(amount),
    ...(memo !== undefined && { memo: lower(memo) }),
    recipient: lower(recipient),
  }))
  if (parts.some(({ amount, recipient }) => amount === '0' || isNobody(recipient)))
    throw new TypeError('tempo/charge: each split needs a recipient and an amount above zero.')
  if (parts.reduce((sum, { amount }) => sum + BigInt(amount), 0n) >= total)
    throw new TypeError(
      'tempo/charge: the splits must come to less than the amount: the recipient gets what they leave.',
    )
  return parts
}

/**
 * Guards against a typo where a merchant writes an address: in mixed case it carries a checksum.
 *
 * @throws TypeError naming the option.
 */
export function checkChecksum(address: string, option: string): void {
  const isMixed = /[A-F]/.test(address) && /[a-f]/.test(address.slice(2))
  if (isMixed && /^0x[\da-fA-F]{40}$/.test(address) && !isAddress(address))
    throw new TypeError(
      `tempo/charge: ${option} has a wrong checksum (EIP-55), so that it may be mistyped: ${address}.`,
    )
}

const isNobody = (address: Address): boolean => /^0x0*$/.test(address)

const lower = <text extends string>(text: text): Lowercase<text> =>
  text.toLowerCase() as Lowercase<text>

/**
 * Reads an amount in whole units as base units.
 *
 * @throws TypeError when it is no decimal string, or finer than a base unit: it is never rounded, least of all to zero.
 * @example
 * toBaseUnits('0.01') // '10000'
 */
export function toBaseUnits(amount: string): string {
  const parts = typeof amount === 'string' && /^(\d{1,40})(?:\.(\d{1,40}))?$/.exec(amount)
  if (!parts)
    throw new TypeError(
      `tempo/charge: amount must be a decimal string such as '0.01', not ${String(amount)}.`,
    )
  const [, whole = '', fraction = ''] = parts
  if (/[1-9]/.test(fraction.slice(DECIMALS)))
    throw new TypeError(
      `tempo/charge: amount '${amount}' is finer than the smallest unit, 0.000001. It is not rounded: charge for several at once, or more.`,
    )
  return String(BigInt(whole + fraction.slice(0, DECIMALS).padEnd(DECIMALS, '0')))
}
