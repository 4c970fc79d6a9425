/**
 * Lightning nodes on your own machine, for tests and demos: real channels, real payments, no internet.
 *
 * @module
 */
import { type Chain, openChain } from './chain.js'
import { type Devkit, loadDevkit } from './devkit.js'
import { type Engine, type Fees, type Listener, openEngine } from './engine.js'
import { openIncoming } from './incoming.js'
import { join, type Link, openChannel } from './link.js'
import { makeNode, type Node, openNodeFaults } from './node.js'
import { openOutgoing } from './outgoing.js'

export type { Injected } from '../faults.js'
export type { Fees } from './engine.js'
export type { Hold, Invoice, InvoiceTerms } from './incoming.js'
export type { Ledger, Node, NodeFault, Order, Payment, Query, Received } from './node.js'
export type { FailureReason, Outgoing, PaymentTerms } from './outgoing.js'

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

type Member = { node: Node; engine: Engine; close: () => void }

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
  const network = assemble(devkit, openChain())
  const [payer, payee] = [network.add(fees), network.add(fees)]
  await network.channel(payer, payee, capacity)
  const elapsed = Math.round(performance.now() - begun)
  if (!quiet)
    log(`Lightning network of 2 nodes, channel of ${capacity} sat, ready in ${elapsed} ms`)
  return {
    payer: payer.node,
    payee: payee.node,
    async node({ peer = payee.node, capacity: size = capacity, fees: own = fees } = {}) {
      const other = network.find(peer)
      const joined = network.add(own)
      await network.channel(joined, other, size)
      return joined.node
    },
    stop: network.stop,
    [Symbol.asyncDispose]: network.stop,
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

function assemble(devkit: Devkit, chain: Chain) {
  const members: Member[] = []
  const links: Link[] = []
  const away = new Set<Engine>()
  let queue: Promise<unknown> = Promise.resolve()

  const linksOf = (engine: Engine) => links.filter(({ ends }) => ends.includes(engine))
  const add = (fees: Fees): Member => {
    const incoming = openIncoming(() => engine)
    const outgoing = openOutgoing(() => engine)
    const listener: Listener = { ...incoming.listener, ...outgoing.listener }
    const engine: Engine = openEngine({ devkit, chain, listener, fees })
    const faults = openNodeFaults()
    const node = makeNode({
      engine,
      incoming,
      outgoing,
      faults,
      disconnect() {
        away.add(engine)
        for (const link of linksOf(engine)) link.cut()
      },
      async connect() {
        away.delete(engine)
        const reachable = linksOf(engine).filter(({ ends }) => !ends.some((end) => away.has(end)))
        await Promise.all(reachable.map((link) => link.connect()))
      },
    })
    const member = { node, engine, close: faults.clear }
    members.push(member)
    return member
  }
  return {
    add,
    find(node: Node): Member {
      const member = members.find((one) => one.node === node)
      if (member === undefined) throw new Error('this node is not of this network')
      return member
    },
    /** Joins two nodes by a channel, when the channels before it are open. */
    channel(funder: Member, other: Member, capacity: bigint): Promise<void> {
      const open = async (before: Promise<unknown>) => {
        await before
        const link = join(funder.engine, other.engine)
        links.push(link)
        await link.connect()
        await openChannel(link, { capacity, pushMsat: capacity * 500n })
      }
      const opened = open(queue)
      queue = opened.catch(() => {})
      return opened
    },
    async stop() {
      for (const { engine, close } of members) {
        close()
        engine.stop()
      }
    },
  }
}
