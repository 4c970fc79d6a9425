/**
 * The life of a paid request, one step a line.
 *
 * @module
 */
import type * as Errors from '../Errors.js'
import type { Receipt } from '../Receipt.js'
import type { Offer } from './route.js'
import { bind, type Bound } from './steps/bind.js'
import { capture, isRefusal, refuse, type Refusal } from './steps/capture.js'
import { claim, fingerprint, recall, type Claimed, type Lease, type Visit } from './steps/claim.js'
import { judge, present, type Presentation } from './steps/judge.js'
import { replay, replyWith } from './steps/respond.js'
import { settle } from './steps/settle.js'
import type { Inbound, Reply } from './transport.js'

/** What a visit comes to. */
export type Verdict =
  | { status: 'free' }
  | { status: 'refused'; reply: Reply; problem: Errors.Problem }
  | { status: 'answered'; reply: Reply }
  | ({ status: 'paid' } & PaidVisit)

/** A settled payment whose resource is still owed. */
export type PaidVisit = {
  bound: Bound
  lease: Lease
  receipt: Receipt
  settlement: unknown
  inbound: Inbound
}

/**
 * Takes a request through every step up to the application.
 *
 * @throws TypeError when the application read the body first: the only misuse that shows this late.
 */
export async function serve(offers: readonly Offer[], inbound: Inbound): Promise<Verdict> {
  const { kernel } = offers[0] as Offer
  if (kernel.free.has(inbound.method)) return { status: 'free' }
  const capturing = capture(offers, inbound)
  const captured = capturing instanceof Promise ? await capturing : capturing
  if (isRefusal(captured)) return refused(offers, captured, { inbound, body: undefined })
  const { token, body } = captured
  const visit = { inbound, body }
  if (token === undefined) return refused(offers, refuse('payment-required'), visit)
  try {
    const paid = await pay(offers, token, visit)
    return isRefusal(paid) ? await refused(offers, paid, visit) : paid
  } catch (cause) {
    kernel.events.emit('error', () => ({ method: inbound.method, url: inbound.url, cause }))
    return refused(offers, refuse('store-unavailable', {}, { retryAfter: 5, cause }), visit)
  }
}

async function pay(
  offers: readonly Offer[],
  token: string,
  { inbound, body }: { inbound: Inbound; body: Uint8Array | undefined },
): Promise<Verdict | Refusal> {
  const bound = bind(offers, token, { inbound, body })
  if (isRefusal(bound)) return bound
  const read = present(bound)
  const presentation = read instanceof Promise ? await read : read
  if (isRefusal(presentation)) return presentation
  const claimed = await judgeAndClaim(bound, presentation, { inbound, token })
  if (isRefusal(claimed)) return claimed
  if ('record' in claimed) return finished(bound, claimed.record, inbound)
  return collect(bound, presentation, { claimed, inbound })
}

async function judgeAndClaim(
  bound: Bound,
  presentation: Presentation,
  { inbound, token }: { inbound: Inbound; token: string },
): Promise<Claimed> {
  const visit: Visit = {
    credential: fingerprint(token),
    idempotencyKey: inbound.header('idempotency-key'),
    scope: bound.scope,
  }
  const judging = bound.stale ?? judge(bound, presentation, inbound)
  const judged = judging instanceof Promise ? await judging : judging
  if (!isRefusal(judged)) return claim(bound, judged, visit)
  return ((bound.stale || judged.recoverable) && (await recall(bound, visit))) || judged
}

/** Settles what is not settled; what an earlier visit settled is only owed. */
async function collect(
  bound: Bound,
  presentation: Presentation,
  { claimed, inbound }: { claimed: { lease: Lease; fresh: boolean }; inbound: Inbound },
): Promise<Verdict | Refusal> {
  const { lease } = claimed
  const { events } = bound.offer.kernel
  let settlement: unknown
  if (lease.record.state !== 'settled') {
    const settled = await settle(bound, presentation, claimed)
    if (isRefusal(settled)) return settled
    settlement = settled.settlement
    events.emit('settled', () => ({
      ...describe(bound, inbound),
      receipt: lease.record.receipt as Receipt,
      settlement,
    }))
  }
  return {
    status: 'paid',
    bound,
    lease,
    receipt: lease.record.receipt as Receipt,
    settlement,
    inbound,
  }
}

function finished(
  bound: Bound,
  record: { answer?: Parameters<typeof replay>[0]; problem?: Errors.Problem },
  inbound: Inbound,
): Verdict | Refusal {
  if (record.problem) return { refused: record.problem }
  if (!record.answer)
    return refuse('invalid-challenge', { detail: 'This challenge has already been used.' })
  const { events } = bound.offer.kernel
  events.emit('replayed', () => ({
    method: inbound.method,
    url: inbound.url,
    challengeId: bound.challenge.id,
  }))
  return { status: 'answered', reply: replay(record.answer) }
}

/** A paid visit, as events tell it. */
export const describe = ({ challenge, source }: Bound, { method, url }: Inbound) => ({
  method,
  url,
  challenge,
  source,
})

async function refused(
  offers: readonly Offer[],
  refusal: Refusal,
  visit: { inbound: Inbound; body: Uint8Array | undefined },
): Promise<Verdict> {
  const { events } = (offers[0] as Offer).kernel
  const { method, url } = visit.inbound
  const { refused: problem, cause } = refusal
  if (problem.code === 'payment-indeterminate')
    events.emit('indeterminate', () => ({
      method,
      url,
      challengeId: String(problem.challengeId),
      cause,
    }))
  else if (problem.code !== 'payment-required')
    events.emit('rejected', () => ({ method, url, problem, cause }))
  return { status: 'refused', ...(await replyWith(offers, refusal, visit)) }
}
