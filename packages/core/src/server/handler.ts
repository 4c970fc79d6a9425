/**
 * The function that guards a route, plain (`payment.status`) or around the route's own function.
 *
 * @module
 */
import type * as Challenge from '../Challenge.js'
import type * as Errors from '../Errors.js'
import * as Receipt from '../Receipt.js'
import { isThenable } from './deadline.js'
import { keepLease } from './lease.js'
import type { Offer } from './route.js'
import { describe, serve, type PaidVisit, type Verdict } from './serve.js'
import { keep, readAnswer } from './steps/answer.js'
import { advance } from './steps/claim.js'
import { tryEnter } from './steps/enter.js'
import { delivered, owed, type PaymentRecord } from './steps/record.js'
import { addHeaders, attachReceipt, type Carrier } from './steps/respond.js'
import { passOn } from './stream.js'
import { fromRequest, isResponse, toResponse, type Inbound, type Reply } from './transport.js'

/** Not paid for: send `challenge` and do nothing else. */
export interface Unpaid {
  readonly status: 402
  /**
   * The response to send. Usually a 402 with challenges; by what happened also a 400, 403, 409, 429
   * or 503 problem, or the recorded answer of an earlier visit.
   */
  readonly challenge: Response
  readonly problem: Errors.Problem | undefined
}

/** Paid for: serve, and pass the response through `withReceipt`. */
export interface Paid {
  readonly status: 200
  /** Absent for an HTTP method that the server never charges. */
  readonly receipt: Receipt.Receipt | undefined
  /** The challenge that was paid. */
  readonly challenge: Challenge.Challenge | undefined
  /** Who the payer says they are. */
  readonly source: string | undefined
  /** What the rail told of the settlement, when it settled in this very visit. */
  readonly settlement: unknown
  /**
   * Adds the receipt and the caching headers to a response below 400, and closes the payment. A
   * response of 400 and above goes out as it is, and the same credential may come again. What was
   * delivered stays so, whatever is passed later.
   */
  withReceipt(response: Response): Response
}

export type Payment = Unpaid | Paid

/** The application's own function of a wrapped route. */
export type Application<rest extends unknown[], request extends Request = Request> = (
  request: request,
  ...rest: rest
) => Response | Promise<Response>

/**
 * Guards a route. Called with a request it says whether that is paid for; called with a function it
 * returns that function with the payment in front, and also gives lost answers again.
 */
export interface Handler {
  (request: Request, options?: fromRequest.Options): Promise<Payment>
  <rest extends unknown[], request extends Request = Request>(
    application: Application<rest, request>,
  ): Guarded<rest, request>
  readonly [OFFERS]: readonly Offer[]
}

/** A wrapped route. */
export interface Guarded<rest extends unknown[] = unknown[], request extends Request = Request> {
  (request: request, ...rest: rest): Promise<Response>
  readonly [ANSWER]: (inbound: Inbound, ...rest: rest) => Promise<Response | Reply>
}

export const OFFERS: unique symbol = Symbol.for('polyrail.offers')
export const ANSWER: unique symbol = Symbol.for('polyrail.answer')

/** Makes the handler of a route's offers. */
export function createHandler(offers: readonly Offer[]): Handler {
  const handle = (first: Request | Application<unknown[]>, options?: fromRequest.Options) =>
    typeof first === 'function' ? guard(offers, first) : check(offers, fromRequest(first, options))
  return Object.assign(handle, { [OFFERS]: offers }) as Handler
}

/** Asks whether a request is paid for. */
async function check(offers: readonly Offer[], inbound: Inbound): Promise<Payment> {
  return toPayment(await serve(offers, inbound))
}

/** What a verdict means to the application. */
export function toPayment(verdict: Verdict): Payment & { reply?: Reply } {
  switch (verdict.status) {
    case 'paid':
      return createPaid(verdict)
    case 'free':
      return FREE
    default:
      return new Refused(verdict.reply, 'problem' in verdict ? verdict.problem : undefined)
  }
}

const FREE: Paid = Object.freeze({
  status: 200,
  receipt: undefined,
  challenge: undefined,
  source: undefined,
  settlement: undefined,
  withReceipt: (response: Response) => response,
})

/** Makes the response only when it is asked for: a Node listener sends the reply itself. */
class Refused implements Unpaid {
  readonly status = 402
  readonly reply: Reply
  readonly problem: Errors.Problem | undefined
  private response: Response | undefined = undefined

  constructor(reply: Reply, problem?: Errors.Problem) {
    this.reply = reply
    this.problem = problem
  }

  get challenge(): Response {
    return (this.response ??= toResponse(this.reply))
  }
}

function createPaid(visit: PaidVisit): Paid {
  const { bound, receipt, settlement } = visit
  return {
    status: 200,
    receipt,
    challenge: bound.challenge,
    source: bound.source,
    settlement,
    withReceipt: (response) =>
      conclude(visit, response.status, () => respond(visit, response)) ?? response,
  }
}

/** Closes the payment with the answer that goes out; one of 400 and above leaves it owed. */
export function conclude<answer>(
  visit: PaidVisit,
  status: number,
  answer: () => answer,
): answer | undefined {
  const { lease, isDelivered } = visit
  try {
    if (status >= 400) return undefined
    const last = answer()
    visit.isDelivered = true
    return last
  } finally {
    if (!isDelivered)
      void close(visit, visit.isDelivered ? delivered(lease.record) : owed(lease.record))
  }
}

export function respond(visit: PaidVisit, response: Response): Response {
  const receipted = attachReceipt(response, Receipt.serialize(visit.receipt))
  const last = visit.bound.offer.method.onRespond ? showRail(visit, receipted) : receipted
  tellDelivered(visit)
  return last
}

/** The rail's last look. The payer has paid by now: whatever the hook does, there is an answer. */
function showRail({ bound, receipt }: PaidVisit, response: Response): Response {
  const { method, kernel } = bound.offer
  const tell = (cause: unknown): void => kernel.events.emit('error', () => ({ cause }))
  try {
    const shown: unknown = method.onRespond?.(receipt, response)
    if (isThenable(shown)) void shown.then(undefined, tell)
    else if (isResponse(shown)) return shown
  } catch (cause) {
    tell(cause)
  }
  return response
}

/** Like `respond`, for headers on their way out of a rail that wants no look at the response. */
export function respondWith(visit: PaidVisit, headers: Carrier): void {
  addHeaders(headers, Receipt.serialize(visit.receipt))
  tellDelivered(visit)
}

const tellDelivered = ({ bound, receipt, inbound }: PaidVisit): void =>
  bound.offer.kernel.events.emit('delivered', () => ({ ...describe(bound, inbound), receipt }))

/** Puts the payment in front of the application's function. */
function guard<rest extends unknown[], request extends Request>(
  offers: readonly Offer[],
  application: Application<rest, request>,
): Guarded<rest, request> {
  const answer = async (inbound: Inbound, ...rest: rest): Promise<Response | Reply> => {
    const verdict = await serve(offers, inbound)
    switch (verdict.status) {
      case 'paid':
        return deliver(verdict, () => application(inbound.request() as request, ...rest))
      case 'free':
        return application(inbound.request() as request, ...rest)
      default:
        return verdict.reply
    }
  }
  const guarded = async (request: request, ...rest: rest): Promise<Response> => {
    const response = await answer(fromRequest(request), ...rest)
    return isResponse(response) ? response : toResponse(response)
  }
  return Object.assign(guarded, { [ANSWER]: answer })
}

/**
 * Runs the application and records its answer before it goes out. Whatever goes wrong in it leaves
 * the payment owed: the same credential runs it again.
 */
async function deliver(
  visit: PaidVisit,
  application: () => Response | Promise<Response>,
): Promise<Response | Reply> {
  const { lease } = visit
  const { maxAnswerBytes, deadlines } = lease.kernel
  const stop = keepLease(lease)
  try {
    const response = await application()
    const good = response.status < 400
    const read = good ? await readAnswer(respond(visit, response), maxAnswerBytes) : response
    if ('pull' in read)
      return passOn(read, deadlines.lease / 2, (broken) => endStream(visit, stop, broken))
    await stop()
    await close(visit, isResponse(read) ? owed(lease.record) : delivered(lease.record, keep(read)))
    return read
  } catch (cause) {
    await stop()
    await close(visit, owed(lease.record), cause)
    throw cause
  }
}

/** What broke off is owed whole. */
async function endStream(
  visit: PaidVisit,
  stop: () => Promise<void> | undefined,
  broken: { cause: unknown } | undefined,
): Promise<void> {
  const { lease } = visit
  await stop()
  await close(visit, broken ? owed(lease.record) : delivered(lease.record), broken?.cause)
  if (broken) lease.kernel.events.emit('error', () => broken)
}

/** Ends the visit's hold on the payment. What cannot be recorded now must not cost the visitor the answer. */
function close(visit: PaidVisit, next: PaymentRecord, cause?: unknown): Promise<unknown> {
  const { bound, lease, inbound, receipt } = visit
  const { events, ledger } = lease.kernel
  const isDelivered = next.state === 'delivered'
  if (!isDelivered) events.emit('owed', () => ({ ...describe(bound, inbound), receipt, cause }))
  const closing = advance(lease, next)
  // After the store: what the ledger calls delivered is.
  const entered =
    isDelivered && ledger
      ? closing.then((held) =>
          held ? tryEnter({ bound, key: lease.key }, 'delivered') : undefined,
        )
      : closing
  return entered.catch((cause: unknown) => events.emit('error', () => ({ cause })))
}
