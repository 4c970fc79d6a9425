/**
 * A wallet service of NIP-47 whose answers a test writes itself, on a real relay.
 *
 * @module
 */
import * as nip04 from 'nostr-tools/nip04'
import * as nip44 from 'nostr-tools/nip44'
import { finalizeEvent, generateSecretKey, getPublicKey, type Event } from 'nostr-tools/pure'
import { WebSocket } from 'ws'

export type Asked = { method: string; params: Record<string, unknown>; event: Event }

export type Options = {
  relay: string
  /** What it answers to a request: the object to encrypt, or a text to send as it is; nothing, if `undefined`. */
  answer(asked: Asked): object | string | undefined
  /** Tags and content of the info event; none is published without. */
  info?: { tags: string[][]; content: string } | undefined
  /** Who signs the answers, if not the service. */
  signer?: Uint8Array
}

const now = () => Math.floor(Date.now() / 1000)

/** Starts a service. `asked` tells what it was asked. */
export async function openService({ relay, answer, info, signer }: Options) {
  const secret = generateSecretKey()
  const client = generateSecretKey()
  const pubkey = getPublicKey(secret)
  const shared = nip44.getConversationKey(secret, getPublicKey(client))
  const asked: Asked[] = []
  const socket = new WebSocket(relay)
  const say = (...message: unknown[]) => socket.send(JSON.stringify(message))

  const cipherOf = ({ tags }: Event) =>
    tags.some(([name, value]) => name === 'encryption' && value === 'nip44_v2')
      ? {
          encrypt: (text: string) => nip44.encrypt(text, shared),
          decrypt: (text: string) => nip44.decrypt(text, shared),
        }
      : {
          encrypt: (text: string) => nip04.encrypt(secret, getPublicKey(client), text),
          decrypt: (text: string) => nip04.decrypt(secret, getPublicKey(client), text),
        }
  const hear = (event: Event) => {
    const cipher = cipherOf(event)
    const request = { ...JSON.parse(cipher.decrypt(event.content)), event } as Asked
    asked.push(request)
    const reply = answer(request)
    if (reply === undefined) return
    const content = typeof reply === 'string' ? reply : cipher.encrypt(JSON.stringify(reply))
    const tags = [
      ['p', event.pubkey],
      ['e', event.id],
    ]
    say('EVENT', finalizeEvent({ kind: 23195, tags, content, created_at: now() }, signer ?? secret))
  }
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () => {
      if (info) say('EVENT', finalizeEvent({ kind: 13194, created_at: now(), ...info }, secret))
      say('REQ', 'requests', { kinds: [23194], '#p': [pubkey] })
    })
    socket.on('message', (data: Buffer) => {
      const [kind, , event] = JSON.parse(data.toString('utf8')) as [string, string, Event]
      if (kind === 'EOSE') resolve()
      if (kind === 'EVENT') hear(event)
    })
  })
  const query = new URLSearchParams({ relay, secret: Buffer.from(client).toString('hex') })
  return {
    url: `nostr+walletconnect://${pubkey}?${String(query)}`,
    asked,
    close: () => socket.terminate(),
  }
}
