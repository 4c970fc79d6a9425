/**
 * A page for sale on loopback, behind whichever server guards it.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What both SDKs make of a route: 402 is answered already, 200 is for the page. */
export type Guard = (
  request: IncomingMessage,
  response: ServerResponse,
) => Promise<{ status: number }>

/** The host of every page, and so the realm of every challenge. */
export const realm = '127.0.0.1'

export const secretKey = 'a secret of these tests, which is long enough'

/** Opens the page. Each time that it is served, it says how many times that makes. */
export async function open(guard: Guard) {
  const presented: string[] = []
  let served = 0
  const server = createServer(async (request, response) => {
    const { authorization } = request.headers
    if (authorization !== undefined) presented.push(authorization)
    try {
      const { status } = await guard(request, response)
      if (status === 200) response.end(`page ${++served}`)
    } catch {
      response.writeHead(500).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, realm, resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${realm}:${port}/page`,
    /** The `Authorization` values that came, in order. */
    presented,
    served: () => served,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Presents a credential by hand. */
export const present = (url: string, authorization: string, init: RequestInit = {}) =>
  fetch(url, { ...init, headers: { authorization } })

/** Decodes a credential without either SDK. */
export function decode(authorization: string): {
  challenge: { id: string; realm: string; expires: string; digest?: string; request: string }
  payload: Record<string, string>
  source?: string
} {
  return JSON.parse(
    Buffer.from(authorization.replace(/^Payment /, ''), 'base64url').toString('utf8'),
  )
}
