/**
 * The proof that an invoice was paid: a preimage that hashes to its payment hash.
 *
 * @module
 */
import { proves } from '../preimage.js'
import type { Payment } from '../wallet.js'
import { WalletError } from './error.js'

/** What a service says of a payment that went through. */
type Claim = {
  /** The service, as its users call it. */
  name: string
  paymentHash: string
  preimage: unknown
  feeMsat?: bigint | undefined
}

/**
 * Takes a service's word for a payment, if it can prove it.
 *
 * @throws WalletError `unreadable` when the preimage is missing or belongs to another payment.
 */
export async function paid({ name, paymentHash, preimage, feeMsat }: Claim): Promise<Payment> {
  if (typeof preimage !== 'string' || !(await isProof(preimage, paymentHash)))
    throw new WalletError(
      'unreadable',
      `${name} says that the invoice is paid, without a preimage that proves it.`,
    )
  return { status: 'paid', preimage: preimage.toLowerCase(), feeMsat }
}

/** Whether a value is the preimage of a payment hash. */
export const isProof = async (preimage: unknown, paymentHash: string): Promise<boolean> =>
  typeof preimage === 'string' && proves(preimage.toLowerCase(), paymentHash.toLowerCase())
