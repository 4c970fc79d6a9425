/**
 * Takes the money, once: by the challenge’s id as idempotency key, which also finds out what became of it.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { charge as method } from './method.js'
import { judgeError, judgeResult, type Expected } from './outcome.js'
import type { Order, Result, ServerEnabler } from './server-enabler.js'

type Presented = Method.Presented<typeof method>

/** What is noted before the enabler is asked. */
type Note = {
  /** A payment begun at one PSP must not be looked for, and made again, at another. */
  enabler: string
  /** Ours alone: an approval of the same challenge for another server is none for us. */
  attempt: string
}

/** Seconds for which a note outlives its challenge: longer than the payment is owed. */
const REMEMBERED = 2 * 86_400

/**
 * Asks the enabler for the money.
 *
 * @see Card charge draft, Idempotency and Replay Protection, and Settlement Procedure
 */
export async function settle(
  enabler: ServerEnabler,
  presented: Presented,
): Promise<Outcome.Outcome> {
  let note: Note
  try {
    note = await begin(presented, enabler.name)
  } catch (cause) {
    // Nobody is asked for what could not be found again.
    return Outcome.unsettled({ retryAfter: 5, cause })
  }
  return take(enabler, presented, { note, isFirst: true })
}

async function begin({ challenge, store }: Presented, enabler: string): Promise<Note> {
  const left = Math.ceil((Date.parse(challenge.expires ?? '') - Date.now()) / 1000)
  const attempt = crypto.randomUUID()
  const noted = await store.update(
    keyOf(challenge.id),
    (current) => ({ attempt, ...(current as Note | undefined), enabler }),
    { ttl: REMEMBERED + Math.max(0, left || 0) },
  )
  return noted as Note
}

/** Finds out what became of an earlier attempt; one that never arrived is made now, under the same key. */
export async function reconcile(
  enabler: ServerEnabler,
  presented: Presented,
): Promise<Outcome.Outcome> {
  const { challenge, store, signal } = presented
  const note = (await store.get(keyOf(challenge.id))) as Note | undefined
  // Whoever finds no note knows that nobody was asked.
  if (!note) return Outcome.unsettled({ retryAfter: 1 })
  if (note.enabler !== enabler.name)
    return Outcome.indeterminate({
      retryAfter: 60,
      cause: new Error(
        `This payment was begun at ${note.enabler}, which is not this server’s enabler now.`,
      ),
    })
  let found: Result | undefined
  try {
    found = await enabler.lookup(challenge.id, { signal })
  } catch (cause) {
    return judgeError(cause, { isFirst: false })
  }
  return found
    ? judgeResult(found, toExpected(challenge, note))
    : take(enabler, presented, { note, isFirst: false })
}

async function take(
  enabler: ServerEnabler,
  presented: Presented,
  { note, isFirst }: { note: Note; isFirst: boolean },
): Promise<Outcome.Outcome> {
  const { challenge, credential, signal } = presented
  try {
    const options = { idempotencyKey: challenge.id, signal }
    const order = { ...toOrder(challenge, credential.payload), attempt: note.attempt }
    return judgeResult(await enabler.charge(order, options), toExpected(challenge, note))
  } catch (cause) {
    return judgeError(cause, { isFirst })
  }
}

const keyOf = (id: string): string => `attempt:${id}`

const toExpected = ({ id, request }: Presented['challenge'], { attempt }: Note): Expected => ({
  challengeId: id,
  attempt,
  amount: request.amount,
  currency: request.currency,
  externalId: request.externalId,
})

/** Made of challenge and credential alone, so that it is the same each time. An address that nobody asked for goes no further. */
function toOrder(
  { request }: Presented['challenge'],
  payload: Presented['credential']['payload'],
): Omit<Order, 'attempt'> {
  const { amount, currency, recipient, externalId, methodDetails } = request
  const { acceptedNetworks, merchantName, encryptionJwk, kid, billingRequired } = methodDetails
  const { billingAddress, ...rest } = payload
  return {
    amount,
    currency,
    ...(recipient !== undefined && { recipient }),
    ...(externalId !== undefined && { externalId }),
    merchantName,
    acceptedNetworks,
    kid: String(encryptionJwk?.['kid'] ?? kid),
    payload: { ...rest, ...(billingRequired && billingAddress && { billingAddress }) },
  }
}
