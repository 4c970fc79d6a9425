/**
 * Faults of the local Stripe: outages, rate limits, errors, answers that are lost or late; and chaos from a seed.
 *
 * @module
 */
import { openChaos, type Raging, type Storm } from '../chaos.js'
import type { Fault as AnyFault } from '../faults.js'
import type { Reply } from '../loopback.js'
import { type ErrorBody, errorObject, Refusal } from './refusal.js'
import type { StripeCall } from './routes.js'

/** An answer with a status instead of what the call came to. */
export type StripeFailure = {
  status: number
  /** What the error says. Default: what Stripe says with that status. */
  error?: Partial<ErrorBody>
  /** Sent in place of an error object: what a proxy says, for instance. */
  body?: string
  headers?: Record<string, string>
  /** Whether the idempotency key keeps this answer, as Stripe's do once an endpoint has begun. Default false. */
  recorded?: boolean
}

/** One fault to inject. It may fail as an HTTP status. */
export type StripeFault = AnyFault<StripeFailure> & {
  /** The call that it strikes. Default: every one. */
  call?: StripeCall
}

/** What chaos does to a call. */
export type ChaosKind =
  | 'conflict'
  | 'error'
  | 'kept error'
  | 'late'
  | 'lost'
  | 'outage'
  | 'rate limit'
  | 'refused'
  | 'work kept as error'

/** What chaos is to do. */
export type ChaosOptions = Storm<ChaosKind, StripeCall>

/** Chaos in force. */
export type Chaos = Raging<ChaosKind>

const chaos: Record<ChaosKind, StripeFault> = {
  conflict: { fail: { status: 409 } },
  error: { fail: { status: 500 } },
  'kept error': { fail: { status: 500, recorded: true } },
  late: { delay: 20 },
  lost: { executed: true, fail: 'drop' },
  outage: { fail: { status: 503 } },
  'rate limit': { fail: { status: 429 } },
  refused: { fail: 'drop' },
  'work kept as error': { executed: true, fail: { status: 500, recorded: true } },
}

const chaosKinds: readonly ChaosKind[] = [
  'conflict',
  'error',
  'kept error',
  'late',
  'lost',
  'outage',
  'rate limit',
  'refused',
  'work kept as error',
]

/** Opens the place where faults and chaos are injected. */
export const openStripeFaults = () =>
  openChaos<ChaosKind, StripeFailure, StripeCall>(chaos, chaosKinds)

/** The answer of a failure. */
export function failureReply(failure: StripeFailure, requestId: string): Reply {
  const { status, error, body, headers = {}, recorded = false } = failure
  const json = { 'content-type': 'application/json', ...usualHeaders(status, recorded), ...headers }
  if (body !== undefined)
    return { status, headers: { 'content-type': 'text/html', ...headers }, body }
  const refusal = new Refusal(status, { ...usualError(status), ...error })
  return { status, headers: json, body: JSON.stringify(errorObject(refusal, requestId), null, 2) }
}

function usualHeaders(status: number, recorded: boolean): Record<string, string> {
  if (status === 429) return { 'retry-after': '1' }
  if (status === 409) return { 'stripe-should-retry': 'true' }
  return recorded ? { 'stripe-should-retry': 'false' } : {}
}

function usualError(status: number): ErrorBody {
  if (status === 429) {
    const message = 'Request rate limit exceeded.'
    return { type: 'invalid_request_error', code: 'rate_limit', message }
  }
  if (status === 409) {
    const message = 'Another request holds the lock on this object.'
    return { type: 'invalid_request_error', code: 'lock_timeout', message }
  }
  if (status >= 500)
    return { type: 'api_error', message: 'An error of the local Stripe, on command.' }
  return { type: 'invalid_request_error', message: 'A refusal of the local Stripe, on command.' }
}
