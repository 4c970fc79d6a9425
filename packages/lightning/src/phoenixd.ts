/**
 * A wallet on phoenixd, the server of Phoenix.
 *
 * @module
 */
import { amountOf, fromJson, readAmount, wholeSats } from './wallet/amounts.js'
import { checkEndpoint } from './wallet/endpoint.js'
import { WalletError } from './wallet/error.js'
import { findOut, patience } from './wallet/find-out.js'
import { connect, type Answer, type Call, type Fetch } from './wallet/http.js'
import { onePerHash } from './wallet/in-flight.js'
import { read, readInvoice } from './wallet/json.js'
import { paid } from './wallet/proof.js'
import type { Payment, Wallet } from './wallet.js'

export declare namespace phoenixd {
  type Options = {
    /** Address, by default `http://localhost:9740`. */
    url: string
    /** `http-password` of phoenix.conf. That for limited access makes invoices and cannot pay. */
    password: string
    /** What a payment costs. Left out, what ACINQ asks: 0.4 % and 4 satoshis. */
    fee?: { baseMsat: bigint; partsPerMillion: bigint } | undefined
    /** Seconds to wait for an answer that needs no payment. Default 15. */
    timeout?: number | undefined
    /** In place of the global `fetch`. */
    fetch?: Fetch | undefined
  }
}

const NAME = 'phoenixd'
/** Characters of a description. */
const LONGEST = 128
const ACINQ = { baseMsat: 4000n, partsPerMillion: 4000n }

/**
 * Makes a wallet of a phoenixd server. It knows whole satoshis only, and takes no limit of fees: a payment whose fee, which
 * is known beforehand, is above `maxFeeMsat` is not sent.
 *
 * @throws TypeError for options that cannot work. The wallet's methods throw {@link WalletError}.
 *
 * @example
 * const wallet = phoenixd({ url: 'http://localhost:9740', password: process.env.PHOENIXD_PASSWORD })
 */
export function phoenixd(options: phoenixd.Options): Wallet {
  const { password, fee = ACINQ, timeout, fetch } = options
  if (typeof password !== 'string' || !/^[\x20-\x7e]+$/.test(password))
    throw new TypeError('phoenixd: password must be http-password of phoenix.conf.')
  const url = checkEndpoint({ of: 'phoenixd', url: options.url, schemes: ['https', 'http'] })
  const headers = { authorization: `Basic ${btoa(`:${password}`)}` }
  const ask = connect({ name: NAME, url, headers, timeout, fetch })
  return {
    createInvoice: (terms) => createInvoice(ask, terms),
    payInvoice: onePerHash((order) => payInvoice(ask, { ...order, fee })),
    lookupPayment: (query) => lookupPayment(ask, query),
  }
}

type Ask = (call: Call) => Promise<Answer>

function form(path: string, fields: Record<string, string | undefined>) {
  const given = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  )
  const body = new URLSearchParams(given).toString()
  return { method: 'POST', path, type: 'application/x-www-form-urlencoded', body } as const
}

async function createInvoice(ask: Ask, terms: Wallet.Terms): Promise<string> {
  const { amountMsat, description = '', expirySeconds, signal } = terms
  const sats = amountMsat === undefined ? undefined : wholeSats(NAME, amountMsat)
  if (description.length > LONGEST)
    throw new WalletError('unsupported', `${NAME} takes a description of ${LONGEST} characters.`)
  const call = form('/createinvoice', {
    amountSat: sats?.toString(),
    description,
    expirySeconds: String(expirySeconds),
  })
  const answer = await ask({ ...call, signal })
  if (answer.status !== 200) throw refused(answer.status)
  return readInvoice(NAME, read(NAME, await answer.text())['serialized'])
}

type Order = Wallet.Order & { fee: { baseMsat: bigint; partsPerMillion: bigint } }

async function payInvoice(ask: Ask, order: Order): Promise<Payment> {
  const { invoice, timeoutSeconds, signal } = order
  // Older servers pay a hash twice while the first payment is on its way.
  const known = await lookupPayment(ask, order)
  if (known && known.status !== 'failed') return known
  const reason = objection(order)
  if (reason) return { status: 'failed', reason }
  const call = form('/payinvoice', { invoice, amountSat: overrideOf(order)?.toString() })
  try {
    const answer = await ask({ ...call, seconds: patience(timeoutSeconds), signal })
    if (answer.status !== 200) throw refused(answer.status)
    return await toPayment(ask, { order, text: await answer.text() })
  } catch (error) {
    return findOut(error, () => lookupPayment(ask, order))
  }
}

/** Satoshis, where the invoice says none. */
const overrideOf = ({ invoice, amountMsat }: Wallet.Order): bigint | undefined =>
  amountMsat === undefined || readAmount(invoice) !== undefined
    ? undefined
    : wholeSats(NAME, amountMsat)

/** Why an order is not passed on. */
function objection(order: Order): string | undefined {
  const { fee, maxFeeMsat } = order
  const amount = amountOf(order)
  const cost = fee.baseMsat + (amount * fee.partsPerMillion) / 1_000_000n
  if (cost > maxFeeMsat)
    return `${NAME} pays a fixed fee, here ${cost} msat, and at most ${maxFeeMsat} msat are allowed`
  if (readAmount(order.invoice) === undefined && amount % 1000n !== 0n)
    return `${NAME} knows whole satoshis only, and ${amount} msat is none`
  return undefined
}

async function toPayment(ask: Ask, { order, text }: { order: Order; text: string }) {
  const { paymentHash } = order
  const { paymentPreimage, routingFeeSat, reason } = read(NAME, text)
  if (typeof reason === 'string') return explainFailure(ask, order)
  const sats = fromJson(routingFeeSat)
  const feeMsat = sats === undefined ? undefined : sats * 1000n
  return paid({ name: NAME, paymentHash, preimage: paymentPreimage, feeMsat })
}

/** A failure may mean that the hash was paid before, or is being paid: the record decides. */
async function explainFailure(ask: Ask, order: Order): Promise<Payment> {
  const known = await lookupPayment(ask, order)
  return known && known.status !== 'failed'
    ? known
    : { status: 'failed', reason: `${NAME} could not pay: no way through, or too little money` }
}

async function lookupPayment(ask: Ask, query: Wallet.Query): Promise<Payment | undefined> {
  const { paymentHash, signal } = query
  const path = `/payments/outgoingbyhash/${paymentHash}`
  const answer = await ask({ method: 'GET', path, signal })
  const text = await answer.text()
  if (await isUnknown(ask, { status: answer.status, text, signal })) return undefined
  if (answer.status !== 200) throw refused(answer.status)
  const { isPaid, preimage, fees, completedAt } = read(NAME, text)
  if (isPaid === true) return paid({ name: NAME, paymentHash, preimage, feeMsat: fromJson(fees) })
  if (isPaid !== false)
    throw new WalletError('unreadable', `${NAME} does not say whether an invoice is paid.`)
  return typeof completedAt === 'number' ? { status: 'failed' } : { status: 'pending' }
}

type Unknown = { status: number; text: string; signal: AbortSignal | undefined }

/** Whether an answer means that there is no such payment. Some versions say so in the words for a wrong address. */
async function isUnknown(ask: Ask, { status, text, signal }: Unknown): Promise<boolean> {
  if (status === 204) return true
  if (status !== 404) return false
  if (/^not found$/i.test(text.trim())) return true
  const info = await ask({ method: 'GET', path: '/getinfo', signal })
  if (info.status !== 200) return false
  const [, major = 0, minor = 0] =
    /^(\d+)\.(\d+)/.exec(String(read(NAME, await info.text())['version'])) ?? []
  return Number(major) > 0 || Number(minor) >= 5
}

function refused(status: number): WalletError {
  const hint = status === 404 ? ' Its version may be below 0.5, or the address wrong.' : ''
  return new WalletError('refused', `${NAME} refused: HTTP ${status}.${hint}`)
}
