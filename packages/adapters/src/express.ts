/**
 * Payments in Express 5.
 *
 * @module
 */
import { exchange } from './exchange.js'
import type { NodeRequest, NodeResponse } from './messages.js'
import { adapt, AT, type Adapter, type At, type Priced } from './routes.js'

/** As much of Express' request as is used. */
export interface Request extends NodeRequest {
  readonly originalUrl: string
  readonly baseUrl: string
  readonly route?: { readonly path?: unknown; readonly stack?: readonly { handle?: unknown }[] }
}

/** Express' `next`. */
export type Next = (cause?: unknown) => void

/** A price on a route: middleware before the handler, or around it. */
export interface Guard extends Priced {
  <handler extends (...parameters: never[]) => unknown>(handler: handler): handler
  (request: Request, response: NodeResponse, next: Next): Promise<void>
}

/**
 * A payment server as in `@polyrail/core/server`, whose prices are Express middleware. Either way the
 * answer is recorded, and the same credential gets it again.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * app.get('/report', mpp.charge({ amount: '0.01' }), (req, res) => res.json({ data }))
 * @example
 * app.get('/report', mpp.charge({ amount: '0.01' })((req, res) => res.json({ data })))
 */
export const Mpp: Adapter<Guard> = adapt((at): Guard => {
  function guard<handler extends (...parameters: never[]) => unknown>(handler: handler): handler
  function guard(request: Request, response: NodeResponse, next: Next): Promise<void>
  function guard(first: Handler | Request, response?: NodeResponse, next?: Next) {
    return typeof first === 'function'
      ? around(at, first)
      : exchange(handlerOf(at, first, guard), visit(first, response as NodeResponse), () =>
          next?.(),
        )
  }
  return Object.assign(guard, { [AT]: at })
})

type Handler = (request: Request, response: NodeResponse, next: Next) => unknown

function around(at: At, handler: Handler): Handler {
  const priced: Handler = (request, response, next) =>
    exchange(handlerOf(at, request, priced), visit(request, response), async () => {
      try {
        await handler(request, response, next)
      } catch (cause) {
        const isTooLate = response.headersSent
        next(cause)
        // For an error page. Whatever becomes of the error, this was not the whole answer.
        if (isTooLate) throw cause
      }
    })
  return priced
}

/** Express leaves the route that a request has passed through on it: only one that we stand on is ours. */
function handlerOf(at: At, { baseUrl, route }: Request, priced: unknown): ReturnType<At> {
  const isOurs = route?.stack?.some(({ handle }) => handle === priced)
  return at(isOurs && typeof route?.path === 'string' ? baseUrl + route.path : undefined)
}

const visit = (request: Request, response: NodeResponse): exchange.Options => ({
  request,
  response,
  url: request.originalUrl,
})

/**
 * Keeps a body's bytes beside what a parser makes of it: payments are bound to them. Wanted where a
 * parser runs before the payment.
 *
 * @example
 * app.use(express.json({ verify: keepBody }))
 */
export function keepBody(request: NodeRequest, _response: unknown, bytes: Uint8Array): void {
  request.rawBody = bytes
}
