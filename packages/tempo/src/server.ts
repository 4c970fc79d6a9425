/**
 * Being paid over Tempo.
 *
 * @module
 */
import { charge } from './charge/server.js'

/**
 * Takes payments over Tempo: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [tempo({ recipient })], realm, secretKey })
 */
export function tempo(options: tempo.Options = {}): readonly [charge.Rail] {
  return [charge(options)]
}

tempo.charge = charge

export declare namespace tempo {
  type Options = charge.Options
}

export type { Broadcast, Network, Quote, Receipt, Unpriced } from './network.js'
