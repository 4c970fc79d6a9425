/**
 * Payments in Next.js, in the route handlers of the app router.
 *
 * @module
 */
import { adapt, AT, type Adapter, type Priced } from './routes.js'

/** A price on a route: around its handler. */
export interface Guard extends Priced {
  <rest extends unknown[], request extends Request = Request>(
    handler: (request: request, ...rest: rest) => Response | Promise<Response>,
  ): (request: request, ...rest: rest) => Promise<Response>
}

/**
 * A payment server as in `@polyrail/core/server`, for the `route.ts` files of the app router.
 *
 * The answer is recorded, and the same credential gets it again. Next.js does not tell its handlers
 * their pattern: the path is bound, or what `scope` says.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * export const GET = mpp.charge({ amount: '0.01' })(() => Response.json({ data }))
 */
export const Mpp: Adapter<Guard> = adapt((at): Guard => {
  const handler = at(undefined)
  const guard =
    <rest extends unknown[], request extends Request>(
      application: (request: request, ...rest: rest) => Response | Promise<Response>,
    ) =>
    (request: request, ...rest: rest) =>
      handler(() => application(request, ...rest))(addressed(request))
  return Object.assign(guard, { [AT]: at })
})

/**
 * The request with the host that the visitor named. `next start` puts its own name and port there: no other server, nor the same
 * one on another port, would know a payment again, and plain http from anywhere would look like this machine's own.
 */
function addressed(request: Request): Request {
  const host = request.headers.get('host')
  if (host === null || !/^[\w.:[\]-]+$/.test(host)) return request
  const url = request.url.replace(/(?<=^[a-z]+:\/\/)[^/?#]*/i, host)
  if (!URL.canParse(url)) return request
  return new Proxy(request, {
    get(target, name) {
      if (name === 'url') return url
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
