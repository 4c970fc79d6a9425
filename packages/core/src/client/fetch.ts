/**
 * A fetch that pays one 402.
 *
 * @module
 */
import * as Challenge from '../Challenge.js'
import type * as Method from '../Method.js'
import { capture, drain, type Call, type Input } from './capture.js'
import { explain, report, type Emitter, type Refusal } from './events.js'
import { authorize, isNested, select, type Occasion, type Payment } from './judge.js'
import { compile, type Ledger, type Policy, type Rules } from './policy.js'
import type { Fetch } from './polyfill.js'
import { failure, present, suspend, type Answer, type Errand, type Retry } from './present.js'
import { discard, distrust } from './transport.js'

/** A client, as its parts see it. */
export type Client = {
  readonly methods: readonly Method.Client[]
  readonly rules: Rules
  readonly ledger: Ledger
  readonly events: Emitter
  readonly retry: Retry
  readonly fetch: Fetch
  readonly acceptPayment: (url: URL) => string | undefined
  readonly maxBodyBytes: number
  readonly onDeclined: 'return' | 'throw'
}

export type Own = { context?: unknown; policy?: Policy | undefined }

/**
 * Fetches, and pays if the answer is a 402 that the policy allows.
 *
 * One fetch pays once. A second 402 goes to the caller, whatever it asks. Only a server's definite
 * refusal of a proof that it could have taken, but did not, lets the next rail of the same 402 try.
 */
export async function pay(
  client: Client,
  input: Input,
  init: RequestInit & Own = {},
): Promise<Response> {
  const { context, policy, ...rest } = init
  const { fetch } = client
  if (isNested()) return fetch(input, rest)
  const call = await capture(input, rest, client)
  const { headers } = call
  const accept = client.acceptPayment(call.url)
  if (accept && !headers.has('accept-payment')) headers.set('accept-payment', accept)
  const first = await call.send()
  // A credential that the caller brought, or a client below us, is a payment already.
  const isPaid = /(^|,)\s*payment\s/i.test(headers.get('authorization') ?? '')
  const below = explain(first)?.status ?? 'declined'
  if (first.status !== 402 || isPaid || below !== 'declined') return first
  return settle({ ...client, ...call, ...meet(client, first, { ...call, context, policy }) }, first)
}

async function settle(errand: Errand & Client, first: Response): Promise<Response> {
  const { refusals } = errand
  const onLate = (payment: Payment): void => suspend(undefined, errand, payment)
  for (let response = first; ;) {
    const payment = await authorize(errand, onLate).catch((error) => {
      discard(response)
      throw error
    })
    if (!payment) return response === first ? decline(errand, first) : response
    discard(response)
    const answer = await present(errand, payment)
    if (!(await isRefuted(answer, payment, errand))) return answer.response
    response = answer.response
    refusals.push({ code: 'rejected', offer: payment.wire })
  }
}

/** Reads a 402: where it speaks for, what it offers, or why nothing can be paid at all. */
export function meet(
  client: Client,
  response: Response,
  asked: Pick<Call, 'url' | 'method' | 'body' | 'signal' | 'duplex'> & Own,
): Occasion {
  const { methods, events, ledger } = client
  const { body, signal, context, policy, duplex } = asked
  const rules = policy ? compile({ ...client.rules.policy, ...policy }, methods) : client.rules
  const offers = Challenge.scan(response.headers.get('www-authenticate') ?? '')
  const url = new URL(response.url || asked.url)
  events.emit('challenge', { url: url.href, offers })
  const queue = select(methods, offers)
  const code =
    distrust(response, asked, url) || (duplex && 'body-not-replayable') || (!queue[0] && 'no-offer')
  const refusals: Refusal[] = code ? [{ code }] : []
  return { url, body, signal, context, rules, ledger, events, queue: code ? [] : queue, refusals }
}

/** The problem types that say of a proof that it bought nothing; a used challenge may have bought. */
const definite =
  /\/(verification-failed|payment-insufficient|payment-expired|malformed-credential)$/

/** Whether the server certainly did not take the money, so that another rail may be tried. */
async function isRefuted(answer: Answer, payment: Payment, occasion: Occasion): Promise<boolean> {
  const { response, isFirst } = answer
  const { signal, queue } = occasion
  if (response.status !== 402 || !isFirst || !payment.revocable) return false
  occasion.queue = queue.filter(({ method }) => method.name !== payment.method.name)
  if (!occasion.queue.length || !response.body) return false
  try {
    const { body } = await drain(response.clone().body!, { limit: 65_536, signal })
    return body instanceof Blob && definite.test(JSON.parse(await body.text()).type)
  } catch {
    return false
  }
}

/** Hands the 402 back as it came, and says why to whoever asks. */
export function decline(occasion: Client & Occasion, response: Response): Response {
  report(occasion, response, { status: 'declined' })
  if (occasion.onDeclined === 'throw') throw failure(occasion.refusals, response)
  return response
}
