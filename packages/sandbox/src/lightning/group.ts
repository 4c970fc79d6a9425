/**
 * The nodes of one network: who is there, who is joined to whom, and who is away.
 *
 * @module
 */
import type { Chain } from './chain.js'
import type { Devkit } from './devkit.js'
import { type Engine, type Listener, openEngine } from './engine.js'
import { openIncoming } from './incoming.js'
import { join, type Link, openChannel } from './link.js'
import type { Node } from './node.js'
import { openOutgoing } from './outgoing.js'
import type { Fees } from './payment.js'
import { makeNode, openNodeFaults } from './wallet.js'

/** A node and what it runs on. */
export type Member = { node: Node; engine: Engine; close: () => void }

/** The nodes of one network. */
export type Group = {
  /** Starts a node, without channels. */
  add: (fees: Fees) => Member
  /** @throws Error when the node is of another network. */
  find: (node: Node) => Member
  /** Joins two nodes by a channel, half of it each one's, when the channels asked for before it are open. */
  channel: (funder: Member, other: Member, capacity: bigint) => Promise<void>
  stop: () => Promise<void>
}

/** Opens an empty group on a chain. */
export function openGroup(devkit: Devkit, chain: Chain): Group {
  const members: Member[] = []
  const net = openNet()
  const end = new AbortController()
  let queue: Promise<unknown> = Promise.resolve()

  const open = async (before: Promise<unknown>, link: Link, capacity: bigint) => {
    await before
    await link.connect()
    await openChannel(link, { capacity, pushMsat: capacity * 500n })
  }
  return {
    add(fees) {
      const incoming = openIncoming(() => engine)
      const outgoing = openOutgoing(() => engine)
      const listener: Listener = { ...incoming.listener, ...outgoing.listener }
      const engine: Engine = openEngine({ devkit, chain, listener, fees })
      const faults = openNodeFaults()
      const connect = () => net.connect(engine)
      const disconnect = () => net.disconnect(engine)
      const parts = { engine, incoming, outgoing, faults, connect, disconnect, ended: end.signal }
      const member = { node: makeNode(parts), engine, close: faults.clear }
      members.push(member)
      return member
    },
    find(node) {
      const member = members.find((one) => one.node === node)
      if (member === undefined) throw new Error('this node is not of this network')
      return member
    },
    channel(funder, other, capacity) {
      const opened = open(queue, net.join(funder.engine, other.engine), capacity)
      queue = opened.catch(() => {})
      return opened
    },
    async stop() {
      end.abort()
      for (const { engine, close } of members) {
        close()
        engine.stop()
      }
    },
  }
}

/** The connections, and the nodes that are cut off from theirs. */
function openNet() {
  const links: Link[] = []
  const away = new Set<Engine>()
  const linksOf = (engine: Engine) => links.filter(({ ends }) => ends.includes(engine))
  return {
    join(first: Engine, second: Engine): Link {
      const link = join(first, second)
      links.push(link)
      return link
    },
    disconnect(engine: Engine): void {
      away.add(engine)
      for (const link of linksOf(engine)) link.cut()
    },
    async connect(engine: Engine): Promise<void> {
      away.delete(engine)
      const reachable = linksOf(engine).filter(({ ends }) => !ends.some((end) => away.has(end)))
      await Promise.all(reachable.map((link) => link.connect()))
    },
  }
}
