/**
 * Whether this client pays what a request asks, and how.
 *
 * @module
 */
import type { Method } from '@polyrail/core'
import { baseOf, kindOf } from '../address.js'
import type { NetworkId } from '../constants.js'
import type { charge as method, CredentialType, Request } from './method.js'
import { endOf } from './expiry.js'

export type Challenge = Method.ChallengeOf<typeof method>

/** Who sends the transaction: the server, or the client. Draft, Pull Mode and Push Mode. */
export type Mode = 'pull' | 'push'

/** What a client agrees to pay. */
export type Terms = {
  network: NetworkId
  /** Whose money it is. */
  payer: string
  currencies: readonly string[]
  /** Left out: whoever is asked for. */
  recipients: readonly string[] | undefined
  /** The mode that the owner insists on. */
  mode: Mode | undefined
}

/** Seconds that a pushed payment takes into a ledger and before the server: with less, it is not begun. */
const PUSH_TIME = 15

/**
 * Says why a client does not pay what a challenge asks.
 *
 * @returns `undefined` when it does.
 * @see Stellar charge draft, Amount and Asset Verification
 */
export function refusalOf(challenge: Challenge, terms: Terms): string | undefined {
  const { request } = challenge
  const { network } = request.methodDetails
  if (network !== terms.network)
    return `The payment is on ${network}, and this wallet is on ${terms.network}.`
  if (!terms.currencies.includes(request.currency))
    return `The currency ${request.currency} is not one that this client pays in: the option currencies can allow it.`
  if (terms.recipients && !terms.recipients.includes(request.recipient))
    return `The recipient ${request.recipient} is not one that this client pays: see option recipients.`
  if (BigInt(request.amount) === 0n) return 'The payment is of nothing.'
  if (baseOf(request.recipient) === terms.payer)
    return 'The payer and the recipient are the same account: pay from another one.'
  return refusalOfMode(challenge, terms)
}

function refusalOfMode(challenge: Challenge, terms: Terms): string | undefined {
  const { request } = challenge
  const type = typeOf(request, terms)
  if (!type) return refusalOfType(request, terms)
  if (kindOf(terms.payer) === 'contract' && !request.methodDetails.feePayer)
    return 'A contract account pays only where the server pays the fee: it cannot send transactions.'
  const now = Date.now() / 1000
  const needed = modeOf(type) === 'push' ? PUSH_TIME : 0
  return endOf(challenge.expires, now) - needed <= now
    ? 'The challenge ends too soon to be paid.'
    : undefined
}

function refusalOfType({ methodDetails }: Request, { mode }: Terms): string {
  if (methodDetails.feePayer && mode === 'push')
    return 'The server pays the fee, so it must send the transaction itself (pull mode); this client is for push alone.'
  return 'The server takes no credential that this client is for: see option mode.'
}

/**
 * Picks what is handed over: a transaction, unless the owner or the server insists on push. Of hashes, the signed one where the
 * server knows it.
 *
 * @returns `undefined` when the server takes nothing that this client is for.
 * @see Stellar charge draft, Hash Payload
 */
export function typeOf({ methodDetails }: Request, { mode }: Terms): CredentialType | undefined {
  const { feePayer, credentialTypes = ['transaction', 'hash'] } = methodDetails
  const wanted: readonly CredentialType[] = (['transaction', 'signedHash', 'hash'] as const).filter(
    (type) => mode === undefined || modeOf(type) === mode,
  )
  return wanted.find(
    (type) => credentialTypes.includes(type) && !(feePayer && modeOf(type) === 'push'),
  )
}

export const modeOf = (type: CredentialType): Mode => (type === 'transaction' ? 'pull' : 'push')
