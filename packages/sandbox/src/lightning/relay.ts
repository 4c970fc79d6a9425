/**
 * A Nostr relay on loopback (NIP-01): real WebSockets, ids and signatures that are verified, filters, ephemeral events.
 *
 * @module
 */
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Filter } from 'nostr-tools/filter'
import type { NostrEvent } from 'nostr-tools/pure'
import type { WebSocket } from 'ws'
import { type Fault as AnyFault, type Injected, openFaults } from '../faults.js'
import { isRecord } from '../json-rpc.js'
import { importPeer } from './peers.js'

/** A running relay. */
export type Relay = AsyncDisposable & {
  /** `ws://127.0.0.1:…` */
  url: string
  /** How many connections are open. */
  readonly connections: number
  /** How many subscriptions there are. */
  readonly subscriptions: number
  /** Makes messages of clients fail, come late, or be lost. */
  fault: (fault: RelayFault) => Injected
  /** Cuts every connection; the relay itself stays. Resolves when they are gone. */
  cut: () => Promise<void>
  /** Ends it, cutting open connections. */
  close: () => Promise<void>
}

/** A fault on what clients send. It may fail as a refusal with a message, such as `rate-limited: slow down`. */
export type RelayFault = AnyFault<{ message: string }> & {
  /** The kind of message that it strikes. Default: each. */
  call?: 'EVENT' | 'REQ' | 'CLOSE'
  /** The kind of event that it strikes. Default: each. */
  kind?: number
}

type Client = { socket: WebSocket; subscriptions: Map<string, readonly Filter[]> }

type Nostr = {
  verify: (event: NostrEvent) => boolean
  match: (filters: Filter[], event: NostrEvent) => boolean
}

/**
 * Starts a Nostr relay.
 *
 * @returns The relay. Nothing that it holds outlives it.
 * @throws Error that says what to install when `ws` or `nostr-tools` is missing.
 * @example
 * ```ts
 * await using relay = await Lightning.relay()
 * const wallet = await Lightning.nwc(network.payer, relay)
 * ```
 */
export async function relay(): Promise<Relay> {
  const { WebSocketServer } = await importPeer('ws nostr-tools', () => import('ws'))
  const { matchFilters } = await importPeer('ws nostr-tools', () => import('nostr-tools/filter'))
  const { verifyEvent } = await importPeer('ws nostr-tools', () => import('nostr-tools/pure'))
  const faults = openFaults<{ message: string }, RelayFault & { of?: number }>(
    ({ call, kind }, name) => {
      const [verb, of] = name.split(' ')
      return (call ?? verb) === verb && (kind === undefined || String(kind) === of)
    },
  )
  const hub = openHub({ verify: verifyEvent, match: matchFilters }, faults)

  const server = http.createServer((_, response) => response.writeHead(426).end())
  const sockets = new WebSocketServer({ server, maxPayload: 1024 * 1024 })
  sockets.on('connection', hub.welcome)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = async () => {
    await Promise.all([...sockets.clients].map(terminate))
  }
  const close = () =>
    new Promise<void>((resolve) => {
      faults.clear()
      sockets.close()
      server.close(() => resolve())
      server.closeAllConnections()
      void cut()
    })
  const { port } = server.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${port}`,
    get connections() {
      return sockets.clients.size
    },
    get subscriptions() {
      return hub.subscriptions()
    },
    fault: faults.inject,
    cut,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What is stored, who listens to what, and the rules for messages. */
function openHub(nostr: Nostr, { pass }: openFaults.Faults<{ message: string }, RelayFault>) {
  const clients = new Set<Client>()
  const stored = new Map<string, NostrEvent>()

  const publish = (event: NostrEvent): Outcome => {
    if (!nostr.verify(event)) return [false, 'invalid: the id or the signature is wrong']
    const place = placeOf(event)
    const there = place === undefined ? undefined : stored.get(place)
    if (there?.id === event.id) return [true, 'duplicate: this event is known']
    if (there && there.created_at > event.created_at)
      return [true, 'duplicate: a newer one is known']
    if (place !== undefined) stored.set(place, event)
    for (const { socket, subscriptions } of clients) {
      for (const [id, filters] of subscriptions) {
        if (nostr.match([...filters], event)) tell(socket, ['EVENT', id, event])
      }
    }
    return [true, '']
  }

  const subscribe = ({ socket, subscriptions }: Client, id: string, filters: readonly Filter[]) => {
    subscriptions.set(id, filters)
    for (const event of select(nostr, [...stored.values()], filters))
      tell(socket, ['EVENT', id, event])
    tell(socket, ['EOSE', id])
  }

  const hear = async (client: Client, text: string): Promise<void> => {
    const { socket, subscriptions } = client
    const message = parse(text)
    if (message === undefined) return tell(socket, ['NOTICE', 'invalid: this is no message'])
    if (message.verb === 'EVENT') {
      const { event } = message
      const name = `EVENT ${event.kind}`
      const passed = await pass(name, async () => publish(event))
      const outcome = 'answer' in passed ? passed.answer : refusal(socket, passed.failure)
      return outcome && tell(socket, ['OK', event.id, ...outcome])
    }
    const { verb, id, filters } = message
    const passed = await pass(verb, async () => {
      if (verb === 'REQ') subscribe(client, id, filters)
      else subscriptions.delete(id)
    })
    const refused = 'answer' in passed ? undefined : refusal(socket, passed.failure)
    return refused && tell(socket, ['CLOSED', id, refused[1]])
  }

  return {
    subscriptions: () =>
      [...clients].reduce((sum, { subscriptions }) => sum + subscriptions.size, 0),
    welcome(socket: WebSocket): void {
      const client: Client = { socket, subscriptions: new Map() }
      clients.add(client)
      socket.on('error', () => {})
      socket.on('close', () => clients.delete(client))
      socket.on('message', (data: Buffer) => void hear(client, data.toString('utf8')))
    },
  }
}

type Outcome = readonly [accepted: boolean, message: string]

/** What to say for a fault; undefined when the connection is cut instead. */
function refusal(socket: WebSocket, failure: 'drop' | { message: string }): Outcome | undefined {
  if (failure !== 'drop') return [false, failure.message]
  socket.terminate()
  return undefined
}

/** Under which key an event is kept: replaceable ones by who and what, ephemeral ones (20000 to 29999) not at all. */
function placeOf({ id, kind, pubkey, tags }: NostrEvent): string | undefined {
  if (kind >= 20_000 && kind < 30_000) return undefined
  if (kind === 0 || kind === 3 || (kind >= 10_000 && kind < 20_000)) return `${kind}:${pubkey}`
  if (kind < 30_000 || kind >= 40_000) return id
  return `${kind}:${pubkey}:${tags.find(([name]) => name === 'd')?.[1] ?? ''}`
}

/** The stored events that fit, the newest first, within each filter's limit. */
function select(
  nostr: Nostr,
  events: NostrEvent[],
  filters: readonly Filter[],
): ReadonlySet<NostrEvent> {
  const newest = events.toSorted((a, b) => b.created_at - a.created_at)
  return new Set(
    filters.flatMap((filter) =>
      newest.filter((event) => nostr.match([filter], event)).slice(0, filter.limit),
    ),
  )
}

function terminate(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.terminate()
  })
}

function tell(socket: WebSocket, message: readonly unknown[]): void {
  socket.send(JSON.stringify(message), () => {})
}

type Message =
  | { verb: 'EVENT'; event: NostrEvent }
  | { verb: 'REQ' | 'CLOSE'; id: string; filters: readonly Filter[] }

function parse(text: string): Message | undefined {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(message)) return undefined
  const [verb, first, ...rest] = message as unknown[]
  if (verb === 'EVENT') return isEvent(first) ? { verb, event: first } : undefined
  if (typeof first !== 'string' || (verb !== 'REQ' && verb !== 'CLOSE')) return undefined
  return rest.every(isFilter) ? { verb, id: first, filters: rest } : undefined
}

function isFilter(value: unknown): value is Filter {
  if (!isRecord(value)) return false
  return Object.entries(value).every(([name, part]) =>
    ['since', 'until', 'limit'].includes(name) ? Number.isInteger(part) : Array.isArray(part),
  )
}

function isEvent(value: unknown): value is NostrEvent {
  if (!isRecord(value)) return false
  const { id, pubkey, sig, kind, created_at: at, content, tags } = value
  return (
    [id, pubkey, sig, content].every((part) => typeof part === 'string') &&
    Number.isInteger(kind) &&
    Number.isInteger(at) &&
    Array.isArray(tags) &&
    tags.every((tag) => Array.isArray(tag) && tag.every((part) => typeof part === 'string'))
  )
}
