/**
 * The function that guards a route, plain (`payment.status`) or around the route's own function.
 *
 * @module
 */
import type * as Challenge from '../Challenge.js'
import type * as Errors from '../Errors.js'
import type * as Receipt from '../Receipt.js'
import { conclude, deliver, deliverAuthorized, respond } from './deliver.js'
import type { Offer } from './route.js'
import { serve, type PaidVisit, type Verdict } from './serve.js'
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
  return toPayment(await serveBefore(offers, inbound))
}

/**
 * Serves a visit of the plain form, which does not hear how its application ends.
 *
 * @throws TypeError when the route is to capture after it.
 */
export async function serveBefore(offers: readonly Offer[], inbound: Inbound): Promise<Verdict> {
  for (const { method, options } of offers)
    if (options.capture === 'after')
      throw new TypeError(
        `${method.name}/${method.intent}: \`capture: 'after'\` needs the handler inside, mpp.charge({ … })(handler), to hear how it ends.`,
      )
  const visited = await serve(offers, inbound)
  return visited.status === 'authorized' ? visited.capture() : visited
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
      case 'authorized':
        return deliverAuthorized(verdict, () => application(inbound.request() as request, ...rest))
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
