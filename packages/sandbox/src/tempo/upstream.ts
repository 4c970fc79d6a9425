/**
 * Calls to anvil itself, below the front that mends it.
 *
 * @module
 */
import { type Answer, failure, isRecord, type RpcError } from '../json-rpc.js'

/** Carries out one call on anvil. Never throws: a chain that is gone answers with error -32603. */
export type Upstream = (method: string, params?: unknown) => Promise<Answer>

/**
 * Binds {@link Upstream} to an anvil.
 *
 * @param url - Where anvil listens.
 */
export function connect(url: string): Upstream {
  return async (method, params = []) => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      })
      const body: unknown = await response.json()
      if (isRecord(body) && 'error' in body) return { error: body.error as RpcError }
      return { result: isRecord(body) ? body.result : null }
    } catch {
      return failure(-32603, 'the local chain is not running')
    }
  }
}

/**
 * The result of a call that must succeed.
 *
 * @throws Error with the chain's message.
 */
export async function expectResult<result>(answer: Answer | Promise<Answer>): Promise<result> {
  const settled = await answer
  if ('error' in settled) throw new Error(settled.error.message)
  return settled.result as result
}
