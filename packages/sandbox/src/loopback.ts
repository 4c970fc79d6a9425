/**
 * A plain HTTP server on a free loopback port, for services that answer whole.
 *
 * @module
 */
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request as it came. */
export type Request = {
  method: string
  path: string
  /** After the question mark. */
  query: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  body: string
}

/** An answer, ready to be sent. */
export type Reply = { status: number; headers: Readonly<Record<string, string>>; body: string }

/** Bodies beyond this many bytes are cut off. */
const bodyLimit = 1024 * 1024

/** The only address that is listened on. */
export const host = '127.0.0.1'

/**
 * Starts a server.
 *
 * @param answer - Answers a request, or says that the connection is to be lost.
 * @returns The port, and `close`, which cuts open connections.
 */
export async function serve(
  answer: (request: Request) => Promise<Reply | 'drop'>,
): Promise<{ port: number; close: () => Promise<void> }> {
  const respond = async (incoming: http.IncomingMessage, outgoing: http.ServerResponse) => {
    const [path = '/', query = ''] = (incoming.url ?? '/').split('?', 2)
    const { method = 'GET', headers } = incoming
    const body = await read(incoming)
    if (body === undefined) return void outgoing.writeHead(413, { connection: 'close' }).end()
    const reply = await answer({ method, path, query, headers, body })
    if (reply === 'drop') return void outgoing.destroy()
    outgoing.writeHead(reply.status, { ...reply.headers }).end(reply.body)
  }
  const server = http.createServer((incoming, outgoing) => {
    respond(incoming, outgoing).catch(() => outgoing.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const { port } = server.address() as AddressInfo
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { port, close }
}

async function read(incoming: http.IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > bodyLimit) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
