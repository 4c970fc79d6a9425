/**
 * Payment handlers on a `node:http` server, without a Request and a Response for every call.
 *
 * @module
 */
import { problem } from '../Errors.js'
import { conclude, respond, respondWith } from './deliver.js'
import { forward } from './forward.js'
import {
  ANSWER,
  OFFERS,
  serveBefore,
  toPayment,
  type Guarded,
  type Handler,
  type Payment,
} from './handler.js'
import type { PaidVisit, Verdict } from './serve.js'
import type { Carrier } from './steps/respond.js'
import {
  BODY_WAS_READ,
  drain,
  isResponse,
  mayHaveBody,
  readBody,
  toBytes,
  type Inbound,
  type Reply,
  TOO_LARGE,
} from './transport.js'

/** As much of `http.IncomingMessage` as is used. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: Record<string, string | string[] | undefined>
  readonly headersDistinct?: Record<string, string[] | undefined> | undefined
  readonly socket?: unknown
  /** True when somebody has taken from the stream already. */
  readonly readableDidRead?: boolean | undefined
  /** The body's bytes, from whoever has read the stream: a body parser before us, or else this listener. */
  rawBody?: Uint8Array | string | undefined
  /** Of HTTP/2 alone. */
  readonly stream?: { readonly endAfterHeaders: boolean } | undefined
}

/** As much of `http.ServerResponse` as is used. */
export interface NodeResponse {
  statusCode: number
  readonly headersSent: boolean
  readonly destroyed?: boolean
  /** Of HTTP/2 alone. */
  readonly stream?: { readonly destroyed: boolean } | undefined
  setHeader(name: string, value: string | readonly string[]): unknown
  getHeader(name: string): string | number | readonly string[] | undefined
  getHeaderNames(): string[]
  removeHeader(name: string): unknown
  writeHead(...parameters: never[]): unknown
  write(chunk: Uint8Array): boolean
  end(chunk?: Uint8Array | string): unknown
  end(chunk: string, encoding: 'latin1'): unknown
  destroy?(cause?: Error): unknown
  on(event: string, listener: () => void): unknown
  once(event: string, listener: () => void): unknown
}

type Fetch = (request: Request) => Response | Promise<Response>

/**
 * Makes a Node listener of a payment handler, a wrapped route, or any function from Request to
 * Response.
 *
 * Of a payment handler the listener resolves to the payment: with status 402 the reply is sent and
 * there is nothing left to do; with 200 the receipt rides on whatever you send below 400.
 *
 * @example
 * http.createServer(Mpp.toNodeListener(mpp.charge({ amount: '5' })(() => Response.json({ ok: true }))))
 * @example
 * const payment = await Mpp.toNodeListener(mpp.charge({ amount: '5' }))(req, res)
 * if (payment.status === 200) res.end('paid')
 */
export function toNodeListener(
  handler: Handler,
): (request: NodeRequest, response: NodeResponse) => Promise<Payment>
export function toNodeListener(
  route: Guarded<[]> | Fetch,
): (request: NodeRequest, response: NodeResponse) => Promise<void>
export function toNodeListener(
  handler: Handler | Guarded<[]> | Fetch,
): (request: NodeRequest, response: NodeResponse) => Promise<Payment | void> {
  if (OFFERS in handler) return (request, response) => guardNode(handler, request, response)
  return async (request, response) => {
    try {
      const inbound = fromNode(request)
      if (!inbound) return await send(response, BAD_REQUEST)
      const answer =
        ANSWER in handler
          ? await handler[ANSWER](inbound)
          : await (handler as Fetch)(inbound.request())
      await send(response, answer)
    } catch (cause) {
      console.error('[polyrail] The route failed:', cause)
      sendFailure(response)
    }
  }
}

async function guardNode(
  handler: Handler,
  request: NodeRequest,
  response: NodeResponse,
): Promise<Payment> {
  const inbound = fromNode(request)
  const verdict: Verdict = inbound
    ? await serveBefore(handler[OFFERS], inbound)
    : { status: 'answered', reply: BAD_REQUEST }
  const payment = toPayment(verdict)
  if (payment.reply) await send(response, payment.reply)
  else if (verdict.status === 'paid') receiptOnSend(verdict, response)
  return payment
}

/** Lets the application write as it likes, and adds the receipt once it says with which status. */
function receiptOnSend(visit: PaidVisit, response: NodeResponse): void {
  const writeHead = response.writeHead.bind(response) as (...parameters: unknown[]) => unknown
  let written = false
  const patched = (status: number, ...rest: unknown[]): unknown => {
    if (written) return writeHead(status, ...rest)
    written = true
    const reason = typeof rest[0] === 'string' ? [rest.shift()] : []
    // Headers given to writeHead would replace ours: ours join them first.
    for (const [name, value] of headersGiven(rest[0])) response.setHeader(name, value)
    conclude(visit, status, () =>
      visit.bound.offer.method.onRespond
        ? showResponse(visit, status, response)
        : respondWith(visit, carrierOf(response)),
    )
    return writeHead(status, ...reason)
  }
  response.writeHead = patched as NodeResponse['writeHead']
  // Who leaves before there is an answer may come again for it at once.
  const giveBack = (): void => {
    if (written) return
    written = true
    conclude(visit, 500, () => undefined)
  }
  if (isGone(response)) giveBack()
  else response.once('close', giveBack)
}

/** The rail looks at a response with our headers and no body, and may change these. */
function showResponse(visit: PaidVisit, status: number, response: NodeResponse): void {
  const headers = headersOf(response)
  const shown = respond(visit, new Response(null, { status: bodyless(status), headers }))
  for (const [name, value] of shown.headers) if (OURS.has(name)) response.setHeader(name, value)
}

/** Node's headers, used as a Response's. */
function carrierOf(response: NodeResponse): Carrier {
  const get = (name: string): string | null => {
    const value = response.getHeader(name)
    return value === undefined ? null : String(value)
  }
  return {
    get,
    set: (name, value) => void response.setHeader(name, value),
    append(name, value) {
      const before = get(name)
      response.setHeader(name, before === null ? value : `${before}, ${value}`)
    },
  }
}

/** HTTP/2 has it on the stream alone. */
const isGone = ({ destroyed, stream }: NodeResponse): boolean =>
  destroyed === true || stream?.destroyed === true

type Values = string | readonly string[]

/** The headers of `writeHead`: an object, or a list of names and values in turn. */
function headersGiven(given: unknown): Iterable<[string, Values]> {
  if (!Array.isArray(given)) return Object.entries((given ?? {}) as Record<string, Values>)
  const headers = new Map<string, Values>()
  for (let at = 0; at + 1 < given.length; at += 2) {
    const [name, value] = [String(given[at]).toLowerCase(), given[at + 1] as Values]
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : [before, value].flat())
  }
  return headers
}

const OURS = new Set(['payment-receipt', 'cache-control', 'vary', 'access-control-expose-headers'])

/** Web responses begin at 200. */
const bodyless = (status: number): number => (status >= 200 ? status : 200)

function headersOf(response: NodeResponse): Headers {
  const headers = new Headers()
  for (const name of OURS) {
    const value = response.getHeader(name)
    if (value !== undefined) headers.set(name, String(value))
  }
  return headers
}

const BAD_REQUEST: Reply = {
  status: 400,
  headers: { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' },
  body: JSON.stringify(problem('bad-request')),
}

/** Methods that no web-standard Request can have. */
const FORBIDDEN = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** Sees a Node request as Inbound; `undefined` when its host or method makes no URL or Request. */
function fromNode(message: NodeRequest): Inbound | undefined {
  const method = (message.method ?? 'GET').toUpperCase()
  const url = urlOf(message)
  if (url === undefined || FORBIDDEN.has(method)) return undefined
  let captured: Promise<Uint8Array | undefined | typeof TOO_LARGE> | undefined
  const body = (limit: number) => (captured ??= readNodeBody(message, limit))
  return {
    method,
    url,
    hasBody: carriesBody(message),
    get address() {
      return (message.socket as { remoteAddress?: string } | undefined)?.remoteAddress
    },
    header(name) {
      const value = valueOf(message, name)
      return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value
    },
    body(limit) {
      if (message.readableDidRead && message.rawBody === undefined && !captured)
        throw new TypeError(`${BODY_WAS_READ} or keep the bytes on the request as \`rawBody\`.`)
      return body(limit).then((read) => {
        if (read instanceof Uint8Array) message.rawBody ??= toBuffer(read)
        return read
      })
    },
    request: () => createRequest(message, { method, url, streaming: !captured }),
  }
}

/** Of several Authorization headers, Node keeps the first and says nothing. */
function valueOf(message: NodeRequest, name: string): string | string[] | undefined {
  const value = message.headers[name]
  return name === 'authorization' && value !== undefined
    ? (message.headersDistinct?.[name] ?? value)
    : value
}

/**
 * As HTTP says it: a body is announced by one of two headers, and HTTP/2 says where the headers are all.
 * A GET may have one too, and an application on Node can read it.
 */
const carriesBody = ({ headers, rawBody, stream }: NodeRequest): boolean =>
  rawBody !== undefined ||
  headers['transfer-encoding'] !== undefined ||
  (stream ? !stream.endAfterHeaders : (headers['content-length'] ?? '0') !== '0')

async function readNodeBody(message: NodeRequest, limit: number): ReturnType<typeof readBody> {
  if (message.rawBody !== undefined) return toBytes(message.rawBody)
  const read = await readBody(message, limit)
  if (read === TOO_LARGE) void drain(message)
  return read
}

function urlOf({ headers, url = '/', socket }: NodeRequest): string | undefined {
  const scheme = (socket as { encrypted?: boolean } | undefined)?.encrypted ? 'https' : 'http'
  // HTTP/1.0 may name no host; to take it for this machine would let payments travel in the clear.
  const host = String(headers['host'] ?? headers[':authority'] ?? '')
  // A request line may carry a whole URL; only its path counts.
  const path = url.startsWith('/') ? url : `/${url.replace(/^[a-z]+:\/\/[^/?#]*\/?/i, '')}`
  const whole = `${scheme}://${host}${path}`
  return /^[\w.:[\]-]+$/.test(host) && URL.canParse(whole) ? whole : undefined
}

type Buffers = { from(memory: ArrayBufferLike, offset: number, length: number): Uint8Array }

/** What body parsers keep, where the runtime has it. */
function toBuffer(bytes: Uint8Array): Uint8Array {
  const { Buffer: buffers } = globalThis as { Buffer?: Buffers }
  return buffers?.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) ?? bytes
}

const BODY_IS_LOST =
  'The request body was read before the application. Keep the bytes on the request as `rawBody`.'

function createRequest(
  message: NodeRequest,
  { method, url, streaming }: { method: string; url: string; streaming: boolean },
): Request {
  const headers: [string, string][] = []
  for (const name in message.headers) {
    const value = valueOf(message, name)
    if (value === undefined || name.startsWith(':')) continue
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, one])
  }
  const init: RequestInit & { duplex?: 'half' } = { method, headers }
  if (!mayHaveBody(method)) return new Request(url, init)
  const bytes = message.rawBody === undefined ? undefined : toBytes(message.rawBody)
  if (bytes) init.body = bytes as BodyInit
  else if (streaming && message.rawBody === undefined) {
    init.body = toStream(message)
    init.duplex = 'half'
  }
  return new Request(url, init)
}

function toStream(message: NodeRequest): ReadableStream<Uint8Array> {
  const reading = message[Symbol.asyncIterator]()
  const isLost = message.readableDidRead === true
  return new ReadableStream({
    start(controller) {
      // An empty body instead would be served as if it had been sent.
      if (isLost) controller.error(new TypeError(BODY_IS_LOST))
    },
    async pull(controller) {
      const { done, value } = await reading.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await reading.return?.()
    },
  })
}

/** Writes a reply or a response, as fast as the visitor reads. */
async function send(response: NodeResponse, answer: Reply | Response): Promise<void> {
  if (isResponse(answer)) return sendResponse(response, answer)
  response.statusCode = answer.status
  for (const name in answer.headers) response.setHeader(name, answer.headers[name] as string)
  endWith(response, answer.body)
}

/** Longer bodies are not worth a copy. */
const SHORT = 65_536

type Bytes = { from(bytes: Uint8Array | string): { toString(encoding: 'latin1'): string } }

/**
 * A short body goes out as a string of its bytes: Node then sends it in one piece with the headers, and writes those as it is told
 * to write the body. A challenge's description may be Latin-1.
 */
function endWith(response: NodeResponse, body: Reply['body']): void {
  const { Buffer: buffers } = globalThis as { Buffer?: Bytes }
  if (body === null) response.end()
  else if (!buffers || body.length > SHORT) response.end(body)
  else response.end(buffers.from(body).toString('latin1'), 'latin1')
}

async function sendResponse(response: NodeResponse, answer: Response): Promise<void> {
  const { status, headers, body } = forward(answer)
  response.statusCode = status
  for (const [name, value] of headers) if (name !== 'set-cookie') response.setHeader(name, value)
  const cookies = headers.getSetCookie()
  if (cookies.length > 0) response.setHeader('set-cookie', cookies)
  if (body) await sendBody(response, body)
  response.end()
}

/** A visitor who leaves ends the stream at its source, even one that has nothing to say just then. */
async function sendBody(response: NodeResponse, body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader()
  let goOn = (): void => undefined
  const leave = (): void => {
    goOn()
    void reader.cancel().catch(() => undefined)
  }
  response.once('close', leave)
  response.on('drain', () => goOn())
  if (isGone(response)) leave()
  for (let next = await reader.read(); !next.done; next = await reader.read())
    if (!response.write(next.value) && !isGone(response))
      await new Promise<void>((drained) => {
        goOn = drained
      })
}

/** An error page with nothing on it of what was to be sent; too late for one, the connection breaks off. */
function sendFailure(response: NodeResponse): void {
  if (response.headersSent) return breakOff(response)
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusCode = 500
  response.setHeader('Content-Type', 'text/plain')
  response.end('Internal Server Error')
}

/** Over HTTP/2, what is destroyed for no reason counts as whole. */
function breakOff(response: NodeResponse): void {
  const { stream } = response
  if (response.destroy) response.destroy(stream && new Error('The answer broke off.'))
  else response.end()
}
