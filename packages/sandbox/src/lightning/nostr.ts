/**
 * What a party on Nostr needs: keys and signatures, the two encryptions of NIP-47, and a lasting connection to a relay.
 *
 * @module
 */
import type { NostrEvent } from 'nostr-tools/pure'
import type { WebSocket } from 'ws'
import { importPeer } from './peers.js'

/** Encrypts between two keys. */
export type Cipher = { encrypt: (text: string) => string; decrypt: (text: string) => string }

/** The libraries, loaded. */
export type Nostr = Awaited<ReturnType<typeof loadNostr>>

/**
 * Loads the libraries.
 *
 * @throws Error that says what to install when `ws` or `nostr-tools` is missing.
 */
export async function loadNostr() {
  const install = 'ws nostr-tools'
  const { WebSocket } = await importPeer(install, () => import('ws'))
  const pure = await importPeer(install, () => import('nostr-tools/pure'))
  const { v2 } = await importPeer(install, () => import('nostr-tools/nip44'))
  const nip04 = await importPeer(install, () => import('nostr-tools/nip04'))
  return {
    ...pure,
    WebSocket,
    cipher(encryption: 'nip44_v2' | 'nip04', secret: Uint8Array, pubkey: string): Cipher {
      if (encryption === 'nip04') {
        return {
          encrypt: (text) => nip04.encrypt(secret, pubkey, text),
          decrypt: (text) => nip04.decrypt(secret, pubkey, text),
        }
      }
      const key = v2.utils.getConversationKey(secret, pubkey)
      return {
        encrypt: (text) => v2.encrypt(text, key),
        decrypt: (text) => v2.decrypt(text, key),
      }
    },
  }
}

/** A connection to a relay. */
export type Line = { say: (message: readonly unknown[]) => void; close: () => Promise<void> }

/** A connection to a relay, made anew when it is lost, for as long as the relay is there. */
export async function openLine(options: openLine.Options): Promise<Line> {
  let closed = false
  let socket = await dial(options)
  const watch = () => {
    socket.once('close', () => void redial())
  }
  const redial = async () => {
    if (closed) return
    try {
      socket = await dial(options)
      watch()
      if (closed) socket.terminate()
    } catch {
      // The relay is gone.
    }
  }
  watch()
  return {
    say: (message) => socket.send(JSON.stringify(message), () => {}),
    async close() {
      if (closed) return
      closed = true
      if (socket.readyState === socket.CLOSED) return
      await new Promise((resolve) => {
        socket.once('close', resolve)
        socket.terminate()
      })
    },
  }
}

export declare namespace openLine {
  type Options = {
    url: string
    WebSocket: typeof WebSocket
    /** What is said first. Ends with a subscription. */
    greeting: () => readonly (readonly unknown[])[]
    hear: (event: NostrEvent) => Promise<void>
  }
}

/** Resolves when the relay has taken the subscription. */
function dial({ url, WebSocket, greeting, hear }: openLine.Options): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.once('close', () => reject(new Error('the relay closed the connection')))
    socket.on('error', reject)
    socket.on('open', () => {
      for (const message of greeting()) socket.send(JSON.stringify(message))
    })
    socket.on('message', (data: Buffer) => {
      const [verb, , event] = JSON.parse(data.toString('utf8')) as [string, string, NostrEvent]
      if (verb === 'EOSE') resolve(socket)
      else if (verb === 'EVENT') hear(event).catch(() => {})
    })
  })
}
