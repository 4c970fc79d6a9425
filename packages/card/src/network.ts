/**
 * How this rail talks to the outside, and all that it says there: one bounded HTTP exchange, by a `fetch` that is
 * given to it.
 *
 * @module
 */

/** What is asked. */
export type Asked = {
  url: string
  method?: 'GET' | 'POST' | undefined
  headers?: Readonly<Record<string, string>> | undefined
  /** Sent as JSON. */
  body?: unknown
  /** Milliseconds for the whole exchange, body and all. */
  timeout: number
  signal?: AbortSignal | undefined
  fetch: Fetch
}

/** What is answered. */
export type Answered = {
  status: number
  headers: Headers
  /** The body, if it is JSON of a sensible size; else undefined. */
  body: unknown
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** An exchange that went wrong: what was asked may have been carried out. It holds nothing of what either side said. */
export class NetworkError extends Error {
  override readonly name: string = 'NetworkError'
  readonly code: 'insecure' | 'redirected' | 'unreachable' | 'timeout'

  constructor(code: NetworkError['code']) {
    super(`A call to the card network failed: ${code}.`)
    this.code = code
  }
}

/** Bytes of an answer: a key set of a hundred keys fits. */
const LONGEST = 65_536

/**
 * Asks once, and follows no redirect.
 *
 * @throws NetworkError when there is no whole answer.
 */
export async function exchange(asked: Asked): Promise<Answered> {
  const { url, timeout, signal, fetch } = asked
  if (!isSecure(url)) throw new NetworkError('insecure')
  const clock = new AbortController()
  const timer = setTimeout(() => clock.abort(), timeout)
  const until = signal ? AbortSignal.any([signal, clock.signal]) : clock.signal
  try {
    return await read(await fetch(url, { ...toInit(asked), signal: until }))
  } catch (cause) {
    if (cause instanceof NetworkError) throw cause
    throw new NetworkError(until.aborted ? 'timeout' : 'unreachable')
  } finally {
    clearTimeout(timer)
  }
}

function toInit({ method = 'GET', headers: more, body }: Asked): RequestInit {
  const accept = { accept: 'application/json' }
  if (body === undefined) return { method, redirect: 'manual', headers: { ...accept, ...more } }
  const headers = { ...accept, 'content-type': 'application/json', ...more }
  return { method, redirect: 'manual', headers, body: JSON.stringify(body) }
}

async function read(response: Response): Promise<Answered> {
  const { status, headers } = response
  // A browser shows nothing of a redirect, not even its status.
  if (status === 0 || (status >= 300 && status < 400)) {
    response.body?.cancel().catch(() => undefined)
    throw new NetworkError('redirected')
  }
  return { status, headers, body: await readBody(response) }
}

async function readBody({ body }: Response): Promise<unknown> {
  if (!body) return undefined
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let [text, size] = ['', 0]
  for (;;) {
    const part = await reader.read()
    if (part.done) break
    size += part.value.length
    if (size > LONGEST) {
      reader.cancel().catch(() => undefined)
      return undefined
    }
    text += decoder.decode(part.value, { stream: true })
  }
  try {
    return JSON.parse(text + decoder.decode())
  } catch {
    return undefined
  }
}

/** https, or this machine. */
export function isSecure(url: string): boolean {
  try {
    const { protocol, hostname, username, password } = new URL(url)
    if (username || password) return false
    return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
  } catch {
    return false
  }
}

/**
 * The URL that an enabler's paths are put behind, in its one spelling.
 *
 * @param whose - For the message.
 * @throws TypeError for one that is not secure, or that has a query or a fragment, in which the paths would end up.
 */
export function readBase(url: unknown, whose: string): string {
  const text = String(url)
  if (!isSecure(text))
    throw new TypeError(`card/charge: the ${whose}’s url must be https, or http on this machine.`)
  if (/[?#]/.test(text))
    throw new TypeError(`card/charge: the ${whose}’s url must have no query and no fragment.`)
  return new URL(text).href.replace(/\/+$/, '')
}

/** Whether a host name, as `URL` writes it, is this machine. */
export const isLoopback = (host: string): boolean =>
  /^(?:127\.\d+\.\d+\.\d+|\[::1\]|(?:.+\.)?localhost)\.?$/.test(host)

/** RFC 6890: networks that are nobody’s on the internet, multicast, and what is not given out. */
const RESERVED =
  /^(?:0|10|127|169\.254|192\.168|192\.0\.0|198\.1[89]|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])|22[4-9]|2[345]\d)\./

/** Whether a host name, as `URL` writes it, is an address of such a network, or a name that only such a network knows. */
export const isPrivate = (host: string): boolean =>
  isLoopback(host) ||
  // A name may begin like an address: 10.example.com.
  (/^[\d.]+$/.test(host) && RESERVED.test(host)) ||
  (host.startsWith('[') && !/^\[(?!2002:)[23][\da-f]{3}:/.test(host)) ||
  /(?:^|\.)(?:local|localdomain|internal|lan|home|home\.arpa|corp|intranet)\.?$/.test(host) ||
  !/[.:]/.test(host)
