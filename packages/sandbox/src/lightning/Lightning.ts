/**
 * Lightning nodes on your own machine, for tests and demos: real channels, real payments, no internet.
 *
 * @module
 */
import { openChain } from './chain.js'
import { loadDevkit } from './devkit.js'
import type { Fees } from './payment.js'
import { openGroup } from './group.js'
import type { Node } from './node.js'

export type { Injected } from '../faults.js'
export { lnd, type Lnd, type LndCall } from './lnd.js'
export { phoenixd, type Phoenixd, type PhoenixdCall } from './phoenixd.js'
export type { HttpFault, Service } from './http.js'
export { nwc, type Nwc, type NwcFault } from './nwc.js'
export { relay, type Relay, type RelayFault } from './relay.js'
export type { NwcCode, NwcEncryption, NwcError, NwcMethod } from './wallet-service.js'
export type { Hold, Invoice, InvoiceTerms } from './invoice.js'
export type { Ledger, Node, NodeFault, Order, Payment, Query, Received } from './node.js'
export type { FailureReason, Fees, Outgoing, PaymentTerms } from './payment.js'

/** A running network. */
export interface Network extends AsyncDisposable {
  /** A node with half of a channel to {@link Network.payee}. */
  payer: Node
  /** The other node. */
  payee: Node
  /** Starts another node, with a channel to one that is there, half of it the other's. */
  node: (options?: NodeOptions) => Promise<Node>
  /** Ends the network. What is under way ends with an error. */
  stop: () => Promise<void>
}

/** Options of {@link Network.node}. */
export type NodeOptions = {
  /** The node to which the channel goes. Default: the payee. */
  peer?: Node
  /** Satoshis in the channel. Default: as the network's. */
  capacity?: bigint
  /** What it costs to pay through this node. Default: as the network's. */
  fees?: Fees
}

/** A bitcoin: half of it is enough for a test of thousands of payments. */
const defaultCapacity = 100_000_000n

/**
 * Starts a Lightning network: two LDK nodes in this process, on a regtest chain mined by hand, with a channel of which
 * each owns a half.
 *
 * @param options - See {@link start.Options}.
 * @returns The running network.
 * @throws Error that says what to install when `lightningdevkit` is missing.
 * @example
 * ```ts
 * await using network = await Lightning.start()
 * const { payer, payee } = network
 * const invoice = await payee.createInvoice({ amountMsat: 21_000n, expirySeconds: 60 })
 * ```
 */
export async function start(options: start.Options = {}): Promise<Network> {
  const { quiet = false, log = console.log, capacity = defaultCapacity, fees = {} } = options
  const begun = performance.now()
  const devkit = await loadDevkit()
  const group = openGroup(devkit, openChain())
  const [payer, payee] = [group.add(fees), group.add(fees)]
  await group.channel(payer, payee, capacity)
  const elapsed = Math.round(performance.now() - begun)
  if (!quiet)
    log(`Lightning network of 2 nodes, channel of ${capacity} sat, ready in ${elapsed} ms`)
  return {
    payer: payer.node,
    payee: payee.node,
    async node({ peer = payee.node, capacity: size = capacity, fees: own = fees } = {}) {
      const other = group.find(peer)
      const joined = group.add(own)
      await group.channel(joined, other, size)
      return joined.node
    },
    stop: group.stop,
    [Symbol.asyncDispose]: group.stop,
  }
}

export declare namespace start {
  type Options = {
    /** Satoshis in the channel, half of them each node's. Default 100,000,000. */
    capacity?: bigint
    /** What it costs to pay through a node. Default: 1,000 msat a payment. */
    fees?: Fees
    /** Prints nothing. Default false. */
    quiet?: boolean
    /** Where the one line about the start goes. Default `console.log`. */
    log?: (line: string) => void
  }
}
