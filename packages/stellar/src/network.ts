/**
 * A Stellar RPC node as this rail uses it: the only file that talks to the outside. A test may replace it whole.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { PASSPHRASES, PUBNET, RPC_URLS, type NetworkId } from './constants.js'

/** What a call would do, if it were made now. XDR is base64 text. */
export type Simulated =
  | {
      status: 'success'
      /** Its resources and what they cost, to be put into the transaction. */
      transactionData: string
      /** What it would publish, as diagnostic events. */
      events: readonly string[]
      /** What would have to be signed. */
      auth: readonly string[]
    }
  | { status: 'failure'; cause: unknown }

/** What became of sending a transaction. */
export type Sent =
  /** It waits for a ledger. */
  | { status: 'pending' }
  /** The node takes it later, perhaps; nothing waits. */
  | { status: 'later' }
  /** It is not valid, and says why as XDR. */
  | { status: 'invalid'; result: string | undefined }
  /** No connection came about, or the node refused to be asked: nothing was sent. */
  | { status: 'unreached'; cause: unknown }
  /** It was sent, and nobody answered. */
  | { status: 'unknown'; cause: unknown }

/** What a node knows of a transaction. */
export type Found = {
  /** `NOT_FOUND` when it is in no ledger from `oldestTime` up to `closeTime`. */
  status: 'SUCCESS' | 'FAILED' | 'NOT_FOUND'
  /** Epoch seconds of the node's latest ledger. */
  closeTime: number
  /** Epoch seconds of the oldest ledger that the node remembers; left out, it remembers all. */
  oldestTime?: number | undefined
  /** Epoch seconds of the ledger that it is in. */
  createdAt?: number | undefined
  ledger?: number | undefined
  /** As XDR. */
  envelope?: string | undefined
  result?: string | undefined
  meta?: string | undefined
}

/** An entry of the ledger, as XDR; undefined where there is none. */
export type Entry = string | undefined

type Options = { signal?: AbortSignal | undefined }

/** What the rail asks of a node. Every method rejects when the node cannot be asked, but for `send`. */
export interface Network {
  /** The network that this is meant to be. */
  readonly id: NetworkId
  /** What signatures are bound to. */
  readonly passphrase: string
  /** Makes sure that it is. Asks once, and rejects when the node is on another network. */
  checkNetwork(options?: Options): Promise<void>
  /** The number of the latest ledger. */
  readLedger(options?: Options): Promise<number>
  /** The entry behind a key. Both are XDR. */
  readEntry(key: string, options?: Options): Promise<Entry>
  /** Tries a transaction out. */
  simulate(transaction: string, options?: Options): Promise<Simulated>
  /** Sends a signed transaction. The same bytes may be sent any number of times. */
  send(transaction: string, options?: Options): Promise<Sent>
  /** Looks for a transaction by its hash. */
  find(hash: string, options?: Options): Promise<Found>
}

/** Where the network is. */
export type Location = {
  /** Left out: the public network. */
  network?: NetworkId | undefined
  /** Soroban RPC endpoint. Left out: a public one of the network. */
  rpcUrl?: string | undefined
  /** What stands in for the node, in tests. */
  node?: Network | undefined
}

/** Milliseconds that a node has to answer. */
const PATIENCE = 10_000
/** How often a question that changes nothing is asked, when the answer gets lost. */
const ATTEMPTS = 3
/** Milliseconds before asking again. */
const PAUSE = 100

/**
 * Connects to a network. Nothing is asked yet.
 *
 * @throws TypeError for a network that is not known.
 */
export function connect({ node, network = PUBNET, rpcUrl }: Location): Network {
  if (node) return node
  if (!(network in PASSPHRASES))
    throw new TypeError(
      `stellar/charge: network is 'stellar:pubnet' or 'stellar:testnet', not ${String(network)}.`,
    )
  return createNetwork(network, rpcUrl ?? RPC_URLS[network])
}

function createNetwork(id: NetworkId, url: string): Network {
  const passphrase = PASSPHRASES[id]
  let isChecked = false
  return {
    id,
    passphrase,
    async checkNetwork(options) {
      if (isChecked) return
      const actual = await read(url, { method: 'getNetwork' }, options)
      if (actual.passphrase !== passphrase)
        throw new Errors.PaymentError('settlement-unavailable', {
          detail: `The Stellar node is on another network than ${id}.`,
        })
      isChecked = true
    },
    async readLedger(options) {
      return number((await read(url, { method: 'getLatestLedger' }, options)).sequence)
    },
    async readEntry(key, options) {
      const asked = { method: 'getLedgerEntries', params: { keys: [key] } }
      const { entries } = await read(url, asked, options)
      if (!Array.isArray(entries)) throw new Error('The Stellar node gave no entries.')
      return text(record(entries[0]).xdr)
    },
    async simulate(transaction, options) {
      const params = { transaction, useUpgradedAuth: false }
      return toSimulated(await read(url, { method: 'simulateTransaction', params }, options))
    },
    send: (transaction, options) => send(url, transaction, options),
    async find(hash, options) {
      return toFound(await read(url, { method: 'getTransaction', params: { hash } }, options))
    },
  }
}

type Asked = { method: string; params?: object }
type Answer = Record<string, unknown>

/** A node that says that it could not answer. */
class RpcError extends Error {
  readonly code: number
  constructor(code: number) {
    super(`The Stellar node answered with error ${code}.`)
    this.code = code
  }
}

/** An answer that is none: a status without a body, or no JSON. */
class HttpError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`The Stellar node answered with status ${status}.`)
    this.status = status
  }
}

/** Asks, and asks again where the answer got lost: nothing changes by it. */
async function read(url: string, asked: Asked, options: Options = {}): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(url, asked, options)
    } catch (cause) {
      options.signal?.throwIfAborted()
      if (attempt >= ATTEMPTS || cause instanceof RpcError) throw cause
      await new Promise((resolve) => setTimeout(resolve, PAUSE * attempt))
    }
  }
}

async function ask(url: string, asked: Asked, { signal }: Options = {}): Promise<Answer> {
  const patience = AbortSignal.timeout(PATIENCE)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...asked }),
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
    // A transaction is shown to the node that was named, and to no other. Not every runtime knows `error`.
    redirect: 'manual',
  })
  if (!response.ok) {
    await response.body?.cancel()
    throw new HttpError(response.status)
  }
  const answer = record(await response.json())
  // Gateways before nodes write null where nodes write nothing.
  if (answer.error != null) throw new RpcError(number(record(answer.error).code))
  return record(answer.result)
}

/** Statuses by which a node, or what stands before it, says that it did not even look. */
const UNSEEN = new Set([401, 403, 404, 429])

/** Failures before a connection exists: nothing can have been sent. */
const UNCONNECTED =
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|UND_ERR_CONNECT_TIMEOUT)$/

/** The JSON-RPC error by which a node says that it read the transaction and did not take it. */
const REFUSED = -32602
/** Those by which it says that it does not do what it was asked, whatever the transaction is. */
const UNSERVED = new Set([-32600, -32601])

async function send(url: string, transaction: string, options?: Options): Promise<Sent> {
  try {
    const params = { transaction }
    const answer = await ask(url, { method: 'sendTransaction', params }, options)
    switch (answer.status) {
      case 'PENDING':
      case 'DUPLICATE':
        return { status: 'pending' }
      case 'TRY_AGAIN_LATER':
        return { status: 'later' }
      case 'ERROR':
        return { status: 'invalid', result: text(answer.errorResultXdr) }
      default:
        return { status: 'unknown', cause: new Error('The Stellar node gave no known status.') }
    }
  } catch (cause) {
    if (cause instanceof RpcError && cause.code === REFUSED)
      return { status: 'invalid', result: undefined }
    return { status: isUnsent(cause) ? 'unreached' : 'unknown', cause }
  }
}

function isUnsent(cause: unknown): boolean {
  if (cause instanceof RpcError) return UNSERVED.has(cause.code)
  return cause instanceof HttpError ? UNSEEN.has(cause.status) : isUnconnected(cause)
}

function isUnconnected(cause: unknown): boolean {
  for (let fault = cause, depth = 0; depth < 8; depth++) {
    const { code, cause: inner } = record(fault)
    if (typeof code === 'string' && UNCONNECTED.test(code)) return true
    fault = inner
  }
  return false
}

function toSimulated(answer: Answer): Simulated {
  const { error, transactionData, events, results, restorePreamble } = answer
  if (typeof error === 'string') return { status: 'failure', cause: new Error(error) }
  // Some nodes write an empty one where there is nothing to restore.
  if (text(record(restorePreamble).transactionData))
    return { status: 'failure', cause: new Error('An entry of the ledger is archived.') }
  if (typeof transactionData !== 'string') throw new Error('The Stellar node gave no simulation.')
  const [result] = Array.isArray(results) ? results : []
  return {
    status: 'success',
    transactionData,
    events: texts(events),
    auth: texts(record(result).auth),
  }
}

function toFound(answer: Answer): Found {
  const { status, createdAt, latestLedgerCloseTime, oldestLedgerCloseTime: oldest } = answer
  if (status !== 'SUCCESS' && status !== 'FAILED' && status !== 'NOT_FOUND')
    throw new Error('The Stellar node gave no known status.')
  return {
    status,
    closeTime: number(latestLedgerCloseTime),
    ...(oldest != null && { oldestTime: number(oldest) }),
    ...(status !== 'NOT_FOUND' && {
      createdAt: number(createdAt),
      ledger: number(answer.ledger),
      envelope: text(answer.envelopeXdr),
      result: text(answer.resultXdr),
      meta: text(answer.resultMetaXdr),
    }),
  }
}

/** Nodes write some numbers as text. */
function number(value: unknown): number {
  const read = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof read === 'number' && Number.isSafeInteger(read)) return read
  throw new Error('The Stellar node gave no number where one belongs.')
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object(value) : {}
}
