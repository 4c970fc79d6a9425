/**
 * An attempt to be paid: what is asked of the enabler, and what is noted of it before, so that the same can be asked again.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { charge as method } from './method.js'
import type { Expected } from './outcome.js'
import type { Order, ServerEnabler } from './server-enabler.js'

export type Presented = Method.Presented<typeof method>

/** What is noted before the enabler is asked. */
export type Note = {
  /** A payment begun at one PSP must not be looked for, and made again, at another. */
  enabler: string
  /** Ours alone: an approval of the same challenge for another server is none for us. */
  attempt: string
  /** `'after'`: only authorised, to be captured later. */
  capture: Presented['capture']
}

/** Seconds for which a note outlives its challenge: longer than the payment is owed. */
const REMEMBERED = 2 * 86_400

/** Notes an attempt; what was noted before stays as it was. */
export async function begin(
  { challenge, store, capture }: Presented,
  enabler: string,
): Promise<Note> {
  const left = Math.ceil((Date.parse(challenge.expires ?? '') - Date.now()) / 1000)
  const attempt = crypto.randomUUID()
  const noted = await store.update(
    keyOf(challenge.id),
    (current) => ({ attempt, capture, ...(current as Note | undefined), enabler }),
    { ttl: REMEMBERED + Math.max(0, left || 0) },
  )
  return noted as Note
}

/** The attempt that was noted for a challenge, if any was begun and it is not too long ago. */
export const recall = async (id: string, store: Presented['store']): Promise<Note | undefined> =>
  (await store.get(keyOf(id))) as Note | undefined

const keyOf = (id: string): string => `attempt:${id}`

/** What is said of a payment that was begun at another enabler than this server’s. */
export function judgeEnabler(
  { enabler: begun }: Note,
  { name }: ServerEnabler,
): Outcome.Indeterminate | undefined {
  if (begun === name) return undefined
  const cause = new Error(
    `This payment was begun at ${begun}, which is not this server’s enabler now.`,
  )
  return Outcome.indeterminate({ retryAfter: 60, cause })
}

export const toExpected = (
  { id, request: { amount, currency, externalId } }: Presented['challenge'],
  note: Note,
): Expected => ({ challengeId: id, note, amount, currency, externalId })

/** Made of challenge, credential and note alone, so that it is the same each time. An address that nobody asked for goes no further. */
export function toOrder({ challenge, credential }: Presented, { attempt, capture }: Note): Order {
  const { amount, currency, recipient, externalId, methodDetails } = challenge.request
  const { acceptedNetworks, merchantName, encryptionJwk, kid, billingRequired } = methodDetails
  const { billingAddress, ...rest } = credential.payload
  return {
    amount,
    currency,
    ...(recipient !== undefined && { recipient }),
    ...(externalId !== undefined && { externalId }),
    merchantName,
    acceptedNetworks,
    kid: String(encryptionJwk?.['kid'] ?? kid),
    payload: { ...rest, ...(billingRequired && billingAddress && { billingAddress }) },
    attempt,
    ...(capture === 'after' && { capture: false }),
  }
}
