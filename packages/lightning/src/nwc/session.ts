/**
 * A connection to a wallet service: its relay, the keys, and what the service says of itself.
 *
 * @module
 * @see NIP-47
 */
import { deadline } from '../wallet/deadline.js'
import { WalletError } from '../wallet/error.js'
import type { Connection } from './connection.js'
import { loadKeys, type Event, type Keys, type Scheme } from './nostr.js'
import { openRelay, type Relay } from './relay.js'
import type { SocketClass } from './websocket.js'

/** What a wallet says of itself. */
export type Info = {
  scheme: Scheme
  /** What the connection may ask; `undefined` when the wallet does not tell. */
  methods: readonly string[] | undefined
}

export type Session = { relay: Relay; keys: Keys; info: Info }

const INFO = 13194

type Opening = {
  connection: Connection
  loadWebSocket: () => Promise<SocketClass | undefined>
  /** Seconds to connect, and then to read what the wallet says of itself. */
  timeout: number
}

/**
 * Connects to a wallet.
 *
 * @throws WalletError `missing` or `unreachable`.
 */
export async function openSession(opening: Opening): Promise<Session> {
  const { connection, loadWebSocket, timeout } = opening
  const [keys, WebSocket] = await Promise.all([loadKeys(connection), loadWebSocket()])
  if (!WebSocket)
    throw new WalletError('missing', 'nwc: install ws, as this platform has no WebSocket.')
  const relay = await openFirst(WebSocket, connection.relays, timeout)
  const { signal } = deadline(timeout)
  return { relay, keys, info: toInfo(await readInfo({ relay, connection, keys, signal })) }
}

/** Of the relays of a wallet, the first that can be reached. */
async function openFirst(
  WebSocket: SocketClass,
  [url = '', ...others]: readonly string[],
  timeout: number,
): Promise<Relay> {
  try {
    return await openRelay(WebSocket, url, deadline(timeout).signal)
  } catch {
    if (others.length > 0) return openFirst(WebSocket, others, timeout)
    throw new WalletError('unreachable', 'No relay of the wallet can be reached.')
  }
}

type Reading = { relay: Relay; connection: Connection; keys: Keys; signal: AbortSignal }

/** The event in which a wallet says what it is; `undefined` when the relay has none. */
async function readInfo({ relay, connection, keys, signal }: Reading): Promise<Event | undefined> {
  const { service } = connection
  let stop = () => {}
  try {
    return await new Promise<Event | undefined>((resolve, reject) => {
      signal.addEventListener('abort', () => resolve(undefined), { once: true })
      stop = relay.subscribe(
        { kinds: [INFO], authors: [service], limit: 1 },
        {
          event(event) {
            if (event.kind === INFO && event.pubkey === service && keys.verify(event))
              resolve(event)
          },
          stored: () => resolve(undefined),
          failed: reject,
        },
      )
    })
  } finally {
    stop()
  }
}

/** A wallet that says nothing of encryption knows the old one alone. */
function toInfo(event: Event | undefined): Info {
  if (!event) return { scheme: 'nip04', methods: undefined }
  const schemes = event.tags.find(([name]) => name === 'encryption')?.[1] ?? ''
  return {
    scheme: schemes.split(/\s+/).includes('nip44_v2') ? 'nip44_v2' : 'nip04',
    methods: event.content.trim().split(/[\s,]+/),
  }
}
