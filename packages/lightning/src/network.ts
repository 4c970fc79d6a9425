/**
 * The networks of the draft.
 *
 * @module
 */

/** The networks that the charge draft names, by the prefix of their invoices. BOLT 11, Human-Readable Part. */
export const NETWORKS = { bc: 'mainnet', bcrt: 'regtest', tbs: 'signet' } as const

/** A network as the draft names it. Draft, Method Details. */
export type Network = (typeof NETWORKS)[keyof typeof NETWORKS]

/**
 * Checks the name of a network.
 *
 * @throws TypeError for one that no invoice can be for.
 */
export function checkNetwork(network: Network): Network {
  const names: readonly string[] = Object.values(NETWORKS)
  if (!names.includes(network))
    throw new TypeError(`lightning/charge: network must be ${names.join(', ')}, in lower case.`)
  return network
}
