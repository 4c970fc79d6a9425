/**
 * Tells a refusal from a fault, when a hook throws.
 *
 * @module
 */
import * as Errors from '../../Errors.js'
import type { Server } from '../../Method.js'
import { refuse, type Refusal } from './receive.js'

const TRANSPORT_CODE = /^(?:E[A-Z]{3,}|UND_ERR_\w+|ERR_(?:SOCKET|STREAM|HTTP2|TLS)_\w+)$/
const TRANSPORT_NAME =
  /^(?:AbortError|TimeoutError|DeadlineError|HttpRequestError|WebSocketRequestError|SocketClosedError)$/

/** True for what a network, not a payer, does wrong: refused, reset, timed out, aborted. */
export function isTransportFault(cause: unknown, depth = 0): boolean {
  if (typeof cause !== 'object' || cause === null || depth > 4) return false
  const {
    name,
    code,
    message,
    cause: inner,
  } = cause as { name?: unknown; code?: unknown; message?: unknown; cause?: unknown }
  return (
    (typeof name === 'string' && TRANSPORT_NAME.test(name)) ||
    (typeof code === 'string' && TRANSPORT_CODE.test(code)) ||
    (name === 'TypeError' && message === 'fetch failed') ||
    isTransportFault(inner, depth + 1)
  )
}

/** The problem that a developer threw on purpose, known by its data and not by its class. */
export function problemOf(cause: unknown): Errors.Problem | undefined {
  return Errors.isPaymentError(cause) ? showable(cause.problem) : undefined
}

/** A problem as it is, if it can be sent; else the refusal that says the least. */
export const showable = (problem: unknown): Errors.Problem =>
  isProblem(problem) ? problem : refuse('verification-failed').refused

export function isProblem(value: unknown): value is Errors.Problem {
  const { type, status } = (value ?? {}) as { type?: unknown; status?: unknown }
  const isRefusal = typeof status === 'number' && status >= 400 && status <= 599
  return typeof type === 'string' && isRefusal && Number.isInteger(status) && isJson(value)
}

/** True for an object that JSON can carry: no bigint, no cycle. */
export function isJson(value: unknown): value is object {
  try {
    return typeof value === 'object' && value !== null && JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}

/** What a throw before any money moved means to the visitor. */
export function refusalOf(cause: unknown, method: Server): Refusal {
  const problem = problemOf(cause)
  if (problem) {
    const { retryAfter } = cause as { retryAfter?: number }
    // What can be had later says when, whoever says it.
    const pause = retryAfter ?? (problem.status === 503 ? 2 : undefined)
    return { refused: problem, cause, retryAfter: pause }
  }
  if (isTransportFault(cause))
    return refuse(
      'settlement-unavailable',
      {
        detail: `The ${method.name} network could not be asked. Present the same credential again.`,
      },
      { cause, retryAfter: 2 },
    )
  return refuse('verification-failed', {}, { cause })
}
