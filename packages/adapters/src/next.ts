/**
 * Payments in Next.js, in the route handlers of the app router.
 *
 * @module
 */
import { Mpp as Core } from '@polyrail/core/server'
import { adapt, AT, type Adapter, type Priced } from './routes.js'

/** A price on a route: around the handler, or asked within it. */
export type Guard = Core.Handler & Priced

/**
 * A payment server as in `@polyrail/core/server`, for its `route.ts` files.
 *
 * Around a handler the answer is recorded, and the same credential gets it again. Asked within it,
 * the credential is used up by the first answer below 400. Next.js does not tell its handlers their
 * pattern: the path is bound, or what `scope` says.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'api.example.com', secretKey })
 * export const GET = mpp.charge({ amount: '0.01' })(() => Response.json({ data }))
 * @example
 * export async function GET(request: NextRequest) {
 *   const payment = await mpp.charge({ amount: '0.01' })(request)
 *   if (payment.status === 402) return payment.challenge
 *   return payment.withReceipt(Response.json({ data }))
 * }
 */
export const Mpp: Adapter<Guard> = adapt((at) => Object.assign(at(undefined), { [AT]: at }))
