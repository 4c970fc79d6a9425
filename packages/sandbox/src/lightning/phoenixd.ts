/**
 * phoenixd's HTTP interface before a node, as far as wallets use it.
 *
 * @module
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { json, type Reply, type Request, type Route, serve, type Service } from './http.js'
import { isExpired } from './incoming.js'
import type { Invoice } from './invoice.js'
import type { Ledger, Node } from './node.js'
import type { FailureReason, Outgoing } from './payment.js'

/** The calls of {@link phoenixd}, as faults name them. */
export type PhoenixdCall =
  | 'GET /getbalance'
  | 'GET /getinfo'
  | 'GET /payments/incoming'
  | 'GET /payments/outgoing'
  | 'GET /payments/outgoingbyhash'
  | 'POST /createinvoice'
  | 'POST /payinvoice'

/** A node behind phoenixd's interface. */
export type Phoenixd = Service<PhoenixdCall> & {
  /** For Basic authentication, with an empty user. */
  password: string
}

const reasons: Record<FailureReason, string> = {
  'insufficient balance': 'not enough funds in wallet to afford payment',
  'no route': 'the recipient was offline or did not have enough liquidity to receive the payment',
  'rejected by the payee': 'the recipient rejected the payment',
  'timed out': 'payment attempts exhausted without success',
  failed: 'an unknown error occurred and payment failed',
}

/** The expiry of an invoice unless asked otherwise, in seconds. */
const defaultExpiry = 3_600

/** What phoenixd keeps beside the node's own books. */
type Memory = {
  maxFeeMsat: bigint
  externalIds: Map<string, string>
  /** By payment id: every attempt has one of its own. */
  attempts: Map<string, Outgoing>
}

/**
 * Puts phoenixd's HTTP interface before a node.
 *
 * @param node - A node of a running network.
 * @param options - The password, if it is to be a certain one.
 * @returns `url` and `password` for the client, `fault`, and `close`.
 * @example
 * ```ts
 * await using phoenixd = await Lightning.phoenixd(network.payer)
 * const headers = { authorization: `Basic ${btoa(`:${phoenixd.password}`)}` }
 * await fetch(`${phoenixd.url}/getinfo`, { headers })
 * ```
 */
export async function phoenixd(node: Node, options: phoenixd.Options = {}): Promise<Phoenixd> {
  const { password = randomBytes(32).toString('hex'), maxFeeMsat = 10_000n } = options
  const expected = `Basic ${Buffer.from(`:${password}`).toString('base64')}`
  const service = await serve(routes(node, maxFeeMsat), {
    ended: node.ledger.ended,
    refuse({ headers }, hasRoute) {
      if (headers.authorization !== expected) {
        const words =
          'Invalid authentication (use basic auth with the http password set in phoenix.conf)'
        return text(401, words)
      }
      return hasRoute ? undefined : unknown
    },
  })
  return Object.assign(service, { password })
}

export declare namespace phoenixd {
  type Options = {
    /** Default: a random one. */
    password?: string
    /** Most that routing may cost; phoenixd does not ask its caller. Default 10,000. */
    maxFeeMsat?: bigint
  }
}

function routes(node: Node, maxFeeMsat: bigint): readonly Route<PhoenixdCall>[] {
  const { ledger } = node
  const memory: Memory = { maxFeeMsat, externalIds: new Map(), attempts: new Map() }
  return [
    {
      call: 'POST /createinvoice',
      pattern: /^\/createinvoice$/,
      answer: (request) => createInvoice(ledger, memory, form(request)),
    },
    {
      call: 'POST /payinvoice',
      pattern: /^\/payinvoice$/,
      answer: (request) => payInvoice(ledger, memory, form(request)),
    },
    {
      call: 'GET /payments/incoming',
      pattern: /^\/payments\/incoming\/([0-9a-fA-F]{64})$/,
      answer({ parameters: [hash = ''] }) {
        const invoice = ledger.invoice(hash)
        const externalId = memory.externalIds.get(hash.toLowerCase())
        return invoice ? json(200, { ...showIncoming(invoice), externalId }) : unknown
      },
    },
    {
      call: 'GET /payments/outgoing',
      pattern: /^\/payments\/outgoing\/([0-9a-fA-F-]{36})$/,
      answer({ parameters: [id = ''] }) {
        const payment = memory.attempts.get(id.toLowerCase())
        return payment ? json(200, showOutgoing(id, payment)) : unknown
      },
    },
    {
      call: 'GET /payments/outgoingbyhash',
      pattern: /^\/payments\/outgoingbyhash\/([0-9a-fA-F]{64})$/,
      answer({ parameters: [hash = ''] }) {
        const attempts = [...memory.attempts].filter(
          ([, { paymentHash }]) => paymentHash === hash.toLowerCase(),
        )
        const last = attempts.at(-1)
        return last ? json(200, showOutgoing(...last)) : unknown
      },
    },
    {
      call: 'GET /getinfo',
      pattern: /^\/getinfo$/,
      answer: () =>
        json(200, { nodeId: node.id, channels: [], chain: 'regtest', version: '0.6.2' }),
    },
    {
      call: 'GET /getbalance',
      pattern: /^\/getbalance$/,
      answer: () => json(200, { balanceSat: Number(node.balance / 1_000n), feeCreditSat: 0 }),
    },
  ]
}

function createInvoice(ledger: Ledger, memory: Memory, fields: URLSearchParams): Reply {
  const description = fields.get('description')
  if (description === null) return text(400, 'Must provide either a description or descriptionHash')
  const [amountSat, expirySeconds] = [
    integer(fields, 'amountSat'),
    integer(fields, 'expirySeconds'),
  ]
  if (amountSat === 'odd' || expirySeconds === 'odd') return text(400, 'Invalid parameter')
  const invoice = ledger.issue({
    ...(amountSat === undefined ? {} : { amountMsat: BigInt(amountSat) * 1_000n }),
    description,
    expirySeconds: expirySeconds ?? defaultExpiry,
  })
  const { paymentHash, invoice: serialized } = invoice
  const externalId = fields.get('externalId')
  if (externalId !== null) memory.externalIds.set(paymentHash, externalId)
  return json(200, { amountSat, paymentHash, serialized })
}

async function payInvoice(ledger: Ledger, memory: Memory, fields: URLSearchParams): Promise<Reply> {
  const amountSat = integer(fields, 'amountSat')
  const invoice = fields.get('invoice')
  if (invoice === null) return text(400, 'Missing parameter invoice')
  if (amountSat === 'odd') return text(400, 'Invalid parameter amountSat')
  const offered = amountSat === undefined ? undefined : BigInt(amountSat) * 1_000n
  const before = ledger.payments()
  let payment: Outgoing
  try {
    payment = ledger.send({ invoice, amountMsat: offered, maxFeeMsat: memory.maxFeeMsat })
  } catch (error) {
    return text(400, (error as Error).message)
  }
  const { paymentHash, amountMsat } = payment
  if (before.includes(payment)) {
    const reason =
      payment.status === 'paid'
        ? 'this invoice has already been paid'
        : 'another payment is in progress for that invoice'
    return json(200, { paymentHash, reason })
  }
  const paymentId = randomUUID()
  memory.attempts.set(paymentId, payment)
  await ledger.done(payment)
  if (payment.status !== 'paid') {
    return json(200, { paymentHash, reason: reasons[payment.reason ?? 'failed'] })
  }
  return json(200, {
    recipientAmountSat: Number(amountMsat / 1_000n),
    routingFeeSat: Number((payment.feeMsat ?? 0n) / 1_000n),
    paymentId,
    paymentHash,
    paymentPreimage: payment.preimage,
  })
}

function showIncoming(invoice: Invoice) {
  const isPaid = invoice.status === 'paid'
  const { amountMsat, receivedMsat = 0n, paidAt } = invoice
  return {
    type: 'incoming_payment',
    subType: 'lightning',
    paymentHash: invoice.paymentHash,
    // Known before it is paid, as in phoenixd: it proves nothing here.
    preimage: invoice.preimage,
    description: invoice.description,
    invoice: invoice.invoice,
    isPaid,
    isExpired: !isPaid && isExpired(invoice),
    requestedSat: amountMsat === undefined ? undefined : Number(amountMsat / 1_000n),
    receivedSat: isPaid ? Number(receivedMsat / 1_000n) : 0,
    fees: 0,
    expiresAt: (invoice.createdAt + invoice.expirySeconds) * 1_000,
    completedAt: paidAt === undefined ? undefined : paidAt * 1_000,
    createdAt: invoice.createdAt * 1_000,
  }
}

function showOutgoing(paymentId: string, payment: Outgoing) {
  const { feeMsat = 0n, doneAt } = payment
  return {
    type: 'outgoing_payment',
    subType: 'lightning',
    paymentId,
    paymentHash: payment.paymentHash,
    preimage: payment.preimage,
    isPaid: payment.status === 'paid',
    sent: Number((payment.amountMsat + feeMsat) / 1_000n),
    fees: Number(feeMsat),
    invoice: payment.invoice,
    completedAt: doneAt === undefined ? undefined : doneAt * 1_000,
    createdAt: payment.createdAt * 1_000,
  }
}

const unknown = text(404, 'Unknown endpoint (check api doc)')

function text(status: number, body: string): Reply {
  return { status, headers: { 'content-type': 'text/plain; charset=UTF-8' }, body }
}

function form({ body }: Request): URLSearchParams {
  return new URLSearchParams(body)
}

/** A whole number, undefined when it is not given. */
function integer(fields: URLSearchParams, name: string): number | 'odd' | undefined {
  const value = fields.get(name)
  if (value === null) return undefined
  return /^\d{1,15}$/.test(value) ? Number(value) : 'odd'
}
