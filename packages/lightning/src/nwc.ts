/**
 * A wallet behind Nostr Wallet Connect: one of many apps and services, over a relay.
 *
 * @module
 * @see NIP-47
 */
import { createClient, type Client, type Reply } from './nwc/client.js'
import { parseConnection } from './nwc/connection.js'
import type { SocketClass } from './nwc/websocket.js'
import { loadWebSocket } from '#websocket'
import { fromJson, readAmount, toNumber } from './wallet/amounts.js'
import { WalletError } from './wallet/error.js'
import { findOut, patience } from './wallet/find-out.js'
import { onePerHash } from './wallet/in-flight.js'
import { readInvoice, type Json } from './wallet/json.js'
import { isProof, paid } from './wallet/proof.js'
import type { Payment, Wallet } from './wallet.js'

export declare namespace nwc {
  type Options = {
    /** The text that a wallet gives for a connection, `nostr+walletconnect://…`: a secret. */
    url: string
    /** Seconds to wait for an answer that needs no payment. Default 15. */
    timeout?: number | undefined
    /** A WebSocket class. Left out, the platform's, else that of the package `ws`. */
    webSocket?: SocketClass | undefined
  }
  /** A wallet that holds a connection, which a process waits for. */
  type Connected = Wallet & {
    /** Ends the connection. The wallet may be used again, and connects anew. */
    close(): void
  }
}

const NAME = 'The wallet'

/**
 * Makes a wallet of a connection text. It needs the package `nostr-tools`, and before Node 22 `ws`. The connection must allow
 * `make_invoice` to be paid, and `pay_invoice` and `lookup_invoice` to pay.
 *
 * The protocol cannot limit what routing costs: `maxFeeMsat` is not passed on. Limit the budget of the connection in the wallet.
 *
 * @throws TypeError for a text that cannot work. The wallet's methods throw {@link WalletError}.
 *
 * @example
 * const wallet = nwc({ url: process.env.NWC_URL })
 */
export function nwc({ url, timeout = 15, webSocket }: nwc.Options): nwc.Connected {
  const load = webSocket ? async () => webSocket : loadWebSocket
  const client = createClient({ connection: parseConnection(url), loadWebSocket: load, timeout })
  return {
    createInvoice: (terms) => createInvoice(client, terms),
    payInvoice: onePerHash((order) => payInvoice(client, order)),
    lookupPayment: (query) => lookupPayment(client, query),
    close: () => client.close(),
  }
}

async function createInvoice(client: Client, terms: Wallet.Terms): Promise<string> {
  const { amountMsat = 0n, description, expirySeconds: expiry, signal } = terms
  const reply = await client.ask({
    method: 'make_invoice',
    params: { amount: toNumber(NAME, amountMsat), description, expiry },
    signal,
  })
  const invoice = readInvoice(NAME, resultOf(reply)['invoice'])
  if (terms.amountMsat === undefined && readAmount(invoice) !== undefined)
    throw new WalletError('unsupported', `${NAME} makes no invoices without an amount.`)
  return invoice
}

async function payInvoice(client: Client, order: Wallet.Order): Promise<Payment> {
  const { invoice, amountMsat, paymentHash, timeoutSeconds, signal } = order
  // Nothing obliges a wallet to pay a hash only once.
  const known = await lookupPayment(client, order)
  if (known && known.status !== 'failed') return known
  const amount = amountMsat === undefined ? undefined : toNumber(NAME, amountMsat)
  try {
    const reply = await client.ask({
      method: 'pay_invoice',
      params: { invoice, amount },
      seconds: patience(timeoutSeconds),
      expires: timeoutSeconds,
      signal,
    })
    if ('refusal' in reply) return await explainRefusal(client, order, reply.refusal)
    const { preimage, fees_paid: fee } = reply.result
    return await paid({ name: NAME, paymentHash, preimage, feeMsat: fromJson(fee) })
  } catch (error) {
    return findOut(error, () => lookupPayment(client, order))
  }
}

/** What a wallet says when it has not paid, and will not. */
const REFUSALS: Readonly<Record<string, string>> = {
  RATE_LIMITED: 'it is asked too often',
  NOT_IMPLEMENTED: 'it cannot pay',
  INSUFFICIENT_BALANCE: 'the balance is too low',
  QUOTA_EXCEEDED: 'the budget of the connection is used up',
  RESTRICTED: 'the connection does not allow payments',
  PAYMENT_FAILED: 'the payment failed',
}

/** A failed payment may be one that timed out and goes on: the record decides, where there is one. */
async function explainRefusal(
  client: Client,
  order: Wallet.Order,
  refusal: string,
): Promise<Payment> {
  const known = await lookupPayment(client, order)
  if (known) return known
  const why = Object.hasOwn(REFUSALS, refusal) ? REFUSALS[refusal] : undefined
  if (why === undefined) throw refused(refusal)
  return { status: 'failed', reason: `${NAME} says: ${why}` }
}

async function lookupPayment(client: Client, query: Wallet.Query): Promise<Payment | undefined> {
  const { paymentHash, signal } = query
  const reply = await client.ask({
    method: 'lookup_invoice',
    params: { payment_hash: paymentHash },
    signal,
  })
  if ('refusal' in reply && reply.refusal === 'NOT_FOUND') return undefined
  return toPayment(resultOf(reply), paymentHash)
}

async function toPayment(record: Json, paymentHash: string): Promise<Payment> {
  const { type, state, settled_at: at, preimage, fees_paid: fee } = record
  // Of its own invoices a wallet knows the preimage before they are paid.
  if (type !== 'outgoing')
    throw new WalletError('unsupported', `${NAME} made this invoice itself, and cannot pay it.`)
  const settled = state === 'settled' || (state === undefined && typeof at === 'number')
  if (settled || (await isProof(preimage, paymentHash)))
    return paid({ name: NAME, paymentHash, preimage, feeMsat: fromJson(fee) })
  return state === 'failed' ? { status: 'failed' } : { status: 'pending' }
}

function resultOf(reply: Reply): Json {
  if ('refusal' in reply) throw refused(reply.refusal)
  return reply.result
}

/** Only codes of the protocol are repeated: the rest is a stranger's text. */
function refused(refusal: string): WalletError {
  const code = /^[A-Z_]{1,30}$/.test(refusal) ? ` (${refusal})` : ''
  return new WalletError(
    refusal === 'UNAUTHORIZED' ? 'unauthorized' : 'refused',
    `${NAME} refused${code}.`,
  )
}
