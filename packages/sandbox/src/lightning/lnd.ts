/**
 * LND's REST interface before a node, as far as wallets use it: invoices, payments and their streams of updates.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { isRecord } from '../json-rpc.js'
import { json, type Reply, type Request, type Route, serve, type Service } from './http.js'
import { isExpired } from './incoming.js'
import type { Invoice } from './invoice.js'
import type { Ledger, Node } from './node.js'
import type { FailureReason, Outgoing } from './payment.js'

/** The calls of {@link lnd}, as faults name them. */
export type LndCall =
  | 'GET /v1/getinfo'
  | 'GET /v1/invoice'
  | 'GET /v2/router/track'
  | 'POST /v1/invoices'
  | 'POST /v2/router/send'

/** A node behind LND's REST interface. */
export type Lnd = Service<LndCall> & {
  /** For the header `Grpc-Metadata-macaroon`: hexadecimal. */
  macaroon: string
}

/** A gRPC status, which the gateway in LND turns into an HTTP status and a JSON body. */
class Refusal extends Error {
  readonly code: 2 | 3 | 5 | 6

  constructor(code: 2 | 3 | 5 | 6, message: string) {
    super(message)
    this.code = code
  }
}

const httpStatus = { 2: 500, 3: 400, 5: 404, 6: 409 } as const

const failureReasons: Record<FailureReason, string> = {
  'insufficient balance': 'FAILURE_REASON_INSUFFICIENT_BALANCE',
  'no route': 'FAILURE_REASON_NO_ROUTE',
  'rejected by the payee': 'FAILURE_REASON_INCORRECT_PAYMENT_DETAILS',
  'timed out': 'FAILURE_REASON_TIMEOUT',
  failed: 'FAILURE_REASON_ERROR',
}

/** What LND says where the node throws. */
const words: Record<string, string> = {
  'the invoice has expired': 'invoice expired',
  'the invoice has an amount of its own':
    'amount must not be specified when paying a non-zero amount invoice',
  'the invoice has no amount': 'amount must be specified when paying a zero amount invoice',
  'the invoice is not for regtest': "invoice not for current active network 'regtest'",
}

/** The expiry of an invoice unless asked otherwise, in seconds. */
const defaultExpiry = 86_400

/**
 * Puts LND's REST interface before a node, over plain HTTP on loopback.
 *
 * @param node - A node of a running network.
 * @param options - The macaroon, if it is to be a certain one.
 * @returns `url` and `macaroon` for the client, `fault`, and `close`.
 * @example
 * ```ts
 * await using lnd = await Lightning.lnd(network.payee)
 * const headers = { 'Grpc-Metadata-macaroon': lnd.macaroon }
 * await fetch(`${lnd.url}/v1/getinfo`, { headers })
 * ```
 */
export async function lnd(node: Node, options: lnd.Options = {}): Promise<Lnd> {
  const { macaroon = randomBytes(64).toString('hex') } = options
  const service = await serve(routes(node), {
    ended: node.ledger.ended,
    refuse({ headers }, hasRoute) {
      if (!hasRoute) return json(404, status(5, 'Not Found'))
      const given = headers['grpc-metadata-macaroon']
      if (given === undefined) return json(500, status(2, 'expected 1 macaroon, got 0'))
      if (String(given).toLowerCase() === macaroon.toLowerCase()) return undefined
      const mismatch = 'verification failed: signature mismatch after caveat verification'
      return json(500, status(2, mismatch))
    },
  })
  return Object.assign(service, { macaroon })
}

export declare namespace lnd {
  type Options = {
    /** Hexadecimal. Default: a random one. */
    macaroon?: string
  }
}

function routes(node: Node): readonly Route<LndCall>[] {
  const { ledger } = node
  return [
    {
      call: 'POST /v1/invoices',
      pattern: /^\/v1\/invoices$/,
      answer: unary(({ body }) => addInvoice(ledger, parse(body))),
    },
    {
      call: 'GET /v1/invoice',
      pattern: /^\/v1\/invoice\/([^/]+)$/,
      answer: unary(({ parameters: [hash = ''] }) => {
        if (!/^[0-9a-f]{64}$/i.test(hash)) throw new Refusal(2, 'invalid payment hash')
        const invoice = ledger.invoice(hash)
        if (invoice === undefined) throw new Refusal(5, 'unable to locate invoice')
        return showInvoice(invoice, ledger.invoices().indexOf(invoice) + 1)
      }),
    },
    {
      call: 'POST /v2/router/send',
      pattern: /^\/v2\/router\/send$/,
      answer: streamed(({ body }) => send(ledger, parse(body))),
    },
    {
      call: 'GET /v2/router/track',
      pattern: /^\/v2\/router\/track\/([^/]+)$/,
      answer: streamed(({ parameters: [hash = ''], query }) => {
        const payment = ledger.payment(Buffer.from(hash, 'base64url').toString('hex'))
        if (payment === undefined) throw new Refusal(5, "payment isn't initiated")
        // What is over has one update, whoever asks.
        const onlyLast = payment.status !== 'pending' || query.get('no_inflight_updates') === 'true'
        return updates(ledger, payment, onlyLast)
      }),
    },
    {
      call: 'GET /v1/getinfo',
      pattern: /^\/v1\/getinfo$/,
      answer: unary(() => ({
        version: '0.19.3-beta',
        identity_pubkey: node.id,
        alias: node.id.slice(0, 20),
        synced_to_chain: true,
        synced_to_graph: true,
        chains: [{ chain: 'bitcoin', network: 'regtest' }],
      })),
    },
  ]
}

function addInvoice(ledger: Ledger, body: Record<string, unknown>): unknown {
  const amountMsat = amount(body, 'value_msat', 'value')
  const invoice = ledger.issue({
    ...(amountMsat > 0n ? { amountMsat } : {}),
    description: typeof body.memo === 'string' ? body.memo : '',
    expirySeconds: Number(integer(body.expiry)) || defaultExpiry,
  })
  return {
    r_hash: toBase64(invoice.paymentHash),
    payment_request: invoice.invoice,
    add_index: String(ledger.invoices().length),
    payment_addr: toBase64(invoice.paymentSecret),
  }
}

function showInvoice(invoice: Invoice, index: number): unknown {
  const { amountMsat = 0n, receivedMsat = 0n, paidAt = 0 } = invoice
  const state = stateOf(invoice)
  const paid = state === 'SETTLED' ? receivedMsat : 0n
  return {
    memo: invoice.description,
    r_preimage: toBase64(invoice.preimage ?? ''),
    r_hash: toBase64(invoice.paymentHash),
    value: String(amountMsat / 1_000n),
    value_msat: String(amountMsat),
    settled: state === 'SETTLED',
    creation_date: String(invoice.createdAt),
    settle_date: String(paidAt),
    payment_request: invoice.invoice,
    description_hash: '',
    expiry: String(invoice.expirySeconds),
    fallback_addr: '',
    add_index: String(index),
    amt_paid: String(paid),
    amt_paid_sat: String(paid / 1_000n),
    amt_paid_msat: String(paid),
    state,
    htlcs: [],
    payment_addr: toBase64(invoice.paymentSecret),
    is_keysend: false,
    is_amp: false,
  }
}

function stateOf(invoice: Invoice): string {
  if (invoice.status === 'open') return isExpired(invoice) ? 'CANCELED' : 'OPEN'
  return { held: 'ACCEPTED', paid: 'SETTLED', cancelled: 'CANCELED' }[invoice.status]
}

function send(ledger: Ledger, body: Record<string, unknown>): AsyncIterable<unknown> {
  const seconds = Number(integer(body.timeout_seconds))
  if (seconds <= 0) throw new Refusal(2, 'timeout_seconds must be specified')
  const invoice = String(body.payment_request ?? '')
  const before = ledger.payments()
  const amountMsat = amount(body, 'amt_msat', 'amt')
  const payment = begin(ledger, {
    invoice,
    maxFeeMsat: amount(body, 'fee_limit_msat', 'fee_limit_sat'),
    ...(amountMsat > 0n ? { amountMsat } : {}),
  })
  if (before.includes(payment)) {
    throw new Refusal(
      6,
      payment.status === 'paid' ? 'invoice is already paid' : 'payment is in transition',
    )
  }
  giveUpAfter(ledger, payment, seconds)
  return updates(ledger, payment, body.no_inflight_updates === true)
}

function begin(ledger: Ledger, terms: Parameters<Ledger['send']>[0]): Outgoing {
  try {
    return ledger.send(terms)
  } catch (error) {
    const { message } = error as Error
    throw new Refusal(2, words[message] ?? message)
  }
}

/** LND makes no further attempt when the time is over; what is out stays out, and the stream waits for it. */
function giveUpAfter(ledger: Ledger, payment: Outgoing, seconds: number): void {
  const timer = setTimeout(() => ledger.giveUp(payment.paymentHash), seconds * 1_000).unref()
  const stop = () => clearTimeout(timer)
  void ledger.done(payment).then(stop, stop)
}

async function* updates(
  ledger: Ledger,
  payment: Outgoing,
  onlyLast: boolean,
): AsyncGenerator<unknown> {
  // A first update says that the payment is out, however soon it arrives.
  if (!onlyLast && payment.status !== 'failed') yield showPayment({ ...payment, status: 'pending' })
  await ledger.done(payment)
  yield showPayment(payment)
}

function showPayment(payment: Outgoing): unknown {
  const { status, amountMsat, feeMsat = 0n, reason } = payment
  const isPaid = status === 'paid'
  return {
    payment_hash: payment.paymentHash,
    value: String(amountMsat / 1_000n),
    value_sat: String(amountMsat / 1_000n),
    value_msat: String(amountMsat),
    creation_date: String(payment.createdAt),
    creation_time_ns: String(BigInt(payment.createdAt) * 1_000_000_000n),
    payment_preimage: isPaid ? payment.preimage : '0'.repeat(64),
    payment_request: payment.invoice,
    status: { pending: 'IN_FLIGHT', paid: 'SUCCEEDED', failed: 'FAILED' }[status],
    fee: String(isPaid ? feeMsat / 1_000n : 0n),
    fee_sat: String(isPaid ? feeMsat / 1_000n : 0n),
    fee_msat: String(isPaid ? feeMsat : 0n),
    htlcs: [],
    failure_reason:
      status === 'failed' ? failureReasons[reason ?? 'failed'] : 'FAILURE_REASON_NONE',
  }
}

/** An answer in one piece. */
function unary(answer: (request: Request) => unknown): Route['answer'] {
  return (request) => {
    try {
      return json(200, answer(request))
    } catch (error) {
      const { code, message } = refusalOf(error)
      return json(httpStatus[code], status(code, message))
    }
  }
}

/** An answer in lines of JSON, each `{"result": …}`; a refusal before the first is `{"error": …}` with its HTTP status. */
function streamed(answer: (request: Request) => AsyncIterable<unknown>): Route['answer'] {
  return (request): Reply => {
    try {
      const headers = { 'content-type': 'application/json' }
      return { status: 200, headers, body: lines(answer(request)) }
    } catch (error) {
      const { code, message } = refusalOf(error)
      return json(httpStatus[code], { error: status(code, message) })
    }
  }
}

async function* lines(results: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const result of results) yield `${JSON.stringify({ result })}\n`
}

function refusalOf(error: unknown): Refusal {
  return error instanceof Refusal ? error : new Refusal(2, (error as Error).message)
}

function status(code: number, message: string) {
  return { code, message, details: [] }
}

function parse(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body)
    if (isRecord(value)) return value
  } catch {
    // Said below.
  }
  throw new Refusal(3, 'proto: syntax error (line 1:1): unexpected token')
}

/** An amount in millisatoshis, from a field in them or one in satoshis; 0 when there is neither. */
function amount(body: Record<string, unknown>, msat: string, sat: string): bigint {
  return integer(body[msat]) || integer(body[sat]) * 1_000n
}

/** A 64-bit integer, which protobuf's JSON writes as a string or a number. */
function integer(value: unknown): bigint {
  if (value === undefined || value === null) return 0n
  if (!/^\d{1,18}$/.test(String(value))) {
    throw new Refusal(3, `proto: invalid value for uint64 field: ${JSON.stringify(value)}`)
  }
  return BigInt(String(value))
}

function toBase64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}
