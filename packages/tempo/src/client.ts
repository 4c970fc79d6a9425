/**
 * Paying over Tempo.
 *
 * @module
 */
import { charge } from './charge/client.js'

/**
 * Pays over Tempo: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ account })], policy: { max: '0.05' } })
 */
export function tempo(options: tempo.Options): readonly [charge.Rail] {
  return [charge(options)]
}

tempo.charge = charge

export declare namespace tempo {
  type Options = charge.Options
}

export type { Broadcast, Network, Quote, Receipt, Unpriced } from './network.js'
