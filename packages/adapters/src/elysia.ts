/**
 * Payments in Elysia, on Bun and on Node.
 *
 * @module
 */
import { Elysia, type Context as Elysian } from 'elysia'
import { WebStandardAdapter } from 'elysia/adapter/web-standard'
import { begin, giveBack, type Visit } from './halves.js'
import { extend } from './lists.js'
import { adapt, AT, type Adapter, type At, type Priced } from './routes.js'

/** As much of Elysia's context as is used. */
export interface Context {
  readonly request: Request
  readonly route: string
  readonly set: Set
}

type Set = { headers: Record<string, unknown>; cookie?: unknown }

/** A price on a route: its `beforeHandle`, or around its handler. */
export interface Guard extends Priced {
  <context extends Context = Elysian, result = unknown>(
    handler: (context: context) => result,
  ): (context: context) => Promise<Awaited<result> | Response>
  (context: Context): Promise<Response | undefined>
}

/**
 * A payment server as in `@polyrail/core/server`, whose prices are Elysia hooks. Use `payments`
 * first. Either way the answer is recorded, and the same credential gets it again.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * const app = new Elysia()
 *   .use(payments)
 *   .get('/report', () => ({ data }), { beforeHandle: mpp.charge({ amount: '0.01' }) })
 * @example
 * app.get('/report', mpp.charge({ amount: '0.01' })(() => ({ data })))
 */
export const Mpp: Adapter<Guard> = adapt((at): Guard => {
  function guard<context extends Context = Elysian, result = unknown>(
    handler: (context: context) => result,
  ): (context: context) => Promise<Awaited<result> | Response>
  function guard(context: Context): Promise<Response | undefined>
  function guard(first: ((context: Context) => unknown) | Context) {
    return typeof first === 'function' ? around(at, first) : before(at, first)
  }
  return Object.assign(guard, { [AT]: at, constructor: AsyncFunction })
})

/** Elysia awaits only those hooks that look asynchronous. */
const AsyncFunction = (async () => undefined).constructor

const visits = new WeakMap<Request, Visit>()

const around = (at: At, handler: (context: Context) => unknown) => async (context: Context) => {
  const refusal = await before(at, context)
  if (refusal) return refusal
  try {
    return await handler(context)
  } catch (cause) {
    giveBack(visits.get(context.request), cause)
    throw cause
  }
}

async function before(at: At, { request, route, set }: Context): Promise<Response | undefined> {
  const visit = visits.get(request)
  if (!visit) throw new TypeError('Payments need app.use(payments), before the routes.')
  const turn = await begin(at(route), requestOf(request, visit))
  if (turn instanceof Response) return merge(turn, set)
  visit.turn = turn
  return undefined
}

function requestOf(request: Request, { bytes }: Visit): Request {
  const { method, headers, url } = request
  if (!bytes || method === 'GET' || method === 'HEAD') return request
  return new Request(url, { method, headers, body: bytes.length > 0 ? (bytes as BodyInit) : null })
}

/** Elysia takes one cookie of a response, and all of `set`; of other headers, those that the response lacks. */
function merge(answer: Response, set: Set): Response {
  const { headers } = answer
  for (const [name, ours] of headers)
    if (name !== 'set-cookie') headers.set(name, extend(name, set.headers[name], ours))
  const cookies = headers.getSetCookie()
  headers.delete('set-cookie')
  if (cookies.length > 0) set.headers['set-cookie'] = cookies
  return answer
}

/**
 * The plugin that payments need: keeps the bytes of parsed bodies, to which payments are bound, and
 * records answers.
 *
 * @example
 * new Elysia().use(payments)
 */
export const payments = new Elysia({ name: '@polyrail/adapters' })
  .onRequest(({ request }) => {
    visits.set(request, {})
  })
  .onParse({ as: 'global' }, async ({ request }) => {
    const visit = visits.get(request)
    if (visit) visit.bytes = new Uint8Array(await request.clone().arrayBuffer())
  })
  .onError({ as: 'global' }, ({ request, error }) => giveBack(visits.get(request), error))
  .mapResponse({ as: 'global' }, async ({ request, responseValue, set }) => {
    const visit = visits.get(request)
    const turn = visit?.turn
    if (!turn) return
    const response = await toResponse(responseValue, set, request)
    visit.turn = undefined
    // All that it said is on the response now, and Elysia would put it there once more.
    Object.assign(set, { headers: {}, cookie: undefined })
    return merge(await turn.close(response), set)
  })

const { mapResponse } = WebStandardAdapter.handler

/** The response that Elysia makes of what a handler returns. */
async function toResponse(value: unknown, set: Mapped, request: Request): Promise<Response> {
  const response = await Promise.resolve(value)
    .then((value) => mapResponse(value, set, request) as Promise<Response>)
    .catch((cause: unknown) => {
      // Node takes not even an empty body with these.
      if (BODYLESS.has(Number(set.status))) return new Response(null, set as ResponseInit)
      throw cause
    })
  return response.headers.has('transfer-encoding') ? encode(response) : response
}

type Mapped = Parameters<typeof mapResponse>[1]

const BODYLESS = new Set([204, 205, 304])

/** What a generator yields, in bytes as a Response has them; by its header Elysia would take it for a generator again. */
function encode(response: Response): Response {
  const { body, headers } = response
  headers.delete('transfer-encoding')
  const text = new TextEncoder()
  const bytes = new TransformStream<string | Uint8Array, Uint8Array>({
    transform: (part, to) => to.enqueue(typeof part === 'string' ? text.encode(part) : part),
  })
  return new Response(body?.pipeThrough(bytes) ?? null, response)
}
