/**
 * Gives the money of a payment back: each refund once, of payments that this server took.
 *
 * @module
 */
import { Errors, Outcome, type Refund } from '@polyrail/core'
import type { Asking, Intent, Network, Refunded } from '../network.js'
import { recall, type Terms } from './attempt.js'
import { fingerprint } from './fingerprint.js'
import { isReplayed, judgeError } from './outcome.js'

type Answer = Refund.Refund | Outcome.Unmoved
/** The payment, and in whose name Stripe is asked about it. */
type Found = { intent: Intent; stripeAccount: string | undefined }

/** Refunds a payment, or finds the refund that was made before. */
export async function refund(terms: Terms, asked: Refund.Asked): Promise<Answer> {
  const { network } = terms
  const id = await fingerprint(asked.id)
  try {
    const found = await find(terms, asked)
    if (!found)
      return refused('This payment is not known to Stripe, or was not taken by this server.')
    return await make(network, { ...found, asked, id })
  } catch (cause) {
    return judgeFailure(cause, asked)
  }
}

type Making = Found & { asked: Refund.Asked; id: string }

/**
 * Makes a refund, unless it is there. An error of Stripe's own that a key has kept is all that this key will ever tell: once the
 * list shows that nothing came of it, the next key is asked.
 */
async function make(network: Network, making: Making, round = 1): Promise<Answer> {
  const { intent, stripeAccount, asked, id } = making
  const refunds = await network.refunds(intent.id, { stripeAccount })
  const made = refunds.find(({ metadata }) => metadata?.['mpp_refund'] === id)
  const left = BigInt(intent.amount_received ?? 0) - sum(refunds)
  if (made) return judge(made, left)
  const refusal = check(asked.amount, left)
  if (refusal) return refusal
  const key = `mpp_refund_${intent.id}_${id}`
  const idempotencyKey = round === 1 ? key : `${key}_${round}`
  try {
    return await create(network, { ...making, left }, { idempotencyKey, stripeAccount })
  } catch (cause) {
    const judged = judgeError(cause)
    const isKept =
      typeof judged === 'object' && judged.status === 'indeterminate' && isReplayed(cause)
    if (!isKept || asked.signal.aborted) throw cause
    return make(network, making, round + 1)
  }
}

/** The payment, where the charge was made: the platform, or one of the connected accounts. */
async function find(
  { network, accounts = [] }: Terms,
  { payment, store }: Refund.Asked,
): Promise<Found | undefined> {
  const note = await recall({ challenge: { id: payment.challengeId }, store })
  const places = note ? [note.stripeAccount] : [undefined, ...accounts]
  for (const stripeAccount of places) {
    const intent = await retrieve(network, payment.reference, { stripeAccount })
    if (!intent) continue
    const isOurs =
      intent.metadata?.['mpp_attempt'] !== undefined &&
      intent.metadata['challenge_id'] === payment.challengeId
    return isOurs ? { intent, stripeAccount } : undefined
  }
  return undefined
}

async function retrieve(network: Network, id: string, asking: Asking): Promise<Intent | undefined> {
  try {
    return await network.retrieve(id, asking)
  } catch (cause) {
    if ((cause as { code?: unknown } | undefined)?.code === 'resource_missing') return undefined
    throw cause
  }
}

const FAILED: ReadonlySet<string | null> = new Set(['failed', 'canceled'])

const sum = (refunds: readonly Refunded[]): bigint =>
  refunds.reduce((all, { amount, status }) => (FAILED.has(status) ? all : all + BigInt(amount)), 0n)

function check(amount: bigint | undefined, left: bigint): Outcome.Rejected | undefined {
  if (left <= 0n) return refused('Nothing is left of this payment to give back.')
  if (amount !== undefined && amount > left)
    return refused(`Of this payment ${left} is left to give back, which is less.`)
  return undefined
}

async function create(
  network: Network,
  { intent, asked, id, left }: Making & { left: bigint },
  asking: Asking,
): Promise<Answer> {
  const { amount, payment } = asked
  const made = await network.refund(
    {
      payment_intent: intent.id,
      ...(amount !== undefined && { amount: Number(amount) }),
      // What others got of the payment comes back with it.
      ...(intent.transfer_data != null && { reverse_transfer: true }),
      // Of a fee of 0 Stripe says that there is none.
      ...(intent.application_fee_amount && { refund_application_fee: true }),
      metadata: { challenge_id: payment.challengeId, mpp_refund: id },
    },
    asking,
  )
  return judge(made, left - BigInt(made.amount))
}

/** A refund that is pending is made: Stripe has taken it on. */
const judge = ({ id, amount, status }: Refunded, left: bigint): Answer =>
  FAILED.has(status)
    ? refused('Stripe could not give the money back. Try again under another id.')
    : { reference: id, amount: BigInt(amount), left }

/** What Stripe refuses was not made; the rest may have been. */
function judgeFailure(cause: unknown, { isRepeated, attempt }: Refund.Asked): Outcome.Unmoved {
  const judged = judgeError(cause)
  if (judged === 'used') return Outcome.indeterminate({ attempt, cause })
  if (judged === 'invalid' || judged.status === 'rejected') return refused(REFUSED, cause)
  return judged.status === 'unsettled' && !isRepeated
    ? judged
    : Outcome.indeterminate({ attempt, cause })
}

const REFUSED =
  'Stripe refuses to give this payment back. Once that is mended, try again under another id.'

const refused = (detail: string, cause?: unknown): Outcome.Rejected =>
  Outcome.rejected(
    Errors.problem({
      type: 'about:blank',
      title: 'Refund Refused',
      status: 409,
      detail,
      code: 'refund-refused',
    }),
    {},
    { cause },
  )
