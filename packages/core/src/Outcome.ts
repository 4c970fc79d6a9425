/**
 * What became of a payment: settled, set aside, rejected, or not known yet.
 *
 * @module
 */
import * as Errors from './Errors.js'

/** The money moved. `reference` is the network's name for it (a transaction hash, an invoice id). */
export type Settled = {
  status: 'settled'
  /** Method-specific reference, shown in the receipt. */
  reference: string
  /** RFC 3339 settlement time; now when left out. */
  timestamp?: string | undefined
  /** Method-defined receipt fields, added to the four that the core draft names. */
  receipt?: Record<string, unknown> | undefined
  /** Anything the application may want to know of the settlement; never sent to the payer. */
  settlement?: unknown
}

/**
 * The money is set aside, and nobody else can have it: `capture` takes it, `cancel` lets it go. For methods that have both, on
 * routes that capture after their handler.
 */
export type Authorized = {
  status: 'authorized'
  /** What `capture` and `cancel` need to find the money again; JSON, kept in the store. */
  attempt?: unknown
}

/** The money did not move, and this proof will not move it. `problem` is shown to the payer. */
export type Rejected = { status: 'rejected'; problem: Errors.Problem; cause?: unknown }

/**
 * Nobody knows yet whether the money moved. The payer gets a 503 with Retry-After, never a new
 * challenge; presenting the same credential again asks `reconcile`.
 */
export type Indeterminate = {
  status: 'indeterminate'
  /** Seconds until asking again makes sense. */
  retryAfter?: number | undefined
  /** What `reconcile` needs to find the payment again; JSON, kept in the store. */
  attempt?: unknown
  cause?: unknown
}

/** The money certainly did not move, for a reason that is not the payer's: the same proof may be tried again. */
export type Unsettled = { status: 'unsettled'; retryAfter?: number | undefined; cause?: unknown }

/** Nothing moved, or nobody knows. */
export type Unmoved = Rejected | Unsettled | Indeterminate

export type Outcome = Settled | Authorized | Unmoved

/**
 * Says that the money moved.
 *
 * @example
 * return Outcome.settled({ reference: receipt.transactionHash })
 */
export function settled(parameters: Omit<Settled, 'status'>): Settled {
  return { status: 'settled', ...parameters }
}

/**
 * Says that the money is set aside.
 *
 * @example
 * return Outcome.authorized({ attempt: { intent: intent.id } })
 */
export function authorized(parameters: Omit<Authorized, 'status'> = {}): Authorized {
  return { status: 'authorized', ...parameters }
}

/**
 * Says that the proof is no good, in words that the payer may read.
 *
 * @param code - A problem code, or a whole problem for a type of the method's own draft.
 * @param details - What the payer may read.
 * @param options.cause - For the operator's events alone.
 * @example
 * return Outcome.rejected('payment-insufficient', { detail: 'The transfer is below the price.' })
 * @see core draft, Error Codes
 */
export function rejected(
  code: Errors.Code | Errors.Problem,
  details: Errors.problem.Details = {},
  { cause }: { cause?: unknown } = {},
): Rejected {
  const problem = typeof code === 'string' ? Errors.problem(code, details) : code
  return cause === undefined
    ? { status: 'rejected', problem }
    : { status: 'rejected', problem, cause }
}

/**
 * Says that nobody knows yet: a timeout, a lost answer, a payment still in flight.
 *
 * @example
 * return Outcome.indeterminate({ attempt: { hash }, retryAfter: 2 })
 */
export function indeterminate(parameters: Omit<Indeterminate, 'status'> = {}): Indeterminate {
  return { status: 'indeterminate', ...parameters }
}

/**
 * Says that nothing moved and the fault is not the payer's (the network refused our key, the chain
 * never saw the transaction): the claims are released and the same credential may come again.
 *
 * @example
 * return Outcome.unsettled({ retryAfter: 5 })
 */
export function unsettled(parameters: Omit<Unsettled, 'status'> = {}): Unsettled {
  return { status: 'unsettled', ...parameters }
}

/** Tells a refusal from anything else that a hook may return. */
export function isRejected(value: unknown): value is Rejected {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as Rejected).status === 'rejected' &&
    typeof (value as Rejected).problem?.type === 'string'
  )
}
