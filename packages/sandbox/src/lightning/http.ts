/**
 * A small HTTP server on a free loopback port for the facades: routes by name, answers whole or line by line, faults.
 *
 * @module
 */
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Fault as AnyFault, type Injected, openFaults } from '../faults.js'

/** What is asked for. */
export type Request = {
  headers: Readonly<Record<string, string | string[] | undefined>>
  /** What the pattern of the route caught. */
  parameters: readonly string[]
  query: URLSearchParams
  body: string
}

/** What is answered. A body of several parts is sent as they come. */
export type Reply = {
  status: number
  headers?: Record<string, string>
  body: string | AsyncIterable<string>
}

/** An endpoint. `call` is its name for faults, the HTTP method and the path without parameters. */
export type Route<call extends string = string> = {
  call: call
  pattern: RegExp
  answer: (request: Request) => Reply | Promise<Reply>
}

/** A fault on an HTTP service. It may fail as a status, with a body if there is one: text, or else JSON. */
export type HttpFault<call extends string = string> = AnyFault<Status> & {
  /** The call that it strikes. Default: every one. */
  call?: call
}

/** A running service. */
export type Service<call extends string = string> = AsyncDisposable & {
  /** Where it listens, without a slash at the end. */
  url: string
  /** Makes calls fail, come late, or lose their answer. */
  fault: (fault: HttpFault<call>) => Injected
  /** Ends it, cutting open connections. The network's end does the same. */
  close: () => Promise<void>
}

type Status = { status: number; body?: unknown }

/** Bodies beyond this many bytes are cut off. */
const bodyLimit = 1024 * 1024

/**
 * Serves routes on 127.0.0.1.
 *
 * @param routes - The first whose method and pattern fit answers.
 * @param options - `refuse` answers what no route does, and what may not be asked; `ended` closes the service.
 */
export async function serve<call extends string>(
  routes: readonly Route<call>[],
  { refuse, ended }: serve.Options,
): Promise<Service<call>> {
  const faults = openFaults<Status, HttpFault<call>>((fault, call) => (fault.call ?? call) === call)

  const respond = async (incoming: http.IncomingMessage, outgoing: http.ServerResponse) => {
    const url = new URL(incoming.url ?? '/', 'http://localhost')
    const body = await read(incoming)
    const found = find(routes, incoming.method, url.pathname)
    const { headers } = incoming
    const request = { headers, parameters: found?.parameters ?? [], query: url.searchParams, body }
    const refusal = refuse(request, found !== undefined)
    if (refusal) return send(outgoing, refusal)
    if (found === undefined) return void outgoing.destroy()

    let carriedOut: Reply | undefined
    const passed = await faults.pass(found.route.call, async () => {
      carriedOut = await found.route.answer(request)
      return carriedOut
    })
    if ('answer' in passed) return send(outgoing, passed.answer)
    if (carriedOut) await drain(carriedOut)
    if (passed.failure === 'drop') return void outgoing.destroy()
    return send(outgoing, toReply(passed.failure))
  }

  const server = http.createServer((incoming, outgoing) => {
    respond(incoming, outgoing).catch((error: Error) => {
      if (outgoing.headersSent) outgoing.destroy()
      else outgoing.writeHead(500).end(error.message)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const close = () =>
    new Promise<void>((resolve) => {
      faults.clear()
      server.close(() => resolve())
      server.closeAllConnections()
    })
  ended.addEventListener('abort', () => void close(), { once: true })
  if (ended.aborted) await close()
  const { port } = (server.address() ?? { port: 0 }) as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    fault: faults.inject,
    close,
    [Symbol.asyncDispose]: close,
  }
}

export declare namespace serve {
  type Options = {
    /** The answer to a request that is not let through; undefined lets it. */
    refuse: (request: Request, hasRoute: boolean) => Reply | undefined
    ended: AbortSignal
  }
}

function find<call extends string>(
  routes: readonly Route<call>[],
  method: string | undefined,
  path: string,
): { route: Route<call>; parameters: readonly string[] } | undefined {
  for (const route of routes) {
    const match = route.call.startsWith(`${method} `) ? route.pattern.exec(path) : null
    if (match) return { route, parameters: match.slice(1).map(decodeURIComponent) }
  }
  return undefined
}

async function read(incoming: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) throw new Error('the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function send(
  outgoing: http.ServerResponse,
  { status, headers, body }: Reply,
): Promise<void> {
  outgoing.writeHead(status, headers)
  if (typeof body === 'string') return void outgoing.end(body)
  outgoing.flushHeaders()
  for await (const part of body) outgoing.write(part)
  outgoing.end()
}

/** Lets an answer that nobody will get run to its end. */
async function drain({ body }: Reply): Promise<void> {
  if (typeof body === 'string') return
  for await (const _ of body);
}

function toReply({ status, body }: Status): Reply {
  if (body === undefined || typeof body === 'string') return { status, body: body ?? '' }
  return json(status, body)
}

/** An answer in JSON. */
export function json(status: number, body: unknown): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }
}
