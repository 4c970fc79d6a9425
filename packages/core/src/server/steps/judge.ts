/**
 * Step 3: the rail judges the proof, the operator's policy the visitor. Nothing moves yet.
 *
 * @module
 */
import type * as Challenge from '../../Challenge.js'
import { isRejected } from '../../Outcome.js'
import type { Presented, ReplayKey, Server } from '../../Method.js'
import { race } from '../deadline.js'
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

/** What the rail's hooks are handed. One object for all of them; the signal is made when first asked for. */
export class Presentation implements Presented {
  readonly challenge: Challenge.Challenge
  readonly credential: Presented['credential']
  validated: unknown
  attempt: unknown
  #controller: AbortController | undefined

  constructor({ challenge, source }: Bound, payload: unknown) {
    this.challenge = challenge
    this.credential = source === undefined ? { challenge, payload } : { challenge, payload, source }
  }

  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal
  }

  abort(): void {
    ;(this.#controller ??= new AbortController()).abort()
  }
}

/** Reads the payload by the method's schema. */
export async function present(bound: Bound): Promise<Presentation | Refusal> {
  let result = bound.offer.method.schema.credential.payload['~standard'].validate(bound.payload)
  if (result instanceof Promise) result = await result
  return result.issues
    ? refuse('malformed-credential', { detail: 'The payload is not what this payment method asks.' })
    : new Presentation(bound, result.value)
}

/**
 * Asks the rail whether the proof is good, what its name is and who pays, and the operator whether
 * this visitor may.
 *
 * @see core draft, Status Codes (403: payment good, policy denies)
 */
export async function judge(bound: Bound, presentation: Presentation, inbound: Inbound): Promise<Judged | Refusal> {
  const { kernel, method } = bound.offer
  try {
    const judged = asksNothing(method) ? { presentation, replay: undefined, payer: undefined } : await race(
      kernel.deadlines.settle,
      () => askRail(bound, presentation),
      () => presentation.abort(),
    )
    if ('refused' in judged) return judged
    if (!kernel.policy) return judged
    const { challenge, source } = bound
    const visit = { challenge, source, payer: judged.payer, method: inbound.method, url: inbound.url }
    return (await allows(kernel.policy(visit))) ? judged : refuse('policy-denied')
  } catch (cause) {
    return { ...refusalOf(cause, method), recoverable: true }
  }
}

/** The one-hook form judges while it settles. */
const asksNothing = ({ validate, replayKey, payer }: Server): boolean => !validate && !replayKey && !payer

const allows = async (answer: boolean | Promise<boolean>): Promise<boolean> => (await answer) === true

async function askRail({ offer }: Bound, presentation: Presentation): Promise<Judged | Refusal> {
  const { method } = offer
  if (method.validate) {
    const validated = await method.validate(presentation)
    if (isRejected(validated)) return { refused: validated.problem, cause: validated.cause, recoverable: true }
    presentation.validated = validated
  }
  const settling = presentation as Presentation & { validated: unknown }
  return {
    presentation,
    replay: method.replayKey && (await method.replayKey(settling)),
    payer: method.payer && (await method.payer(settling)),
  }
}
