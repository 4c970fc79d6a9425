/**
 * Paying over Lightning.
 *
 * @module
 */
import { charge } from './charge/client.js'

/**
 * Pays over Lightning: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [lightning({ wallet })], policy: { max: '100' } })
 */
export function lightning(options: lightning.Options): readonly [charge.Rail] {
  return [charge(options)]
}

lightning.charge = charge

export declare namespace lightning {
  type Options = charge.Options
}

export type { JournalStore } from './charge/journal.js'
export type { Payment, Wallet } from './wallet.js'
