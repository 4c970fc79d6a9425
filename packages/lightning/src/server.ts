/**
 * Being paid over Lightning.
 *
 * @module
 */
import { charge } from './charge/server.js'

/**
 * Takes payments over Lightning: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [lightning({ wallet })], realm, secretKey })
 */
export function lightning(options: lightning.Options): readonly [charge.Rail] {
  return [charge(options)]
}

lightning.charge = charge

export declare namespace lightning {
  type Options = charge.Options
}

export type { Payment, Wallet } from './wallet.js'
