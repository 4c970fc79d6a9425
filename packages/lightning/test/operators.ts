/**
 * Spark, as its SDK shows it, on a Lightning node: the service provider pays and is paid by the node, and the operators
 * remember what is locked for which hash.
 *
 * @module
 */
import type { spark } from '@polyrail/lightning/spark'
import type { Lightning } from '@polyrail/sandbox/lightning'

type Sdk = NonNullable<spark.Options['sdk']>
type SparkWallet = Awaited<ReturnType<Sdk['SparkWallet']['initialize']>>['wallet']
type SendRequest = NonNullable<Awaited<ReturnType<SparkWallet['getLightningSendRequest']>>>
type PayParams = Parameters<SparkWallet['payLightningInvoice']>[0]

/** What the service provider takes. */
const FEE_SATS = 3

/** The SDK's own error, for orders that it does not begin. */
export class SparkValidationError extends Error {
  readonly #field: string
  constructor(field: string, secret: string) {
    super(`not valid [${field}: ${secret}]`)
    this.#field = field
  }
  getContext() {
    return { field: this.#field }
  }
}

/** Opens a Spark wallet on a node. `wallet` may be changed, method by method, and `pays` tells what it was asked. */
export function openOperators(node: Lightning.Node) {
  const requests: SendRequest[] = []
  const pays: PayParams[] = []
  const opened: unknown[] = []
  let closed = 0

  const find = (invoice: string) =>
    node.ledger.payments().find((payment) => payment.invoice === invoice)
  const current = (request: SendRequest): SendRequest => {
    const { status, preimage } = find(request.encodedInvoice) ?? {}
    if (status === 'paid')
      return { ...request, status: 'TRANSFER_COMPLETED', paymentPreimage: preimage }
    return status === 'failed' ? { ...request, status: 'LIGHTNING_PAYMENT_FAILED' } : request
  }

  const wallet: SparkWallet = {
    async createLightningInvoice({ amountSats, memo, expirySeconds = 2_592_000 }) {
      const amountMsat = amountSats === 0 ? undefined : BigInt(amountSats) * 1000n
      const terms = { amountMsat, description: memo, expirySeconds }
      return { invoice: { encodedInvoice: await node.createInvoice(terms) } }
    },
    async payLightningInvoice(params) {
      pays.push(params)
      const { invoice, maxFeeSats, amountSatsToSend, idempotencyKey } = params
      const earlier = requests.find(({ encodedInvoice }) => encodedInvoice === invoice)
      if (earlier && idempotencyKey) return current(earlier)
      if (maxFeeSats < FEE_SATS) throw new SparkValidationError('maxFeeSats', invoice)
      const amountMsat =
        amountSatsToSend === undefined ? undefined : BigInt(amountSatsToSend) * 1000n
      node.ledger.send({ invoice, amountMsat, maxFeeMsat: 1_000_000n })
      const request: SendRequest = {
        id: `SparkLightningSendRequest:${requests.length}`,
        encodedInvoice: invoice,
        fee: { originalValue: FEE_SATS * 1000, originalUnit: 'MILLISATOSHI' },
        status: 'LIGHTNING_PAYMENT_INITIATED',
      }
      requests.push(request)
      return request
    },
    async getLightningSendRequest(id) {
      const request = requests.find((one) => one.id === id)
      return request ? current(request) : null
    },
    async getUserRequests({ first = 10, after = '0' } = {}) {
      const from = Number(after)
      const entities = requests.slice(from, from + first).map(current)
      const hasNextPage = from + first < requests.length
      return { entities, pageInfo: { hasNextPage, endCursor: String(from + first) } }
    },
    async queryHTLC({ paymentHashes = [] }) {
      const payments = paymentHashes.flatMap((hash) => node.ledger.payment(hash) ?? [])
      const preimageRequests = payments.map(({ status, preimage }) => ({
        status: { pending: 0, paid: 1, failed: 2 }[status],
        preimage: preimage === undefined ? undefined : Buffer.from(preimage, 'hex'),
      }))
      return { preimageRequests }
    },
    async cleanup() {
      closed++
    },
  }
  const sdk: Sdk = {
    SparkWallet: {
      async initialize(props) {
        opened.push(props)
        return { wallet }
      },
    },
  }
  return {
    sdk,
    wallet,
    requests,
    pays,
    opened,
    get closed() {
      return closed
    },
  }
}
