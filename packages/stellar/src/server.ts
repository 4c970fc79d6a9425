/**
 * Being paid over Stellar.
 *
 * @module
 */
import { charge } from './charge/server.js'

/**
 * Takes payments over Stellar: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [stellar({ recipient })], realm, secretKey })
 */
export function stellar(options: stellar.Options = {}): readonly [charge.Rail] {
  return [charge(options)]
}

stellar.charge = charge

export declare namespace stellar {
  type Options = charge.Options
}

export type { Entry, Found, Network, Sent, Simulated } from './network.js'
export type { Signer } from './signer.js'
