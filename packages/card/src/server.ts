/**
 * Being paid by card.
 *
 * @module
 */
import { charge } from './charge/server.js'
import { jwks } from './key/serve.js'

export { EnablerError, httpEnabler } from './charge/server-enabler.js'
export type {
  Order,
  RefundOrder,
  RefundResult,
  Result,
  ServerEnabler,
} from './charge/server-enabler.js'

/**
 * Takes payments by card: every intent that this package has, with one set of options.
 *
 * @example
 * const mpp = Mpp.create({ methods: [card({ enabler, key, merchantName: 'Acme Corp' })], realm, secretKey })
 */
export function card(options: card.Options): readonly [charge.Rail] {
  return [charge(options)]
}

card.charge = charge
card.jwks = jwks

export declare namespace card {
  type Options = charge.Options
}
