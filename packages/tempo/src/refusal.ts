/**
 * What a failed broadcast means for the money: refused for sure, never sent, or unknown.
 *
 * @module
 */

/** Why a node did not take a transaction. */
export type Reason = 'expired' | 'funds' | 'nonce' | 'invalid'

export type Refused = { status: 'refused'; reason: Reason; cause: unknown }

/** A broadcast that brought no receipt. */
type Failed =
  | Refused
  | { status: 'unreached'; cause: unknown }
  | { status: 'unknown'; cause: unknown }

/** What nodes say when they refuse for good. First match counts. */
const REASONS: readonly (readonly [RegExp, Reason])[] = [
  [/valid_before .*must be >|\bexpired\b/i, 'expired'],
  [/insufficient (?:\w+ ){0,2}(?:balance|funds|liquidity)/i, 'funds'],
  [/nonce.*(?:too low|used|seen|replay)|replay/i, 'nonce'],
]

/** The node has the transaction already, and it is not in a block yet. */
const PENDING = /already (?:known|imported)/i

/** Codes by which a node says that it read the transaction and does not take it: EIP-1474, JSON-RPC 2.0. */
const DEFINITE = new Set([-32003, -32602, -32600])

/** Failures before a connection exists: nothing can have been sent. */
const UNCONNECTED =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|UND_ERR_CONNECT_TIMEOUT)$/

/**
 * Reads the error of a broadcast. What is not certain is unknown.
 *
 * @param options.single - False when one request may have gone to several nodes, so that the last one's
 * being out of reach says nothing of the others.
 */
export function parseBroadcastError(cause: unknown, { single }: { single: boolean }): Failed {
  const chain = causesOf(cause)
  const answer = chain.find(({ name }) => name === 'RpcRequestError')
  if (answer) {
    const message = String(answer.details ?? answer.message)
    if (PENDING.test(message)) return { status: 'unknown', cause }
    const reason = REASONS.find(([pattern]) => pattern.test(message))?.[1]
    const definite = DEFINITE.has(Number(answer.code)) || (answer.code === -32000 && reason)
    return definite
      ? { status: 'refused', reason: reason ?? 'invalid', cause }
      : { status: 'unknown', cause }
  }
  const unconnected = chain.some(({ code }) => typeof code === 'string' && UNCONNECTED.test(code))
  return { status: single && unconnected ? 'unreached' : 'unknown', cause }
}

/** Whether a simulated call failed by what it does, not for want of a node to run it. */
export const isRevert = (cause: unknown): boolean =>
  causesOf(cause).some(
    ({ code, details, message }) =>
      code === 3 || /revert|insufficient/i.test(String(details ?? message ?? '')),
  )

type Fault = {
  name?: unknown
  code?: unknown
  message?: unknown
  details?: unknown
  cause?: unknown
}

function causesOf(error: unknown): Fault[] {
  const chain: Fault[] = []
  for (let fault = error; typeof fault === 'object' && fault !== null && chain.length < 8;) {
    chain.push(fault)
    fault = (fault as Fault).cause
  }
  return chain
}
