/**
 * A wallet on an LND node, over its REST interface.
 *
 * @module
 */
import { fromJson } from './wallet/amounts.js'
import { checkEndpoint } from './wallet/endpoint.js'
import { WalletError } from './wallet/error.js'
import { findOut, patience } from './wallet/find-out.js'
import { connect, type Answer, type Call, type Fetch } from './wallet/http.js'
import { isObject, parse, read, readInvoice, type Json } from './wallet/json.js'
import { bytesOf } from './codec/hex.js'
import { paid } from './wallet/proof.js'
import type { Payment, Wallet } from './wallet.js'

export declare namespace lnd {
  type Options = {
    /** Address of the REST interface, by default on port 8080: `https://localhost:8080`. */
    url: string
    /** A macaroon, in hexadecimal. It needs `invoices:write` to be paid, `offchain:read` and `offchain:write` to pay. */
    macaroon: string
    /** Whether invoices name private channels as a way in. Default false: a node without public channels needs it. */
    private?: boolean | undefined
    /** Seconds to wait for an answer that needs no payment. Default 15. */
    timeout?: number | undefined
    /** In place of the global `fetch`, such as one that trusts the node's own certificate. */
    fetch?: Fetch | undefined
  }
}

const NAME = 'LND'

/**
 * Makes a wallet of an LND node.
 *
 * @throws TypeError for options that cannot work. The wallet's methods throw {@link WalletError}.
 *
 * @example
 * const wallet = lnd({ url: 'https://localhost:8080', macaroon: process.env.LND_MACAROON })
 */
export function lnd(options: lnd.Options): Wallet {
  const { macaroon, private: hints = false, timeout, fetch } = options
  if (typeof macaroon !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(macaroon))
    throw new TypeError(
      'lnd: macaroon must be hexadecimal, as `xxd -ps -c 9999 admin.macaroon` prints it.',
    )
  const url = checkEndpoint({ of: 'lnd', url: options.url, schemes: ['https', 'http'] })
  const headers = { 'Grpc-Metadata-macaroon': macaroon }
  const ask = connect({ name: NAME, url, headers, timeout, fetch })
  return {
    createInvoice: (terms) => createInvoice(ask, { ...terms, hints }),
    payInvoice: (order) => payInvoice(ask, order),
    lookupPayment: (query) => lookupPayment(ask, query),
  }
}

type Ask = (call: Call) => Promise<Answer>

const JSON_TYPE = 'application/json'

async function createInvoice(ask: Ask, terms: Wallet.Terms & { hints: boolean }): Promise<string> {
  const { amountMsat, description, expirySeconds, hints, signal } = terms
  const body = JSON.stringify({
    ...(amountMsat !== undefined && { value_msat: String(amountMsat) }),
    ...(description !== undefined && { memo: description }),
    expiry: String(expirySeconds),
    ...(hints && { private: true }),
  })
  const call = { method: 'POST', path: '/v1/invoices', type: JSON_TYPE, body } as const
  const answer = await ask({ ...call, signal })
  const text = await answer.text()
  if (answer.status !== 200) throw refusedBy(answer.status, readRefusal(parse(text)))
  return readInvoice(NAME, read(NAME, text)['payment_request'])
}

async function payInvoice(ask: Ask, order: Wallet.Order): Promise<Payment> {
  const { invoice, amountMsat, maxFeeMsat, timeoutSeconds, signal } = order
  const body = JSON.stringify({
    payment_request: invoice,
    timeout_seconds: Math.max(1, Math.ceil(timeoutSeconds)),
    fee_limit_msat: String(maxFeeMsat),
    ...(amountMsat !== undefined && { amt_msat: String(amountMsat) }),
    no_inflight_updates: true,
  })
  const call = { method: 'POST', path: '/v2/router/send', type: JSON_TYPE, body } as const
  try {
    const answer = await ask({ ...call, seconds: patience(timeoutSeconds), signal })
    for await (const line of answer.lines()) {
      const refusal = readRefusal(parse(line))
      if (refusal) return await explainRefusal(ask, { order, refusal, status: answer.status })
      const payment = await toPayment(readResult(line), order.paymentHash)
      if (payment.status !== 'pending') return payment
    }
  } catch (error) {
    return findOut(error, () => lookupPayment(ask, order))
  }
  throw new WalletError('unreachable', `${NAME} broke off before it said what became of a payment.`)
}

type Refused = { order: Wallet.Order; refusal: Refusal; status: number }

/** LND refuses before it records anything, also when it knows the hash from an earlier payment: its record decides. */
async function explainRefusal(ask: Ask, { order, refusal, status }: Refused): Promise<Payment> {
  if (status >= 500) throw refusedBy(status, refusal)
  const known = await lookupPayment(ask, order)
  return known ?? { status: 'failed', reason: refusedBy(status, refusal).message }
}

async function lookupPayment(ask: Ask, query: Wallet.Query): Promise<Payment | undefined> {
  const { paymentHash, signal } = query
  const answer = await ask({
    method: 'GET',
    path: `/v2/router/track/${base64url(paymentHash)}`,
    signal,
  })
  const line = await firstLine(answer)
  // The stream is open and silent: nothing has become of it yet.
  if (line === undefined) return { status: 'pending' }
  const refusal = readRefusal(parse(line))
  if (refusal?.unknownPayment) return undefined
  if (refusal || answer.status !== 200) throw refusedBy(answer.status, refusal)
  return toPayment(readResult(line), paymentHash)
}

/** The first line of a stream; `undefined` when none comes in time. */
async function firstLine(answer: Answer): Promise<string | undefined> {
  try {
    for await (const line of answer.lines()) return line
  } catch (error) {
    if (error instanceof WalletError && error.code === 'unanswered') return undefined
    throw error
  }
  throw new WalletError('unreadable', `${NAME} says nothing about a payment.`)
}

function readResult(line: string): Json {
  const { result } = read(NAME, line)
  if (!isObject(result))
    throw new WalletError('unreadable', `${NAME} gives an answer without a result.`)
  return result
}

/** What LND says why a payment failed for good. */
const REASONS: Readonly<Record<string, string>> = {
  FAILURE_REASON_TIMEOUT: 'no attempt came through in time',
  FAILURE_REASON_NO_ROUTE: 'no route within the fee limit',
  FAILURE_REASON_ERROR: 'an error that is not to be recovered from',
  FAILURE_REASON_INCORRECT_PAYMENT_DETAILS: 'the recipient does not know the invoice',
  FAILURE_REASON_INSUFFICIENT_BALANCE: 'the balance is too low',
  FAILURE_REASON_CANCELED: 'it was canceled',
}

async function toPayment(result: Json, paymentHash: string): Promise<Payment> {
  const { status, payment_preimage: preimage, fee_msat: fee, failure_reason: why } = result
  if (status === 'SUCCEEDED')
    return paid({ name: NAME, paymentHash, preimage, feeMsat: fromJson(fee) })
  if (status === 'FAILED') {
    const reason = Object.hasOwn(REASONS, String(why)) ? REASONS[String(why)] : undefined
    return { status: 'failed', reason }
  }
  if (status === 'IN_FLIGHT' || status === 'INITIATED') return { status: 'pending' }
  throw new WalletError('unreadable', `${NAME} gives a payment's state that is not known here.`)
}

type Refusal = {
  /** A gRPC status code. */
  code: number
  /** It says that it has never heard of the payment. A wrong path has the same code. */
  unknownPayment: boolean
}

/** Reads an error, which is the whole answer or, in a stream, a line's `error`. */
function readRefusal(answer: Json | undefined): Refusal | undefined {
  const error = isObject(answer?.['error']) ? answer['error'] : answer
  const code = error?.['code'] ?? error?.['grpc_code']
  if (typeof code !== 'number') return undefined
  const unknownPayment = code === 5 && /initiated/i.test(String(error?.['message']))
  return { code, unknownPayment }
}

function refusedBy(status: number, refusal: Refusal | undefined): WalletError {
  const code = refusal ? `, gRPC code ${refusal.code}` : ''
  const hint = status >= 500 ? ' A macaroon that it does not know is answered so too.' : ''
  return new WalletError('refused', `${NAME} refused: HTTP ${status}${code}.${hint}`)
}

/** Padded, as LND wants it in a path. */
const base64url = (hex: string): string =>
  btoa(String.fromCharCode(...bytesOf(hex)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
