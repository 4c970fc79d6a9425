/**
 * Servers of `node:http` for the tests, closed after each, and the moves of a payer over real sockets.
 *
 * @module
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { Challenge } from '@polyrail/core'
import { afterEach } from 'vitest'
import { credential, untyped } from './till.js'

export type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

export const servers: http.Server[] = []
const others: http2.Http2Server[] = []
afterEach(async () => {
  for (const server of servers) server.closeAllConnections()
  for (const server of [...servers.splice(0), ...others.splice(0)])
    await new Promise((closed) => server.close(closed))
})

export function serve(listener: Listener): Promise<string> {
  const server = http.createServer((request, response) => void listener(request, response))
  servers.push(server)
  return open(server)
}

/** Over HTTP/2, in the clear. */
function serve2(listener: Listener): Promise<string> {
  const server = http2.createServer(
    (request, response) =>
      void listener(untyped<IncomingMessage>(request), untyped<ServerResponse>(response)),
  )
  others.push(server)
  return open(server)
}

async function open(server: net.Server): Promise<string> {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends bytes as they are, and reads all that comes back. */
export async function raw(origin: string, text: string): Promise<string> {
  const socket = net.connect(Number(new URL(origin).port), '127.0.0.1')
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += String(chunk)
  return answer
}

export async function challengeAt(
  url: string,
  init: RequestInit = {},
): Promise<Challenge.Challenge> {
  const [challenge] = Challenge.parse((await fetch(url, init)).headers)
  return challenge as Challenge.Challenge
}

export async function pay(
  url: string,
  init: RequestInit = {},
  authorization?: string,
): Promise<Response> {
  authorization ??= credential(await challengeAt(url, init))
  return fetch(url, { ...init, headers: { ...init.headers, authorization } })
}

export type Visit = { method?: string; body?: string; authorization?: string }
export type Seen = { status: number; challenge: Challenge.Challenge | undefined; text: string }
type Ask = (origin: string, visit: Visit) => Promise<Seen>

const headersOf = ({ authorization }: Visit) => (authorization ? { authorization } : {})
const challengeIn = (header: unknown) => Challenge.parse(String(header ?? ''))[0]

/** As `fetch` cannot: a body on any method. */
const askHttp1: Ask = (origin, visit) =>
  new Promise((answered, failed) => {
    const { method = 'GET', body } = visit
    const length = body === undefined ? {} : { 'content-length': body.length }
    const headers = { ...headersOf(visit), ...length }
    const request = http.request(origin, { method, headers }, async (response) => {
      let text = ''
      for await (const chunk of response) text += String(chunk)
      const challenge = challengeIn(response.headers['www-authenticate'])
      answered({ status: response.statusCode ?? 0, challenge, text })
    })
    request.on('error', failed).end(body)
  })

/** Without a content-length, as HTTP/2 allows. */
const askHttp2: Ask = async (origin, visit) => {
  const { method = 'GET', body } = visit
  const session = http2.connect(origin)
  try {
    const stream = session.request(
      { ':method': method, ...headersOf(visit) },
      { endStream: body === undefined },
    )
    if (body !== undefined) stream.end(body)
    const headers = await new Promise<http2.IncomingHttpHeaders>((answered, failed) => {
      stream.on('response', answered).on('error', failed)
    })
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    const challenge = challengeIn(headers['www-authenticate'])
    return { status: Number(headers[':status']), challenge, text }
  } finally {
    session.destroy()
  }
}

/** Sends a visit, and leaves once told to. */
type Leave = (origin: string, visit: Visit, moment: Promise<unknown>) => Promise<void>

const leaveHttp1: Leave = async (origin, visit, moment) => {
  const request = http.request(origin, { headers: headersOf(visit) })
  request.on('error', () => undefined).end()
  await moment
  request.destroy()
}

const leaveHttp2: Leave = async (origin, visit, moment) => {
  const session = http2.connect(origin)
  const stream = session.request(headersOf(visit))
  stream.on('error', () => undefined)
  await moment
  await new Promise<void>((closed) => {
    stream.on('close', closed).close(http2.constants.NGHTTP2_CANCEL)
  })
  session.destroy()
}

/** What Node speaks, and how to visit over it. */
export const protocols: [
  string,
  { ask: Ask; leave: Leave; serve: (listener: Listener) => Promise<string> },
][] = [
  ['HTTP/1.1', { ask: askHttp1, leave: leaveHttp1, serve }],
  ['HTTP/2', { ask: askHttp2, leave: leaveHttp2, serve: serve2 }],
]
