/**
 * Invoices of a node, as whoever pays them knows them.
 *
 * @module
 */
import type { Wallet } from '@polyrail/lightning'
import type { Lightning } from '@polyrail/sandbox/lightning'
import { createHash, randomBytes } from 'node:crypto'

type Terms = Partial<Parameters<Lightning.Node['createInvoice']>[0]>

/** Makes an invoice over 21 satoshis, and the order to pay it. */
export async function bill(node: Lightning.Node, terms: Terms = {}): Promise<Wallet.Order> {
  const invoice = await node.createInvoice({ amountMsat: 21_000n, expirySeconds: 60, ...terms })
  return { ...named(node, invoice), maxFeeMsat: 10_000n, timeoutSeconds: 10 }
}

/** An invoice of a node's with its hash. */
export function named(node: Lightning.Node, invoice: string): Wallet.Query {
  const issued = node.ledger.invoices().find((one) => one.invoice === invoice)
  if (!issued) throw new Error('not an invoice of this node')
  return { invoice, paymentHash: issued.paymentHash }
}

/** An invoice whose payment is held until the payee settles or cancels it. */
export async function holdBill(node: Lightning.Node) {
  const preimage = randomBytes(32).toString('hex')
  const paymentHash = hashOf(preimage)
  const order = await bill(node, { paymentHash })
  return { order: { ...order, timeoutSeconds: 0.5 }, preimage }
}

export const hashOf = (preimage: string) =>
  createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex')

/** What something throws, to be looked at. */
export async function thrownBy(work: Promise<unknown>): Promise<Error & { code?: unknown }> {
  try {
    await work
  } catch (error) {
    return error as Error
  }
  throw new Error('it went well')
}
