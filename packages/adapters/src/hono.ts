/**
 * Payments in Hono, on any runtime that Hono runs on.
 *
 * @module
 */
import type { Context, Handler, MiddlewareHandler, Next } from 'hono'
import { routePath } from 'hono/route'
import { extend } from './lists.js'
import { adapt, AT, type Adapter, type At, type Priced } from './routes.js'

/** A price on a route: middleware before the handler, or around it. */
export interface Guard extends Priced, MiddlewareHandler {
  <handler extends (context: never, next: Next) => unknown>(handler: handler): handler
}

/**
 * A payment server as in `@polyrail/core/server`, whose prices are Hono middleware. Either way the
 * answer is recorded, and the same credential gets it again.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * app.get('/report', mpp.charge({ amount: '0.01' }), (c) => c.json({ data }))
 * @example
 * app.get('/report', mpp.charge({ amount: '0.01' })((c) => c.json({ data })))
 */
export const Mpp: Adapter<Guard> = adapt((at): Guard => {
  function guard<handler extends (context: never, next: Next) => unknown>(handler: handler): handler
  function guard(context: Context, next: Next): Promise<Response | void>
  function guard(first: Handler | Context, next?: Next) {
    return typeof first === 'function'
      ? (context: Context, next: Next) => around(at, context, () => first(context, next))
      : before(at, first, next as Next)
  }
  return Object.assign(guard, { [AT]: at })
})

/** Hono has made a page of what was thrown: no payment is closed with it, whatever its status. */
async function before(at: At, context: Context, next: Next): Promise<Response | void> {
  const earlier = new Headers(context.res.headers)
  try {
    const answer = await pay(at, context, async () => {
      await next()
      if (context.error) throw context.error
      return answerOf(context)
    })
    if (!context.finalized) return keepLists(context.res, answer)
    if (isOther(answer, context.res)) keepEarlier(earlier, answer)
    // Hono would put the headers of the old response over those of the new.
    context.res = undefined
    context.res = answer
  } catch (cause) {
    if (cause !== context.error) throw cause
  }
}

async function around(
  at: At,
  context: Context,
  handler: () => Response | Promise<Response | void> | void,
): Promise<Response> {
  const earlier = new Headers(context.res.headers)
  let made: Response | undefined
  const answer = await pay(at, context, async () => {
    made = (await handler()) ?? answerOf(context)
    return made
  })
  if (!made || !isOther(answer, made)) return keepLists(context.res, answer)
  keepEarlier(earlier, answer)
  context.res = undefined
  context.res = answer
  return answer
}

/** True when the answer that was made does not go out, because its money could not be taken. */
const isOther = (answer: Response, made: Response): boolean =>
  answer.status >= 400 && made.status < 400

/** Nothing of such an answer goes out, but all that middleware has set before it. */
function keepEarlier(earlier: Headers, { headers }: Response): void {
  for (const [name, there] of earlier)
    if (name === 'set-cookie') headers.append(name, there)
    else headers.set(name, extend(name, there, headers.get(name) ?? there))
}

/** Asked for a response where there is none, Hono makes an empty page. */
function answerOf(context: Context): Response {
  if (context.finalized) return context.res
  throw new TypeError('There is no answer to the paid request: return a Response.')
}

async function pay(
  at: At,
  context: Context,
  application: () => Promise<Response>,
): Promise<Response> {
  const request = await requestOf(context)
  const answer = await at(routePath(context))(application)(request)
  // Headers first: those of @hono/node-server 1 forget what was added to them, once the body is looked at.
  const headers = new Headers(answer.headers)
  const { body, status, statusText } = answer
  return new Response(body, { status, statusText, headers })
}

/** A validator may have read the body: Hono keeps what it read. */
async function requestOf({ req }: Context): Promise<Request> {
  const { raw, bodyCache } = req
  const kept = 'text' in bodyCache || 'arrayBuffer' in bodyCache
  if (!raw.bodyUsed || !kept) return raw
  const { method, headers, url } = raw
  return new Request(url, { method, headers, body: await req.arrayBuffer() })
}

/** Hono puts the headers that earlier middleware set over ours. */
function keepLists({ headers }: Response, answer: Response): Response {
  for (const [name, there] of headers) {
    const ours = answer.headers.get(name)
    if (ours !== null && name !== 'set-cookie') headers.set(name, extend(name, there, ours))
  }
  return answer
}
