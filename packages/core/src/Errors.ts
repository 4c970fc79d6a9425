/**
 * What can go wrong, as data: stable codes and Problem Details (RFC 9457).
 *
 * @module
 */

type Entry = { readonly status: number; readonly title: string; readonly detail: string }

/**
 * Every code of core with its status, title and default detail.
 *
 * @see core draft, Error Codes
 */
export const CODES = {
  'payment-required': {
    status: 402,
    title: 'Payment Required',
    detail: 'This resource requires payment.',
  },
  'payment-insufficient': {
    status: 402,
    title: 'Payment Insufficient',
    detail: 'The amount paid is too low.',
  },
  'payment-expired': {
    status: 402,
    title: 'Payment Expired',
    detail: 'The challenge or the authorization has expired.',
  },
  'verification-failed': {
    status: 402,
    title: 'Payment Verification Failed',
    detail: 'The payment proof is not valid.',
  },
  'method-unsupported': {
    status: 400,
    title: 'Payment Method Unsupported',
    detail: 'This payment method is not accepted here.',
  },
  'malformed-credential': {
    status: 402,
    title: 'Malformed Credential',
    detail: 'The payment credential cannot be read.',
  },
  'invalid-challenge': {
    status: 402,
    title: 'Invalid Challenge',
    detail: 'The challenge is unknown, expired or already used.',
  },
  'multiple-credentials': {
    status: 400,
    title: 'Multiple Credentials',
    detail: 'A request carries one payment credential.',
  },
  'bad-request': { status: 400, title: 'Bad Request', detail: 'The request cannot be read.' },
  'policy-denied': {
    status: 403,
    title: 'Access Denied',
    detail: 'The payment is valid, but access is denied.',
  },
  'insecure-transport': {
    status: 403,
    title: 'Insecure Transport',
    detail: 'Payment needs HTTPS.',
  },
  'payment-in-progress': {
    status: 409,
    title: 'Payment In Progress',
    detail: 'Another copy of this payment is being settled.',
  },
  'body-too-large': {
    status: 413,
    title: 'Body Too Large',
    detail: 'The request body is too large.',
  },
  'rate-limited': { status: 429, title: 'Too Many Requests', detail: 'Too many payment attempts.' },
  'payment-indeterminate': {
    status: 503,
    title: 'Payment Indeterminate',
    detail: 'The outcome of the payment is not known yet. Present the same credential again.',
  },
  'settlement-unavailable': {
    status: 503,
    title: 'Settlement Unavailable',
    detail:
      'The payment network cannot be reached; nothing was charged. Present the same credential again.',
  },
  'offer-unavailable': {
    status: 503,
    title: 'Offer Unavailable',
    detail: 'No payment method is available now.',
  },
  'store-unavailable': {
    status: 503,
    title: 'Store Unavailable',
    detail: 'Payments cannot be recorded now.',
  },
} as const satisfies Readonly<Record<string, Entry>>

/** A stable name of what went wrong. */
export type Code = keyof typeof CODES

/**
 * Problem Details, with a stable code. It never holds what the peer sent.
 *
 * @see core draft, Error Response Format
 */
export type Problem = {
  /** URI of the problem type. */
  type: string
  title: string
  /** HTTP status. */
  status: number
  detail: string
  /** One of {@link Code}, or a payment method's own. */
  code: Code | (string & {})
  challengeId?: string | undefined
  [publicDetail: string]: string | number | boolean | undefined
}

/** Where the draft's problem types live. */
export const baseUri = 'https://paymentauth.org/problems/'

export declare namespace problem {
  /** Details that anyone may read. */
  type Details = {
    detail?: string | undefined
    challengeId?: string | undefined
    [publicDetail: string]: string | number | boolean | undefined
  }
  /** A problem type that a payment method defines. */
  type Custom = Details & {
    type: string
    title: string
    status: number
    detail: string
    /** Defaults to the last segment of the type. */
    code?: string | undefined
  }
}

/**
 * Makes the Problem Details of a code, or of a problem type of a payment method's own.
 *
 * @example
 * Errors.problem('payment-insufficient', { challengeId: challenge.id })
 *
 * @see core draft, Error Codes
 */
export function problem(code: Code, details?: problem.Details): Problem
export function problem(custom: problem.Custom): Problem
export function problem(what: Code | problem.Custom, details?: problem.Details): Problem
export function problem(what: Code | problem.Custom, details: problem.Details = {}): Problem {
  if (typeof what !== 'string') {
    const { type, title, status, detail, code = type.slice(type.lastIndexOf('/') + 1) } = what
    return { ...what, ...details, type, title, status, detail: details.detail ?? detail, code }
  }
  const { status, title, detail } = CODES[what]
  const type = `${baseUri}${what}`
  const made: Problem = { type, title, status, detail: details.detail ?? detail, code: what }
  for (const name in details) if (!(name in made)) made[name] = details[name]
  return made
}

export declare namespace PaymentError {
  type Options = {
    /** Seconds after which trying again makes sense. */
    retryAfter?: number | undefined
    /** What led to it: for events and traces, never for the peer. */
    cause?: unknown
  }
}

/**
 * Thrown by a payment method or a hook to reject a payment with a problem of its choice.
 *
 * @example
 * throw new Errors.PaymentError('payment-insufficient', { detail: 'The transfer is too small.' })
 */
export class PaymentError extends Error {
  override readonly name: string = 'PaymentError'
  readonly code: Problem['code']
  readonly problem: Problem
  readonly retryAfter: number | undefined

  constructor(
    what: Code | problem.Custom,
    details?: problem.Details,
    options: PaymentError.Options = {},
  ) {
    const made = problem(what, details)
    super(made.detail, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = made.code
    this.problem = made
    this.retryAfter = options.retryAfter
  }
}

/** Whether a thrown value is a {@link PaymentError}, of this copy of the package or another. */
export function isPaymentError(error: unknown): error is PaymentError {
  if (typeof error !== 'object' || error === null) return false
  return (
    'name' in error &&
    error.name === 'PaymentError' &&
    'problem' in error &&
    typeof error.problem === 'object' &&
    error.problem !== null
  )
}
