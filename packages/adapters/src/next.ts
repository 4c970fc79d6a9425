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
export const Mpp: Adapter<Guard> = adapt((at): Guard => Object.assign(at(undefined), { [AT]: at }))
