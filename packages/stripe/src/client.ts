/**
 * Paying over Stripe.
 *
 * @module
 */
import { charge } from './charge/client.js'

/**
 * Pays over Stripe: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [stripe({ createToken })], policy: { max: '1.00' } })
 */
export function stripe(options: stripe.Options): readonly [charge.Rail] {
  return [charge(options)]
}

stripe.charge = charge

export declare namespace stripe {
  type Options = charge.Options
}
