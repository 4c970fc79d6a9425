/**
 * Nostr Wallet Connect (NIP-47) before a node: a wallet service that listens on a relay.
 *
 * @module
 */
import type { NostrEvent } from 'nostr-tools/pure'
import { type Fault as AnyFault, type Injected, openFaults } from '../faults.js'
import { isRecord } from '../json-rpc.js'
import type { Node } from './node.js'
import { type Cipher, loadNostr, type Nostr, openLine } from './nostr.js'
import {
  allMethods,
  type NwcError,
  type NwcMethod,
  type NwcOutcome,
  openWalletService,
  refuse,
  type NwcEncryption,
} from './wallet-service.js'

/** A node behind Nostr Wallet Connect. */
export type Nwc = AsyncDisposable & {
  /** `nostr+walletconnect://…`, with the client's secret key. */
  url: string
  /** Makes requests fail, come late, or lose their answer. */
  fault: (fault: NwcFault) => Injected
  /** Ends it. The network's end does the same. */
  close: () => Promise<void>
}

/** A fault on requests. It may fail as an error of NIP-47, such as `RATE_LIMITED`. A dropped request is never answered. */
export type NwcFault = AnyFault<NwcError> & {
  /** The method that it strikes. Default: each. */
  call?: NwcMethod
}

const infoKind = 13_194
const requestKind = 23_194
const responseKind = 23_195

/**
 * Puts a NIP-47 wallet service before a node.
 *
 * @param node - A node of a running network.
 * @param relay - The relay on which it listens, by its `url`.
 * @param options - See {@link nwc.Options}.
 * @returns `url` for the client, `fault`, and `close`.
 * @throws Error that says what to install when `ws` or `nostr-tools` is missing.
 * @example
 * ```ts
 * await using relay = await Lightning.relay()
 * await using wallet = await Lightning.nwc(network.payer, relay)
 * ```
 */
export async function nwc(
  node: Node,
  relay: { url: string },
  options: nwc.Options = {},
): Promise<Nwc> {
  const {
    encryptions = ['nip44_v2', 'nip04'],
    methods = allMethods,
    maxFeeMsat = 10_000n,
  } = options
  const nostr = await loadNostr()
  const secret = nostr.generateSecretKey()
  const client = nostr.generateSecretKey()
  const faults = openFaults<NwcError, NwcFault>((fault, call) => (fault.call ?? call) === call)
  const carryOut = openWalletService(node, { methods, maxFeeMsat })

  const judge = async ({ method, parameters }: Asked): Promise<NwcOutcome | undefined> => {
    const passed = await faults.pass(method, () => carryOut(method, parameters))
    if ('answer' in passed) return passed.answer
    return passed.failure === 'drop' ? undefined : { result: null, error: passed.failure }
  }
  const service = { nostr, secret, client: nostr.getPublicKey(client), encryptions, judge }
  const line = await openLine({
    url: relay.url,
    WebSocket: nostr.WebSocket,
    greeting: () => greet(service, methods),
    async hear(event) {
      const response = await respond(service, event)
      if (response) line.say(['EVENT', response])
    },
  })
  const close = async () => {
    faults.clear()
    await line.close()
  }
  node.ledger.ended.addEventListener('abort', () => void close(), { once: true })
  const query = { relay: relay.url, secret: Buffer.from(client).toString('hex') }
  return {
    url: `nostr+walletconnect://${nostr.getPublicKey(secret)}?${String(new URLSearchParams(query))}`,
    fault: faults.inject,
    close,
    [Symbol.asyncDispose]: close,
  }
}

export declare namespace nwc {
  type Options = {
    /** Which the service understands. Default: both. */
    encryptions?: readonly NwcEncryption[]
    /** Which the connection may call. Default: all. */
    methods?: readonly NwcMethod[]
    /** Most that routing may cost, in millisatoshis; NIP-47 does not let the client say. Default 10,000. */
    maxFeeMsat?: bigint
  }
}

type Asked = { method: string; parameters: Record<string, unknown> }

type Service = {
  nostr: Nostr
  secret: Uint8Array
  /** The public key that may ask. */
  client: string
  encryptions: readonly NwcEncryption[]
  /** What a request comes to; undefined when its answer is lost. */
  judge: (request: Asked) => Promise<NwcOutcome | undefined>
}

/** The info event, and the subscription to requests. */
function greet({ nostr, secret, encryptions }: Service, methods: readonly NwcMethod[]) {
  const tags = [['encryption', encryptions.join(' ')]]
  const info = { kind: infoKind, tags, content: methods.join(' '), created_at: now() }
  return [
    ['EVENT', nostr.finalizeEvent(info, secret)],
    ['REQ', 'requests', { kinds: [requestKind], '#p': [nostr.getPublicKey(secret)] }],
  ]
}

async function respond(service: Service, event: NostrEvent): Promise<NostrEvent | undefined> {
  const { nostr, secret, encryptions } = service
  if (isOver(event)) return undefined
  const named = event.tags.find(([name]) => name === 'encryption')?.[1] ?? 'nip04'
  const encryption = encryptions.find((one) => one === named)
  const cipher = nostr.cipher(encryption ?? encryptions[0] ?? 'nip04', secret, event.pubkey)
  const request = encryption ? read(cipher, event.content) : undefined
  const outcome = await decide(service, { event, encryption, request })
  if (outcome === undefined) return undefined
  const content = cipher.encrypt(JSON.stringify({ result_type: request?.method ?? '', ...outcome }))
  const tags = [
    ['p', event.pubkey],
    ['e', event.id],
  ]
  return nostr.finalizeEvent({ kind: responseKind, tags, content, created_at: now() }, secret)
}

async function decide(
  { client, encryptions, judge }: Service,
  { event, encryption, request }: decide.Facts,
): Promise<NwcOutcome | undefined> {
  if (event.pubkey !== client) return refuse('UNAUTHORIZED', 'this key has no wallet')
  if (encryption === undefined) {
    return refuse('UNSUPPORTED_ENCRYPTION', `expected ${encryptions.join(' or ')}`)
  }
  return request ? judge(request) : refuse('OTHER', 'the request cannot be read')
}

declare namespace decide {
  type Facts = {
    event: NostrEvent
    encryption: NwcEncryption | undefined
    request: Asked | undefined
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

/** A request may say after when it is not to be carried out. */
function isOver({ tags }: NostrEvent): boolean {
  const expiration = tags.find(([name]) => name === 'expiration')?.[1]
  return expiration !== undefined && Number(expiration) < now()
}

function read(cipher: Cipher, content: string): Asked | undefined {
  try {
    const request: unknown = JSON.parse(cipher.decrypt(content))
    if (!isRecord(request) || typeof request.method !== 'string') return undefined
    const { method, params } = request
    return { method, parameters: isRecord(params) ? params : {} }
  } catch {
    return undefined
  }
}
