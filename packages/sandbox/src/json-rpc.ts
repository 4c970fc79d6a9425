/**
 * A JSON-RPC 2.0 server over HTTP on a free loopback port: batches, notifications and nonsense included.
 *
 * @module
 */
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a call comes to: a result or a JSON-RPC error. */
export type Answer = { result: unknown } | { error: RpcError }

/** A JSON-RPC error object. */
export type RpcError = { code: number; message: string; data?: unknown }

/** What happens to the HTTP response instead of an answer: the connection is cut, or nothing but a status is sent. */
export type Breakage = { breakage: 'drop' | { status: number } }

/** Bodies beyond this many bytes get 413. */
const bodyLimit = 8 * 1024 * 1024

/**
 * Starts a JSON-RPC server on 127.0.0.1, on a port that the system chooses.
 *
 * A throw of the handler becomes error -32603; unparsable JSON -32700; a call without a method -32600. A single call
 * that is a notification gets 204.
 *
 * @param handle - Carries out one call.
 * @returns The URL and `close`, which cuts open connections.
 */
export async function listen(handle: listen.Handler): Promise<listen.Server> {
  const server = http.createServer((request, response) => {
    respond(request, response, handle).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export declare namespace listen {
  type Handler = (method: string, params: unknown) => Promise<Answer | Breakage>
  type Server = { url: string; close: () => Promise<void> }
}

async function respond(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  handle: listen.Handler,
): Promise<void> {
  response.setHeader('access-control-allow-origin', '*')
  response.setHeader('access-control-allow-headers', 'content-type')
  if (request.method === 'OPTIONS') return void response.writeHead(204).end()
  if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end()
  const body = await read(request)
  if (body === undefined) return void response.writeHead(413, { connection: 'close' }).end()

  const reply = await replyTo(body, handle)
  if (reply === undefined) return void response.writeHead(204).end()
  if (reply === 'drop') return void response.destroy()
  if (typeof reply === 'object' && 'status' in reply) {
    return void response.writeHead(reply.status).end()
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(reply)
}

/** The body as text, or undefined when it is over the limit. */
async function read(request: http.IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The text to send, a breakage, or undefined when there is nothing to say. */
async function replyTo(
  body: string,
  handle: listen.Handler,
): Promise<string | Breakage['breakage'] | undefined> {
  let message: unknown
  try {
    message = JSON.parse(body)
  } catch {
    return JSON.stringify(envelope(null, failure(-32700, 'Parse error')))
  }
  const batch = Array.isArray(message)
  const calls: unknown[] = Array.isArray(message) ? message : [message]
  if (calls.length === 0) return JSON.stringify(envelope(null, failure(-32600, 'Empty batch')))

  const replies = await Promise.all(calls.map((call) => carryOut(call, handle)))
  const broken = replies.find((reply) => reply !== undefined && 'breakage' in reply)
  if (broken !== undefined && 'breakage' in broken) return broken.breakage
  const spoken = replies.filter((reply) => reply !== undefined)
  if (spoken.length === 0) return undefined
  return JSON.stringify(batch ? spoken : spoken[0])
}

async function carryOut(
  call: unknown,
  handle: listen.Handler,
): Promise<ReturnType<typeof envelope> | Breakage | undefined> {
  if (!isRecord(call) || typeof call.method !== 'string') {
    return envelope(isRecord(call) ? call.id : null, failure(-32600, 'Invalid request'))
  }
  const answer = await handle(call.method, call.params).catch((error: unknown) =>
    failure(-32603, error instanceof Error ? error.message : 'Internal error'),
  )
  if ('breakage' in answer) return answer
  return 'id' in call ? envelope(call.id, answer) : undefined
}

function envelope(id: unknown, answer: Answer) {
  const known = typeof id === 'string' || typeof id === 'number' ? id : null
  return { jsonrpc: '2.0' as const, id: known, ...answer }
}

/** An answer that is an error. */
export function failure(code: number, message: string, data?: unknown): { error: RpcError } {
  return { error: data === undefined ? { code, message } : { code, message, data } }
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
