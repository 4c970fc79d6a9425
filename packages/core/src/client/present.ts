/**
 * Presents one credential until its answer is known: the same one each time, never another.
 *
 * @module
 */
import type { Call } from './capture.js'
import { within } from './deadline.js'
import { report, type Refusal } from './events.js'
import { lifeOf, type Occasion, type Payment } from './judge.js'
import { discard, follow } from './transport.js'

/** How long an unknown outcome is asked after. */
export type Retry = {
  /** Most presentations of one credential in one fetch (default 5). */
  attempts?: number | undefined
  /** Milliseconds after which no further one begins (default 30,000). */
  timeout?: number | undefined
}

/** The request that met a 402, and that 402. */
export type Errand = Occasion & Call & { readonly retry: Retry }

/** An answer, and whether it was the first: then none was lost on the way. */
export type Answer = { response: Response; isFirst: boolean }

/**
 * Sends the request with its credential. A 409, 429 or 5xx that says when to come back, and a lost
 * connection, are tried again with the same credential within the limits of `retry`.
 *
 * @throws What the connection threw last; `explain` then tells how to resume.
 * @see core draft, Retry Behavior and Idempotency and Side Effects
 */
export async function present(
  errand: Errand,
  payment: Payment,
  isResumed?: boolean,
): Promise<Answer> {
  const { events, send, signal } = errand
  const { attempts = 5, timeout = 30_000 } = errand.retry
  const life = lifeOf(payment.wire)
  const end = Date.now() + Math.min(timeout, life)
  const headers = new Headers(errand.headers)
  headers.append('authorization', payment.credential)
  const url = errand.url.href
  try {
    // An expired challenge must not be submitted; only `resume` may still ask for an answer.
    if (life <= 0 && !isResumed) throw failure([{ code: 'expired' }])
    for (let attempt = 1; ; attempt++) {
      const sent = await send({ headers, redirect: 'manual', signal: signal ?? null }, url).then(
        (response): Sent => [response],
        (error: unknown): Sent => [undefined, error],
      )
      signal?.throwIfAborted()
      const [response] = sent
      const wait = attempt < attempts ? pauseFor(response, attempt) : NaN
      const isFinal = !(Date.now() + wait <= end)
      events.emit('response', { url, status: response?.status, attempt, isFinal })
      if (isFinal) return { response: await conclude(sent, errand, payment), isFirst: attempt < 2 }
      discard(response)
      await within(new Promise((resolve) => setTimeout(resolve, wait)), { signal })
    }
  } catch (error) {
    suspend(error, errand, payment)
    throw error
  }
}

type Sent = readonly [Response | undefined, unknown?]

/** Milliseconds until the same credential may be presented again; NaN when the answer stands. */
function pauseFor(response: Response | undefined, attempt: number): number {
  if (!response) return 2 ** attempt * (100 + Math.random() * 50)
  const { status, headers } = response
  const after = headers.get('retry-after') ?? ''
  if (status < 500 && status !== 409 && status !== 429) return NaN
  const seconds = /^\d+$/.test(after) ? +after : (Date.parse(after) - Date.now()) / 1000
  return Math.max(0, seconds) * 1000 + Math.random() * 200
}

async function conclude(
  [response, error]: Sent,
  errand: Errand,
  payment: Payment,
): Promise<Response> {
  if (!response) throw error
  const { price, challenge } = payment
  const { status } = response
  let answer = response
  if (status < 400) answer = await follow(errand, response)
  else if (status !== 402) {
    suspend(response, errand, payment)
    return response
  }
  report(errand, answer, { status: status < 400 ? 'paid' : 'rejected', price, challenge })
  return answer
}

/** Keeps a payment whose answer is missing where its caller finds it. */
export function suspend(outcome: unknown, errand: Errand, payment: Payment): void {
  const { price, challenge, credential } = payment
  report(errand, outcome, {
    status: 'pending',
    price,
    challenge,
    credential: () => credential,
    async resume({ signal } = {}) {
      const again = await present({ ...errand, signal }, payment, true)
      return again.response
    },
  })
}

/** An error that is data: `name` is `PaymentDeclined`, `code` is stable. */
export function failure(refusals: readonly Refusal[], response?: Response): Error {
  const { code, detail = code } = refusals[0] as Refusal
  return Object.assign(new Error(detail), { name: 'PaymentDeclined', code, refusals, response })
}
