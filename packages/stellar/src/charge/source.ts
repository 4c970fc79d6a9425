/**
 * How a payer is named.
 *
 * @module
 */
import type { NetworkId } from '../constants.js'

/** `did:pkh` on a network. @see Stellar charge draft, Credential Structure */
export const sourceOf = (network: NetworkId, account: string): string =>
  `did:pkh:${network}:${account}`
