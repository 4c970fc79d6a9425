/**
 * What the records of Spark say of a payment.
 *
 * @module
 */
import { hexOf } from '../codec/hex.js'
import { isProof, paid } from '../wallet/proof.js'
import type { Payment } from '../wallet.js'
import type { LightningSendRequest, PreimageRequest } from './sdk.js'

export const NAME = 'Spark'

/**
 * States in which the invoice was certainly not paid. After `TRANSFER_FAILED` and `PREIMAGE_PROVIDING_FAILED` it may have
 * been: what failed is to take the money for it.
 */
const FAILED: Readonly<Record<string, string>> = {
  USER_TRANSFER_VALIDATION_FAILED: 'the transfer to the service provider is not valid',
  LIGHTNING_PAYMENT_FAILED: 'no way through',
  USER_SWAP_RETURNED: 'no way through, and the money is back',
  USER_SWAP_RETURN_FAILED: 'no way through, and the money is not back yet',
}

const PAID: readonly string[] = [
  'LIGHTNING_PAYMENT_SUCCEEDED',
  'PREIMAGE_PROVIDED',
  'TRANSFER_COMPLETED',
]

/** Reads the service provider's record. A preimage proves a payment, whatever else it says. */
export async function fromRequest(
  request: LightningSendRequest,
  paymentHash: string,
): Promise<Payment> {
  const { status, paymentPreimage: preimage, fee } = request
  if (await isProof(preimage, paymentHash))
    return paid({ name: NAME, paymentHash, preimage, feeMsat: toMsat(fee) })
  // Paid, and the preimage is given a moment later.
  if (preimage !== undefined && PAID.includes(status))
    return paid({ name: NAME, paymentHash, preimage })
  if (Object.hasOwn(FAILED, status)) return { status: 'failed', reason: FAILED[status] }
  return { status: 'pending' }
}

/** Reads the operators' record of the money that was locked; `undefined` when it decides nothing. */
export async function fromLocked(
  locked: readonly PreimageRequest[],
  paymentHash: string,
): Promise<Payment | undefined> {
  const preimages = locked.flatMap(({ preimage }) => (preimage?.length ? [hexOf(preimage)] : []))
  for (const preimage of preimages)
    if (await isProof(preimage, paymentHash)) return paid({ name: NAME, paymentHash, preimage })
  const returned = locked.length > 0 && locked.every(({ status }) => status === 2)
  return returned ? { status: 'failed', reason: 'the money is back' } : undefined
}

/** Millisatoshis; `undefined` for another unit. */
function toMsat({ originalValue, originalUnit }: LightningSendRequest['fee']): bigint | undefined {
  const scale = { SATOSHI: 1000, MILLISATOSHI: 1 }[originalUnit]
  const amount = originalValue * (scale ?? Number.NaN)
  return Number.isSafeInteger(amount) ? BigInt(amount) : undefined
}
