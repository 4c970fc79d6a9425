/**
 * Judges a credential: as it is written, then by evidence that is gathered by then. All of it is pure.
 *
 * @module
 */
import { Expires, Outcome, type Errors } from '@polyrail/core'
import { baseOf } from '../address.js'
import { isOnly } from './effects.js'
import type { Claim, Evidence, Payable } from './evidence.js'
import { takes } from './method.js'
import { FORM_RULES, isNamed, RULES, type Asked, type Case, type Rules } from './rules.js'
import type { Sponsor } from './sponsor.js'
import type { Signed, Transfer } from './transaction.js'
import type { Found } from '../network.js'

/** A credential that is good. */
export type Approved = {
  signed: Signed
  transfer: Transfer
  /** Whether the payer has proven to be it. */
  isProven: boolean
  isSponsored: boolean
  /** Of a hash: what was presented, and what the network knows. */
  hash?: string
  found?: Found
}

/** By what a credential is judged, beside the challenge. */
export type Code = {
  /** What a transaction must keep to. */
  rules?: Rules | undefined
  /** What a hash must keep to. */
  hashRules?: HashRules | undefined
  sponsor?: Sponsor | undefined
}

/**
 * Judges a credential as it is written: nobody is asked about what is refused whatever the network knows.
 *
 * @see Stellar charge draft, Verification
 */
export function judgeForm(
  claim: Claim,
  asked: Asked,
  { rules = RULES, hashRules = HASH_RULES, sponsor }: Code = {},
): Payable | Outcome.Rejected {
  if (claim.type === 'hash') {
    const isBare = claim.payload.type === 'hash'
    return refuseBy(among(HASH_FORM_RULES, hashRules), { asked, isBare }) ?? claim
  }
  const { signed } = claim
  if (!takes(asked.request, 'transaction'))
    return refuse('This server sends no transactions: send it yourself, and show its hash.')
  if (!signed) return refuse('The transaction cannot be read.')
  const { transfer } = signed
  if (!transfer)
    return refuse('The transaction must be one contract call, transfer(from, to, amount).')
  return (
    refuseBy(among(FORM_RULES, rules), { signed, transfer, asked, sponsor }) ?? {
      type: 'transaction',
      signed: { ...signed, transfer },
    }
  )
}

/** Of some rules, those that are applied here. */
const among = <rule>(rules: Readonly<Record<string, rule>>, applied: object): rule[] =>
  Object.entries(rules).flatMap(([name, rule]) => (name in applied ? [rule] : []))

function refuseBy<given>(
  rules: readonly ((given: given) => string | undefined)[],
  given: given,
): Outcome.Rejected | undefined {
  for (const rule of rules) {
    const refusal = rule(given)
    if (refusal) return refuse(refusal)
  }
  return undefined
}

/**
 * Judges whether a credential pays what is asked, and nothing else.
 *
 * @see Stellar charge draft, Verification
 */
export function judge(
  evidence: Evidence,
  asked: Asked,
  code: Code = {},
): Approved | Outcome.Rejected {
  return evidence.type === 'transaction'
    ? judgeTransaction(evidence, asked, code)
    : judgeHash(evidence, asked, code.hashRules ?? HASH_RULES)
}

type EvidenceOf<type> = Extract<Evidence, { type: type }>

function judgeTransaction(
  { signed, ...known }: EvidenceOf<'transaction'>,
  asked: Asked,
  { rules = RULES, sponsor }: Code,
): Approved | Outcome.Rejected {
  const { transfer } = signed
  const given: Case = { ...known, signed, transfer, asked, sponsor }
  const isSponsored = asked.request.methodDetails.feePayer === true
  return refuseBy(Object.values(rules), given) ?? { signed, transfer, isProven: true, isSponsored }
}

/** A hash as it is shown. */
type HashForm = { asked: Asked; isBare: boolean }
type HashCase = EvidenceOf<'hash'> & HashForm & { transfer: Transfer | undefined }

/** Says what is wrong. */
type HashRule = (given: HashCase) => string | undefined
export type HashRules = Readonly<Record<string, HashRule>>

/** Seconds by which a ledger's time may be behind that of the server. */
const SKEW = 10

/** The rules for which nobody needs to be asked. @see Stellar charge draft, Hash Payload */
const HASH_FORM_RULES = {
  sponsorship: ({ asked }) =>
    asked.request.methodDetails.feePayer
      ? 'The server pays the fee here, and sends the transaction itself: send it signed (pull mode).'
      : undefined,

  type: ({ asked, isBare }) =>
    takes(asked.request, isBare ? 'hash' : 'signedHash')
      ? undefined
      : "This server does not take this type of credential: see methodDetails.credentialTypes. A bare hash can be anybody's; a signed one is its payer's.",
} satisfies Readonly<Record<string, (given: HashForm) => string | undefined>>

/**
 * What a transaction that is in a ledger must keep to, to pay a challenge.
 *
 * @see Stellar charge draft, Push Mode Verification
 */
export const HASH_RULES = {
  ...HASH_FORM_RULES,

  status: ({ found }) =>
    found.status === 'SUCCESS' ? undefined : 'The transaction failed; nothing was paid.',

  /** The hash is made with the passphrase of the network. */
  network: ({ applied, hash }) =>
    applied?.hashes.includes(hash) ? undefined : 'The node answered for another transaction.',

  token: ({ transfer, asked }) =>
    transfer?.token === asked.request.currency
      ? undefined
      : 'The transaction is no transfer of the currency.',

  recipient: ({ transfer, asked }) =>
    transfer?.to === asked.request.recipient
      ? undefined
      : 'The transaction pays somebody else than the recipient.',

  amount: ({ transfer, asked }) =>
    transfer?.amount === BigInt(asked.request.amount)
      ? undefined
      : 'The transaction pays another amount than is asked.',

  self: ({ transfer, asked }) =>
    transfer?.from === baseOf(asked.request.recipient)
      ? 'The payer and the recipient are the same account.'
      : undefined,

  effects: ({ events, transfer }) =>
    transfer && isOnly(events, transfer)
      ? undefined
      : 'The transaction changed other balances than those of payer and recipient.',

  claim: ({ transfer, asked }) =>
    isNamed(asked, transfer?.from ?? '')
      ? undefined
      : 'The source names another account than the one that paid.',

  signature: ({ isBare, isSigned }) =>
    !isBare && !isSigned
      ? 'The hash is not signed for this challenge by the account that paid.'
      : undefined,

  age({ found, asked }) {
    const issued = Expires.parse(asked.request.methodDetails.issuedAt ?? '')
    return issued !== undefined && (found.createdAt ?? 0) < issued / 1000 - SKEW
      ? 'The transaction is older than the challenge.'
      : undefined
  },

  time({ found, asked }) {
    const end = Expires.parse(asked.expires ?? '') ?? Infinity
    return (found.createdAt ?? Infinity) * 1000 > end
      ? 'The transaction came after the end of its challenge.'
      : undefined
  },
} satisfies HashRules

/** A transaction that anybody can see pays the challenge that its payer says. */
function judgeHash(
  evidence: EvidenceOf<'hash'>,
  asked: Asked,
  rules: HashRules,
): Approved | Outcome.Rejected {
  const { found, applied, hash, isSigned } = evidence
  const refusal = refuseBy(Object.values(rules), {
    ...evidence,
    asked,
    transfer: applied?.signed.transfer,
  })
  if (refusal) return refusal
  const { signed } = applied ?? {}
  if (!signed?.transfer) return refuse('The transaction cannot be read.')
  const { transfer } = signed
  return { signed, transfer, isProven: isSigned, isSponsored: false, hash, found }
}

const refuse = (detail: string, code: Errors.Code = 'verification-failed'): Outcome.Rejected =>
  Outcome.rejected(code, { detail })
