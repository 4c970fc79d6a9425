/**
 * A store in a Durable Object, for servers on Cloudflare Workers.
 *
 * @module
 */
import type { Store } from '@polyrail/core'
import { guard, type Backend, type Row } from './guard.js'

export { PaymentStore } from './cloudflare-object.js'

/**
 * Makes a store of the binding of a Durable Object namespace whose class is {@link PaymentStore}. One object holds all
 * keys: it does one thing at a time, so that a claim of several keys is one step. Waiting servers are woken by it.
 *
 * Workers KV is refused: it has no compare-and-set and shows a write elsewhere up to a minute later, so that one payment
 * would be taken twice.
 *
 * @param namespace - The binding, such as `env.PAYMENTS`.
 * @param options.name - Which object (`polyrail`): one for each service, or for each tenant, that shares no payments.
 * @param options.prefix - Stands before every key.
 * @param options.timeout - Milliseconds for one step (5,000).
 * @throws TypeError when this is a KV namespace, or no binding at all.
 * @example
 * export { PaymentStore } from '@polyrail/stores/cloudflare'
 * const store = cloudflare(env.PAYMENTS)
 * @see core draft, Concurrent Request Handling
 */
export function cloudflare<id>(
  namespace: cloudflare.Namespace<id>,
  options: cloudflare.Options = {},
): Store.Store {
  check(namespace)

  async function ask(step: Step, signal?: AbortSignal): Promise<unknown> {
    // Anew each time: a stub belongs to the request that asked for it, and is of no use after it has failed.
    const object = namespace.get(namespace.idFromName(options.name ?? 'polyrail'))
    const response = await object.fetch('https://store.internal/', {
      method: 'POST',
      body: JSON.stringify(step),
      ...(signal && { signal }),
    })
    const said = response.ok ? ((await response.json()) as { answer?: unknown } | null) : undefined
    if (said?.answer === undefined)
      throw new Error(`The object answered ${response.status}, and nothing to the step.`)
    return said.answer
  }

  const backend: Backend = {
    name: 'cloudflare',
    get: (key) => ask({ step: 'get', key }) as Promise<string | null>,
    set: (row) => ask({ step: 'set', row }),
    delete: (key) => ask({ step: 'delete', key }),
    compareAndSet: (row, expected) =>
      ask({ step: 'compareAndSet', row, expected }) as Promise<boolean>,
    claim: async (rows) =>
      ((await ask({ step: 'claim', rows })) as (string | null)[] | null) ?? undefined,
    async wait(key, { timeout, signal }) {
      if (signal?.aborted) return
      try {
        await ask({ step: 'wait', key, timeout }, signal)
      } catch {
        // An object that was moved, or a visitor who is gone: whoever waits looks again, but not at once.
        if (!signal?.aborted) await new Promise((next) => setTimeout(next, Math.min(timeout, 250)))
      }
    },
  }
  return guard(backend, options)
}

export declare namespace cloudflare {
  type Options = import('./guard.js').Options & { name?: string | undefined }

  /** What is used of a Durable Object binding. */
  type Namespace<id> = {
    idFromName(name: string): id
    get(id: id): { fetch(input: string, init: Init): Promise<Answer> }
  }
  type Init = { method: string; body: string; signal?: AbortSignal }
  type Answer = { readonly ok: boolean; readonly status: number; json(): Promise<unknown> }
}

/** One step as it is sent to the object. */
export type Step =
  | { step: 'get' | 'delete'; key: string }
  | { step: 'set'; row: Row }
  | { step: 'compareAndSet'; row: Row; expected: string | undefined }
  | { step: 'claim'; rows: readonly Row[] }
  | { step: 'wait'; key: string; timeout: number }

function check(namespace: object): void {
  if ('getWithMetadata' in namespace)
    throw new TypeError(
      'A Workers KV namespace cannot hold payments: it has no compare-and-set and shows a write elsewhere up to a minute later, so that one payment would be taken twice. Bind a Durable Object of the class PaymentStore.',
    )
  if (!('idFromName' in namespace))
    throw new TypeError('cloudflare() takes the binding of a Durable Object namespace.')
}
