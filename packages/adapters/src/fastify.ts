/**
 * Payments in Fastify 5.
 *
 * @module
 */
import { pipeline, Readable, Transform } from 'node:stream'
import { Errors } from '@polyrail/core'
import { begin, giveBack, wentOut, type Visit } from './halves.js'
import { extend } from './lists.js'
import { adapt, AT, type Adapter, type At, type Priced } from './routes.js'

/** As much of Fastify's request as is used. */
export interface Request {
  readonly raw: object
  readonly method: string
  readonly protocol: string
  readonly host: string
  readonly originalUrl: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly routeOptions: { readonly url?: string | undefined }
}

/** As much of Fastify's reply as is used. */
export interface Reply {
  readonly raw: {
    readonly headersSent: boolean
    readonly statusCode: number
    once(event: 'close', listener: () => void): unknown
  }
  readonly statusCode: number
  code(status: number): unknown
  header(name: string, value: string | string[]): unknown
  getHeaders(): Record<string, number | string | string[] | undefined>
  removeHeader(name: string): unknown
  send(payload: Uint8Array): unknown
}

/** A price on a route: its `preHandler`, or around its handler. */
export interface Guard extends Priced {
  <handler extends (this: never, ...parameters: never[]) => unknown>(handler: handler): handler
  (request: Request, reply: Reply): Promise<unknown>
}

/**
 * A payment server as in `@polyrail/core/server`, whose prices are Fastify hooks. Register
 * `payments` first. Either way the answer is recorded, and the same credential gets it again.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * app.register(payments)
 * app.get('/report', { preHandler: mpp.charge({ amount: '0.01' }) }, async () => ({ data }))
 * @example
 * app.get('/report', mpp.charge({ amount: '0.01' })(async () => ({ data })))
 */
export const Mpp: Adapter<Guard> = adapt((at): Guard => {
  function guard<handler extends (this: never, ...parameters: never[]) => unknown>(
    handler: handler,
  ): handler
  function guard(request: Request, reply: Reply): Promise<unknown>
  function guard(first: Handler | Request, reply?: Reply): unknown {
    return typeof first === 'function' ? around(at, first) : before(at, first, reply as Reply)
  }
  return Object.assign(guard, { [AT]: at })
})

type Handler = (this: unknown, request: Request, reply: Reply) => unknown

const visits = new WeakMap<object, Visit>()

function around(at: At, handler: Handler) {
  return async function (this: unknown, request: Request, reply: Reply): Promise<unknown> {
    if (await refuse(at, request, reply)) return reply
    try {
      const answer = handler.call(this, request, reply)
      // Who returns nothing sends by and by; as an async function's, it would be the answer.
      return answer === undefined ? reply : await answer
    } catch (cause) {
      giveBack(visits.get(request), cause)
      throw cause
    }
  }
}

const before = async (at: At, request: Request, reply: Reply): Promise<Reply | undefined> =>
  (await refuse(at, request, reply)) ? reply : undefined

/** Resolves with false when the application is to run. */
async function refuse(at: At, request: Request, reply: Reply): Promise<boolean> {
  const visit = visits.get(request)
  if (!visit) throw new TypeError('Payments need app.register(payments), before the routes.')
  const seen = requestOf(request, visit)
  const turn = seen ? await begin(at(request.routeOptions.url), seen) : malformed()
  if (turn instanceof Response) {
    copyHead(turn, reply)
    reply.header('set-cookie', turn.headers.getSetCookie())
    reply.send(new Uint8Array(await turn.arrayBuffer()))
    return true
  }
  visit.turn = turn
  visit.earlier = { ...reply.getHeaders() }
  reply.raw.once('close', () => {
    const { headersSent, statusCode } = reply.raw
    // Nothing but `reply.raw` has answered yet.
    if (headersSent && statusCode < 400) wentOut(visit)
    else giveBack(visit, new Error('The visitor left.'))
  })
  return false
}

const malformed = () =>
  Response.json(Errors.problem('bad-request'), {
    status: 400,
    headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
  })

/** Nothing where the host makes no URL. */
function requestOf(request: Request, { bytes }: Visit): globalThis.Request | undefined {
  const url = urlOf(request)
  if (url === undefined) return undefined
  const { method } = request
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && !name.startsWith(':'))
      for (const one of authorizations(request, name) ?? [value].flat()) headers.append(name, one)
  if (!hasBody(request) || method === 'GET' || method === 'HEAD')
    return new globalThis.Request(url, { method, headers })
  const body = (bytes ?? '') as BodyInit
  const seen = new globalThis.Request(url, { method, headers, body })
  // A body that nobody has kept cannot be bound, and core says so to whoever does not opt out.
  if (!bytes) void seen.text()
  return seen
}

function urlOf({ protocol, host, originalUrl }: Request): string | undefined {
  // A request line may carry a whole URL; only its path counts.
  const path = originalUrl.replace(/^[a-z]+:\/\/[^/?#]*/i, '')
  const url = `${protocol}://${host}${path.startsWith('/') ? '' : '/'}${path}`
  return /^[\w.:[\]-]+$/.test(host) && URL.canParse(url) ? url : undefined
}

/** Of several, Node keeps the first and says nothing. */
const authorizations = ({ raw }: Request, name: string): string[] | undefined =>
  name === 'authorization'
    ? (raw as { headersDistinct?: Record<string, string[]> }).headersDistinct?.[name]
    : undefined

const hasBody = ({ headers, raw }: Request): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (headers['content-length'] ?? '0') !== '0' ||
  (raw as { stream?: { endAfterHeaders: boolean } }).stream?.endAfterHeaders === false

function copyHead(response: Response, reply: Reply): void {
  const there = reply.getHeaders()
  reply.code(response.status)
  for (const [name, value] of response.headers)
    if (name !== 'set-cookie') reply.header(name, extend(name, there[name], value))
}

/** As much of Fastify's instance as is used. */
export interface Instance {
  addHook(name: 'onError', hook: (request: Request, reply: Reply) => Promise<void>): unknown
  addHook(name: 'preParsing', hook: (...visit: Passing<object>) => Promise<object>): unknown
  addHook(name: 'onSend', hook: (...visit: Passing<unknown>) => Promise<unknown>): unknown
}

type Passing<payload> = [request: Request, reply: Reply, payload: payload]

/**
 * The plugin that payments need: keeps the bytes of parsed bodies, to which payments are bound, and
 * records answers. It counts for the whole application; multipart bodies are left alone.
 *
 * @example
 * app.register(payments)
 */
export const payments: (app: Instance, options: object, done: () => void) => void = Object.assign(
  (app: Instance, _options: object, done: () => void): void => {
    app.addHook('preParsing', prepare)
    app.addHook('onSend', deliver)
    app.addHook('onError', withdraw)
    done()
  },
  // As Fastify has it for plugins that are not for one part of the application.
  {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: '@polyrail/adapters',
  },
)

async function prepare(request: Request, _reply: Reply, payload: object): Promise<object> {
  const visit: Visit = {}
  visits.set(request, visit)
  const type = String(request.headers['content-type'])
  if (!hasBody(request) || type.startsWith('multipart/')) return payload
  const chunks: Uint8Array[] = []
  const kept = new Transform({
    transform(chunk: Uint8Array, _encoding, next) {
      chunks.push(chunk)
      next(null, chunk)
    },
    flush(next) {
      visit.bytes = Buffer.concat(chunks)
      next()
    },
  })
  // Whoever reads hears of an error from what it reads.
  pipeline(payload as Readable, kept, () => undefined)
  return kept
}

async function deliver(request: Request, reply: Reply, payload: unknown): Promise<unknown> {
  const visit = visits.get(request)
  const turn = visit?.turn
  if (!turn) return payload
  const response = responseOf(reply, payload)
  visit.turn = undefined
  const answer = await turn.close(response)
  // Its money could not be taken: nothing of it goes out.
  if (answer.status >= 400 && response.status < 400)
    for (const name of Object.keys(reply.getHeaders()))
      if (!(name in (visit.earlier ?? {}))) reply.removeHeader(name)
  copyHead(answer, reply)
  if (payload instanceof Response) reply.header('set-cookie', answer.headers.getSetCookie())
  if (answer.body === null) return payload == null ? payload : ''
  return isWhole(payload) ? Buffer.from(await answer.arrayBuffer()) : answer.body
}

/** A hook that comes after ours may fail, and make an error page of the answer. */
async function withdraw(_request: Request, reply: Reply): Promise<void> {
  reply.removeHeader('payment-receipt')
}

type Streaming = { readonly pipe?: unknown; readonly getReader?: unknown }

const isWhole = (payload: unknown): payload is string | Uint8Array =>
  typeof payload === 'string' || payload instanceof Uint8Array

function responseOf(reply: Reply, payload: unknown): Response {
  if (payload instanceof Response) return payload
  const headers = new Headers()
  for (const [name, value] of Object.entries(reply.getHeaders()))
    for (const one of [value].flat()) if (one !== undefined) headers.append(name, String(one))
  const { statusCode: status } = reply
  return new Response(BODYLESS.has(status) ? null : bodyOf(payload), { status, headers })
}

const BODYLESS = new Set([204, 205, 304])

function bodyOf(payload: unknown): BodyInit | null {
  if (payload == null || isWhole(payload)) return (payload ?? null) as BodyInit | null
  const { pipe } = payload as Streaming
  return (typeof pipe === 'function' ? Readable.toWeb(payload as Readable) : payload) as BodyInit
}
