/**
 * What a transaction must keep to before we broadcast it, a rule each: everybody's first, then those of a transaction whose
 * fee we pay.
 *
 * @module
 */
import { Expires, type Errors } from '@polyrail/core'
import { formatUnits, isAddressEqual } from 'viem'
import { DECIMALS, EXPIRING_NONCE_KEY, type Hex } from '../constants.js'
import { feeOf } from '../network.js'
import { bindingOf } from './attribution.js'
import type { Request } from './method.js'
import type { Sponsor } from './sponsor.js'
import { matchSwap, type Call } from './swap.js'
import type { Signed } from './transaction.js'
import {
  decodeTransfer,
  findPayment,
  transfersOf,
  type Payment,
  type Transfer,
} from './transfer.js'

/** What a credential is for. */
export type Asked = {
  request: Request
  id: string
  realm: string
  /** RFC 3339. */
  expires?: string | undefined
  source?: string | undefined
}

/** A transaction on trial. */
export type Trial = {
  signed: Signed
  asked: Asked
  /** What it does, a swap that brings the very amount that is due aside. */
  calls: readonly Call[]
  /** The transfers among them that are due. */
  payment: Payment<Transfer> | undefined
  /** Who pays its fee, when we do. */
  sponsor: Sponsor.Limits | undefined
  /** Whether the access key that signed it, if one did, may. */
  isKeyActive: boolean
  /** Epoch seconds. */
  now: number
}

/** Says what is wrong, with a code where it is another than `verification-failed`. */
export type Rule = (trial: Trial) => string | readonly [string, Errors.Code] | undefined
export type Rules = Readonly<Record<string, Rule>>

/**
 * The rules, in the order in which they are applied.
 *
 * @see Tempo charge draft, Transaction Verification and Server-Paid Fees
 */
export const RULES = {
  chain({ signed, asked }) {
    const chainId = asked.request.methodDetails?.chainId
    const { envelope } = signed
    return envelope.chainId === chainId
      ? undefined
      : `The transaction is for chain ${envelope.chainId}, the payment for ${chainId}.`
  },

  /** An empty fee token is the payer's default one: deployed clients leave it so. */
  feePayer({ signed, sponsor }) {
    const { feePayerSignature } = signed.envelope
    return feePayerSignature === undefined || (sponsor && feePayerSignature === null)
      ? undefined
      : 'The payer pays the fee: the transaction must leave the fee payer empty.'
  },

  sender({ signed, isKeyActive }) {
    const { signer, envelope } = signed
    if (!signer) return 'The signature does not prove who sends the transaction.'
    return isKeyActive || envelope.keyAuthorization
      ? undefined
      : 'The key that signed the transaction is not authorized by the account, or no longer.'
  },

  delegation: ({ signed }) =>
    signed.envelope.authorizationList?.length
      ? 'The transaction must not delegate accounts.'
      : undefined,

  /** The server may broadcast until the challenge expires, and nobody after that. Draft, Submission Modes. */
  validity({ signed, asked, now }) {
    const { validBefore, validAfter = 0 } = signed.envelope
    if (validBefore === undefined)
      return 'The transaction never expires: it must have a validBefore.'
    if (validBefore <= now) return ['The transaction has expired.', 'payment-expired']
    if (validBefore * 1000 > (Expires.parse(asked.expires ?? '') ?? Infinity))
      return 'The transaction is valid longer than the challenge.'
    return validAfter > now ? 'The transaction is not valid yet.' : undefined
  },

  calls: ({ calls, asked }) =>
    calls.length === transfersOf(asked.request).length
      ? undefined
      : 'The transaction must make the transfers that are asked, and nothing else.',

  payment(trial) {
    if (trial.payment) return undefined
    const due = transfersOf(trial.asked.request)
    const [call] = trial.calls
    const made = call && decodeTransfer(call)
    return made && due.length === 1
      ? explain(made, due[0], trial.asked)
      : 'The transfers are not those that are asked.'
  },

  gas(trial) {
    if (!trial.sponsor) return undefined
    const most = trial.sponsor.maxGas ?? allowanceOf(trial, GAS)
    const { gas = 0n } = trial.signed.envelope
    return gas <= most ? undefined : `The gas limit of the transaction is above ${most}.`
  },

  fee(trial) {
    if (!trial.sponsor) return undefined
    const most = trial.sponsor.maxFee ?? allowanceOf(trial, FEE)
    const { gas = 0n, maxFeePerGas = 0n } = trial.signed.envelope
    return feeOf(gas, maxFeePerGas) <= most
      ? undefined
      : `The transaction may cost a greater fee than the ${formatUnits(most, DECIMALS)} that this server pays.`
  },

  price: ({ signed, sponsor }) =>
    sponsor && (signed.envelope.maxFeePerGas ?? 0n) > sponsor.maxFeePerGas
      ? `A transaction whose fee this server pays may offer ${sponsor.maxFeePerGas} for gas at most.`
      : undefined,

  tip: ({ signed, sponsor }) =>
    sponsor && (signed.envelope.maxPriorityFeePerGas ?? 0n) > sponsor.maxPriorityFeePerGas
      ? `A transaction whose fee this server pays may tip ${sponsor.maxPriorityFeePerGas} at most.`
      : undefined,

  accessList: ({ signed, sponsor }) =>
    sponsor && signed.envelope.accessList?.length
      ? 'A transaction whose fee this server pays must have no access list.'
      : undefined,

  keyAuthorization: ({ signed, sponsor }) =>
    sponsor && signed.envelope.keyAuthorization
      ? 'A transaction whose fee this server pays must not authorize keys.'
      : undefined,

  /** What is signed for long can be sent when it costs more, or fails. */
  window({ signed, sponsor, now }) {
    const { validBefore = Infinity } = signed.envelope
    return sponsor && validBefore - now > sponsor.maxValidity
      ? `A transaction whose fee this server pays must be valid for ${sponsor.maxValidity} seconds at most.`
      : undefined
  },

  /** Any other lane may be new, which costs more, or have a gap, which ties up what is set aside. */
  nonce: ({ signed, sponsor }) =>
    sponsor && signed.envelope.nonceKey !== EXPIRING_NONCE_KEY
      ? 'A transaction whose fee this server pays must have an expiring nonce.'
      : undefined,
} as const satisfies Rules

type Allowance = { base: bigint; transfer: bigint; swap: bigint }

/** Measured: 296,000 for a transfer to who never held the token, 714,000 for a swap with a transfer. */
const GAS: Allowance = { base: 500_000n, transfer: 350_000n, swap: 900_000n }
/** Base units. At the chain's price the gas of a transfer to somebody new costs 6,000; clients ask for half as much again. */
const FEE: Allowance = { base: 30_000n, transfer: 20_000n, swap: 50_000n }

function allowanceOf({ signed, asked, calls }: Trial, { base, transfer, swap }: Allowance): bigint {
  const isSwap = calls.length < signed.envelope.calls.length
  return base + transfer * BigInt(transfersOf(asked.request).length) + (isSwap ? swap : 0n)
}

/** Reads what a transaction does, and the payment in it. */
export function readPayment({ envelope }: Signed, asked: Asked): Pick<Trial, 'calls' | 'payment'> {
  const { amount, currency } = asked.request
  const all = envelope.calls.map(({ to, data, value }) => ({ to, data, value }))
  const { rest: calls } = matchSwap(all, { currency, amount: BigInt(amount) }) ?? { rest: all }
  const made = calls.map(decodeTransfer).filter((transfer) => transfer !== undefined)
  const due = transfersOf(asked.request)
  const bind = (memo: Hex | undefined) => bindingOf(memo, { ...asked, asked: due[0].memo })
  return { calls, payment: findPayment(made, due, bind) }
}

/** Why one transfer is not the one that is due. */
function explain(made: Transfer, due: Transfer, asked: Asked): ReturnType<Rule> {
  if (!isAddressEqual(made.token, due.token))
    return 'The transfer is in another currency than the one asked.'
  if (!isAddressEqual(made.to, due.to)) return 'The transfer is to another recipient.'
  if (made.amount < due.amount) return ['The transfer is below the price.', 'payment-insufficient']
  if (made.amount > due.amount) return 'The transfer is above the price.'
  return bindingOf(made.memo, { ...asked, asked: due.memo }) === 'wrong' && due.memo === undefined
    ? 'The memo of the transfer names another challenge.'
    : 'The transfer does not have the memo that is asked.'
}
