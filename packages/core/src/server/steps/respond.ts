/**
 * Step 6: what goes back: a refusal with fresh challenges, or the paid response with its receipt.
 *
 * @module
 */
import * as Errors from '../../Errors.js'
import { warn } from '../events.js'
import { forward } from '../forward.js'
import { issue, type Issuing } from '../offers.js'
import { scopeOf } from '../scope.js'
import type { Offer } from '../route.js'
import type { Inbound, Reply } from '../transport.js'
import { refuse, type Refusal } from './receive.js'
import { noteIssued } from './enter.js'

const EXPOSED = 'WWW-Authenticate, Payment-Receipt, Retry-After'
const VARY = 'Authorization, Accept-Payment'

/** Proxies with the usual buffers answer 502 beyond this many bytes of headers. */
const PROXY_BUFFER = 4096
const warned = new WeakSet<readonly Offer[]>()

/**
 * Turns a refusal into a problem document; a 402 with a fresh challenge of every rail that can.
 *
 * @see core draft, Status Codes and Error Handling
 */
export function replyWith(
  offers: readonly Offer[],
  refusal: Refusal,
  visit: Visit,
): Refused | Promise<Refused> {
  const problem = refusal.refused
  if (problem.status !== 402) return { reply: problemReply(problem, refusal.retryAfter), problem }
  const issuing = issue(offers, visit.inbound, visit.body)
  return issuing instanceof Promise
    ? issuing.then((issued) => challengeWith(offers, issued, { refusal, visit }))
    : challengeWith(offers, issuing, { refusal, visit })
}

type Visit = { inbound: Inbound; body: Uint8Array | undefined }
type Refused = { reply: Reply; problem: Errors.Problem }

function challengeWith(
  offers: readonly Offer[],
  { challenges: issued, refusal: failed }: Issuing,
  { refusal, visit }: { refusal: Refusal; visit: Visit },
): Refused {
  const [first] = issued
  if (!first) {
    // Who asks too much is told so; why else a rail offers nothing is its operator's to know.
    const { refused, retryAfter } = isTooMuch(failed) ? failed : refuse('offer-unavailable')
    return { reply: problemReply(refused, retryAfter ?? 5), problem: refused }
  }
  const { kernel } = offers[0] as Offer
  kernel.events.emit('challenge', () => ({
    method: visit.inbound.method,
    url: visit.inbound.url,
    challenges: issued.map(({ id }) => id),
    rails: issued.map(({ offer: { method } }) => `${method.name}/${method.intent}`),
  }))
  for (const { id, offer } of issued)
    if (offer.kernel.ledger?.issue) noteIssued(offer, id, scopeOf(offer, visit.inbound))
  const { refused, retryAfter } = refusal
  const problem =
    refused.code === 'payment-required'
      ? Errors.problem('payment-required', { challengeId: first.id })
      : refused
  const reply = problemReply(problem, retryAfter)
  const challenges = issued.map(({ header }) => header)
  reply.headers['WWW-Authenticate'] = challenges.length === 1 ? first.header : challenges
  accountSize(offers, challenges)
  return { reply, problem }
}

const isTooMuch = (refusal: Refusal | undefined): refusal is Refusal =>
  refusal?.refused.code === 'rate-limited'

function problemReply(problem: Errors.Problem, retryAfter: number | undefined): Reply {
  const headers: Reply['headers'] = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    Vary: VARY,
    'Access-Control-Expose-Headers': EXPOSED,
  }
  if (retryAfter !== undefined) headers['Retry-After'] = secondsOf(retryAfter)
  return { status: problem.status, headers, body: JSON.stringify(problem) }
}

/** Whole seconds, whatever a hook says. */
function secondsOf(retryAfter: unknown): string {
  const seconds = Math.ceil(Number(retryAfter))
  return Number.isFinite(seconds) && seconds > 1 ? String(seconds) : '1'
}

function accountSize(offers: readonly Offer[], challenges: readonly string[]): void {
  let size = 0
  for (const challenge of challenges) size += challenge.length + 20
  if (size <= PROXY_BUFFER || warned.has(offers)) return
  warned.add(offers)
  warn(
    (offers[0] as Offer).kernel.events,
    `A 402 carries ${size} bytes of challenges; proxies with 4 kB header buffers answer 502. Offer fewer rails on this route, shorten descriptions, or raise the buffer (nginx: proxy_buffer_size 16k).`,
  )
}

/**
 * Puts the receipt and the caching headers on a paid response.
 *
 * @see core draft, Payment-Receipt Header and Caching
 */
export function attachReceipt(answer: Response, receipt: string): Response {
  const response = forward(answer)
  // A response without a body may be a constant of the application, sent to many.
  if (response.body === null) return addTo(new Response(null, response), receipt)
  try {
    return addTo(response, receipt)
  } catch {
    // What fetch() returned has immutable headers.
    return addTo(new Response(response.body, response), receipt)
  }
}

function addTo(response: Response, receipt: string): Response {
  addHeaders(response.headers, receipt)
  return response
}

/** The headers of an answer, of whatever kind. */
export type Carrier = Pick<Headers, 'get' | 'set' | 'append'>

export function addHeaders(headers: Carrier, receipt: string): void {
  headers.set('Payment-Receipt', receipt)
  headers.set('Cache-Control', privately(headers.get('Cache-Control')))
  headers.append('Vary', VARY)
  headers.append('Access-Control-Expose-Headers', EXPOSED)
}

/** Keeps what the application said of caching, but for the leave to share. */
function privately(control: string | null): string {
  if (control === null) return 'private'
  const kept = control
    .split(',')
    .map((part) => part.trim())
    .filter((part) => !/^(?:public|private|s-maxage(?:=.*)?)$/i.test(part))
  return ['private', ...kept].filter(Boolean).join(', ')
}
