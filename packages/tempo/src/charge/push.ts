/**
 * Broadcasts a payment in the client's own hands, and finds out what became of it when nobody answers.
 *
 * @module
 */
import { Errors } from '@polyrail/core'
import { FINALITY_MARGIN, type Hex } from '../constants.js'
import type { Network, Receipt } from '../network.js'

/** Milliseconds for which an unreachable chain is asked on, past the time when the transaction is void. */
const GRACE = 10_000
/** Milliseconds between looks. */
const PAUSE = 500

/** A signed transaction with an expiring nonce: the same bytes can be in one block only. */
export type Payment = {
  raw: Hex
  hash: Hex
  /** Epoch seconds. */
  validBefore: number
}

/**
 * Broadcasts a transaction and waits for its block. A lost answer is looked up by the hash, until the transaction is in
 * a block or can never be.
 *
 * There is no way to call it off: once it is sent, whoever waits for it had better know.
 *
 * @returns Its hash, when it is in a block and was not reverted.
 * @throws PaymentError `payment-indeterminate` when nobody can tell; with any other error nothing was paid.
 * @see Tempo charge draft, Hash Settlement
 */
export async function push(network: Network, payment: Payment): Promise<Hex> {
  const sent = await network.broadcast(payment)
  switch (sent.status) {
    case 'included':
      return conclude(sent.receipt)
    case 'unreached':
      throw unavailable(sent.cause)
    case 'refused':
      // This very transaction may be what stands in its way.
      return network.readReceipt(payment.hash).then(
        (receipt) => (receipt ? conclude(receipt) : Promise.reject(refused(sent.cause))),
        () => trace(network, payment),
      )
    default:
      return trace(network, payment)
  }
}

async function trace(network: Network, payment: Payment): Promise<Hex> {
  const end = deathOf(payment) * 1000 + GRACE
  for (let failure: unknown; ;) {
    const found = await look(network, payment).catch((cause: unknown) => void (failure = cause))
    if (found === 'never') throw refused()
    if (found) return conclude(found)
    if (Date.now() > end)
      throw lost(`Nobody can tell whether this payment is in a block: ${payment.hash}.`, failure)
    await pause()
  }
}

/** Epoch seconds from which a transaction that no block has will never be in one. */
const deathOf = ({ validBefore }: Payment): number => validBefore + FINALITY_MARGIN

/** The time is asked first and the receipt second: a node that has no receipt by then will never have one. */
async function look(network: Network, payment: Payment): Promise<Receipt | 'never' | undefined> {
  const time = await network.readTime()
  const receipt = await network.readReceipt(payment.hash)
  if (receipt) return receipt
  if (time >= deathOf(payment)) return 'never'
  if (time >= payment.validBefore) return undefined
  const sent = await network.broadcast(payment)
  if (sent.status === 'included') return sent.receipt
  // A chain without new blocks has no later time to show; its node knows the time all the same.
  const isExpired = sent.status === 'refused' && sent.reason === 'expired'
  return isExpired && Date.now() / 1000 >= deathOf(payment) ? 'never' : undefined
}

/** Lets some time pass until the next look. */
export const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE))

/**
 * Reads a receipt as the end of a payment.
 *
 * @returns The transaction's hash.
 * @throws PaymentError when it was reverted.
 */
export function conclude({ hash, success }: Receipt): Hex {
  if (success) return hash
  throw new Errors.PaymentError('verification-failed', {
    detail: `The transaction ${hash} was reverted; only its fee was paid. The recipient may not be able to receive this currency.`,
  })
}

/** Makes the error for a payment of which nobody knows. */
export const lost = (detail: string, cause?: unknown): Errors.PaymentError =>
  new Errors.PaymentError('payment-indeterminate', { detail }, { cause })

const unavailable = (cause: unknown) =>
  new Errors.PaymentError(
    'settlement-unavailable',
    { detail: 'The Tempo node cannot be reached; nothing was paid.' },
    { cause },
  )

const refused = (cause?: unknown) =>
  new Errors.PaymentError(
    'verification-failed',
    { detail: 'The transaction is in no block and never will be; nothing was paid.' },
    { cause },
  )
