/**
 * Judges a pull credential: pure, over evidence that is gathered already.
 *
 * @module
 */
import { Expires, Outcome, type Errors } from '@polyrail/core'
import { isAddressEqual } from 'viem'
import type { Address, Hex } from '../constants.js'
import { bindingOf, type Attributed } from './attribution.js'
import type { Evidence } from './evidence.js'
import type { Request } from './method.js'
import type { Signed } from './transaction.js'
import { decodeTransfer, transferOf, type Transfer } from './transfer.js'

/** What a credential is for. */
export type Asked = Attributed & {
  request: Request
  /** RFC 3339. */
  expires?: string | undefined
  source?: string | undefined
}

/** A transaction that may be broadcast. */
export type Approved = {
  raw: Hex
  hash: Hex
  sender: Address
  transfer: Transfer
  /** Whether its memo names the challenge, so that it can pay no other. */
  bound: boolean
}

/**
 * Judges whether a transaction pays what is asked, and nothing else.
 *
 * @see Tempo charge draft, Transaction Verification
 */
export function judge(evidence: Evidence, asked: Asked): Approved | Outcome.Rejected {
  const { type, signed, now } = evidence
  if (type !== 'transaction')
    return refuse('This server broadcasts the transaction itself: send it signed (pull mode).')
  if (!signed) return refuse('The transaction cannot be read as a signed Tempo transaction.')
  return (
    judgeEnvelope(signed, asked) ??
    judgeValidity(signed, asked, now) ??
    judgePayer(signed, asked) ??
    judgeTransfer(signed, asked)
  )
}

/** Nothing in it but the payment. An empty fee token is the payer's default one: deployed clients leave it so. */
function judgeEnvelope({ envelope }: Signed, { request }: Asked): Outcome.Rejected | undefined {
  const chainId = request.methodDetails?.chainId
  if (envelope.chainId !== chainId)
    return refuse(`The transaction is for chain ${envelope.chainId}, the payment for ${chainId}.`)
  if (envelope.feePayerSignature !== undefined)
    return refuse('The payer pays the fee: the transaction must leave the fee payer empty.')
  if (envelope.keyAuthorization || envelope.authorizationList?.length)
    return refuse('The transaction must not authorize keys.')
  return undefined
}

/** The server may broadcast until the challenge expires, and nobody after that. Draft, Submission Modes. */
function judgeValidity(
  { envelope }: Signed,
  { expires }: Asked,
  now: number,
): Outcome.Rejected | undefined {
  const { validBefore, validAfter = 0 } = envelope
  if (validBefore === undefined)
    return refuse('The transaction never expires: it must have a validBefore.')
  if (validBefore <= now) return refuse('The transaction has expired.', 'payment-expired')
  if (validBefore * 1000 > (Expires.parse(expires ?? '') ?? Infinity))
    return refuse('The transaction is valid longer than the challenge.')
  if (validAfter > now) return refuse('The transaction is not valid yet.')
  return undefined
}

function judgePayer({ sender }: Signed, asked: Asked): Outcome.Rejected | undefined {
  const { request, source } = asked
  if (!sender) return refuse('The signature does not prove who sends the transaction.')
  if (isAddressEqual(sender, request.recipient))
    return refuse('The payer and the recipient are the same account.')
  if (source !== undefined && source.toLowerCase() !== identify(request, sender).toLowerCase())
    return refuse('The source names another account than the one that signed.')
  return undefined
}

/** `did:pkh` on this chain. Draft, Credential Structure. */
export const identify = ({ methodDetails }: Request, account: Address): string =>
  `did:pkh:eip155:${methodDetails?.chainId}:${account}`

/** One call, and in it just the transfer that is due. */
function judgeTransfer(signed: Signed, asked: Asked): Approved | Outcome.Rejected {
  const { envelope, raw, hash, sender } = signed
  const [call, ...more] = envelope.calls
  const transfer = call && decodeTransfer(call)
  if (!transfer || more.length > 0 || !sender)
    return refuse('The transaction must make one transfer, and nothing else.')
  const due = transferOf(asked.request)
  const mismatch = compare(transfer, due)
  if (mismatch) return mismatch
  const binding = due.memo === undefined ? bindingOf(transfer.memo, asked) : 'none'
  if (binding === 'other') return refuse('The memo of the transfer names another challenge.')
  return { raw, hash, sender, transfer, bound: binding === 'this' }
}

function compare(transfer: Transfer, due: Transfer): Outcome.Rejected | undefined {
  if (!isAddressEqual(transfer.token, due.token))
    return refuse('The transfer is in another currency than the one asked.')
  if (!isAddressEqual(transfer.to, due.to)) return refuse('The transfer is to another recipient.')
  if (transfer.amount < due.amount)
    return refuse('The transfer is below the price.', 'payment-insufficient')
  if (transfer.amount > due.amount) return refuse('The transfer is above the price.')
  if (due.memo !== undefined && transfer.memo !== due.memo)
    return refuse('The transfer does not have the memo that is asked.')
  return undefined
}

const refuse = (detail: string, code: Errors.Code = 'verification-failed'): Outcome.Rejected =>
  Outcome.rejected(code, { detail })
