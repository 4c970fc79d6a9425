/**
 * Paying by card.
 *
 * @module
 */
import { charge } from './charge/client.js'

export { httpEnabler } from './charge/client-enabler.js'
export type { ClientEnabler, TokenChallenge, TokenRequest } from './charge/client-enabler.js'

/**
 * Pays by card: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [card({ enabler, cardId: 'card_1' })], policy: { max: '5.00' } })
 */
export function card(options: card.Options): readonly [charge.Rail] {
  return [charge(options)]
}

card.charge = charge

export declare namespace card {
  type Options = charge.Options
}
