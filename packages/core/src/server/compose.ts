/**
 * Several rails and prices on one route.
 *
 * @module
 */
import { createHandler, OFFERS, type Handler } from './handler.js'

/**
 * Offers what all the handlers offer, in their order, in one 402. A credential for any of them pays.
 * The handlers may come from different servers, each with its own realm, secret, store and policy;
 * `free`, `limit`, `insecure` and `maxBodyBytes` are those of the first.
 *
 * @param handlers - Payment handlers, such as `mpp.points.charge({ amount: '5' })`.
 * @throws TypeError when one of them is not a payment handler.
 * @example
 * const pay = compose(mpp.points.charge({ amount: '5' }), mpp.gold.charge({ amount: '1' }))
 * @see core draft, Multiple Payment Options
 */
export function compose(...handlers: readonly Handler[]): Handler {
  if (handlers.length === 0) throw new TypeError('compose() needs at least one payment handler.')
  const offers = handlers.flatMap((handler, index) => {
    if (!handler?.[OFFERS])
      throw new TypeError(
        `compose(): argument ${index + 1} is not a payment handler. Pass mpp.<rail>.<intent>({ … }) itself, not its result.`,
      )
    return handler[OFFERS]
  })
  return createHandler(offers)
}
