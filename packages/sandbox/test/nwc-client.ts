import { type NostrEvent, finalizeEvent, generateSecretKey } from 'nostr-tools/pure'
import * as nip04 from 'nostr-tools/nip04'
import { v2 } from 'nostr-tools/nip44'
import { WebSocket } from 'ws'

/** What a client of a relay hears, in order, and what it says. */
export async function connect(url: string) {
  const socket = new WebSocket(url)
  const heard: unknown[][] = []
  const waiting: (() => void)[] = []
  socket.on('message', (data: Buffer) => {
    heard.push(JSON.parse(data.toString('utf8')) as unknown[])
    for (const wake of waiting.splice(0)) wake()
  })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return {
    closed,
    say: (...message: unknown[]) => socket.send(JSON.stringify(message)),
    sayRaw: (text: string) => socket.send(text),
    /** The first message heard that fits, now or later. */
    async hear(fits: (message: unknown[]) => boolean): Promise<unknown[]> {
      for (;;) {
        const found = heard.find(fits)
        if (found) return found
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
        })
      }
    },
    heard,
    close: () => socket.terminate(),
  }
}

type Asking = {
  encryption?: 'nip44_v2' | 'nip04' | 'none' | 'rot13'
  tags?: string[][]
  secret?: Uint8Array
}

/** A strict NIP-47 client, written against the specification alone. */
export async function openClient(uri: string) {
  const url = new URL(uri)
  const wallet = url.host || url.pathname.replace('//', '')
  const own = Uint8Array.from(Buffer.from(url.searchParams.get('secret')!, 'hex'))
  const line = await connect(url.searchParams.get('relay')!)
  line.say('REQ', 'info', { kinds: [13194], authors: [wallet] })
  const [, , info] = await line.hear(([verb, id]) => verb === 'EVENT' && id === 'info')

  const make = (method: string, params: object, asking: Asking = {}): NostrEvent => {
    const { encryption = 'nip44_v2', tags = [], secret = own } = asking
    const text = JSON.stringify({ method, params })
    const content =
      encryption === 'nip44_v2'
        ? v2.encrypt(text, v2.utils.getConversationKey(secret, wallet))
        : nip04.encrypt(secret, wallet, text)
    const named = encryption === 'none' ? [] : [['encryption', encryption]]
    const created_at = Math.floor(Date.now() / 1000)
    return finalizeEvent(
      { kind: 23194, tags: [['p', wallet], ...named, ...tags], content, created_at },
      secret,
    )
  }
  const send = (request: NostrEvent) => {
    line.say('REQ', request.id, { kinds: [23195], authors: [wallet], '#e': [request.id] })
    line.say('EVENT', request)
  }
  const answer = async (request: NostrEvent, secret: Uint8Array = own) => {
    const [, , event] = await line.hear(([verb, id]) => verb === 'EVENT' && id === request.id)
    const { content } = event as NostrEvent
    const text = content.includes('?iv=')
      ? nip04.decrypt(secret, wallet, content)
      : v2.decrypt(content, v2.utils.getConversationKey(secret, wallet))
    return JSON.parse(text) as {
      result_type: string
      result: Record<string, unknown> | null
      error: { code: string; message: string } | null
    }
  }
  return {
    info: info as NostrEvent,
    wallet,
    line,
    make,
    send,
    answer,
    ask(method: string, params: object = {}, asking: Asking = {}) {
      const request = make(method, params, asking)
      send(request)
      return answer(request, asking.secret)
    },
    stranger: generateSecretKey,
    close: line.close,
  }
}
