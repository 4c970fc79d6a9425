/**
 * Step 3: the rail judges the proof, the operator's policy the visitor. Nothing moves yet.
 *
 * @module
 */
import type * as Challenge from '../../Challenge.js'
import { isPaymentError } from '../../Errors.js'
import type { Presented, ReplayKey, Result, Server } from '../../Method.js'
import type { Outcome } from '../../Outcome.js'
import { sha256Text } from '#sha256'
import { canonicalize } from '../../codec/jcs.js'
import type { Kernel } from '../config.js'
import { isThenable, race } from '../deadline.js'
import { MethodStore } from '../store.js'
import type { Inbound } from '../transport.js'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './receive.js'
import { isProblem, isTransportFault, refusalOf, showable } from './fault.js'

/** A proof that the rail found good. */
export type Judged = {
  presentation: Presentation
  replay: ReplayKey | undefined
  payer: string | undefined
}

/** What the rail's hooks are handed. One object for all of them; signal and store are made when asked for. */
export class Presentation implements Presented {
  readonly challenge: Challenge.Challenge
  readonly credential: Presented['credential']
  validated: unknown = undefined
  attempt: unknown = undefined
  private controller: AbortController | undefined = undefined
  private readonly offer: Bound['offer']

  constructor({ challenge, source, offer }: Bound, payload: unknown) {
    this.challenge = challenge
    this.offer = offer
    this.credential = source === undefined ? { challenge, payload } : { challenge, payload, source }
  }

  get signal(): AbortSignal {
    return (this.controller ??= new AbortController()).signal
  }

  get store(): MethodStore {
    const { kernel, method } = this.offer
    return new MethodStore(kernel.store, method.name)
  }

  get capture(): 'before' | 'after' {
    return this.offer.options.capture ?? 'before'
  }

  /** Before another hook is asked: what came too late for one before must not stop it. */
  renew(): void {
    this.controller = undefined
  }

  abort(): void {
    ;(this.controller ??= new AbortController()).abort()
  }
}

/** Reads the payload by the method's schema. */
export function present(bound: Bound): Presentation | Refusal | Promise<Presentation | Refusal> {
  const { kernel, method } = bound.offer
  try {
    const result = method.schema.credential.payload['~standard'].validate(bound.payload)
    return isThenable(result)
      ? race(kernel.deadlines.settle, () => result)
          .then((read) => presentRead(bound, read))
          .catch((cause: unknown) => unreadable(bound, cause))
      : presentRead(bound, result)
  } catch (cause) {
    return unreadable(bound, cause)
  }
}

/** The payer's fault, unless the schema asks a network that does not answer. */
function unreadable({ offer }: Bound, cause?: unknown): Refusal {
  if (isTransportFault(cause)) return refusalOf(cause, offer.method)
  const detail = 'The payload is not what this payment method asks.'
  return refuse('malformed-credential', { detail }, { cause })
}

const presentRead = (bound: Bound, result: Result<unknown>): Presentation | Refusal =>
  result.issues ? unreadable(bound) : new Presentation(bound, result.value)

/**
 * Asks the rail whether the proof is good, what its name is and who pays, and the operator whether
 * this visitor may.
 *
 * @see core draft, Status Codes (403: payment good, policy denies)
 */
export function judge(
  bound: Bound,
  presentation: Presentation,
  inbound: Inbound,
): Judged | Promise<Judged | Refusal> {
  const { kernel, method } = bound.offer
  const { validate, replayKey, payer, oneHook } = method
  // The one-hook form judges while it settles.
  if (oneHook && !validate && !replayKey && !payer && !kernel.policy)
    return { presentation, replay: undefined, payer: undefined }
  return askAll(bound, presentation, inbound)
}

async function askAll(
  bound: Bound,
  presentation: Presentation,
  inbound: Inbound,
): Promise<Judged | Refusal> {
  const { kernel, method } = bound.offer
  try {
    const judged = await race(
      kernel.deadlines.settle,
      () => askRail(bound, presentation),
      () => presentation.abort(),
    )
    if ('refused' in judged || !kernel.policy) return judged
    return await askPolicy(kernel.policy, judged, { bound, inbound })
  } catch (cause) {
    return { ...refusalOf(cause, method), recoverable: true }
  }
}

/** A policy that fails lets nobody in; as a 402 it would ask for a second payment. Whom it let in before has paid. */
async function askPolicy(
  policy: NonNullable<Kernel['policy']>,
  judged: Judged,
  { bound, inbound }: { bound: Bound; inbound: Inbound },
): Promise<Judged | Refusal> {
  const { challenge, source } = bound
  const { method, url } = inbound
  try {
    const visit = { challenge, source, payer: judged.payer, method, url }
    const allowed = (await race(bound.offer.kernel.deadlines.settle, () => policy(visit))) === true
    return allowed ? judged : refuse('policy-denied', {}, { recoverable: true })
  } catch (cause) {
    const detail =
      'Access cannot be decided now; nothing was charged. Present the same credential again.'
    return refuse('settlement-unavailable', { detail }, { retryAfter: 5, cause, recoverable: true })
  }
}

async function askRail(bound: Bound, presentation: Presentation): Promise<Judged | Refusal> {
  const { method } = bound.offer
  if (method.validate) {
    const validated = await method.validate(presentation)
    const refusal = refusalIn(validated, method)
    if (refusal) return { ...refusal, recoverable: true }
    presentation.validated = validated
  }
  const settling = presentation as Presentation & { validated: unknown }
  const isNamed = method.replayKey !== undefined || !method.oneHook
  const replay = method.replayKey ? await method.replayKey(settling) : nameOf(method, presentation)
  if (isNamed && !isReplayKey(replay)) return refuseNameless(bound)
  const payer = method.payer && (await method.payer(settling))
  // Of whom the rail knows nothing, nothing may lead to another's payment.
  return { presentation, replay, payer: typeof payer === 'string' && payer ? payer : undefined }
}

/** How `validate` says no, in whatever words. Saying nothing at all is a yes: it could have thrown. */
function refusalIn(answer: unknown, method: Server): Refusal | undefined {
  if (answer === false || answer === null) return refuse('verification-failed')
  if (typeof answer !== 'object') return undefined
  if (isPaymentError(answer) || isError(answer)) return refusalOf(answer, method)
  const { status, cause } = answer as { status?: unknown; cause?: unknown }
  if (status === 'rejected')
    return { refused: showable((answer as { problem?: unknown }).problem), cause }
  if (status === 'unsettled' || status === 'indeterminate') {
    const { retryAfter = 2 } = answer as Extract<Outcome, { status: 'unsettled' }>
    const detail = 'The payment cannot be checked now. Present the same credential again.'
    return refuse('settlement-unavailable', { detail }, { cause, retryAfter })
  }
  return isProblem(answer) && typeof answer.title === 'string' ? { refused: answer } : undefined
}

/** Of any realm, and so without `instanceof`. */
const isError = (value: object): boolean =>
  Object.prototype.toString.call(value) === '[object Error]'

/** Names a proof by all that its payload says, for a method in two hooks that does not name it. */
function nameOf(method: Server, { credential }: Presentation): string | undefined {
  try {
    return method.oneHook ? undefined : sha256Text(canonicalize(credential.payload))
  } catch {
    return undefined
  }
}

function isReplayKey(given: unknown): given is ReplayKey {
  if (typeof given === 'string') return given !== ''
  const { key, ttl } = (given ?? {}) as { key?: unknown; ttl?: unknown }
  return typeof key === 'string' && key !== '' && Number.isFinite(ttl) && Number(ttl) > 0
}

/** A proof without a name would buy under any number of challenges. */
function refuseNameless({ offer: { kernel, method } }: Bound): Refusal {
  const cause = new TypeError(
    `${method.name}/${method.intent}: replayKey must return a text, or { key, ttl } with a ttl above 0; a method without replayKey needs a payload of plain JSON.`,
  )
  kernel.events.emit('error', () => ({ cause }))
  const more = { cause, retryAfter: 5, recoverable: true }
  return refuse('settlement-unavailable', {}, more)
}
