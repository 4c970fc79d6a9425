/**
 * The transaction that makes a payment: its calls, its price, its life and its signature.
 *
 * @module
 */
import { EXPIRING_NONCE_KEY, VALIDITY } from '../constants.js'
import type { Calls } from '../network.js'
import { createMemo } from './attribution.js'
import { price, type Funds } from './funding.js'
import type { Challenge, Terms } from './offer.js'
import { readAuthorization, signTransaction, type Account, type Fields } from './signer.js'
import type { Signed } from './transaction.js'
import { encodeTransfer, transfersOf } from './transfer.js'
import * as wallet from './wallet.js'

/** Who pays. */
export type Payer = Funds & {
  account: Account
  /** Whether the account lives in a wallet, which is asked to sign and to send. */
  isWallet: boolean
  terms: Terms
}

/** What is paid. */
export type Payment = {
  challenge: Challenge
  calls: Calls
  /** Epoch seconds after which it must not be made; infinite when there is no such time. */
  end: number
  signal: AbortSignal
}

/** The transfers, in their order. A memo that names the challenge keeps the payment from being good for another. */
export function createCalls(
  { id, realm, request }: Challenge,
  clientId: string | undefined,
): Calls {
  const [primary, ...splits] = transfersOf(request)
  const memo = primary.memo ?? createMemo({ id, realm }, clientId)
  return [{ ...primary, memo }, ...splits].map(encodeTransfer)
}

/**
 * Prices and signs the transaction, and changes nothing.
 *
 * @throws PaymentError `payment-insufficient` when the payer holds too little, `method-unsupported` when the fee is above what its owner allows.
 * @see Tempo charge draft, Submission Modes and Client Requirements
 */
export async function sign(
  payer: Payer,
  { challenge, calls, end, signal }: Payment,
): Promise<Signed & { validBefore: number }> {
  const { account, network, isWallet } = payer
  const { request } = challenge
  const keyAuthorization = await readAuthorization(account, network, signal)
  const validBefore = Math.min(Math.floor(Date.now() / 1000) + VALIDITY, end)
  const unpriced = { account, calls, validBefore, ...(keyAuthorization && { keyAuthorization }) }
  const { quote, feeToken, ...priced } = await price(payer, { request, unpriced, signal })
  const { gas, maxFeePerGas, maxPriorityFeePerGas } = quote
  const fields: Fields = {
    type: 'tempo',
    chainId: network.chainId,
    calls: priced.calls,
    ...(feeToken ? { feeToken } : { feePayerSignature: null }),
    gas,
    maxFeePerGas,
    maxPriorityFeePerGas,
    nonceKey: EXPIRING_NONCE_KEY,
    nonce: 0,
    validBefore,
    ...(request.methodDetails?.memo && { validAfter: createSalt() }),
    ...(keyAuthorization && { keyAuthorization }),
  }
  const { address } = account
  signal.throwIfAborted()
  const signed = await (isWallet
    ? wallet.signTransaction(network, { address, fields })
    : signTransaction(account, fields))
  return { ...signed, validBefore }
}

let salts = Math.floor(Math.random() * 1_000_000)

/**
 * A time long past. Under a memo that is not the challenge's own, it is all that tells two equal payments of one second
 * apart: with the same bytes they would be one.
 */
const createSalt = (): number => ++salts
