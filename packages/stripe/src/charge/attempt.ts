/**
 * An attempt to be paid: what is asked of Stripe, and what is noted of it before, so that the same can be asked again.
 *
 * @module
 */
import type { Method } from '@polyrail/core'
import type { Asking, Network, Parameters } from '../network.js'
import { checkSettlement, toParameters, type Settlement } from './connect.js'
import { fingerprint } from './fingerprint.js'
import type { charge as method, Request } from './method.js'
import type { Order } from './outcome.js'

/** What the rail knows beside the payment. */
export type Terms = {
  network: Network
  /** Where a token goes in the call: the draft's place, or that of newer previews. */
  tokenParameter: 'shared_payment_granted_token' | 'payment_method_data'
  idempotencyKey: (payment: { challengeId: string; spt: string }) => string
  /** Connected accounts that the server may use. */
  accounts: readonly string[] | undefined
  settlement:
    | ((payment: { request: Request; challengeId: string }) => Settlement | Promise<Settlement>)
    | undefined
}

export type Presented = Pick<
  Method.Presented<typeof method>,
  'challenge' | 'credential' | 'signal' | 'store' | 'capture'
>

/** What is noted: what another process cannot work out again, and never the token. */
export type Note = {
  /** Ours alone, in the PaymentIntent's metadata. */
  nonce: string
  /** Epoch milliseconds. */
  at: number
  /** Counts attempts, each under a key of its own. */
  round: number
  /** Fingerprint of the key of the first round: under another, Stripe would take the money again. */
  key: string
  tokenParameter: Terms['tokenParameter']
  /** `'after'`: the money is authorized and captured later. */
  capture: Presented['capture']
  /** Connect's parameters as Stripe calls them: a policy may decide otherwise the next time. */
  connect: object
  stripeAccount: string | undefined
  /** True once it is known that nothing was taken, and nothing will be. */
  isVoid?: boolean
}

/** An attempt, ready to be made. */
export type Call = {
  note: Note
  order: Order
  spt: string
  parameters: Parameters
  asking: Asking
}

/** Seconds for which an attempt is remembered beyond its challenge: longer than the payment is owed. */
const REMEMBERED = 2 * 86_400
/** What a header carries; Stripe takes 255, and the round wants its part. */
const KEY = /^[\x20-\x7e]{1,251}$/

/**
 * Plans an attempt.
 *
 * @throws TypeError for Connect parameters or a key that must not be used, and whatever the server's policy throws.
 */
export async function plan(terms: Terms, presented: Presented): Promise<Note> {
  const { tokenParameter, accounts, settlement } = terms
  const { challenge, capture } = presented
  const { request, id } = challenge
  const connected = settlement ? await settlement({ request, challengeId: id }) : {}
  checkSettlement(connected, { amount: BigInt(request.amount), accounts })
  return {
    nonce: crypto.randomUUID(),
    at: Date.now(),
    round: 1,
    key: await fingerprint(nameKey(terms, presented)),
    tokenParameter,
    capture,
    connect: toParameters(connected),
    stripeAccount: connected.stripeAccount,
  }
}

/**
 * Notes an attempt, unless one stands there that may have taken the money.
 *
 * @returns The attempt, in the round that it is in.
 */
export async function begin(
  { challenge, store }: Presented,
  planned: Note,
): Promise<Note | undefined> {
  const standing = await store.update(
    keyOf(challenge),
    (current) => {
      const before = current as Note | undefined
      if (!before) return planned
      return before.isVoid ? { ...planned, round: before.round + 1 } : undefined
    },
    { ttl: lifeOf(challenge) },
  )
  const note = standing as Note
  return note.nonce === planned.nonce ? note : undefined
}

/** The attempt that was noted, if any was begun. */
export const recall = async ({
  challenge,
  store,
}: {
  challenge: { id: string }
  store: Presented['store']
}): Promise<Note | undefined> => (await store.get(keyOf(challenge))) as Note | undefined

/** Notes that an attempt came to nothing, so that another may follow. */
export async function end({ challenge, store }: Presented, { nonce }: Note): Promise<void> {
  await store.update(
    keyOf(challenge),
    (current) => {
      const note = current as Note | undefined
      return note?.nonce === nonce ? { ...note, isVoid: true } : undefined
    },
    { ttl: lifeOf(challenge) },
  )
}

const keyOf = ({ id }: { id: string }): string => `attempt:${id}`

const lifeOf = ({ expires }: Presented['challenge']): number =>
  REMEMBERED + Math.max(0, Math.ceil((Date.parse(expires ?? '') - Date.now()) / 1000) || 0)

/**
 * Puts a noted attempt into Stripe's words: the same each time.
 *
 * @throws TypeError for an idempotency key that Stripe does not take.
 */
export function toCall(terms: Terms, presented: Presented, note: Note): Call {
  const { challenge, credential } = presented
  const { request, id } = challenge
  const { spt, externalId } = credential.payload
  const { nonce, round, tokenParameter, capture, connect, stripeAccount } = note
  const currency = request.currency.toLowerCase()
  const key = nameKey(terms, presented)
  const token = { shared_payment_granted_token: spt }
  return {
    note,
    order: { amount: BigInt(request.amount), currency, attempt: nonce, capture, externalId },
    spt,
    // Stripe repeats its answer to a key, also to an attempt that its operator has mended since.
    asking: { idempotencyKey: round === 1 ? key : `${key}_${round}`, stripeAccount },
    parameters: {
      amount: Number(request.amount),
      currency,
      ...(tokenParameter === 'payment_method_data' ? { payment_method_data: token } : token),
      confirm: true,
      ...(capture === 'after' && { capture_method: 'manual' }),
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      ...connect,
      metadata: {
        ...request.methodDetails.metadata,
        ...(request.externalId !== undefined && { mpp_external_id: request.externalId }),
        challenge_id: id,
        mpp_attempt: nonce,
      },
    },
  }
}

/** Whether Stripe would be asked under the key of an attempt that was noted. */
export const isSameKey = async (terms: Terms, presented: Presented, note: Note): Promise<boolean> =>
  note.key === (await fingerprint(nameKey(terms, presented)))

function nameKey({ idempotencyKey }: Terms, { challenge, credential }: Presented): string {
  const key = idempotencyKey({ challengeId: challenge.id, spt: credential.payload.spt })
  if (typeof key !== 'string' || !KEY.test(key))
    throw new TypeError('stripe/charge: idempotencyKey must return 1 to 251 characters of ASCII.')
  return key
}
