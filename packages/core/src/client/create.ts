/**
 * `Mpp.create`: methods and a policy in, a paying fetch out.
 *
 * @module
 */
import type * as Method from '../Method.js'
import { createEmitter, explain, report, type Account, type Emitter } from './events.js'
import { meet, pay, type Own, type Settings } from './fetch.js'
import { authorize } from './judge.js'
import { compile, createLedger, type Policy } from './policy.js'
import { bare, install, type Fetch } from './polyfill.js'
import { failure, type Retry } from './present.js'

/** A client that pays. */
export type Client<context = unknown> = {
  /**
   * Like the platform's fetch, and pays one 402 where the policy allows it. Otherwise the 402 comes
   * back as it was, and `explain` says why.
   */
  fetch(input: Parameters<Fetch>[0], ...init: Arguments<Init<context>>): Promise<Response>
  /**
   * Pays a 402 that came over a transport of your own, under the same policy.
   *
   * @returns The `Authorization` value to send once, with the same request.
   * @throws An error named `PaymentDeclined` with a stable `code`.
   */
  createCredential(
    response: Response,
    ...options: Arguments<createCredential.Options<context>>
  ): Promise<string>
  /** What was done about a 402, asked with the response, or with the error, that `fetch` gave. */
  explain(outcome: unknown): Account | undefined
  /** Listens to an event; returns what stops it. */
  on: Emitter['on']
  /** Puts the platform's fetch back, if `polyfill` took its place. */
  restore(): void
}

/** What `fetch` takes: the platform's options, the method's `context`, and a policy for this call. */
export type Init<context = unknown> = RequestInit & {
  /** Laid over the client's policy, rule by rule: the caller's own consent. */
  policy?: Policy | undefined
} & Context<context>

/** Required where a method needs it. */
type Context<context> = {} extends context
  ? { context?: context | undefined }
  : undefined extends context
    ? { context?: context }
    : { context: context }
type Arguments<options> = {} extends options ? [options?: options] : [options: options]

type AnyMethod = Method.Client
/** The contexts that the methods take, all at once. */
type ContextOf<methods> = Intersection<
  Each<methods> extends infer method
    ? method extends { createCredential(parameters: infer parameters): unknown }
      ? parameters extends { context: infer context }
        ? (context: context) => void
        : never
      : never
    : never
>
type Each<methods> = methods extends readonly (infer item)[] ? Each<item> : methods
type Intersection<functions> = [functions] extends [(context: infer context) => void]
  ? context
  : unknown

/**
 * Makes a client that pays.
 *
 * Without `policy.max` or `policy.approve` it pays nothing, and says so. It pays over https or to
 * loopback hosts only, once a fetch, for challenges that expire soon and name the host that was asked.
 *
 * @param options.methods - What it can pay with, the preferred first.
 * @param options.policy - What it may spend.
 * @throws TypeError when a limit of the policy cannot be read or names an unknown method.
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ account })], policy: { max: '0.10', total: '5' } })
 * const response = await mpp.fetch('https://api.example.com/report')
 *
 * @see core draft, Client Payment Preferences and Amount Verification
 */
export function create<const methods extends readonly (AnyMethod | readonly AnyMethod[])[]>(
  options: create.Options<methods>,
): Client<ContextOf<methods>> {
  const { policy = {}, maxBodyBytes = 4_194_304 } = options
  const methods = (options.methods as readonly (AnyMethod | readonly AnyMethod[])[]).flat()
  const events = createEmitter()
  const client: Settings = {
    methods,
    rules: compile(policy, methods),
    ledger: policy.store ?? createLedger(),
    events,
    retry: { attempts: 5, timeout: 30_000, ...options.retry },
    // Looked up late, so that what replaces fetch later is used; but never above our own replacement.
    fetch:
      options.fetch ??
      (options.polyfill
        ? bare(globalThis.fetch)
        : (input, init) => bare(globalThis.fetch)(input, init)),
    accept: [...new Set(methods.map(({ name, intent }) => `${name}/${intent}`))].join(', '),
    acceptPayment: options.acceptPayment,
    maxBodyBytes,
  }
  const fetch = (input: Parameters<Fetch>[0], init?: RequestInit & Own): Promise<Response> =>
    pay(client, input, init)
  return {
    fetch,
    createCredential: (response: Response, given?: createCredential.Options) =>
      credential(client, response, given),
    explain,
    on: events.on,
    restore: options.polyfill ? install(fetch) : () => {},
  }
}

export declare namespace create {
  type Options<methods> = {
    methods: methods
    policy?: Policy | undefined
    /** Take the place of `globalThis.fetch`, until `restore()`. */
    polyfill?: boolean | undefined
    /** What sends requests (default `globalThis.fetch`, looked up at each call). */
    fetch?: Fetch | undefined
    /**
     * Send `Accept-Payment` (default: yes, but in a page only to its own origin, since elsewhere the
     * header would cost a CORS preflight, or fail it).
     */
    acceptPayment?: boolean | undefined
    /** How long an unknown outcome is asked after, with the same credential. */
    retry?: Partial<Retry> | undefined
    /** Most bytes of a stream kept for the paid request (default 4 MiB); a longer one is never paid. */
    maxBodyBytes?: number | undefined
  }
}

export declare namespace createCredential {
  type Options<context = unknown> = {
    /** The URL that was asked (default `response.url`). Needed when redirects were followed. */
    url?: string | URL | undefined
    /** The HTTP method and body that were sent, and will be again: checked against the digest. */
    method?: string | undefined
    body?: string | Blob | undefined
    signal?: AbortSignal | undefined
    policy?: Policy | undefined
  } & Context<context>
}

const answered = new WeakSet<Response>()

async function credential(
  client: Settings,
  response: Response,
  options: createCredential.Options = {},
): Promise<string> {
  const { url = response.redirected ? '' : response.url, method = 'GET', body } = options
  if (!url) throw new TypeError('`url` is missing')
  const { signal, policy, context } = options
  if (answered.has(response)) throw failure([{ code: 'already-paid' }])
  answered.add(response)
  const call = { url: String(url), method, body, signal }
  const meeting = meet(client, response, { call, context, policy })
  const payment = await authorize(meeting)
  if (payment) return payment.credential
  answered.delete(response)
  report(meeting, response, { status: 'declined' })
  throw failure(meeting.refusals)
}
