import { Lightning } from '@polyrail/sandbox/lightning'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let network: Lightning.Network
let payer: Lightning.Node
let payee: Lightning.Node

beforeAll(async () => {
  network = await Lightning.start({ quiet: true })
  ;({ payer, payee } = network)
})
afterAll(() => network.stop())

const sha256 = (hex: string) => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex')

/** An invoice and its hash, as a payer knows them. */
async function bill(
  node: Lightning.Node,
  terms: Partial<Parameters<Lightning.Node['createInvoice']>[0]> = {},
) {
  const invoice = await node.createInvoice({ amountMsat: 1_000n, expirySeconds: 60, ...terms })
  const { paymentHash } = node.ledger.invoices().find((one) => one.invoice === invoice)!
  return { invoice, paymentHash, maxFeeMsat: 5_000n, timeoutSeconds: 10 }
}

describe('payments', () => {
  test('move exactly their amount, and prove it by the preimage', async () => {
    const before = [payer.balance, payee.balance] as const
    const order = await bill(payee, { amountMsat: 21_001n, description: 'a page' })
    const paid = await payer.payInvoice(order)
    if (paid.status !== 'paid') throw new Error(paid.status)
    expect(sha256(paid.preimage)).toBe(order.paymentHash)
    expect(paid.feeMsat).toBe(0n)
    expect(payer.balance).toBe(before[0] - 21_001n)
    expect(payee.balance).toBe(before[1] + 21_001n)
    expect(payee.received(order.paymentHash)).toMatchObject({ amountMsat: 21_001n })
    expect(await payer.lookupPayment(order)).toEqual(paid)
  })
})
