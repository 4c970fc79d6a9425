/**
 * How Stripe says no: the error objects, their statuses and headers.
 *
 * @module
 */

/** The `error` of a Stripe answer. */
export type ErrorBody = {
  type: 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error'
  message: string
  code?: string
  param?: string
  advice_code?: string
  charge?: string
  decline_code?: string
  network_decline_code?: string
  payment_intent?: object
  payment_method?: object
}

/** A request that is answered with an error. */
export class Refusal extends Error {
  readonly status: number
  readonly error: ErrorBody
  /** Whether the endpoint had begun its work, so that an idempotency key keeps this answer. */
  readonly executed: boolean
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, error: ErrorBody, options: RefusalOptions = {}) {
    super(error.message)
    this.status = status
    this.error = error
    this.executed = options.executed ?? false
    this.headers = options.headers ?? {}
  }
}

type RefusalOptions = { executed?: boolean; headers?: Record<string, string> }

/** What is added to a message of {@link invalid}. */
export type InvalidDetails = {
  code?: string
  param?: string
  /** Default 400. */
  status?: number
  /** Default false: the parameters were at fault, and no idempotency key keeps the answer. */
  executed?: boolean
}

/** An `invalid_request_error`. */
export function invalid(message: string, details: InvalidDetails = {}): Refusal {
  const { code, param, status = 400, executed = false } = details
  const named = {
    ...(code === undefined ? {} : { code }),
    ...(param === undefined ? {} : { param }),
  }
  return new Refusal(status, { type: 'invalid_request_error', message, ...named }, { executed })
}

/** A parameter that must be there is not. */
export function missing(param: string): Refusal {
  return invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param })
}

/** An id that names nothing the caller may see. In a path it is 404, in a parameter 400. */
export function unknownId(
  kind: string,
  id: string,
  details: { param: string; status: 400 | 404 },
): Refusal {
  const { param, status } = details
  const code = 'resource_missing'
  return invalid(`No such ${kind}: '${id}'`, { code, param, status, executed: true })
}

/** The error as it goes over the wire, with the pages that Stripe names. */
export function errorObject({ error }: Refusal, requestId: string): { error: object } {
  const code = error.code?.replaceAll('_', '-')
  const documented =
    code === undefined ? {} : { doc_url: `https://stripe.com/docs/error-codes/${code}` }
  const log = `https://dashboard.stripe.com/test/logs/${requestId}`
  return { error: { ...error, ...documented, request_log_url: log } }
}
