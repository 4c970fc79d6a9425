/**
 * Pays Lightning charges: checks the invoice, has the wallet pay it, and shows the preimage.
 *
 * @module
 */
import { Errors, Method, PaymentRequest } from '@polyrail/core'
import { MSAT, type Network } from '../constants.js'
import type { Wallet } from '../wallet.js'
import {
  createMemory,
  openJournal,
  type Entry,
  type Journal,
  type JournalStore,
} from './journal.js'
import { charge as method } from './method.js'
import { find, pay, type Order } from './payment.js'
import { readTerms } from './terms.js'

/**
 * Pays Lightning charges.
 *
 * A payment that the wallet does not finish in time is neither lost nor made again: the fetch throws
 * `payment-indeterminate`, and the next fetch of the same URL looks it up by its payment hash and shows its preimage.
 *
 * @param options.wallet - Pays.
 * @param options.network - Of the wallet; invoices for others are refused. Left out: mainnet.
 * @param options.maxFee - Most that routing may cost, in whole satoshis.
 * @param options.timeout - Seconds to wait for a payment.
 * @param options.store - Remembers payments under way, so that a restarted process finds them.
 * @throws TypeError when there is no wallet, or a limit is not what it must be.
 * @example
 * const methods = [lightning.charge({ wallet: phoenixd({ url, password }), store })]
 * const mpp = Mpp.create({ methods, policy: { max: '100' } })
 * const response = await mpp.fetch('https://api.example.com/data')
 * @see Lightning charge draft, Credential Schema
 */
export function charge(options: charge.Options): charge.Rail {
  const { wallet, network = 'mainnet', store = createMemory() } = options
  const { timeout, feeOf } = readLimits(options)
  const lease = timeout * 1000 + LEASE_MARGIN
  return Method.toClient(method, {
    async accepts({ challenge }) {
      const terms = await readTerms(challenge.request, network)
      return typeof terms === 'string' ? terms : undefined
    },

    async createCredential({ challenge, url, signal }) {
      const invoice = await readTerms(challenge.request, network)
      if (typeof invoice === 'string')
        throw new Errors.PaymentError('method-unsupported', { detail: invoice })
      signal.throwIfAborted()
      const { wire, request, digest } = challenge
      const { amount } = request
      const journal = await openJournal(store, [url.href, digest, scopeIn(wire)], { lease })
      const latest = Math.min(Date.parse(wire.expires ?? ''), invoice.expires * 1000)
      const end = Math.min(Date.now() + timeout * 1000, latest)
      const orderOf = (entry: Omit<Entry, 'until'>): Order => ({
        invoice: entry.invoice,
        paymentHash: entry.paymentHash,
        maxFeeMsat: feeOf(entry.amount),
        end,
      })
      const earlier = await recover(wallet, journal, orderOf)
      if (earlier) return earlier
      const { text, paymentHash } = invoice
      const entry = { wire, invoice: text, paymentHash, amount }
      await journal.add(entry)
      return complete(wallet, { journal, entry, order: orderOf(entry) })
    },
  })
}

export declare namespace charge {
  type Options = {
    wallet: Pick<Wallet, 'payInvoice' | 'lookupPayment'>
    /** Left out: mainnet. */
    network?: Network | undefined
    /**
     * Most that routing may cost, in whole satoshis; it comes on top of the price, and no policy counts it. Left out: a
     * hundredth of the price, and at least 10.
     */
    maxFee?: string | undefined
    /** Seconds to wait for a payment (default 30). */
    timeout?: number | undefined
    /** Where payments under way are remembered. Left out: in this process alone. */
    store?: JournalStore | undefined
  }
  type Rail = Method.Client<typeof method>
}

type Payer = charge.Options['wallet']
type Paid = Method.Proof<typeof method>

/** Milliseconds beyond its own time for which a payment is left to whoever began it. */
const LEASE_MARGIN = 15_000

/** What an earlier fetch of the same paid, or may have: never paid again. */
async function recover(
  wallet: Payer,
  journal: Journal,
  orderOf: (entry: Entry) => Order,
): Promise<Paid | undefined> {
  for (let entry; (entry = await journal.take());) {
    const { paymentHash } = entry
    const leave = () => journal.leave(paymentHash)
    const known = await find(wallet, orderOf(entry)).catch(rethrowAfter(leave))
    if ('preimage' in known) return proofOf(entry, journal, known)
    // Nobody has worked on it for longer than any call lasts: what has not begun will not.
    await journal.remove(paymentHash)
  }
  return undefined
}

async function complete(
  wallet: Payer,
  { journal, entry, order }: { journal: Journal; entry: Omit<Entry, 'until'>; order: Order },
): Promise<Paid> {
  const leave = () => journal.leave(entry.paymentHash)
  const paid = await pay(wallet, order).catch(rethrowAfter(leave))
  if ('preimage' in paid) return proofOf(entry, journal, paid)
  await journal.remove(entry.paymentHash)
  const why = paid.reason ? `: ${paid.reason}` : ''
  throw Object.assign(new Error(`The Lightning payment failed${why}. Nothing was paid.`), {
    name: 'PaymentFailed',
    code: 'payment-failed',
  })
}

const proofOf = (
  { wire, paymentHash }: Omit<Entry, 'until'>,
  journal: Journal,
  { preimage }: { preimage: string },
): Paid => ({
  payload: { preimage },
  answers: wire,
  // It is over: a new visit is a new purchase. A store that fails here costs a look at the next visit.
  onAnswer: () => void journal.remove(paymentHash).catch(() => undefined),
})

const rethrowAfter =
  (act: () => Promise<void>) =>
  async (cause: unknown): Promise<never> => {
    // The lease runs out by itself where the store fails as well.
    await act().catch(() => undefined)
    throw cause
  }

/** Deployed servers and ours name the route in `opaque`, so that a GET is told from a DELETE. */
function scopeIn({ opaque }: { opaque?: string | undefined }): string | undefined {
  const scope = opaque === undefined ? undefined : PaymentRequest.deserialize(opaque)?.['scope']
  return typeof scope === 'string' ? scope : undefined
}

function readLimits({ wallet, maxFee, timeout = 30 }: charge.Options) {
  if (typeof wallet?.payInvoice !== 'function' || typeof wallet.lookupPayment !== 'function')
    throw new TypeError(
      'lightning/charge: wallet must be able to pay and to look payments up: take one of /lnd, /phoenixd, /nwc or /spark, or write payInvoice and lookupPayment yourself.',
    )
  if (!(timeout >= 1 && timeout <= 3600))
    throw new TypeError('lightning/charge: timeout must be seconds, from 1 to 3600.')
  if (maxFee !== undefined && !(typeof maxFee === 'string' && /^\d{1,15}$/.test(maxFee)))
    throw new TypeError(
      "lightning/charge: maxFee must be a string of whole satoshis, such as '10'.",
    )
  const feeOf = (amount: string): bigint => {
    if (maxFee !== undefined) return BigInt(maxFee) * MSAT
    const hundredth = (BigInt(amount) * MSAT) / 100n
    return hundredth > LEAST_FEE ? hundredth : LEAST_FEE
  }
  return { timeout, feeOf }
}

/** Millisatoshis that routing may cost however little is paid. */
const LEAST_FEE = 10n * MSAT
