/**
 * Step 6: what goes back: a refusal with fresh challenges, or the paid response with its receipt.
 *
 * @module
 */
import * as base64url from '#base64url'
import * as Errors from '../../Errors.js'
import { warn } from '../events.js'
import { issue, type Issued } from '../offers.js'
import type { Offer } from '../route.js'
import { join, type Inbound, type Reply } from '../transport.js'
import { refuse, type Refusal } from './capture.js'
import type { Answer } from './record.js'

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
  issued: readonly Issued[],
  { refusal, visit }: { refusal: Refusal; visit: Visit },
): Refused {
  const [first] = issued
  if (!first) {
    const { refused } = refuse('offer-unavailable')
    return { reply: problemReply(refused, 5), problem: refused }
  }
  const { kernel } = offers[0] as Offer
  kernel.events.emit('challenge', () => ({
    method: visit.inbound.method,
    url: visit.inbound.url,
    challenges: issued.map(({ id }) => id),
  }))
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

function problemReply(problem: Errors.Problem, retryAfter: number | undefined): Reply {
  const headers: Reply['headers'] = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    Vary: VARY,
    'Access-Control-Expose-Headers': EXPOSED,
  }
  if (retryAfter !== undefined) headers['Retry-After'] = String(Math.max(1, Math.ceil(retryAfter)))
  return { status: problem.status, headers, body: JSON.stringify(problem) }
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
export function attachReceipt(response: Response, receipt: string): Response {
  // A response without a body may be a constant of the application, sent to many.
  if (response.body === null) return addHeaders(new Response(null, response), receipt)
  try {
    return addHeaders(response, receipt)
  } catch {
    // What fetch() returned has immutable headers.
    return addHeaders(new Response(response.body, response), receipt)
  }
}

function addHeaders(response: Response, receipt: string): Response {
  const { headers } = response
  headers.set('Payment-Receipt', receipt)
  headers.set('Cache-Control', privately(headers.get('Cache-Control')))
  headers.append('Vary', VARY)
  headers.append('Access-Control-Expose-Headers', EXPOSED)
  return response
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

/** A response read as far as it came at once. */
export type Read = { response: Response; answer: Answer | undefined }

/**
 * Reads a response so that it can be given again. A body that streams, or is longer than `limit`,
 * passes through and is not kept.
 */
export async function readAnswer(response: Response, limit: number): Promise<Read> {
  if (response.body === null) return { response, answer: toAnswer(response, new Uint8Array()) }
  if (response.headers.get('content-type')?.startsWith('text/event-stream'))
    return { response, answer: undefined }
  const reader = response.body.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  for (;;) {
    const next = reader.read()
    // A body made of a string or bytes is there before the next turn; one that streams is not.
    const part = (await isPrompt(next)) ? await next : await Promise.race([next, nextTurn()])
    if (part?.done) break
    if (part) {
      chunks.push(part.value)
      size += part.value.length
    }
    if (!part || size > limit)
      return {
        response: rebuild(response, resume(chunks, part ? undefined : next, reader)),
        answer: undefined,
      }
  }
  const bytes = join(chunks, size)
  return { response: rebuild(response, bytes as BodyInit), answer: toAnswer(response, bytes) }
}

const rebuild = (response: Response, body: BodyInit | null): Response =>
  new Response(body, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  })

/** What nothing outside the process holds up is settled within this many microtasks. */
const PROMPT = 16

async function isPrompt(promise: Promise<unknown>): Promise<boolean> {
  const state = { settled: false }
  const note = () => void (state.settled = true)
  promise.then(note, note)
  for (let turn = 0; turn < PROMPT && !state.settled; turn++) await undefined
  return state.settled
}

const nextTurn = (): Promise<undefined> => new Promise((resolve) => setTimeout(resolve, 0))

type Reader = ReadableStreamDefaultReader<Uint8Array>

/** What was read already, then the rest as the visitor takes it. */
function resume(
  chunks: Uint8Array[],
  pending: ReturnType<Reader['read']> | undefined,
  reader: Reader,
): ReadableStream<Uint8Array> {
  let next = pending
  return new ReadableStream({
    async pull(controller) {
      const chunk = chunks.shift()
      if (chunk) return controller.enqueue(chunk)
      const part = await (next ?? reader.read())
      next = undefined
      if (part.done) controller.close()
      else controller.enqueue(part.value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

const toAnswer = (response: Response, bytes: Uint8Array): Answer => ({
  status: response.status,
  headers: [...response.headers],
  body: base64url.encode(bytes),
})

/** The recorded answer, as it was given. */
export function replay(answer: Answer): Reply {
  const headers: Reply['headers'] = {}
  for (const [name, value] of answer.headers) {
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  const body = base64url.decodeBytes(answer.body) ?? new Uint8Array()
  return { status: answer.status, headers, body: body.length === 0 ? null : body }
}
