/**
 * What a server tells its operator: events, built only when somebody listens.
 *
 * @module
 */
import type * as Challenge from '../Challenge.js'
import type * as Errors from '../Errors.js'
import type { Price } from '../Method.js'
import type { Outcome } from '../Outcome.js'
import type * as Receipt from '../Receipt.js'
import type * as Refund from '../Refund.js'

type Where = { method: string; url: string }
type Attempt = Where & {
  challenge: Challenge.Challenge
  /** Left out where the request says none that its method or the charge draft can read. */
  price?: Price | undefined
  source?: string | undefined
}
type Paid = Attempt & { receipt: Receipt.Receipt }

/** Every event and what it carries. Causes go here only, never to a visitor; no credential does. */
export type Events = {
  /** A 402 went out. */
  challenge: Where & { challenges: readonly string[]; rails: readonly string[] }
  /** A payment is begun, or taken up where an earlier visit left it. */
  claimed: Attempt & {
    resumed: boolean
    /** True when it was settled before, and only the answer is owed. */
    isSettled: boolean
    /** Milliseconds that judging and claiming took. */
    took: number
  }
  /** The money moved and it is recorded. */
  settled: Paid & { settlement?: unknown }
  /** A paid response goes out with its receipt. */
  delivered: Paid
  /** Paid, and the answer failed: it is owed, and the same credential may come for it. */
  owed: Paid & { cause?: unknown }
  /** The application made no good answer, and the money that was set aside for it was let go; or what else its outcome says. */
  canceled: Attempt & { outcome: Outcome['status']; cause?: unknown }
  /** The recorded answer was given again. */
  replayed: Where & { challengeId: string }
  /** A settlement was known only after its visitor had been told that nobody knows. It is recorded. */
  late: Omit<Paid, keyof Where>
  /** Money went back. */
  refunded: { payment: Refund.Payment; refund: Refund.Refund }
  /** A credential was refused; with its challenge when that is one of this route. */
  rejected: Where & {
    problem: Errors.Problem
    challenge?: Challenge.Challenge | undefined
    cause?: unknown
  }
  /** Nobody knows whether the money moved. */
  indeterminate: Where & {
    challengeId: string
    challenge?: Challenge.Challenge | undefined
    cause?: unknown
  }
  /** A rail could not make its offer and dropped out. */
  'offer-failed': Where & { rail: string; cause: unknown }
  /** Something of ours failed: the store, a hook, an operator's key. On the console where nobody listens. */
  error: Partial<Where> & { cause: unknown }
  /** Something to mend before it hurts. */
  warning: { message: string }
}

export type Emitter = {
  has(name: keyof Events): boolean
  emit<name extends keyof Events>(name: name, build: () => Events[name]): void
  on<name extends keyof Events>(name: name, listener: (event: Events[name]) => void): () => void
}

/** Makes an emitter. A listener that throws or rejects harms nobody. */
export function createEmitter(): Emitter {
  const listeners = new Map<keyof Events, Set<(event: never) => void>>()
  return {
    has: (name) => listeners.has(name),
    on(name, listener) {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener))
      return () => {
        set.delete(listener)
        if (set.size === 0) listeners.delete(name)
      }
    },
    emit(name, build) {
      const set = listeners.get(name)
      if (!set) {
        if (name === 'error') console.error('[polyrail]', (build() as Events['error']).cause)
        return
      }
      const event = Object.freeze(build())
      const tell = (cause: unknown): void => {
        if (name !== 'error') this.emit('error', () => ({ cause }))
      }
      for (const listener of set) {
        try {
          const done = (listener as (event: unknown) => unknown)(event)
          // An asynchronous listener that rejects would end the process.
          if (done instanceof Promise) done.catch(tell)
        } catch (cause) {
          tell(cause)
        }
      }
    },
  }
}

/** Says a warning to its listeners, or on the console where nobody listens. */
export function warn(events: Emitter, message: string): void {
  if (events.has('warning')) events.emit('warning', () => ({ message }))
  else console.warn(`[polyrail] ${message}`)
}
