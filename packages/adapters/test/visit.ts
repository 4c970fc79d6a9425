/** Visitors: paths and bodies as they are, over HTTP/1.1 and HTTP/2. */
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { Challenge, Credential } from '@polyrail/core'

export type Visit = {
  method?: string
  headers?: Record<string, string>
  body?: string
  /** Of the answer's body; UTF-8 unless it says otherwise. */
  encoding?: BufferEncoding
  /** Called with each part of the answer's body. */
  onPart?: (part: string) => void
}

export type Answer = {
  status: number
  /** By lower-case name; of several, all. */
  headers: Record<string, string[]>
  text: string
  challenges: readonly (Challenge.Challenge | Challenge.Wire)[]
}

export type Protocol = 'HTTP/1.1' | 'HTTP/2'

type Ask = (url: string, visit?: Visit) => Promise<Answer>

/** What comes after the origin, as it was written. */
const split = (url: string): [origin: string, path: string] => {
  const end = url.indexOf('/', 8)
  return end < 0 ? [url, '/'] : [url.slice(0, end), url.slice(end)]
}

function answerOf(status: number, raw: Iterable<readonly [string, string]>, text: string): Answer {
  const headers: Record<string, string[]> = {}
  for (const [name, value] of raw) (headers[name.toLowerCase()] ??= []).push(value)
  const challenges = Challenge.parse((headers['www-authenticate'] ?? []).join(', '))
  return { status, headers, text, challenges }
}

const overHttp1: Ask = (url, { method = 'GET', headers = {}, body, encoding, onPart } = {}) =>
  new Promise((answered, failed) => {
    const [origin, path] = split(url)
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const options = { method, path, headers: { ...headers, ...length }, agent: false }
    http
      .request(origin, options, async (response) => {
        const raw = response.rawHeaders
        const pairs = raw.flatMap((name, at) =>
          at % 2 === 0 ? [[name, raw[at + 1] as string] as const] : [],
        )
        let text = ''
        try {
          for await (const bytes of response) {
            const part = (bytes as Buffer).toString(encoding)
            text += part
            onPart?.(part)
          }
          answered(answerOf(response.statusCode ?? 0, pairs, text))
        } catch (cause) {
          failed(cause as Error)
        }
      })
      .on('error', failed)
      .end(body)
  })

const overHttp2: Ask = async (url, { method = 'GET', headers = {}, body, onPart } = {}) => {
  const [origin, path] = split(url)
  const session = http2.connect(origin)
  try {
    const stream = session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: body === undefined },
    )
    if (body !== undefined) stream.end(body)
    const head = await new Promise<http2.IncomingHttpHeaders>((answered, failed) => {
      stream.on('response', answered).on('error', failed)
      session.on('error', failed)
    })
    let text = ''
    for await (const part of stream) {
      text += String(part)
      onPart?.(String(part))
    }
    const pairs = Object.entries(head).flatMap(([name, value]) =>
      name.startsWith(':') ? [] : [value].flat().map((one) => [name, String(one)] as const),
    )
    return answerOf(Number(head[':status']), pairs, text)
  } finally {
    session.destroy()
  }
}

export const ask: Record<Protocol, Ask> = { 'HTTP/1.1': overHttp1, 'HTTP/2': overHttp2 }

let tokens = 0

/** An `Authorization` value that pays one of an answer's challenges. */
export function pay({ challenges, status }: Answer, which = 0): string {
  const challenge = challenges[which]
  if (!challenge) throw new Error(`Nothing to pay: the answer was a ${status} without challenges.`)
  return Credential.serialize({ challenge, payload: { token: `token-${++tokens}` } })
}

/** Sends a visit over HTTP/1.1, and leaves once told to. */
export async function leave(url: string, authorization: string, moment: Promise<unknown>) {
  const request = http.request(url, { headers: { authorization }, agent: false })
  request.on('error', () => undefined).end()
  await moment
  request.destroy()
}

/** The same over HTTP/2. */
export async function leave2(url: string, authorization: string, moment: Promise<unknown>) {
  const [origin, path] = split(url)
  const session = http2.connect(origin)
  const stream = session.request({ ':path': path, authorization })
  stream.on('error', () => undefined)
  await moment
  await new Promise<void>((closed) => {
    stream.on('close', closed).close(http2.constants.NGHTTP2_CANCEL)
  })
  session.destroy()
}

/** Sends the head of a request as it is written, and gives the first line of what comes back. */
export function firstLine(origin: string, head: string): Promise<string> {
  const { hostname, port } = new URL(origin)
  return new Promise((answered, failed) => {
    const socket = net.connect(Number(port), hostname)
    socket.on('error', failed).on('close', () => answered(''))
    socket.once('data', (line) => {
      answered(line.toString('latin1').split('\r\n', 1)[0] as string)
      socket.destroy()
    })
    socket.end(`${head}\r\nConnection: close\r\n\r\n`, 'latin1')
  })
}
