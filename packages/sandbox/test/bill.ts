import type { Lightning } from '@polyrail/sandbox/lightning'

/** An invoice of a node, and what a payer who has read it knows. */
export function bill(
  node: Lightning.Node,
  terms: Partial<Lightning.InvoiceTerms> = {},
): Lightning.Order {
  const issued = node.ledger.issue({ amountMsat: 1_000n, expirySeconds: 60, ...terms })
  const { invoice, paymentHash } = issued
  return { invoice, paymentHash, maxFeeMsat: 5_000n, timeoutSeconds: 20 }
}

/** Has one node pay another. */
export function payOne(from: Lightning.Node, to: Lightning.Node, amountMsat = 1_000n) {
  return from.payInvoice(bill(to, { amountMsat }))
}
