/**
 * Judges a credential: pure, over evidence that is gathered already.
 *
 * @module
 */
import { Expires, Outcome, type Errors } from '@polyrail/core'
import { isAddress, isAddressEqual } from 'viem'
import type { Address } from '../constants.js'
import type { Receipt } from '../network.js'
import { bindingOf } from './attribution.js'
import type { Evidence } from './evidence.js'
import type { Mode, Request } from './method.js'
import { sourceOf } from './proof.js'
import { readPayment, RULES, type Asked, type Rules, type Trial } from './rules.js'
import type { Sponsor } from './sponsor.js'
import type { Signed } from './transaction.js'
import { effectsOf, findPayment, transfersOf } from './transfer.js'

/** A credential that is good. */
export type Approved =
  | {
      type: 'transaction'
      signed: Signed
      sender: Address
      /** False when the payer's key is authorized by this very transaction, so that nothing is proved before it is in a block. */
      isProven: boolean
      /** Whether its memo names the challenge, so that it can pay no other. */
      isBound: boolean
      isSponsored: boolean
    }
  | {
      type: 'hash'
      sender: Address
      /** False when somebody else sent the transaction, by leave of the payer. */
      isProven: boolean
      receipt: Receipt
    }
  | { type: 'proof'; sender: Address; isProven: true }

/** By what a transaction is judged, beside the challenge. */
export type Code = {
  /** What it must keep to. */
  rules?: Rules | undefined
  /** What this server pays of fees, if it does. */
  limits?: Sponsor.Limits | undefined
}

/**
 * Judges whether a credential pays what is asked, and nothing else.
 *
 * @see Tempo charge draft, Transaction Verification, Hash Verification and Proof Verification
 */
export function judge(
  evidence: Evidence,
  asked: Asked,
  code: Code = {},
): Approved | Outcome.Rejected {
  const isZero = BigInt(asked.request.amount) === 0n
  if (isZero !== (evidence.type === 'proof'))
    return refuse(
      isZero
        ? 'Nothing is to be paid: sign a proof in place of a transaction.'
        : 'A proof pays nothing: sign or send a transaction.',
    )
  switch (evidence.type) {
    case 'transaction':
      return judgeTransaction(evidence, asked, code)
    case 'hash':
      return judgeHash(evidence, asked)
    default:
      return judgeProof(evidence, asked)
  }
}

type EvidenceOf<type> = Extract<Evidence, { type: type }>

function judgeTransaction(
  { signed, isKeyActive, now }: EvidenceOf<'transaction'>,
  asked: Asked,
  { rules = RULES, limits }: Code,
): Approved | Outcome.Rejected {
  if (!signed) return refuse('The transaction cannot be read as a signed Tempo transaction.')
  if (!takes(asked.request, 'pull'))
    return refuse('This server does not broadcast transactions (pull mode): send it, and its hash.')
  const isSponsored =
    asked.request.methodDetails?.feePayer === true && signed.envelope.feePayerSignature === null
  const sponsor = isSponsored ? limits : undefined
  const reading = readPayment(signed, asked)
  const trial = { signed, asked, sponsor, isKeyActive, now, ...reading }
  const sender = senderOf(signed)
  const isBound = reading.payment?.isBound === true
  return (
    apply(rules, trial) ??
    judgePayer(sender, asked) ?? {
      type: 'transaction',
      signed,
      sender,
      isProven: isKeyActive,
      isBound,
      isSponsored,
    }
  )
}

const senderOf = ({ signer, envelope }: Signed): Address => signer?.account ?? envelope.from ?? '0x'

function apply(rules: Rules, trial: Trial): Outcome.Rejected | undefined {
  for (const rule of Object.values(rules)) {
    const refusal = rule(trial)
    if (refusal !== undefined)
      return typeof refusal === 'string' ? refuse(refusal) : refuse(...refusal)
  }
  return undefined
}

/** A transaction that anybody can see pays the one challenge that its memo names, and nobody else knows that one. */
function judgeHash({ receipt }: EvidenceOf<'hash'>, asked: Asked): Approved | Outcome.Rejected {
  const { request } = asked
  if (!takes(request, 'push') || request.methodDetails?.feePayer)
    return refuse('This server broadcasts the transaction itself: send it signed (pull mode).')
  if (!receipt.success) return refuse('The transaction was reverted; nothing was paid.')
  const payment = readReceipt(receipt, asked)
  if (!payment) return refuse('The transaction does not make the transfers that are asked.')
  if (!payment.isBound)
    return refuse(
      'The memo of the transfer does not name this challenge, so that it may have paid another.',
    )
  if ((receipt.time ?? 0) * 1000 > endOf(asked))
    return refuse('The transaction came after the end of its challenge.', 'payment-expired')
  const [{ from }] = payment.transfers
  const isProven = isAddressEqual(from, receipt.from)
  return judgePayer(from, asked) ?? { type: 'hash', sender: from, isProven, receipt }
}

/** Finds the payment in what a receipt shows was done. */
export function readReceipt(
  { logs }: Receipt,
  asked: Pick<Asked, 'request' | 'id' | 'realm'>,
): ReturnType<typeof findPayment<ReturnType<typeof effectsOf>[number]>> {
  const due = transfersOf(asked.request)
  return findPayment(effectsOf(logs, due[0].token), due, (memo) =>
    bindingOf(memo, { ...asked, asked: due[0].memo }),
  )
}

function judgeProof(
  { claimed, signer, now }: EvidenceOf<'proof'>,
  asked: Asked,
): Approved | Outcome.Rejected {
  const { request } = asked
  if (!claimed)
    return refuse('A proof needs the payer as its source: did:pkh:eip155:<chain>:<address>.')
  if (claimed.chainId !== request.methodDetails?.chainId)
    return refuse(
      `The payer is on chain ${claimed.chainId}, the charge on ${request.methodDetails?.chainId}.`,
    )
  if (now * 1000 > endOf(asked)) return refuse('This challenge has expired.', 'payment-expired')
  if (!signer) return refuse('The proof is not signed by the account that its source names.')
  return { type: 'proof', sender: signer.account, isProven: true }
}

/** Epoch milliseconds. */
const endOf = ({ expires = '' }: Asked): number => Expires.parse(expires) ?? Infinity

/** Left out, both modes are taken. @see Tempo charge draft, Submission Modes */
const takes = ({ methodDetails }: Request, mode: Mode): boolean =>
  methodDetails?.supportedModes?.includes(mode) ?? true

function judgePayer(sender: Address, asked: Asked): Outcome.Rejected | undefined {
  if (isAddressEqual(sender, asked.request.recipient))
    return refuse('The payer and the recipient are the same account.')
  if (!isNamed(asked, sender))
    return refuse('The source names another account than the one that pays.')
  return undefined
}

/** Whether a credential names who pays, or no account: a source in another form than the draft recommends tells nothing. */
function isNamed({ source = '', request }: Asked, sender: Address): boolean {
  const named = (
    isAddress(source, { strict: false }) ? identify(request, source) : source
  ).toLowerCase()
  return !named.startsWith('did:pkh:') || named === identify(request, sender).toLowerCase()
}

/** `did:pkh` on this chain. Draft, Credential Structure. */
export const identify = ({ methodDetails }: Request, account: Address): string =>
  sourceOf({ account, chainId: methodDetails?.chainId ?? 0 })

const refuse = (detail: string, code: Errors.Code = 'verification-failed'): Outcome.Rejected =>
  Outcome.rejected(code, { detail })
