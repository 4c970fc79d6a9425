/**
 * Faults of the local Stripe: outages, rate limits, errors, answers that are lost or late; and chaos from a seed.
 *
 * @module
 */
import { type Fault as AnyFault, type Injected, openFaults, type Passed } from '../faults.js'
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
export type ChaosOptions = {
  /** The same seed strikes the same calls in the same ways, by their order. */
  seed: number
  /** The part of the calls that is struck, from 0 to 1. */
  rate: number
  /** Default: all of them. */
  kinds?: readonly ChaosKind[]
  /** The call that it may strike; others are not counted. Default: every one. */
  call?: StripeCall
}

/** Chaos in force. */
export type Chaos = Injected & {
  /** What it did to each call so far, `''` for nothing. */
  readonly sequence: readonly (ChaosKind | '')[]
}

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

/** Opens the place where faults and chaos are injected. */
export function openStripeFaults() {
  const faults = openFaults<StripeFailure, StripeFault>(
    (fault, call) => (fault.call ?? call) === call,
  )
  const storms = new Set<(call: StripeCall) => StripeFault | undefined>()
  return {
    ...faults,
    async pass<answer>(
      call: StripeCall,
      carryOut: () => Promise<answer>,
    ): Promise<Passed<answer, StripeFailure>> {
      const drawn = [...storms].map((draw) => draw(call)).find((fault) => fault !== undefined)
      if (drawn === undefined) return faults.pass(call, carryOut)
      using _ = faults.inject({ ...drawn, times: 1 })
      return await faults.pass(call, carryOut)
    },
    chaos(options: ChaosOptions): Chaos {
      const { seed, rate, kinds = chaosKinds, call: only } = options
      const random = openRandom(seed)
      const sequence: (ChaosKind | '')[] = []
      const draw = (call: StripeCall) => {
        if ((only ?? call) !== call) return undefined
        // Both numbers are drawn for every call, so that the rate does not shift the kinds.
        const [chance, which] = [random(), random()]
        const kind = chance < rate ? kinds[Math.floor(which * kinds.length)] : undefined
        sequence.push(kind ?? '')
        return kind && chaos[kind]
      }
      storms.add(draw)
      const clear = () => void storms.delete(draw)
      return {
        sequence,
        get hits() {
          return sequence.filter((kind) => kind !== '').length
        },
        clear,
        [Symbol.dispose]: clear,
      }
    },
    clear() {
      storms.clear()
      faults.clear()
    },
  }
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

/** Numbers from 0 to 1, the same for the same seed: a Weyl sequence through a mixer of 32 bits. */
function openRandom(seed: number): () => number {
  let state = Math.trunc(seed) | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}

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
