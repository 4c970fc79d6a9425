/**
 * A connection between two nodes, encrypted as on the wire (BOLT 8) but in memory, and the channels opened over it.
 *
 * @module
 */
import type { ChannelDetails, SocketDescriptor } from 'lightningdevkit'
import { isPresent, toHex, unwrap } from './devkit.js'
import type { Engine } from './engine.js'

/** A connection between two nodes. */
export type Link = {
  ends: readonly [Engine, Engine]
  /** Connects, unless connected. Resolves when each end has greeted the other and their channels can be used again. */
  connect: () => Promise<void>
  /** Cuts the connection. What is under way is lost, as on a real network. */
  cut: () => void
}

type Wire = { up: boolean; sockets: readonly SocketDescriptor[] }

/** LDK tells sockets apart by a number. */
let count = 0n

/** Joins two nodes. They are not connected yet. */
export function join(first: Engine, second: Engine): Link {
  const ends = [first, second] as const
  let wire: Wire | undefined
  return {
    ends,
    cut() {
      if (!wire?.up) return
      wire.up = false
      wire.sockets.forEach((socket, index) => {
        const engine = ends[index] as Engine
        engine.peers.socket_disconnected(socket)
        engine.poke()
      })
    },
    async connect() {
      if (!wire?.up) wire = plug(ends)
      await Promise.all([
        first.until(() => isReady(first, second)),
        second.until(() => isReady(second, first)),
      ])
    },
  }
}

function plug(ends: readonly [Engine, Engine]): Wire {
  const [first, second] = ends
  const { devkit } = first
  const nowhere = devkit.Option_SocketAddressZ.constructor_none()

  const socketOf = (index: 0 | 1) => {
    const id = ++count
    const far = 1 - index
    return devkit.SocketDescriptor.new_impl({
      send_data(data) {
        const copy = Uint8Array.from(data)
        setImmediate(() => {
          const socket = wire.sockets[far]
          if (!wire.up || socket === undefined) return
          ends[far]?.peers.read_event(socket, copy)
          ends[far]?.poke()
        })
        return data.length
      },
      disconnect_socket() {
        wire.up = false
      },
      eq: (other) => other.hash() === id,
      hash: () => id,
    })
  }
  const [near, far] = [socketOf(0), socketOf(1)]
  const wire: Wire = { up: true, sockets: [near, far] }
  unwrap(second.peers.new_inbound_connection(far, nowhere), 'connecting')
  const hello = unwrap<Uint8Array>(
    first.peers.new_outbound_connection(second.pubkey, near, nowhere),
    'connecting',
  )
  unwrap(second.peers.read_event(far, hello), 'connecting')
  second.poke()
  return wire
}

function isReady(engine: Engine, other: Engine): boolean {
  const id = toHex(other.pubkey)
  const greeted = engine.peers
    .list_peers()
    .some((peer) => toHex(peer.get_counterparty_node_id()) === id)
  return greeted && channels(engine, other).every(isOpen)
}

/** Without the other side's terms of forwarding, invoices would lack the hints by which third nodes find the way. */
function isOpen(channel: ChannelDetails): boolean {
  return channel.get_is_usable() && isPresent(channel.get_counterparty().get_forwarding_info())
}

/**
 * Opens a channel over a connection and has it confirmed. One at a time, or one's block would confirm another's.
 *
 * @param link - The first end funds the channel.
 * @param terms - Satoshis in the channel, and how many of its millisatoshis the second end owns.
 */
export async function openChannel(link: Link, terms: openChannel.Terms): Promise<void> {
  const [funder, other] = link.ends
  const { chain, manager } = funder
  const before = channels(funder, other).length
  const waiting = chain.waiting()
  unwrap(
    manager.create_channel(other.pubkey, terms.capacity, terms.pushMsat, 0n, null, null),
    'opening a channel',
  )
  await funder.until(() => {
    if (channels(funder, other).length > before) return chain.waiting() > waiting
    throw new Error('the other node refused the channel')
  })
  chain.mine()
  funder.poke()
  other.poke()
  const joined = (engine: Engine, peer: Engine) => () =>
    channels(engine, peer).length > before && isReady(engine, peer)
  await Promise.all([funder.until(joined(funder, other)), other.until(joined(other, funder))])
}

export declare namespace openChannel {
  type Terms = { capacity: bigint; pushMsat: bigint }
}

function channels(engine: Engine, other: Engine) {
  return engine.manager.list_channels_with_counterparty(other.pubkey)
}
