/**
 * A fetch that pays one 402.
 *
 * @module
 */
import * as Challenge from '../Challenge.js'
import type * as Method from '../Method.js'
import { capture, drain, type Call, type Input } from './capture.js'
import { explain, report, type Emitter } from './events.js'
import { authorize, select, starting, type Occasion, type Payment } from './judge.js'
import { compile, type Ledger, type Policy, type Rules } from './policy.js'
import type { Fetch } from './polyfill.js'
import { present, suspend, type Answer, type Errand, type Retry } from './present.js'
import { discard, distrust } from './transport.js'

/** A client, as its parts see it. */
export type Settings = {
  readonly methods: readonly Method.Client[]
  readonly rules: Rules
  readonly ledger: Ledger
  readonly events: Emitter
  readonly retry: Retry
  readonly fetch: Fetch
  /** The `Accept-Payment` value. */
  readonly accept: string
  readonly acceptPayment: boolean | undefined
  readonly maxBodyBytes: number
}

export type Own = { context?: unknown; policy?: Policy | undefined }

/**
 * Fetches, and pays if the answer is a 402 that the policy allows.
 *
 * One fetch pays once. A second 402 goes to the caller, whatever it asks. Only a server's definite
 * refusal of a proof that it could have taken, but did not, lets the next rail of the same 402 try.
 */
export async function pay(
  client: Settings,
  input: Input,
  init: RequestInit & Own = {},
): Promise<Response> {
  const { context, policy, ...rest } = init
  const { fetch } = client
  if (starting) return fetch(input, rest)
  const call = await capture(input, rest, client)
  const { headers } = call
  const { location } = globalThis as { location?: Location }
  const isOwn = !location || new URL(call.url, location.href).origin === location.origin
  if (client.acceptPayment ?? isOwn) headers['accept-payment'] ??= client.accept
  const first = await call.send()
  if (first.status !== 402) return first
  // A credential that the caller brought, or a client below us, is a payment already.
  const isPaid = /(^|,)\s*payment\s/i.test(headers.authorization ?? '')
  if (isPaid || explain(first)?.challenge) return first
  return settle(meet(client, first, { call, context, policy }), first)
}

async function settle(errand: Meeting<Call>, first: Response): Promise<Response> {
  const onLate = (payment: Payment<Errand>): void => suspend(undefined, payment)
  for (let response = first; ;) {
    const payment = await authorize(errand, onLate)
    if (!payment) {
      if (response === first) report(errand, first, { status: 'declined' })
      return response
    }
    discard(response)
    do {
      const answer = await present(payment)
      response = answer.response
      if (response.status !== 402 || !(await isRefuted(answer, payment))) return response
      payment.credential = payment.alternate!
      payment.alternate = undefined
    } while (payment.credential)
    errand.refusals.push({ code: 'rejected', offer: payment.wire })
  }
}

/** A 402 that has been read. */
export type Meeting<call> = Occasion & { client: Settings; call: call; location: string }

/** Reads a 402: where it speaks for, what it offers, or why nothing can be paid at all. */
export function meet<call extends Pick<Call, 'url' | 'method' | 'body' | 'signal' | 'duplex'>>(
  client: Settings,
  response: Response,
  { call, context, policy }: { call: call } & Own,
): Meeting<call> {
  const { methods } = client
  const rules = policy ? compile({ ...client.rules.policy, ...policy }, methods) : client.rules
  const wires = Challenge.scan(response.headers.get('www-authenticate') ?? '')
  const asked = new URL(call.url, globalThis.location?.href)
  const location = response.url === asked.href ? '' : response.url
  const url = location ? new URL(location) : asked
  client.events.emit('challenge', () => ({ url: url.href, offers: wires }))
  const offers = select(methods, wires)
  const code =
    distrust(response, [asked, url], call.method) ||
    (call.duplex && 'body-not-replayable') ||
    (!offers[0] && 'no-offer')
  const refusals = code ? [{ code }] : []
  return { client, call, url, location, rules, context, offers: code ? [] : offers, refusals }
}

/** The problem types that say of a proof that it bought nothing; a used challenge may have bought. */
const definite = /\/(verification-failed|payment-(insufficient|expired)|malformed-credential)$/

/** Whether a 402 says that the server certainly did not take the money, so that another rail may be tried. */
async function isRefuted(answer: Answer, payment: Payment<Errand>): Promise<boolean> {
  const { response, attempt } = answer
  const { occasion, method, isMoved } = payment
  if (attempt > 1 || isMoved) return false
  occasion.offers = occasion.offers.filter((offer) => offer.method.name !== method.name)
  if (!(occasion.offers[0] || payment.alternate) || !response.body) return false
  try {
    // A body that never ends must not hold the answer back.
    const signal = AbortSignal.timeout(2000)
    const { body } = await drain(response.clone().body!, { limit: 65_536, signal })
    return body instanceof Blob && definite.test(JSON.parse(await body.text()).type)
  } catch {
    return false
  }
}
