/**
 * Signatures and encryption of Nostr, from the package `nostr-tools`, which is loaded when it is needed.
 *
 * @module
 */
import { WalletError } from '../wallet/error.js'
import { bytesOf } from '../codec/hex.js'
import type { Connection } from './connection.js'

/** A signed event. */
export type Event = {
  id: string
  pubkey: string
  kind: number
  created_at: number
  tags: string[][]
  content: string
  sig: string
}

export type Scheme = 'nip44_v2' | 'nip04'

/** One connection's keys, as closures, so that no log shows them. */
export type Keys = {
  sign(event: Pick<Event, 'kind' | 'tags' | 'content'>): Event
  /** Whether an event is signed by whom it names. */
  verify(event: Event): boolean
  encrypt(scheme: Scheme, text: string): string
  /** @throws Error when it was not encrypted for us. */
  decrypt(scheme: Scheme, text: string): string
}

/**
 * Loads what the keys of a connection are good for.
 *
 * @throws WalletError `missing` that says what to install, or `unsupported` for keys that are none.
 */
export async function loadKeys({ secret, service }: Connection): Promise<Keys> {
  const [pure, nip44, nip04] = await load()
  const key = bytesOf(secret)
  const shared = agree(() => nip44.getConversationKey(key, service))
  return {
    sign: (event) =>
      pure.finalizeEvent({ ...event, created_at: Math.floor(Date.now() / 1000) }, key),
    verify: (event) => pure.verifyEvent({ ...event }),
    encrypt: (scheme, text) =>
      scheme === 'nip04' ? nip04.encrypt(key, service, text) : nip44.encrypt(text, shared),
    decrypt: (scheme, text) =>
      scheme === 'nip04' ? nip04.decrypt(key, service, text) : nip44.decrypt(text, shared),
  }
}

function agree<key>(derive: () => key): key {
  try {
    return derive()
  } catch {
    throw new WalletError('unsupported', 'nwc: the keys of the connection are none.')
  }
}

async function load() {
  try {
    return await Promise.all([
      import('nostr-tools/pure'),
      import('nostr-tools/nip44'),
      import('nostr-tools/nip04'),
    ])
  } catch {
    throw new WalletError('missing', 'nwc: install nostr-tools, which signs what a wallet is told.')
  }
}
