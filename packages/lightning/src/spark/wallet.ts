/**
 * A Lightning wallet out of a Spark wallet.
 *
 * @module
 */
import { amountOf, readAmount, toNumber, toSats, wholeSats } from '../wallet/amounts.js'
import { deadline, pause, within } from '../wallet/deadline.js'
import { WalletError } from '../wallet/error.js'
import { readInvoice } from '../wallet/json.js'
import type { Payment, Wallet } from '../wallet.js'
import { fromLocked, fromRequest, NAME } from './outcome.js'
import type { LightningSendRequest, SparkWallet } from './sdk.js'

/** Requests on a page, and most pages that are looked through for a payment. */
const PAGE = 100
const PAGES = 50
/** The role of who pays, in a query for locked money. */
const SENDER = 1

/** A Spark wallet, and how long it is waited for. */
export type Spark = {
  load(): Promise<SparkWallet>
  /** Seconds for an answer that needs no payment. */
  timeout: number
  /** Milliseconds between looks at a payment. */
  pause: number
}

/** Asks a Spark wallet, within time. What the SDK throws may hold secrets, and is not passed on. */
async function ask<result>(
  spark: Spark,
  signal: AbortSignal,
  call: (wallet: SparkWallet) => Promise<result>,
): Promise<result> {
  const wallet = await within(spark.load(), signal)
  try {
    return await within(call(wallet), signal)
  } catch (error) {
    throw signal.aborted ? signal.reason : (readRefusal(error) ?? unreachable())
  }
}

const unreachable = () => new WalletError('unreachable', `${NAME} did not do what it was asked.`)

/** Of the SDK's errors, those that come before anything is sent. */
function readRefusal(error: unknown): WalletError | undefined {
  const { getContext } = Object(error) as { getContext?: () => { field?: unknown } }
  const field = typeof getContext === 'function' ? getContext.call(error)?.field : undefined
  const why = { maxFeeSats: 'the fee is above the limit', targetAmounts: 'the balance is too low' }
  const reason = Object.entries(why).find(([name]) => name === field)?.[1]
  return reason === undefined ? undefined : new WalletError('refused', `${NAME}: ${reason}.`)
}

/** Runs something bounded by its own time and by the caller's. */
async function bounded<result>(
  seconds: number,
  caller: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<result>,
): Promise<result> {
  const { late, signal } = deadline(seconds, caller)
  try {
    return await work(signal)
  } catch (error) {
    if (error instanceof WalletError || caller?.aborted || !late.aborted) throw error
    throw new WalletError('unanswered', `${NAME} did not answer in time.`)
  }
}

/** Makes an invoice. */
export function createInvoice(spark: Spark, terms: Wallet.Terms): Promise<string> {
  const { amountMsat = 0n, description, expirySeconds, signal } = terms
  return bounded(spark.timeout, signal, async (until) => {
    const params = {
      amountSats: toNumber(NAME, wholeSats(NAME, amountMsat)),
      expirySeconds,
      ...(description !== undefined && { memo: description }),
    }
    const made = await ask(spark, until, (wallet) => wallet.createLightningInvoice(params))
    return readInvoice(NAME, made?.invoice?.encodedInvoice)
  })
}

/** Pays an invoice. The payment hash is its idempotency key, so that asking again is no second payment. */
export async function payInvoice(spark: Spark, order: Wallet.Order): Promise<Payment> {
  const { paymentHash, timeoutSeconds, signal } = order
  const known = await lookupLocked(spark, order)
  if (known) return known
  const reason = objection(order)
  if (reason) return { status: 'failed', reason }
  let sent: LightningSendRequest | undefined
  try {
    return await bounded(timeoutSeconds, signal, async (until) => {
      sent = await send(spark, order, until)
      return sent ? await follow(spark, { sent, paymentHash, until }) : { status: 'pending' }
    })
  } catch (error) {
    if (!(error instanceof WalletError)) throw error
    if (error.code === 'refused') return { status: 'failed', reason: error.message }
    // It is known to be under way, and nobody says how it goes.
    if (sent && error.code === 'unanswered') return { status: 'pending' }
    throw error
  }
}

function objection(order: Wallet.Order): string | undefined {
  if (readAmount(order.invoice) !== undefined || toSats(amountOf(order)) !== undefined)
    return undefined
  return `${NAME} knows whole satoshis only, and ${order.amountMsat} msat is none`
}

async function send(spark: Spark, order: Wallet.Order, until: AbortSignal) {
  const { invoice, paymentHash, amountMsat, maxFeeMsat } = order
  const params = {
    invoice,
    maxFeeSats: toNumber(NAME, maxFeeMsat / 1000n),
    // A transfer within Spark leaves no preimage, and so no proof.
    preferSpark: false,
    idempotencyKey: paymentHash,
    ...(amountMsat !== undefined && {
      amountSatsToSend: toNumber(NAME, wholeSats(NAME, amountMsat)),
    }),
  }
  const sent = await ask(spark, until, (wallet) => wallet.payLightningInvoice(params))
  return isRequest(sent) ? sent : undefined
}

const isRequest = (value: object): value is LightningSendRequest =>
  'encodedInvoice' in value && 'status' in value

type Following = { sent: LightningSendRequest; paymentHash: string; until: AbortSignal }

/** Looks until the payment has an end, or time is up. */
async function follow(spark: Spark, { sent, paymentHash, until }: Following): Promise<Payment> {
  let request: LightningSendRequest | null = sent
  for (;;) {
    const payment: Payment = request
      ? await fromRequest(request, paymentHash)
      : { status: 'pending' }
    if (payment.status !== 'pending') return payment
    await pause(spark.pause, until)
    request = await ask(spark, until, (wallet) => wallet.getLightningSendRequest(sent.id))
  }
}

/** What the operators know of money that is locked for a hash; `undefined` when there never was any. */
function lookupLocked(spark: Spark, query: Wallet.Query): Promise<Payment | undefined> {
  const { paymentHash, signal } = query
  return bounded(spark.timeout, signal, async (until) => {
    const asked = { paymentHashes: [paymentHash], matchRole: SENDER }
    const { preimageRequests } = await ask(spark, until, (wallet) => wallet.queryHTLC(asked))
    if (preimageRequests.length === 0) return undefined
    return (await fromLocked(preimageRequests, paymentHash)) ?? { status: 'pending' }
  })
}

/**
 * Looks a payment up in the operators' record, which goes by the hash, and, where that does not decide, in the list of the
 * service provider, which goes by nothing and is read through.
 */
export async function lookupPayment(
  spark: Spark,
  query: Wallet.Query,
): Promise<Payment | undefined> {
  const locked = await lookupLocked(spark, query)
  if (locked && locked.status !== 'pending') return locked
  const requests = await bounded(spark.timeout, query.signal, (until) => find(spark, query, until))
  const payments = await Promise.all(
    requests.map((request) => fromRequest(request, query.paymentHash)),
  )
  // Of several attempts the one that may have moved money counts.
  const [best = locked] = ['paid', 'pending', 'failed'].flatMap((status) =>
    payments.filter((payment) => payment.status === status),
  )
  return best
}

/** The service provider's records of an invoice. */
async function find(
  spark: Spark,
  { invoice }: Wallet.Query,
  until: AbortSignal,
): Promise<LightningSendRequest[]> {
  let after: string | undefined
  for (let page = 0; page < PAGES; page++) {
    const asked = { first: PAGE, types: ['LIGHTNING_SEND'], ...(after !== undefined && { after }) }
    const answer = await ask(spark, until, (wallet) => wallet.getUserRequests(asked))
    const found = answer?.entities.filter(isRequest).filter(isOf(invoice)) ?? []
    after = answer?.pageInfo.endCursor
    if (found.length > 0 || !answer?.pageInfo.hasNextPage || after === undefined) return found
  }
  throw new WalletError(
    'unsupported',
    `${NAME} lists too many payments to find one among them. Use a wallet with fewer.`,
  )
}

const isOf =
  (invoice: string) =>
  ({ encodedInvoice }: LightningSendRequest): boolean =>
    encodedInvoice.toLowerCase() === invoice.toLowerCase()
