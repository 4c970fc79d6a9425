/**
 * What a transaction must keep to before we send it, a rule each: everybody's first, then those of a transaction whose fee the
 * payer pays, and those of one whose fee we pay.
 *
 * @module
 */
import { baseOf, kindOf } from '../address.js'
import { NOBODY } from '../constants.js'
import { isOnly } from './effects.js'
import type { Trial } from './evidence.js'
import { endOf, lastLedger } from './expiry.js'
import type { Request } from './method.js'
import { sourceOf } from './source.js'
import type { Sponsor } from './sponsor.js'
import {
  isByAddress,
  signersOf,
  type Authorization,
  type Signed,
  type Transfer,
} from './transaction.js'

/** Whether a credential names who pays, or no account: a source in another form than the draft recommends tells nothing. */
export function isNamed({ source = '', request }: Asked, payer: string): boolean {
  const { network } = request.methodDetails
  const named = kindOf(source) ? sourceOf(network, source) : source
  return !named.startsWith('did:pkh:') || named === sourceOf(network, payer)
}

/** What a credential is for. */
export type Asked = {
  request: Request
  id: string
  /** RFC 3339. */
  expires?: string | undefined
  source?: string | undefined
}

/** A transaction as it is written. */
export type Form = {
  signed: Signed
  transfer: Transfer
  asked: Asked
  sponsor: Pick<Sponsor, 'addresses' | 'maxFee' | 'bid'> | undefined
}

/** A transaction on trial, with what the network knows. */
export type Case = Form & {
  trial: Trial | undefined
  /** Of each account that must have signed the transaction, whose signatures count for it. */
  signers: readonly (readonly string[])[]
  ledger: number
  now: number
}

/** Says what is wrong. */
export type Rule = (given: Case) => string | undefined
export type Rules = Readonly<Record<string, Rule>>

const isSponsored = ({ asked }: Form): boolean => asked.request.methodDetails.feePayer === true

/** The rules for which nobody needs to be asked. */
export const FORM_RULES = {
  token: ({ transfer, asked }) =>
    transfer.token === asked.request.currency
      ? undefined
      : 'The transaction calls another contract than the currency.',

  recipient: ({ transfer, asked }) =>
    transfer.to === asked.request.recipient
      ? undefined
      : 'The transaction pays somebody else than the recipient.',

  amount: ({ transfer, asked }) =>
    transfer.amount === BigInt(asked.request.amount)
      ? undefined
      : 'The transaction pays another amount than is asked.',

  self: ({ transfer, asked }) =>
    transfer.from === baseOf(asked.request.recipient)
      ? 'The payer and the recipient are the same account.'
      : undefined,

  claim: ({ transfer, asked }) =>
    isNamed(asked, transfer.from)
      ? undefined
      : 'The source names another account than the one that pays.',

  source(given) {
    const { tx, invoker, isFeeBump } = given.signed
    const sources = [tx.source, invoker]
    if (!isSponsored(given))
      return sources.every((source) => kindOf(source) === 'account')
        ? undefined
        : 'The transaction must be sent by a plain account.'
    if (sources.some((source) => source !== NOBODY))
      return 'The server pays the fee: the source of the transaction must be the account of zeros.'
    return tx.signatures.length === 0 && !isFeeBump
      ? undefined
      : 'The server pays the fee: sign the authorization entries, and not the transaction.'
  },

  sponsor(given) {
    if (!isSponsored(given)) return undefined
    const { signed, transfer, sponsor } = given
    if (!sponsor) return 'This server pays no fees now.'
    const named = [transfer.from, ...signed.auth.map(({ address }) => address)]
    return named.some((address) => sponsor.addresses.includes(address))
      ? 'The transaction takes from the account that pays the fee.'
      : undefined
  },

  authorization(given) {
    const [entry, ...more] = given.signed.auth
    if (entry === undefined || more.length > 0)
      return 'The transaction must carry one authorization entry.'
    if (isSponsored(given) && entry.kind !== 'address')
      return 'The authorization must be by address, in the form sorobanCredentialsAddress.'
    return entry.address === given.transfer.from
      ? undefined
      : 'The authorization is by another account than the one that pays, or in a form that is not known here.'
  },

  call: ({ signed }) =>
    signed.auth.every(({ isForCall }) => isForCall)
      ? undefined
      : 'The authorization is for another call than the payment.',

  nesting: ({ signed }) =>
    signed.auth.some(({ isNested }) => isNested)
      ? 'The authorization must be for the payment alone, and for no calls besides.'
      : undefined,
} satisfies Readonly<Record<string, (given: Form) => string | undefined>>

/**
 * All rules, in the order in which they are applied.
 *
 * @see Stellar charge draft, Sponsored Flow Checks, Unsponsored Flow Checks and Facilitator Safety
 */
export const RULES = {
  ...FORM_RULES,

  /** The passphrase is in what is signed, and nowhere else. */
  network(given) {
    const { signed, signers } = given
    const isSigned =
      isSponsored(given) || signers.every((keys) => signersOf(signed, keys).length > 0)
    return isSigned && signed.auth.every(isProven)
      ? undefined
      : `The payment is not signed by its payer for ${given.asked.request.methodDetails.network}.`
  },

  time(given) {
    const { signed, asked, now } = given
    if (endOf(asked.expires, now) <= now) return 'The challenge is over.'
    if (isSponsored(given)) return undefined
    const maxTime = Number(signed.tx.timeBounds?.maxTime ?? 0)
    if (maxTime === 0)
      return 'The transaction never ends: set its maxTime to the end of the challenge.'
    if (maxTime > endOf(asked.expires, now)) return 'The transaction outlives the challenge.'
    return maxTime < now ? 'The transaction is over.' : undefined
  },

  expiration(given) {
    const { signed, asked, ledger, now } = given
    const entry = signed.auth.find(isByAddress)
    if (entry === undefined) return undefined
    if (entry.expiration <= ledger) return 'The authorization is over.'
    // The transaction that a payer sends in its own name has an end by the clock.
    if (!isSponsored(given)) return undefined
    const last = lastLedger(ledger, endOf(asked.expires, now) - (now - LEEWAY))
    return entry.expiration > last ? 'The authorization outlives the challenge.' : undefined
  },

  trial: ({ trial }) =>
    trial?.isGood
      ? undefined
      : 'The payment would fail: the payer may hold too little, the recipient cannot receive this currency, or it is made already.',

  effects: ({ trial, transfer }) =>
    trial && isOnly(trial.events, transfer)
      ? undefined
      : 'The payment would change other balances than those of payer and recipient.',

  fee(given) {
    if (!isSponsored(given)) return undefined
    const { trial, sponsor } = given
    const fee = (trial?.resourceFee ?? 0n) + (sponsor?.bid ?? 0n)
    return sponsor && fee <= sponsor.maxFee
      ? undefined
      : 'The payment costs more than this server pays of fees.'
  },
} satisfies Rules

/**
 * Seconds that may go by between a client's count of ledgers and ours, which both round up. What outlives its challenge by two
 * ledgers is not sent by then: the transaction around it ends with the challenge.
 */
const LEEWAY = 10

/** Signatures of contract accounts have shapes of their own: trying the transaction out tells whether they are good. */
const isProven = (entry: Authorization): boolean =>
  !isByAddress(entry) ||
  kindOf(entry.address) === 'contract' ||
  (entry.readSigners()?.length ?? 0) > 0
