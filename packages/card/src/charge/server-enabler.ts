/**
 * The Server Enabler: the merchant’s PSP, which alone can open a payload, and which moves the money.
 *
 * @module
 */
import {
  exchange,
  readBase,
  NetworkError,
  type Answered,
  type Asked,
  type Fetch,
} from '../network.js'
import type { Payload } from './method.js'

/** What is to be charged. The same for every asking with one idempotency key. */
export type Order = {
  /** Minor units of the currency: exactly this is authorised. */
  amount: string
  currency: string
  /** The merchant’s id at the enabler. */
  recipient?: string
  externalId?: string
  merchantName: string
  acceptedNetworks: readonly string[]
  /** False: only to be authorised, and captured or cancelled later. Left out, both at once. */
  capture?: false
  /** The server’s own name of this attempt, to be told again with the answer. */
  attempt: string
  /** The key that the challenge named: the payload must be encrypted for it, and for no other. */
  kid: string
  /** The credential’s payload. The billing address is in it where the challenge asked for it. */
  payload: Payload
}

/** What became of a charge, as the enabler says it. */
export type Result =
  /** `approved`: authorised and captured, the money is the merchant’s. `authorized`: set aside, as the order wanted. */
  | {
      status: 'approved' | 'authorized'
      /** The key that it was asked with. */
      idempotencyKey: string
      /** The `attempt` of the order that was charged. */
      attempt: string
      /** The enabler’s name for it, shown in the receipt: 1 to 200 printable characters, and no card number. */
      reference: string
      /** Minor units. */
      amount: string
      currency: string
      /** RFC 3339 time of the authorisation. */
      timestamp?: string
    }
  /** Nothing was taken, and nothing will be for this key. */
  | { status: 'declined'; idempotencyKey: string; reason?: string }
  /** Not known yet. */
  | { status: 'pending'; idempotencyKey: string; retryAfter?: number }

/** What is to be given back. The same for every asking with one idempotency key. */
export type RefundOrder = {
  /** The idempotency key of the charge. */
  charge: string
  /** The charge’s reference, as the receipt has it. */
  reference: string
  /** Minor units; left out, all that is left of the charge. */
  amount?: string
}

/** What became of a refund. */
export type RefundResult =
  /** Made, or taken on for certain. */
  | {
      status: 'refunded'
      /** The key that it was asked with. */
      idempotencyKey: string
      /** The enabler’s name for the refund. */
      reference: string
      /** Minor units that go back. */
      amount: string
      /** Minor units that are left of the charge. */
      left: string
    }
  /** Nothing goes back, and nothing will for this key. */
  | { status: 'declined'; idempotencyKey: string; reason?: string }
  /** Not known yet. */
  | { status: 'pending'; idempotencyKey: string; retryAfter?: number }

/** A PSP that takes encrypted network tokens. */
export interface ServerEnabler {
  /** The account that is paid. A payment begun at one account is never asked of another. */
  readonly name: string
  /**
   * Charges once for an idempotency key, whatever is asked how often; an earlier answer is given again. Throws
   * {@link EnablerError} `refused` when it certainly did nothing, and lets the `CardError` of a `decrypt` through when the payload
   * is no good; any other throw means that nobody knows.
   */
  charge(order: Order, options: { idempotencyKey: string; signal: AbortSignal }): Promise<Result>
  /**
   * Tells what became of a charge, a week later still.
   *
   * @returns `undefined` when no charge with this key has arrived.
   */
  lookup(idempotencyKey: string, options: { signal: AbortSignal }): Promise<Result | undefined>
  /**
   * Takes what was authorised, and tells how the charge stands. After a throw `lookup` tells. With `cancel`, it lets routes
   * capture after their handler.
   */
  capture?(idempotencyKey: string, options: { signal: AbortSignal }): Promise<Result>
  /** Lets go of what was authorised: the charge is declined then. Tells how it stands. */
  cancel?(idempotencyKey: string, options: { signal: AbortSignal }): Promise<Result>
  /** Gives a charge back, or a part of it, once for an idempotency key, which is kept as long as the charge. Throws as `charge` does. */
  refund?(
    order: RefundOrder,
    options: { idempotencyKey: string; signal: AbortSignal },
  ): Promise<RefundResult>
}

/** What went wrong with a Server Enabler. It holds no text of the enabler’s. */
export class EnablerError extends Error {
  override readonly name: string = 'EnablerError'
  /** `refused`: it did nothing, and the fault is the merchant’s own. `unknown`: it may have done what was asked. */
  readonly code: 'refused' | 'unknown'
  /** HTTP status, where there was one. */
  readonly status: number | undefined
  /** Seconds. */
  readonly retryAfter: number | undefined

  constructor(code: EnablerError['code'], options: EnablerError.Options = {}) {
    const { status, retryAfter, cause } = options
    const what = code === 'refused' ? 'refuses this merchant’s request' : 'gave no clear answer'
    super(
      `The Server Enabler ${what}${status === undefined ? '' : ` (status ${status})`}.`,
      cause === undefined ? undefined : { cause },
    )
    this.code = code
    this.status = status
    this.retryAfter = retryAfter
  }
}

export declare namespace EnablerError {
  type Options = {
    status?: number | undefined
    retryAfter?: number | undefined
    cause?: unknown
  }
}

/** Whether an enabler says that it did nothing. */
export const isRefused = (error: unknown): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'name' in error &&
  error.name === 'EnablerError' &&
  'code' in error &&
  error.code === 'refused'

/**
 * A Server Enabler over HTTP: `POST <url>/charges` with an `Idempotency-Key`, `GET <url>/charges/<key>`, and `POST` to
 * `…/capture`, `…/cancel` and `…/refunds` of it.
 *
 * @param options.url - https, or http on this machine.
 * @param options.apiKey - Sent as a Bearer token: a secret.
 * @param options.account - Names the account that is paid, where one URL serves several.
 * @param options.timeout - Milliseconds for one call (20,000): less than the server’s `deadlines.settle`.
 * @throws TypeError for a URL that is not secure, or has a query or a fragment.
 * @example
 * const enabler = httpEnabler({ url: 'https://api.psp.example/v1', apiKey: process.env.PSP_KEY })
 * @see Card charge draft, Settlement Procedure
 */
export function httpEnabler(options: httpEnabler.Options): Required<ServerEnabler> {
  const { apiKey, account, timeout = 20_000, fetch = globalThis.fetch } = options
  const url = readBase(options.url, 'Server Enabler')
  const ask = async (path: string, asked: Partial<Asked>): Promise<Answered> => {
    const headers = { authorization: `Bearer ${apiKey}`, ...asked.headers }
    try {
      return await exchange({ timeout, fetch, ...asked, url: `${url}${path}`, headers })
    } catch (cause) {
      throw new EnablerError('unknown', {
        cause: cause instanceof NetworkError ? cause : undefined,
      })
    }
  }
  const pathOf = (key: string) => `/charges/${encodeURIComponent(key)}`
  const post = (path: string, asked: Partial<Asked>) => ask(path, { method: 'POST', ...asked })
  return {
    name: account === undefined ? url : `${url}#${account}`,
    async charge(order, { idempotencyKey, signal }) {
      const headers = { 'idempotency-key': idempotencyKey }
      return read<Result>(await post('/charges', { headers, body: order, signal }))
    },
    async lookup(idempotencyKey, { signal }) {
      const answered = await ask(pathOf(idempotencyKey), { signal })
      return isMissing(answered) ? undefined : read<Result>(answered)
    },
    capture: async (key, { signal }) =>
      read<Result>(await post(`${pathOf(key)}/capture`, { signal })),
    cancel: async (key, { signal }) =>
      read<Result>(await post(`${pathOf(key)}/cancel`, { signal })),
    async refund({ charge, ...body }, { idempotencyKey, signal }) {
      const headers = { 'idempotency-key': idempotencyKey }
      const answered = await post(`${pathOf(charge)}/refunds`, { headers, body, signal })
      return isMissing(answered)
        ? { status: 'declined', idempotencyKey, reason: MISSING }
        : read<RefundResult>(answered)
    },
  }
}

export declare namespace httpEnabler {
  type Options = {
    url: string
    apiKey: string
    account?: string | undefined
    timeout?: number | undefined
    /** Left out: the platform’s. */
    fetch?: Fetch | undefined
  }
}

/** What a 404 has for its `code` where no such charge has arrived. Any other 404 is a proxy’s, or a wrong path. */
const MISSING = 'charge_not_found'

const isMissing = ({ status, body }: Answered): boolean =>
  status === 404 && (body as { code?: unknown } | undefined)?.code === MISSING

/** Statuses that say that the request itself is wrong: nothing was begun. */
const REFUSED: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 415])

function read<result>({ status, headers, body }: Answered): result {
  const isAnswer = typeof body === 'object' && body !== null && 'status' in body
  if (status >= 200 && status < 300 && isAnswer) return body as result
  throw new EnablerError(REFUSED.has(status) ? 'refused' : 'unknown', {
    status,
    retryAfter: readPause(headers.get('retry-after') ?? ''),
  })
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function readPause(after: string): number | undefined {
  const seconds = /^\d+$/.test(after) ? Number(after) : (Date.parse(after) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, Math.ceil(seconds))
}
