/**
 * The text that connects to a wallet.
 *
 * @module
 * @see NIP-47, Nostr Wallet Connect URI
 */
import { checkEndpoint } from '../wallet/endpoint.js'

/** What a connection text says. */
export type Connection = {
  /** Public key of the wallet service, hexadecimal. */
  service: string
  /** Addresses of its relays. */
  relays: readonly string[]
  /** Secret key of this client, hexadecimal. */
  secret: string
}

const KEY = /^[0-9a-f]{64}$/
const FORM = 'nwc: url must be nostr+walletconnect://<public key>?relay=wss://…&secret=…'

/**
 * Reads a connection text.
 *
 * @throws TypeError that says what is wrong and quotes nothing: the text is a secret.
 */
export function parseConnection(text: unknown): Connection {
  const match = /^nostr\+?walletconnect:(?:\/\/)?([0-9a-f]+)\/?\?(.*)$/i.exec(String(text))
  const service = match?.[1]?.toLowerCase() ?? ''
  const query = new URLSearchParams(match?.[2])
  const secret = query.get('secret')?.toLowerCase() ?? ''
  if (!KEY.test(service)) throw new TypeError(FORM)
  if (!KEY.test(secret)) throw new TypeError(`${FORM}: its secret must have 64 hexadecimal digits.`)
  const relays = query
    .getAll('relay')
    .map((url) => checkEndpoint({ of: 'nwc', url, schemes: ['wss', 'ws'] }))
  if (relays.length === 0) throw new TypeError(`${FORM}: it names no relay.`)
  return { service, relays, secret }
}
