/**
 * Whether this client pays what a request asks, and who then broadcasts.
 *
 * @module
 */
import { Expires, type Method } from '@polyrail/core'
import { isAddressEqual } from 'viem'
import { TESTNET, type Address, type Hex } from '../constants.js'
import { isForeign } from './attribution.js'
import type { charge as method, Mode, Request } from './method.js'

export type Challenge = Method.ChallengeOf<typeof method>

/** What a client agrees to pay. */
export type Terms = {
  chainId: number
  payer: Address
  currencies: readonly Address[]
  /** Left out: whoever is asked for. */
  recipients: readonly Address[] | undefined
  maxSplits: number
  /** The mode that the owner insists on. */
  mode: Mode | undefined
  /** The mode that suits the account. */
  preferred: Mode
}

/** Seconds before its challenge's end by which a pushed payment is in a block or void: what is paid must still be shown. */
const PUSH_MARGIN = 10

/**
 * Says why a client does not pay what a challenge asks.
 *
 * @returns `undefined` when it does.
 * @see Tempo charge draft, Amount Verification and Constraints
 */
export function refusalOf(challenge: Challenge, terms: Terms): string | undefined {
  const { request, realm } = challenge
  const { chainId = TESTNET } = request.methodDetails ?? {}
  if (chainId !== terms.chainId)
    return `The payment is on chain ${chainId}, and this wallet is on chain ${terms.chainId}.`
  const refusal = refusalOfSplits(request, terms) ?? refusalOfStrangers(request, terms)
  // A proof moves nothing: neither the currency nor the mode matters.
  if (refusal || isFree(request)) return refusal
  if (!terms.currencies.some((currency) => isAddressEqual(currency, request.currency)))
    return `The currency ${request.currency} is not one that this client pays in: the option currencies can allow it.`
  if (payeesOf(request).some((payee) => isAddressEqual(payee, terms.payer)))
    return 'The payer and the recipient are the same account: pay from another one.'
  if (memosOf(request).some((memo) => isForeign(memo, { realm })))
    return `The payment carries a memo that another server than ${realm} asks for: it would buy there.`
  const mode = modeOf(request, terms)
  return mode ? refusalOfHaste(challenge, mode) : refusalOfMode(request, terms)
}

/**
 * Epoch seconds after which the transaction of a payment is void. Who broadcasts it shows its hash afterwards, and needs time
 * for that.
 */
export function endOf({ expires }: Challenge, mode: Mode): number {
  if (expires === undefined) return Infinity
  const end = Math.floor((Expires.parse(expires) ?? 0) / 1000)
  return mode === 'push' ? end - PUSH_MARGIN : end
}

function refusalOfHaste(challenge: Challenge, mode: Mode): string | undefined {
  return mode === 'push' && endOf(challenge, mode) <= Date.now() / 1000
    ? `The challenge ends too soon to send the payment and show it: push mode takes ${PUSH_MARGIN} seconds.`
    : undefined
}

/** Whether nothing is to be paid, so that a proof is asked for. */
export const isFree = ({ amount }: Request): boolean => BigInt(amount) === 0n

const payeesOf = ({ recipient, methodDetails }: Request): Address[] => [
  recipient,
  ...(methodDetails?.splits ?? []).map((split) => split.recipient),
]

const memosOf = ({ methodDetails }: Request): Hex[] =>
  [methodDetails?.memo, ...(methodDetails?.splits ?? []).map(({ memo }) => memo)].filter(
    (memo) => memo !== undefined,
  )

function refusalOfSplits({ amount, methodDetails }: Request, terms: Terms): string | undefined {
  const splits = methodDetails?.splits
  if (!splits) return undefined
  if (splits.length === 0) return 'The splits of the payment are empty.'
  if (splits.length > terms.maxSplits)
    return `The payment is split ${splits.length} ways, and this client allows ${terms.maxSplits}: the option maxSplits can allow more.`
  const amounts = splits.map((split) => BigInt(split.amount))
  if (amounts.some((part) => part <= 0n)) return 'A split of the payment is not above zero.'
  return amounts.reduce((sum, part) => sum + part) < BigInt(amount)
    ? undefined
    : 'The splits of the payment leave nothing for its recipient.'
}

function refusalOfStrangers(request: Request, { recipients }: Terms): string | undefined {
  const isKnown = (payee: Address) => recipients?.some((known) => isAddressEqual(known, payee))
  const stranger = recipients && payeesOf(request).find((payee) => !isKnown(payee))
  return (
    stranger && `The recipient ${stranger} is not one that this client pays: see option recipients.`
  )
}

/**
 * Picks who broadcasts. What is sponsored is the server's to broadcast.
 *
 * @returns `undefined` when the server takes no mode that this client is for.
 * @see Tempo charge draft, Submission Modes and Hash Settlement
 */
export function modeOf({ methodDetails }: Request, terms: Terms): Mode | undefined {
  const { supportedModes = ['pull', 'push'], feePayer } = methodDetails ?? {}
  const offered = supportedModes.filter((mode) => !feePayer || mode === 'pull')
  const wanted = terms.mode ?? terms.preferred
  return offered.includes(wanted) ? wanted : terms.mode ? undefined : offered[0]
}

function refusalOfMode({ methodDetails }: Request, { mode }: Terms): string {
  if (methodDetails?.feePayer)
    return 'The server pays the fee, so it must broadcast the transaction itself (pull mode); it or this client is for push alone.'
  return `The server does not take ${mode} mode, and the option mode of this client asks for it.`
}
