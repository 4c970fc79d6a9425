/**
 * What a client tells its owner: events, built only when somebody listens, without any credential.
 *
 * @module
 */
import type * as Challenge from '../Challenge.js'
import type * as Method from '../Method.js'

/** Why something was not paid. Stable. */
export type Code =
  /** The 402 has no offer that a method here can pay. */
  | 'no-offer'
  /** This response was answered before. */
  | 'already-paid'
  /** Payments need https, or a loopback host. */
  | 'insecure-transport'
  /** The 402 came from another origin than the one asked, or a body may have been lost on the way. */
  | 'redirected'
  /** The body was a stream longer than `maxBodyBytes`. */
  | 'body-not-replayable'
  /** The realm names another host than the URL's. `policy.realms` can accept it. */
  | 'foreign-realm'
  | 'expiry-missing'
  | 'expired'
  /** The challenge is valid longer than `policy.maxExpiry`. */
  | 'expiry-too-far'
  /** The challenge is for another request body. */
  | 'digest-mismatch'
  /** The request is not what the method's schema defines. */
  | 'request-invalid'
  /** The method's `accepts` gave the reason in `detail`, or threw. */
  | 'not-accepted'
  /** `amount` is not whole base units, or the method's `price` made no sense of the request. */
  | 'price-unreadable'
  /** `policy.currencies`, or a limit stated by currency, does not name this one. */
  | 'currency-refused'
  /** `policy.recipients` does not name this one. */
  | 'recipient-refused'
  /** Neither `policy.max` nor `policy.approve` speaks of this method. */
  | 'policy-missing'
  /** Above `policy.max`. */
  | 'over-max'
  /** Does not fit into `policy.perHost` or `policy.total`. */
  | 'over-budget'
  /** `policy.store` threw. */
  | 'budget-unavailable'
  /** `policy.approve` answered anything but `true`. */
  | 'not-approved'
  /** `policy.approve` threw, or gave no answer in time. */
  | 'approval-failed'
  /** `createCredential` threw. */
  | 'credential-failed'
  /** The server refused the proof and another rail was tried. */
  | 'rejected'

/** Why one offer was not paid, or all of them when none is named. */
export type Refusal = {
  code: Code
  offer?: Challenge.Wire
  /** For people. */
  detail?: string
  /** What a hook, a store or a method threw. */
  cause?: unknown
}

/** What a client did about a 402: an event, and what `explain` tells of the response or error that came of it. */
export type Account = {
  /**
   * - `declined`: nothing was paid; `refusals` says why.
   * - `paid`: the server answered the credential with a status below 400.
   * - `rejected`: the server answered the credential with another 402.
   * - `pending`: a credential was made and nothing was delivered; `resume` presents it again.
   */
  status: 'declined' | 'paid' | 'rejected' | 'pending'
  url: string
  /** Why offers were not paid, in the order in which they were tried. */
  refusals: readonly Refusal[]
  /** What was paid, or may have been. */
  challenge?: Challenge.Challenge
  price?: Method.Price
  /** Pending only: the `Authorization` value. A secret: keep it where you keep keys. */
  credential?: () => string
  /** Pending only: presents the same credential with the same request. Never pays again. */
  resume?: (options?: { signal?: AbortSignal | undefined }) => Promise<Response>
}

/** Every event and what it carries. No credential is among it. */
export type Events = { [status in Account['status']]: Account } & {
  /** A 402 arrived. */
  challenge: { url: string; offers: readonly Challenge.Wire[] }
  /** The policy agreed to an offer; its credential is made next. */
  selected: { url: string; challenge: Challenge.Challenge; price: Method.Price }
  /** A credential was answered, or its answer was lost (no status). Unless final, it is presented again. */
  response: { url: string; status: number | undefined; attempt: number; isFinal: boolean }
}

export type Listener<name extends keyof Events> = (event: Events[name]) => unknown
export type Emitter = {
  emit<name extends keyof Events>(name: name, build: () => Events[name]): void
  /** Listens; what is returned stops it. A listener that throws or rejects changes no payment. */
  on<name extends keyof Events>(name: name, listener: Listener<name>): () => void
}

/** Makes an emitter. */
export function createEmitter(): Emitter {
  const listeners = new Set<readonly [keyof Events, (event: never) => unknown]>()
  return {
    on(name, listener) {
      const entry = [name, listener] as const
      listeners.add(entry)
      return () => void listeners.delete(entry)
    },
    emit(name, build) {
      for (const [wanted, listener] of listeners)
        if (wanted === name)
          (async () => (listener as Listener<typeof name>)(build()))().catch(() => {})
    },
  }
}

const accounts = new WeakMap<object, Account>()

/** Tells what was done, now to listeners and later to whoever asks about the outcome. */
export function report(
  {
    url,
    refusals,
    client,
  }: { url: URL; refusals: readonly Refusal[]; client: { events: Emitter } },
  outcome: unknown,
  what: Omit<Account, 'url' | 'refusals'>,
): void {
  const account = { url: url.href, refusals, ...what }
  if (Object(outcome) === outcome) accounts.set(outcome as object, account)
  client.events.emit(what.status, () => account)
}

/** What was done about the 402 that led to a response or an error. */
export function explain(outcome: unknown): Account | undefined {
  return accounts.get(outcome as object)
}
