/**
 * Being paid over Stripe.
 *
 * @module
 */
import { charge } from './charge/server.js'

/**
 * Takes payments over Stripe: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [stripe({ client, networkId })], realm, secretKey })
 */
export function stripe(options: stripe.Options): readonly [charge.Rail] {
  return [charge(options)]
}

stripe.charge = charge

export declare namespace stripe {
  type Options = charge.Options
}
