/**
 * Presents one credential until its answer is known: the same one each time, never another.
 *
 * @module
 */
import type { Call } from './capture.js'
import { within } from './deadline.js'
import { report, type Refusal } from './events.js'
import type { Occasion, Payment } from './judge.js'
import { discard, follow } from './transport.js'

/** How long an unknown outcome is asked after. */
export type Retry = {
  /** Most presentations of one credential in one fetch (default 5). */
  attempts: number
  /** Milliseconds after which no further one begins (default 30,000). */
  timeout: number
}

/** The request that met a 402, and that 402. */
export type Errand = Occasion & {
  readonly client: { readonly retry: Retry }
  readonly call: Call
  /** Where redirects led, if they did. */
  readonly location: string
}

/** An answer, and how many presentations it took: after the first, one may have been lost on the way. */
export type Answer = { response: Response; attempt: number }

/**
 * Sends the request with its credential. A 409, 429 or 5xx that says when to come back, and a lost
 * connection, are tried again with the same credential within the limits of `retry`.
 *
 * @param resumed - Set when the caller asks again, later and with another signal.
 * @throws What the connection threw last; `explain` then tells how to resume.
 * @see core draft, Retry Behavior and Idempotency and Side Effects
 */
export async function present(
  payment: Payment<Errand>,
  resumed?: { signal?: AbortSignal | undefined },
): Promise<Answer> {
  const { occasion, expires } = payment
  const { client, call, url, location } = occasion
  const { signal } = resumed ?? call
  const { attempts, timeout } = client.retry
  const end = Math.min(Date.now() + timeout, expires)
  const headers = withCredential(call.headers, payment)
  const changes: RequestInit = { headers, redirect: 'manual', signal: signal ?? null }
  try {
    // An expired challenge must not be submitted; only what is paid, and `resume`, may still ask for an answer.
    if (!(resumed ?? payment.isMoved) && end <= Date.now()) throw failure([{ code: 'expired' }])
    for (let attempt = 1; ; attempt++) {
      let response: Response | undefined
      let error: unknown
      try {
        response = await call.send(changes, location)
      } catch (thrown) {
        error = thrown
      }
      signal?.throwIfAborted()
      const wait = pauseFor(response, attempts - attempt, attempt)
      const isFinal = !(Date.now() + wait <= end)
      const status = response?.status
      client.events.emit('response', () => ({ url: url.href, status, attempt, isFinal }))
      if (isFinal) return { response: await conclude(payment, response, error), attempt }
      discard(response)
      await within(new Promise((resolve) => setTimeout(resolve, wait)), signal)
    }
  } catch (error) {
    suspend(error, payment)
    throw error
  }
}

/** Deployed servers whose `Authorization` is for something else name the one other header. */
function withCredential(headers: Call['headers'], { wire, credential }: Payment): Call['headers'] {
  const name = `${wire.header ? 'payment-' : ''}authorization`
  const before = headers[name]
  return Object.assign({}, headers, { [name]: before ? `${before}, ${credential}` : credential })
}

/** Milliseconds until the same credential may be presented again; NaN when the answer stands. */
function pauseFor(response: Response | undefined, left: number, attempt: number): number {
  if (left < 1) return NaN
  if (!response) return 2 ** attempt * 100 + Math.random() * 200
  const { status, headers } = response
  const after = headers.get('retry-after') ?? ''
  if (status < 500 && status !== 409 && status !== 429) return NaN
  const seconds = /^\d+$/.test(after) ? +after : (Date.parse(after) - Date.now()) / 1000
  return Math.max(0, seconds) * 1000 + Math.random() * 200
}

async function conclude(
  payment: Payment<Errand>,
  response: Response | undefined,
  error: unknown,
): Promise<Response> {
  if (!response) throw error
  const { occasion, price, challenge } = payment
  const { status } = response
  const isGood = status < 400
  const answer = isGood ? await follow(occasion, response) : response
  if (isGood || status === 402)
    report(occasion, answer, { status: isGood ? 'paid' : 'rejected', price, challenge })
  else suspend(answer, payment)
  return answer
}

/** Keeps a payment whose answer is missing where its caller finds it. */
export function suspend(outcome: unknown, payment: Payment<Errand>): void {
  const { occasion, price, challenge, credential } = payment
  report(occasion, outcome, {
    status: 'pending',
    price,
    challenge,
    credential: () => credential,
    resume: async (options = {}) => (await present(payment, options)).response,
  })
}

/** An error that is data: `name` is `PaymentDeclined`, `code` is stable. */
export function failure(refusals: readonly Refusal[]): Error {
  const { code, detail = code } = refusals[0] as Refusal
  return Object.assign(new Error(detail), { name: 'PaymentDeclined', code, refusals })
}
