/**
 * What a wire case is run against: one priced request to any server, and perhaps a way to pay for it.
 *
 * @module
 */
import { read, type Answer } from './answer.js'

/** The priced request as the target describes it, and the ways to vary it. */
export type Wire = {
  readonly url: string
  readonly method: string
  readonly body: string | undefined
  /** Another priced URL of the same price, for cases that carry a credential across routes. */
  readonly other: string | undefined
  /** Sends the priced request, changed as told. */
  send(change?: Change): Promise<Answer>
  /** Pays a challenge of the answer and returns the Authorization value. */
  pay(answer: Answer): Promise<string>
}

export type Change = {
  url?: string
  method?: string
  headers?: Readonly<Record<string, string>>
  /** `null` sends none. */
  body?: string | null
}

/**
 * Makes the context of the wire cases out of anything that answers requests.
 *
 * @param target.fetch - Takes the request to the server; the platform's `fetch`, or an in-process handler.
 * @param target.pay - Pays one of an answer's challenges; left out, no case that pays is run.
 * @example
 * const context = wire({ url: 'http://localhost:3000/paid', fetch })
 */
export function wire(target: wire.Target): Wire {
  const { url, method = 'GET', body, other, headers = {} } = target
  return {
    url,
    method,
    body,
    other,
    async send(change = {}) {
      const sent = change.body === undefined ? body : (change.body ?? undefined)
      const verb = change.method ?? method
      const bodyless = verb === 'GET' || verb === 'HEAD' || sent === undefined
      const request = new Request(change.url ?? url, {
        method: verb,
        headers: { ...headers, ...change.headers },
        redirect: 'manual',
        ...(bodyless ? {} : { body: sent }),
      })
      return read(await target.fetch(request))
    },
    async pay(answer) {
      if (!target.pay) throw new Error('This target gives no way to pay.')
      return target.pay(answer)
    },
  }
}

export declare namespace wire {
  type Target = {
    url: string
    method?: string
    headers?: Readonly<Record<string, string>>
    body?: string
    other?: string
    fetch(request: Request): Promise<Response>
    pay?(answer: Answer): Promise<string>
    /** May be sent PUT, PATCH and DELETE without payment: what they do there is known. */
    unsafe?: boolean
  }
}

/**
 * Says what a target has, in the words of the cases' `needs`.
 *
 * @example
 * traits({ url, fetch }) // { pay: false, body: false, other: false, unsafe: false }
 */
export function traits(target: wire.Target): Record<string, boolean> {
  const { pay, body, other, unsafe } = target
  return {
    pay: pay !== undefined,
    body: body !== undefined,
    other: other !== undefined,
    unsafe: unsafe === true,
  }
}
