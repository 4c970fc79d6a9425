/**
 * Pays one invoice, once: asks the wallet, and where the wallet does not answer, asks it what became of the payment.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { proves } from '../preimage.js'
import type { Payment, Wallet } from '../wallet.js'

type Payer = Pick<Wallet, 'payInvoice' | 'lookupPayment'>

/** What to pay, and until when it is worth waiting. */
export type Order = {
  /** BOLT11. */
  invoice: string
  paymentHash: string
  maxFeeMsat: bigint
  /** Epoch milliseconds. */
  end: number
}

export type Failed = Extract<Payment, { status: 'failed' }>

/** What becomes of a payment that is asked for too late. */
export const NO_TIME: Failed = { status: 'failed', reason: 'there is no time left for it' }

/** What is known of a payment: `unheard` where the wallet has never heard of it, `lost` where the wallet does not answer. */
type Known = Payment | { status: 'unheard' } | Lost
type Lost = { status: 'lost'; cause: unknown }

/** Milliseconds of silence after which a call is made again: a wallet pays a hash once. */
const SILENCE = 10_000
/** Milliseconds that a look may take. */
const LOOK = 5000
/** Milliseconds between two looks: at first, and at most. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 2000

/**
 * Pays, and says what became of it.
 *
 * @returns The preimage, which proves the payment; or why nothing was paid, for certain.
 * @throws PaymentError `payment-indeterminate` when nobody can tell, or when the wallet paid and has no proof.
 */
export async function pay(wallet: Payer, order: Order): Promise<{ preimage: string } | Failed> {
  const calls: Calls = { count: 0, isAccepted: false }
  let known: Known = { status: 'unheard' }
  for (let pause = FIRST_PAUSE; Date.now() < order.end; pause = longer(pause)) {
    if (known.status === 'unheard') renew(calls, wallet, order)
    const answer = await hear(calls, Math.min(pause, order.end - Date.now()))
    known = isKnown(answer) ? answer : await look(wallet, order)
    if (known.status === 'paid') return proofOf(known, order)
    if (known.status === 'failed') {
      if (calls.count === 1) return known
      // The call that was never answered may still be carried out.
      break
    }
    // A wallet that says at once that it does not know would say so again at once.
    if (answer) await within(Math.min(pause, order.end - Date.now()), NEVER)
  }
  if (calls.count === 0) return NO_TIME
  throw unknownTo(order, calls.cause)
}

/**
 * Looks up a payment that an earlier visit began, and waits for it while it is under way.
 *
 * @returns `unheard` when the wallet never heard of it.
 * @throws PaymentError `payment-indeterminate` when it is still under way at the end, the wallet cannot be asked, or it has
 * no proof.
 */
export async function find(
  wallet: Payer,
  order: Order,
): Promise<{ preimage: string } | { status: 'failed' | 'unheard' }> {
  for (let pause = FIRST_PAUSE; ; pause = longer(pause)) {
    const known = await look(wallet, order)
    if (known.status === 'paid') return proofOf(known, order)
    if (known.status === 'failed' || known.status === 'unheard') return { status: known.status }
    const left = order.end - Date.now()
    if (left <= 0) throw unknownTo(order, known.status === 'lost' ? known.cause : undefined)
    await within(Math.min(pause, left), NEVER)
  }
}

/** The calls for one payment, of which one at most is listened to. */
type Calls = {
  count: number
  answer?: Promise<Known> | undefined
  /** Epoch milliseconds. */
  since?: number
  /** The wallet said that it pays: whatever it says later of never having heard of it, it is not asked again. */
  isAccepted: boolean
  /** Why the last that failed did. */
  cause?: unknown
}

/** Calls the wallet, unless it is being called. */
function renew(calls: Calls, wallet: Payer, { end, ...order }: Order): void {
  if (calls.answer || calls.isAccepted) return
  calls.since = Date.now()
  const timeoutSeconds = Math.max(1, Math.ceil((end - calls.since) / 1000))
  const paying = async (): Promise<Known> =>
    (await wallet.payInvoice({ ...order, timeoutSeconds })) ?? lose(undefined)
  calls.answer = paying().catch(lose)
  calls.count += 1
}

/** What the wallet says to a call meanwhile, if it is being called and does. */
async function hear(calls: Calls, ms: number): Promise<Known | undefined> {
  const answer = await within(ms, calls.answer ?? NEVER)
  const isHung = calls.since !== undefined && calls.since + SILENCE < Date.now()
  if (answer || isHung) calls.answer = undefined
  if (answer?.status === 'lost') calls.cause = answer.cause
  if (answer?.status === 'pending') calls.isAccepted = true
  return answer
}

async function look(wallet: Payer, { invoice, paymentHash }: Order): Promise<Known> {
  const signal = AbortSignal.timeout(LOOK)
  const looking = async (): Promise<Known> =>
    (await wallet.lookupPayment({ invoice, paymentHash, signal })) ?? { status: 'unheard' }
  return (await within(LOOK, looking().catch(lose))) ?? lose(undefined)
}

const lose = (cause: unknown): Lost => ({ status: 'lost', cause })
const NEVER = new Promise<never>(() => undefined)

/** Whether an answer says what became of the payment. */
const isKnown = (answer: Known | undefined): answer is Known =>
  answer?.status === 'paid' || answer?.status === 'failed'

const longer = (pause: number): number => Math.min(pause * 2, LONGEST_PAUSE)

/** `undefined` when the time is over first. */
async function within<value>(ms: number, promise: Promise<value>): Promise<value | undefined> {
  let stop = (): void => undefined
  const over = new Promise<undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms)
    stop = () => clearTimeout(timer)
  })
  try {
    return await Promise.race([promise, over])
  } finally {
    stop()
  }
}

async function proofOf(
  { preimage }: Extract<Payment, { status: 'paid' }>,
  { paymentHash }: Order,
): Promise<{ preimage: string }> {
  const proof = String(preimage).toLowerCase()
  if (await proves(proof, paymentHash)) return { preimage: proof }
  const detail = `The wallet says that it paid, and gives no preimage that proves it (payment hash ${paymentHash}): without one the server cannot be shown the payment. Use a wallet that reveals preimages.`
  throw new Errors.PaymentError('payment-indeterminate', { detail, paymentHash })
}

function unknownTo({ paymentHash }: Order, cause: unknown): Errors.PaymentError {
  const detail = `The wallet does not say yet what became of the payment (payment hash ${paymentHash}). It is not made again: fetch the same URL later.${quote(cause)}`
  return new Errors.PaymentError('payment-indeterminate', { detail, paymentHash }, { cause })
}

/** Our own wallets' errors hold no secret, and nothing that the service said. */
const quote = (cause: unknown): string =>
  cause instanceof Error && cause.name === 'WalletError' ? ` (${cause.message})` : ''
