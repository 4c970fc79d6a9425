/**
 * Pays Lightning charges: checks the invoice, has the wallet pay it, and shows the preimage.
 *
 * @module
 */
import { Errors, Method, PaymentRequest } from '@polyrail/core'
import { MSAT } from '../constants.js'
import { checkNetwork, type Network } from '../network.js'
import type { Wallet } from '../wallet.js'
import {
  createMemory,
  openJournal,
  type Journal,
  type JournalStore,
  type Payment,
} from './journal.js'
import { charge as method } from './method.js'
import { find, NO_TIME, pay, type Failed, type Order } from './payment.js'
import { hasTime, LEAST_TIME, readTerms } from './terms.js'

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
 * @throws TypeError when there is no wallet, an unknown network, or a limit that is not what it must be.
 * @example
 * const methods = [lightning.charge({ wallet: phoenixd({ url, password }), store })]
 * const mpp = Mpp.create({ methods, policy: { max: '100' } })
 * const response = await mpp.fetch('https://api.example.com/data')
 * @see Lightning charge draft, Credential Schema
 */
export function charge(options: charge.Options): charge.Rail {
  const { wallet, network = 'mainnet', store = createMemory() } = options
  const { timeout, feeOf } = readLimits(options)
  checkNetwork(network)
  if (typeof store.update !== 'function')
    throw new TypeError('lightning/charge: store must have update, as the stores of this kit do.')
  return Method.toClient(method, {
    async accepts({ challenge }) {
      const terms = await readTerms(challenge, network)
      if (typeof terms === 'string') return terms
      return hasTime(terms.latest) ? undefined : 'The invoice or its challenge is about to expire.'
    },

    async createCredential(asked) {
      const { challenge, url, signal } = asked
      const terms = await readTerms(challenge, network)
      if (typeof terms === 'string')
        throw new Errors.PaymentError('method-unsupported', { detail: terms })
      signal.throwIfAborted()
      const { wire, request, digest } = challenge
      const journal = await openJournal(store, [url.href, digest, scopeIn(wire)])
      const visit: Visit = { wallet, journal, feeOf, timeout, asked }
      const { text: invoice, paymentHash, latest } = terms
      const payment = { wire, invoice, paymentHash, amount: request.amount, latest }
      const least = Math.min(LEAST_TIME, (latest - Date.now()) / 2)
      const earlier = await recover(visit)
      // To look for it may have taken long.
      if (!earlier && !hasTime(latest, least)) throw failure(NO_TIME)
      return earlier ?? complete(visit, payment)
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

type Paid = Method.Proof<typeof method>
type Visit = {
  wallet: charge.Options['wallet']
  journal: Journal
  feeOf: (amount: string) => bigint
  /** Milliseconds to wait for a payment. */
  timeout: number
  asked: Method.toClient.Parameters<typeof method>
}

const orderOf = (
  { feeOf, timeout }: Visit,
  { invoice, paymentHash, amount, latest }: Payment,
): Order => ({
  invoice,
  paymentHash,
  maxFeeMsat: feeOf(amount),
  end: Math.min(Date.now() + timeout, latest),
})

/** What an earlier visit for the same paid, or may have: never paid again. */
async function recover(visit: Visit): Promise<Paid | undefined> {
  const { journal, wallet, asked, timeout } = visit
  const end = Date.now() + timeout
  for (let payment; (payment = await journal.take());) {
    const { paymentHash, amount, latest } = payment
    const order = { ...orderOf(visit, payment), end }
    const known = await find(wallet, order).catch(async (cause: unknown) => {
      await uncount(asked)
      return leaving(journal, paymentHash)(cause)
    })
    if ('preimage' in known) {
      await uncount(asked)
      return proofOf(visit, payment, known)
    }
    const isPayable = amount === asked.challenge.request.amount && hasTime(latest)
    // A call that is still on its way somewhere must find this invoice paid, and not another one beside it.
    if (known.status === 'unheard' && isPayable) return complete(visit, payment)
    // One that cannot be paid any more needs no care: no wallet will.
    await journal.remove(paymentHash)
  }
  return undefined
}

/** It was counted when it was made. A budget that cannot be told so counts it twice. */
const uncount = ({ release }: Visit['asked']) => release?.().catch(() => undefined)

async function complete(visit: Visit, payment: Payment): Promise<Paid> {
  const { journal } = visit
  const { paymentHash } = payment
  const paid = await begin(visit, payment).catch(leaving(journal, paymentHash))
  if ('preimage' in paid) return proofOf(visit, payment, paid)
  await journal.remove(paymentHash)
  throw failure(paid)
}

/** Nothing is begun for who has left meanwhile. */
async function begin(visit: Visit, payment: Payment): ReturnType<typeof pay> {
  const { journal, wallet, asked } = visit
  asked.signal.throwIfAborted()
  await journal.add(payment)
  return pay(wallet, orderOf(visit, payment))
}

const failure = ({ reason }: Failed): Error =>
  Object.assign(
    new Error(`The Lightning payment failed${reason ? `: ${reason}` : ''}. Nothing was paid.`),
    { name: 'PaymentFailed', code: 'payment-failed' },
  )

/** The proof, remembered until the client has its answer: after a crash it is shown again. */
async function proofOf(
  { journal, asked: { challenge, on } }: Visit,
  { wire, paymentHash }: Payment,
  { preimage }: { preimage: string },
): Promise<Paid> {
  // A store that fails now costs a look at the next visit, and no payment.
  const forget = () => journal.remove(paymentHash).catch(() => undefined)
  if (on) {
    const hear = (name: 'paid' | 'rejected' | 'pending') =>
      on(name, (account) => {
        if (account.challenge !== challenge) return
        if (name === 'pending') void journal.leave(paymentHash).catch(() => undefined)
        else {
          for (const stop of stops) stop()
          void forget()
        }
      })
    const stops = [hear('paid'), hear('rejected'), hear('pending')]
  } else await forget()
  return { payload: { preimage }, answers: wire }
}

const leaving =
  (journal: Journal, paymentHash: string) =>
  async (cause: unknown): Promise<never> => {
    // The lease runs out by itself where the store fails as well.
    await journal.leave(paymentHash).catch(() => undefined)
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
  return { timeout: timeout * 1000, feeOf: createFeeLimit(maxFee) }
}

/** Makes what tells the millisatoshis that routing may cost for so many satoshis. */
const createFeeLimit =
  (maxFee: string | undefined) =>
  (amount: string): bigint => {
    if (maxFee !== undefined) return BigInt(maxFee) * MSAT
    const hundredth = (BigInt(amount) * MSAT) / 100n
    return hundredth > LEAST_FEE ? hundredth : LEAST_FEE
  }

/** Millisatoshis that routing may cost however little is paid. */
const LEAST_FEE = 10n * MSAT
