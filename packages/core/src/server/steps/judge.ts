/**
 * Step 3: the rail judges the proof, the operator's policy the visitor. Nothing moves yet.
 *
 * @module
 */
import type * as Challenge from '../../Challenge.js'
import { isRejected } from '../../Outcome.js'
import type { Presented, ReplayKey, Result } from '../../Method.js'
import type { Kernel } from '../config.js'
import { race } from '../deadline.js'
import { MethodStore } from '../store.js'
import type { Inbound } from '../transport.js'
import type { Bound } from './bind.js'
import { refuse, type Refusal } from './capture.js'
import { refusalOf } from './fault.js'

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

  abort(): void {
    ;(this.controller ??= new AbortController()).abort()
  }
}

/** Reads the payload by the method's schema. */
export function present(bound: Bound): Presentation | Refusal | Promise<Presentation | Refusal> {
  try {
    const result = bound.offer.method.schema.credential.payload['~standard'].validate(bound.payload)
    return result instanceof Promise
      ? result.then((read) => presentRead(bound, read)).catch(unreadable)
      : presentRead(bound, result)
  } catch (cause) {
    return unreadable(cause)
  }
}

const unreadable = (cause?: unknown): Refusal =>
  refuse(
    'malformed-credential',
    { detail: 'The payload is not what this payment method asks.' },
    { cause },
  )

const presentRead = (bound: Bound, result: Result<unknown>): Presentation | Refusal =>
  result.issues ? unreadable() : new Presentation(bound, result.value)

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
  const { validate, replayKey, payer } = method
  // The one-hook form judges while it settles.
  if (!validate && !replayKey && !payer && !kernel.policy)
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
    const allowed = (await policy({ challenge, source, payer: judged.payer, method, url })) === true
    return allowed ? judged : refuse('policy-denied', {}, { recoverable: true })
  } catch (cause) {
    const detail =
      'Access cannot be decided now; nothing was charged. Present the same credential again.'
    return refuse('settlement-unavailable', { detail }, { retryAfter: 5, cause, recoverable: true })
  }
}

async function askRail({ offer }: Bound, presentation: Presentation): Promise<Judged | Refusal> {
  const { method } = offer
  if (method.validate) {
    const validated = await method.validate(presentation)
    if (isRejected(validated))
      return { refused: validated.problem, cause: validated.cause, recoverable: true }
    presentation.validated = validated
  }
  const settling = presentation as Presentation & { validated: unknown }
  return {
    presentation,
    replay: method.replayKey && (await method.replayKey(settling)),
    payer: method.payer && (await method.payer(settling)),
  }
}
