/**
 * What a wallet service of NIP-47 does for each method, before a node; how requests come and go is not known here.
 *
 * @module
 */
import { isExpired } from './incoming.js'
import type { Invoice } from './invoice.js'
import type { Ledger, Node } from './node.js'
import type { Outgoing } from './payment.js'

/** How requests and answers of NIP-47 are encrypted. */
export type NwcEncryption = 'nip44_v2' | 'nip04'

/** The methods of NIP-47 that the service knows. */
export type NwcMethod =
  | 'get_balance'
  | 'get_info'
  | 'lookup_invoice'
  | 'make_invoice'
  | 'pay_invoice'

/** The error codes of NIP-47. */
export type NwcCode =
  | 'INSUFFICIENT_BALANCE'
  | 'INTERNAL'
  | 'NOT_FOUND'
  | 'NOT_IMPLEMENTED'
  | 'OTHER'
  | 'PAYMENT_FAILED'
  | 'QUOTA_EXCEEDED'
  | 'RATE_LIMITED'
  | 'RESTRICTED'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED_ENCRYPTION'

/** An error of NIP-47. */
export type NwcError = { code: NwcCode; message: string }

/** What a request comes to. */
export type NwcOutcome =
  | { result: Record<string, unknown>; error: null }
  | { result: null; error: NwcError }

type Parameters = Record<string, unknown>

/** The expiry of an invoice unless asked otherwise, in seconds. */
const defaultExpiry = 3_600

/** An error, as a request's outcome. */
export function refuse(code: NwcCode, message: string): NwcOutcome {
  return { result: null, error: { code, message } }
}

/**
 * Opens the methods of a wallet service.
 *
 * @param node - Whose money it is.
 * @param options - The methods that are offered, and the most that routing may cost.
 * @returns A function that carries out one request. It never throws.
 */
export function openWalletService(
  node: Node,
  { methods, maxFeeMsat }: openWalletService.Options,
): (method: string, parameters: Parameters) => Promise<NwcOutcome> {
  const { ledger } = node
  const known: Record<NwcMethod, (parameters: Parameters) => NwcOutcome | Promise<NwcOutcome>> = {
    get_info: () =>
      succeed({
        alias: 'sandbox',
        color: '#000000',
        pubkey: node.id,
        network: 'regtest',
        block_height: 0,
        block_hash: '0'.repeat(64),
        methods,
        notifications: [],
      }),
    get_balance: () => succeed({ balance: Number(node.balance) }),
    make_invoice: (parameters) => makeInvoice(ledger, parameters),
    lookup_invoice: (parameters) => lookUp(ledger, parameters),
    pay_invoice: (parameters) => pay(ledger, parameters, maxFeeMsat),
  }
  return async (method, parameters) => {
    if (!isMethod(method)) return refuse('NOT_IMPLEMENTED', `there is no method ${method}`)
    if (!methods.includes(method)) {
      return refuse('RESTRICTED', `this connection may not call ${method}`)
    }
    try {
      return await known[method](parameters)
    } catch (error) {
      return refuse('OTHER', (error as Error).message)
    }
  }
}

export declare namespace openWalletService {
  type Options = { methods: readonly NwcMethod[]; maxFeeMsat: bigint }
}

/** Every method, in the order of the info event. */
export const allMethods: readonly NwcMethod[] = [
  'pay_invoice',
  'make_invoice',
  'lookup_invoice',
  'get_info',
  'get_balance',
]

/** Whether the service knows a method of that name. */
function isMethod(name: string): name is NwcMethod {
  return (allMethods as readonly string[]).includes(name)
}

function succeed(result: Record<string, unknown>): NwcOutcome {
  return { result, error: null }
}

function makeInvoice(ledger: Ledger, parameters: Parameters): NwcOutcome {
  const { amount, description, expiry } = parameters
  if (!isAmount(amount)) return refuse('OTHER', 'amount must be in whole millisatoshis')
  const invoice = ledger.issue({
    ...(amount > 0 ? { amountMsat: BigInt(amount) } : {}),
    description: typeof description === 'string' ? description : '',
    expirySeconds: typeof expiry === 'number' ? expiry : defaultExpiry,
  })
  return succeed(showIncoming(invoice))
}

function lookUp(ledger: Ledger, parameters: Parameters): NwcOutcome {
  const { payment_hash: hash, invoice: text } = parameters
  const fits = (one: Invoice | Outgoing) => one.paymentHash === hash || one.invoice === text
  const incoming = ledger.invoices().find(fits)
  if (incoming) return succeed(showIncoming(incoming))
  const outgoing = ledger.payments().find(fits)
  return outgoing
    ? succeed(showOutgoing(outgoing))
    : refuse('NOT_FOUND', 'there is no such invoice')
}

async function pay(
  ledger: Ledger,
  { invoice, amount }: Parameters,
  maxFeeMsat: bigint,
): Promise<NwcOutcome> {
  if (typeof invoice !== 'string') return refuse('OTHER', 'invoice is missing')
  const before = ledger.payments()
  const payment = ledger.send({
    invoice,
    maxFeeMsat,
    ...(isAmount(amount) ? { amountMsat: BigInt(amount) } : {}),
  })
  if (before.includes(payment)) {
    return refuse('OTHER', `this invoice is ${payment.status === 'paid' ? 'paid' : 'being paid'}`)
  }
  await ledger.done(payment)
  const { status, preimage, feeMsat = 0n, reason } = payment
  if (status === 'paid') return succeed({ preimage, fees_paid: Number(feeMsat) })
  return reason === 'insufficient balance'
    ? refuse('INSUFFICIENT_BALANCE', reason)
    : refuse('PAYMENT_FAILED', reason ?? 'failed')
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function showIncoming(invoice: Invoice): Record<string, unknown> {
  const { status, amountMsat = 0n, receivedMsat = 0n } = invoice
  const open = isExpired(invoice) ? 'expired' : 'pending'
  const isPaid = status === 'paid'
  return {
    type: 'incoming',
    state: { open, held: 'accepted', paid: 'settled', cancelled: 'failed' }[status],
    invoice: invoice.invoice,
    description: invoice.description,
    payment_hash: invoice.paymentHash,
    amount: Number(isPaid ? receivedMsat : amountMsat),
    fees_paid: 0,
    created_at: invoice.createdAt,
    expires_at: invoice.createdAt + invoice.expirySeconds,
    ...(isPaid ? { preimage: invoice.preimage, settled_at: invoice.paidAt } : {}),
  }
}

function showOutgoing(payment: Outgoing): Record<string, unknown> {
  const { status, preimage, doneAt, amountMsat, feeMsat = 0n } = payment
  return {
    type: 'outgoing',
    state: { pending: 'pending', paid: 'settled', failed: 'failed' }[status],
    invoice: payment.invoice,
    payment_hash: payment.paymentHash,
    amount: Number(amountMsat),
    fees_paid: Number(feeMsat),
    created_at: payment.createdAt,
    ...(status === 'paid' ? { preimage, settled_at: doneAt } : {}),
  }
}
