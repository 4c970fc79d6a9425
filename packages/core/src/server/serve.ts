/**
 * The life of a paid request, one step a line.
 *
 * @module
 */
import type * as Errors from '../Errors.js'
import type { Indeterminate, Outcome, Settled, Unsettled } from '../Outcome.js'
import type { Receipt } from '../Receipt.js'
import { giveBack } from './allowance.js'
import { noteAnswer } from './bounds.js'
import { priceOf } from './price.js'
import type { Offer } from './route.js'
import { replay } from './steps/answer.js'
import { bind, type Bound } from './steps/bind.js'
import { cancel, capture, type Authorization } from './steps/authorization.js'
import { isRefusal, receive, refuse, type Received, type Refusal } from './steps/receive.js'
import { claim, fingerprint, recall, type Claimed, type Lease, type Visit } from './steps/claim.js'
import { cameInTime, isInGrace, remember } from './steps/late.js'
import { inWordsOf } from './steps/problem.js'
import { tryEnter } from './steps/enter.js'
import { judge, present, type Judged, type Presentation } from './steps/judge.js'
import type { Answer, PaymentRecord } from './steps/record.js'
import { replyWith } from './steps/respond.js'
import { settle } from './steps/settle.js'
import type { Inbound, Reply } from './transport.js'

/** What a visit comes to. */
export type Verdict =
  | { status: 'free' }
  | { status: 'answered'; reply: Reply }
  | Refused
  | PaidVisit

type Refused = { status: 'refused'; reply: Reply; problem: Errors.Problem }

/** A settled payment whose resource is still owed. */
export type PaidVisit = {
  status: 'paid'
  bound: Bound
  lease: Lease
  receipt: Receipt
  settlement: unknown
  inbound: Inbound
  /** Set by the first good answer that went out. */
  isDelivered: boolean
}

/** A payment whose money is set aside until its answer is made. */
export type AuthorizedVisit = {
  status: 'authorized'
  lease: Lease
  /** Takes the money for an answer, which is kept where it is given. */
  capture(answer?: Answer): Promise<PaidVisit | Refused>
  /** Lets the money go, because of what went wrong. */
  cancel(cause?: unknown): Promise<void>
}

/**
 * Takes a request through every step up to the application.
 *
 * @throws TypeError when the application read the body first: the only misuse that shows this late.
 */
export function serve(
  offers: readonly Offer[],
  inbound: Inbound,
): Verdict | Promise<Verdict | AuthorizedVisit> {
  if ((offers[0] as Offer).kernel.free.has(inbound.method)) return { status: 'free' }
  const receiving = receive(offers, inbound)
  return receiving instanceof Promise
    ? receiving.then((received) => answer(offers, received, inbound))
    : answer(offers, receiving, inbound)
}

function answer(
  offers: readonly Offer[],
  received: Received | Refusal,
  inbound: Inbound,
): Verdict | Promise<Verdict | AuthorizedVisit> {
  if (isRefusal(received))
    return refused(offers, received, { inbound, body: undefined, bound: undefined })
  const { token, body } = received
  const visit: Asked = { inbound, body, bound: undefined }
  if (token === undefined) return refused(offers, refuse('payment-required'), visit)
  return orRefuse(offers, visit, pay(offers, token, visit))
}

/** What cannot be recorded now is the store's fault, and the same credential may come again. */
function orRefuse<paid extends Verdict | AuthorizedVisit>(
  offers: readonly Offer[],
  visit: Asked,
  paying: Promise<paid | Refusal>,
): Promise<paid | Refused> {
  const { inbound } = visit
  return paying.then(
    (paid) => (isRefusal(paid) ? refused(offers, paid, visit) : paid),
    (cause: unknown) => {
      const { events } = (offers[0] as Offer).kernel
      events.emit('error', () => ({ method: inbound.method, url: inbound.url, cause }))
      return refused(offers, refuse('store-unavailable', {}, { retryAfter: 5, cause }), visit)
    },
  )
}

/** A request, and what its credential was found to be bound to. */
type Asked = { inbound: Inbound; body: Uint8Array | undefined; bound: Bound | undefined }

async function pay(
  offers: readonly Offer[],
  token: string,
  visit: Asked,
): Promise<Verdict | AuthorizedVisit | Refusal> {
  const { inbound } = visit
  const bound = bind(offers, token, visit)
  if (isRefusal(bound)) return bound
  visit.bound = bound
  const client = bound.offer.method.issued?.bounds && (await noteAnswer(bound, inbound))
  const { events } = bound.offer.kernel
  const began = events.has('claimed') ? performance.now() : 0
  const reading = present(bound)
  const presentation = reading instanceof Promise ? await reading : reading
  if (isRefusal(presentation)) return presentation
  const claimed = await judgeAndClaim(bound, presentation, { inbound, token })
  if (isRefusal(claimed)) return claimed
  if ('record' in claimed) return finished(bound, claimed, inbound)
  const isSettled = claimed.lease.record.state === 'settled'
  events.emit('claimed', () => ({
    ...describe(bound, inbound),
    resumed: !claimed.fresh,
    isSettled,
    took: performance.now() - began,
  }))
  // What an earlier visit settled is only owed.
  if (isSettled) return owe(bound, claimed.lease, { inbound })
  const paid = await takeMoney(offers, { bound, presentation, ...claimed }, visit)
  if (!isRefusal(paid)) giveBack(bound.offer.method, client)
  return paid
}

/** Settles, or goes on with money that is set aside. */
async function takeMoney(
  offers: readonly Offer[],
  claimed: Authorization & { fresh: boolean },
  visit: Asked,
): Promise<PaidVisit | AuthorizedVisit | Refusal> {
  const { bound, presentation, lease } = claimed
  if (lease.record.state === 'authorized') return proceed(offers, claimed, visit)
  const outcome = await settle(bound, presentation, claimed)
  if (isRefusal(outcome)) return outcome
  return outcome.status === 'authorized'
    ? proceed(offers, claimed, visit)
    : owe(bound, lease, { inbound: visit.inbound, settled: outcome })
}

/** With money that is set aside: after the application, unless the route wants it before. */
async function proceed(
  offers: readonly Offer[],
  held: Authorization,
  visit: Asked,
): Promise<PaidVisit | AuthorizedVisit | Refusal> {
  const { bound, lease } = held
  const { inbound } = visit
  const take = async (answer?: Answer): Promise<PaidVisit | Refusal> => {
    const settled = await capture(held, answer)
    return isRefusal(settled) ? settled : owe(bound, lease, { inbound, settled })
  }
  if (bound.offer.options.capture !== 'after') return take(lease.record.answer)
  return {
    status: 'authorized',
    lease,
    capture: (answer) => orRefuse(offers, visit, take(answer)),
    cancel: (cause) => letGo(held, inbound, cause),
  }
}

/** Whatever becomes of it, the application's own answer goes out. */
async function letGo(held: Authorization, inbound: Inbound, cause: unknown): Promise<void> {
  const { bound } = held
  const { method, url } = inbound
  const { events } = bound.offer.kernel
  const tell = (thrown: unknown) => events.emit('error', () => ({ method, url, cause: thrown }))
  try {
    const outcome = await cancel(held)
    if (isFailure(outcome)) tell(outcome.cause)
    events.emit('canceled', () => ({
      ...describe(bound, inbound),
      outcome: outcome.status,
      cause,
    }))
  } catch (thrown) {
    tell(thrown)
  }
}

/** Whether money may still be set aside, for a reason of the rail's; the other event has the application's. */
const isFailure = (outcome: Outcome): outcome is Indeterminate | Unsettled =>
  (outcome.status === 'indeterminate' || outcome.status === 'unsettled') &&
  outcome.cause !== undefined

function judgeAndClaim(
  bound: Bound,
  presentation: Presentation,
  { inbound, token }: { inbound: Inbound; token: string },
): Promise<Claimed> {
  const visit: Visit = {
    credential: fingerprint(token),
    idempotencyKey: inbound.header('idempotency-key'),
    scope: bound.scope,
  }
  const judgeNow = () => judge(bound, presentation, inbound)
  if (bound.stale) return recallLate(bound.stale, bound, { ...visit, judgeNow })
  const judging = judgeNow()
  return judging instanceof Promise
    ? judging.then((judged) => claimOrRecall(bound, judged, visit))
    : claimOrRecall(bound, judging, visit)
}

/** A payment that is on record outweighs its challenge's end; so does having come before it, when nobody could judge. */
async function recallLate(
  refusal: Refusal,
  bound: Bound,
  { judgeNow, ...visit }: Visit & { judgeNow: () => Judged | Promise<Judged | Refusal> },
): Promise<Claimed> {
  const earlier = await recall(bound, visit)
  if (earlier) return earlier
  if (!bound.isLate || !(isInGrace(bound) || (await cameInTime(bound, visit)))) return refusal
  const judged = await judgeNow()
  const isNo = isRefusal(judged) && judged.refused.status === 402
  return isNo ? refusal : claimOrRecall(bound, judged, visit)
}

/** A refusal for what may have changed since does not outweigh a payment that is on record. */
async function recallOr(refusal: Refusal, bound: Bound, visit: Visit): Promise<Claimed> {
  const earlier = refusal.recoverable && (await recall(bound, visit))
  if (!earlier && refusal.refused.status === 503) await remember(bound, visit)
  return earlier || refusal
}

function claimOrRecall(bound: Bound, judged: Judged | Refusal, visit: Visit): Promise<Claimed> {
  if (isRefusal(judged)) return recallOr(judged, bound, visit)
  bound.payer = judged.payer
  return claim(bound, judged, visit)
}

/** The money is here and on record; the resource is owed. */
function owe(
  bound: Bound,
  lease: Lease,
  { inbound, settled }: { inbound: Inbound; settled?: Settled },
): PaidVisit {
  const receipt = lease.record.receipt as Receipt
  const settlement = settled?.settlement
  if (settled)
    bound.offer.kernel.events.emit('settled', () => ({
      ...describe(bound, inbound),
      receipt,
      settlement,
    }))
  return { status: 'paid', bound, lease, receipt, settlement, inbound, isDelivered: false }
}

async function finished(
  bound: Bound,
  { record, key }: { record: PaymentRecord; key: string },
  inbound: Inbound,
): Promise<Verdict | Refusal> {
  if (record.problem)
    return record.state === 'rejected'
      ? refuseAgain(bound, record.problem)
      : { refused: record.problem }
  if (!record.answer)
    return refuse('invalid-challenge', { detail: 'This challenge has already been used.' })
  const { events } = bound.offer.kernel
  // The server that delivered it may have died before the ledger heard of it.
  await tryEnter({ bound, key }, 'delivered')
  events.emit('replayed', () => ({
    method: inbound.method,
    url: inbound.url,
    challengeId: bound.challenge.id,
  }))
  return { status: 'answered', reply: replay(record.answer) }
}

/** In the words of the method's draft, if it has any; a challenge that is over has a fresh one all the same. */
function refuseAgain({ offer, stale }: Bound, problem: Errors.Problem): Refusal {
  const own = offer.method.problems?.['refused-before']
  return own ? (stale ?? { refused: own }) : { refused: problem }
}

/** A paid visit, as events tell it. */
export const describe = ({ challenge, source, offer }: Bound, { method, url }: Inbound) => ({
  method,
  url,
  challenge,
  price: priceOf(offer.method, challenge.request),
  source,
})

function refused(
  offers: readonly Offer[],
  refusal: Refusal,
  visit: Asked,
): Refused | Promise<Refused> {
  const { events } = (offers[0] as Offer).kernel
  const { method, url } = visit.inbound
  const { cause } = refusal
  const problem = inWordsOf(visit.bound?.offer.method, refusal, offers)
  const challenge = visit.bound?.challenge
  if (problem.code === 'payment-indeterminate')
    events.emit('indeterminate', () => ({
      method,
      url,
      challengeId: String(problem.challengeId),
      challenge,
      cause,
    }))
  else if (problem.code !== 'payment-required')
    events.emit('rejected', () => ({ method, url, problem, challenge, cause }))
  const replying = replyWith(offers, { ...refusal, refused: problem }, visit)
  return replying instanceof Promise
    ? replying.then((made) => ({ status: 'refused', ...made }))
    : { status: 'refused', reply: replying.reply, problem: replying.problem }
}
