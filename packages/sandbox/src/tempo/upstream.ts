/**
 * Calls to anvil itself, below the front that mends it.
 *
 * @module
 */
import * as http from 'node:http'
import { type Answer, failure, isRecord, type RpcError } from '../json-rpc.js'

/** Carries out one call on anvil. Never throws: a chain that is gone answers with error -32603. */
export type Upstream = (method: string, params?: unknown) => Promise<Answer>

/**
 * Binds {@link Upstream} to an anvil.
 *
 * @param anvil - Where it listens, and `gone`, at which calls under way are given up.
 */
export function connect({ url, gone }: { url: string; gone: Promise<void> }): Upstream {
  const agent = new http.Agent({ keepAlive: true })
  void gone.then(() => agent.destroy())
  return async (method, params = []) => {
    try {
      const body = await post(url, agent, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
      const reply: unknown = JSON.parse(body)
      if (isRecord(reply) && 'error' in reply) return { error: reply.error as RpcError }
      return { result: isRecord(reply) ? reply.result : null }
    } catch {
      return failure(-32603, 'the local chain is not running')
    }
  }
}

/** Not `fetch`, which now and then waits for ever when the process on the other side dies. */
function post(url: string, agent: http.Agent, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const request = http.request(url, { agent, headers, method: 'POST' }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text)).on('error', reject)
    })
    request.on('error', reject).end(body)
  })
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
