/**
 * A connection to a relay: what is published on it, and what comes of a subscription.
 *
 * @module
 * @see NIP-01, Communication between clients and relays
 */
import { within } from '../wallet/deadline.js'
import { WalletError } from '../wallet/error.js'
import { isObject } from '../wallet/json.js'
import type { Event } from './nostr.js'
import type { Socket, SocketClass } from './websocket.js'

export type Filter = Readonly<Record<string, number | readonly (string | number)[]>>

/** What comes of one subscription. Any of them may end it. */
export type Listener = {
  event(event: Event): void
  /** The relay has no more that is stored. */
  stored?: (() => void) | undefined
  /** The connection is lost, or the relay refuses. */
  failed(error: WalletError): void
}

export type Relay = {
  readonly open: boolean
  /** Starts a subscription, and returns what ends it. */
  subscribe(filter: Filter, listener: Listener): () => void
  /** Publishes an event, and resolves when the relay has taken it. */
  publish(event: Event): Promise<void>
  close(): void
}

/** Characters of a message. */
const LIMIT = 1024 * 1024

const lost = () => new WalletError('unreachable', 'The relay of the wallet cannot be reached.')
const refused = () => new WalletError('refused', 'The relay of the wallet refuses what it is told.')

/**
 * Connects to a relay.
 *
 * @throws WalletError `unreachable`, or the signal's reason.
 */
export async function openRelay(
  WebSocket: SocketClass,
  url: string,
  signal: AbortSignal,
): Promise<Relay> {
  const socket = connect(WebSocket, url)
  const opened = new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('close', () => reject(lost()))
    socket.addEventListener('error', () => reject(lost()))
  })
  const relay = createRelay(socket)
  try {
    await within(opened, signal)
  } catch (error) {
    relay.close()
    throw error
  }
  return relay
}

function connect(WebSocket: SocketClass, url: string): Socket {
  try {
    return new WebSocket(url)
  } catch {
    throw lost()
  }
}

type Publication = { taken: () => void; failed: (error: WalletError) => void }

function createRelay(socket: Socket): Relay {
  const listeners = new Map<string, Listener>()
  const publications = new Map<string, Publication>()
  let open = true
  let serial = 0

  const say = (...message: unknown[]) => socket.send(JSON.stringify(message))
  const end = () => {
    if (!open) return
    open = false
    const waiting = [...listeners.values(), ...publications.values()]
    listeners.clear()
    publications.clear()
    for (const { failed } of waiting) failed(lost())
  }
  const hear: Hear = {
    EVENT: (id, event) => isEvent(event) && listeners.get(id)?.event(event),
    EOSE: (id) => listeners.get(id)?.stored?.(),
    CLOSED: (id) => listeners.get(id)?.failed(refused()),
    OK: (id, taken) =>
      taken === true ? publications.get(id)?.taken() : publications.get(id)?.failed(refused()),
  }
  socket.addEventListener('close', end)
  socket.addEventListener('error', end)
  socket.addEventListener('message', ({ data }) => receive(hear, data))
  return {
    get open() {
      return open
    },
    subscribe(filter, listener) {
      const id = `polyrail-${++serial}`
      listeners.set(id, listener)
      say('REQ', id, filter)
      return () => {
        if (listeners.delete(id)) say('CLOSE', id)
      }
    },
    publish: (event) =>
      new Promise((resolve, reject) => {
        const done = (settle: () => void) => {
          publications.delete(event.id)
          settle()
        }
        publications.set(event.id, {
          taken: () => done(resolve),
          failed: (error) => done(() => reject(error)),
        })
        say('EVENT', event)
      }),
    close() {
      end()
      socket.close()
    },
  }
}

type Hear = Readonly<Record<string, (subject: string, rest: unknown) => unknown>>

/** A relay's word counts for little: what makes no sense is passed over. */
function receive(hear: Hear, data: unknown) {
  if (typeof data !== 'string' || data.length > LIMIT) return
  const [kind, subject, rest] = parseMessage(data)
  if (typeof subject === 'string' && Object.hasOwn(hear, String(kind)))
    hear[String(kind)]?.(subject, rest)
}

function parseMessage(text: string): unknown[] {
  try {
    const message: unknown = JSON.parse(text)
    return Array.isArray(message) ? message : []
  } catch {
    return []
  }
}

function isEvent(value: unknown): value is Event {
  if (!isObject(value)) return false
  const { id, pubkey, kind, created_at: at, tags, content, sig } = value
  const texts = [id, pubkey, content, sig].every((text) => typeof text === 'string')
  const numbers = [kind, at].every((number) => Number.isSafeInteger(number))
  return texts && numbers && Array.isArray(tags) && tags.every(isTag)
}

const isTag = (tag: unknown) =>
  Array.isArray(tag) && tag.every((entry: unknown) => typeof entry === 'string')
