/**
 * Takes the money, once: by one idempotency key and one recorded attempt, which find out what became of it.
 *
 * @module
 */
import { Outcome, type Method } from '@polyrail/core'
import type { Asking, Granted, Network, Parameters } from '../network.js'
import { checkSettlement, toParameters, type Settlement } from './connect.js'
import type { charge as method, Payload, Request } from './method.js'
import { judgeError, judgeIntent, judgeToken, type Judged, type Order } from './outcome.js'

/** What the rail knows beside the payment. */
export type Terms = {
  network: Network
  /** Where a token goes in the call: the draft's place, or that of newer previews. */
  tokenParameter: 'shared_payment_granted_token' | 'payment_method_data'
  idempotencyKey: (payment: { challengeId: string; spt: string }) => string
  /** Connected accounts that the server may use. */
  accounts: readonly string[] | undefined
  settlement: ((payment: { request: Request; challengeId: string }) => Settlement) | undefined
}

type Presented = Pick<Method.Presented<typeof method>, 'challenge' | 'credential' | 'store'>

/** What is noted before Stripe is asked. */
type Attempt = { nonce: string; at: number }

/** Seconds for which an attempt is remembered: as long as the payment is owed. */
const REMEMBERED = 2 * 86_400
/** Milliseconds for which Stripe surely knows an idempotency key; it says 24 hours. */
const KEY_LIFE = 23 * 3_600_000

/**
 * Asks Stripe for the money.
 *
 * @throws TypeError for Connect parameters that must not be used: before anything is sent.
 */
export async function settle(terms: Terms, presented: Presented): Promise<Outcome.Outcome> {
  const attempt: Attempt = { nonce: crypto.randomUUID(), at: Date.now() }
  const call = prepare(terms, presented, attempt)
  if ('status' in call) return call
  // Noted first: whoever finds no note knows that nothing was sent.
  await presented.store.set(keyOf(presented), attempt, { ttl: REMEMBERED })
  return ask(terms, call)
}

/**
 * Finds out what became of an earlier attempt.
 *
 * @param known - What that attempt told.
 */
export async function reconcile(
  terms: Terms,
  presented: Presented,
  known: unknown,
): Promise<Outcome.Outcome> {
  const attempt = (await presented.store.get(keyOf(presented))) as Attempt | undefined
  if (!attempt) return Outcome.unsettled({ retryAfter: 1 })
  const call = prepare(terms, presented, attempt)
  if ('status' in call) return call
  const { intent } = (known ?? {}) as { intent?: unknown }
  if (typeof intent === 'string')
    return conclude(terms, call, () => terms.network.retrieve(intent, asking(call)))
  // The same key gets the recorded answer; one that Stripe has forgotten would take the money anew.
  return Date.now() - attempt.at < KEY_LIFE ? ask(terms, call) : lookAtToken(terms, call)
}

const keyOf = ({ challenge }: Presented): string => `attempt:${challenge.id}`

type Call = {
  order: Order
  payload: Payload
  parameters: Parameters
  idempotencyKey: string
  stripeAccount: string | undefined
}

function prepare(
  { tokenParameter, idempotencyKey, accounts, settlement }: Terms,
  { challenge, credential: { payload } }: Presented,
  { nonce }: Attempt,
): Call | Outcome.Unsettled {
  const { request, id } = challenge
  const { spt, externalId } = payload
  const amount = BigInt(request.amount)
  const currency = request.currency.toLowerCase()
  const connected = settlement?.({ request, challengeId: id }) ?? {}
  try {
    checkSettlement(connected, { amount, accounts })
  } catch (cause) {
    return Outcome.unsettled({ retryAfter: 60, cause })
  }
  const token =
    tokenParameter === 'payment_method_data'
      ? { payment_method_data: { shared_payment_granted_token: spt } }
      : { shared_payment_granted_token: spt }
  return {
    order: { amount, currency, attempt: nonce, externalId },
    payload,
    idempotencyKey: idempotencyKey({ challengeId: id, spt }),
    stripeAccount: connected.stripeAccount,
    parameters: {
      amount: Number(amount),
      currency,
      ...token,
      confirm: true,
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      ...toParameters(connected),
      metadata: {
        ...request.methodDetails.metadata,
        ...(request.externalId !== undefined && { mpp_external_id: request.externalId }),
        challenge_id: id,
        mpp_attempt: nonce,
      },
    },
  }
}

const asking = ({ idempotencyKey, stripeAccount }: Call, suffix?: string): Asking => ({
  idempotencyKey: suffix === undefined ? undefined : idempotencyKey + suffix,
  stripeAccount,
})

const ask = (terms: Terms, call: Call): Promise<Outcome.Outcome> =>
  conclude(terms, call, () => terms.network.create(call.parameters, asking(call, '')))

/** Judges an answer, and undoes what could be finished later without us. */
async function conclude(
  terms: Terms,
  call: Call,
  answer: () => ReturnType<Network['create']>,
): Promise<Outcome.Outcome> {
  let judged: Judged | 'invalid'
  let cause: unknown
  try {
    judged = judgeIntent(await answer(), call.order)
  } catch (thrown) {
    cause = thrown
    judged = judgeError(thrown)
  }
  if (judged === 'invalid') return lookAtToken(terms, call, cause)
  return judged.status === 'open' ? undo(terms, call, judged) : judged
}

async function undo(
  { network }: Terms,
  call: Call,
  { id, verdict }: Extract<Judged, { status: 'open' }>,
): Promise<Outcome.Outcome> {
  const attempt = { intent: id }
  try {
    const { status } = await network.cancel(id, asking(call, '_cancel'))
    return status === 'canceled' ? verdict : Outcome.indeterminate({ attempt })
  } catch (cause) {
    return Outcome.indeterminate({ attempt, cause })
  }
}

/** A token that is still good has paid nothing; one that is not says why. */
async function lookAtToken(
  { network }: Terms,
  call: Call,
  cause?: unknown,
): Promise<Outcome.Outcome> {
  let token: Granted | undefined
  try {
    token = await network.token(call.payload.spt, { stripeAccount: call.stripeAccount })
  } catch (thrown) {
    const { statusCode } = (thrown ?? {}) as { statusCode?: number }
    if (statusCode !== 404) return Outcome.indeterminate({ retryAfter: 5, cause: thrown })
  }
  if (cause === undefined && token?.deactivated_reason === 'consumed')
    return Outcome.indeterminate({ retryAfter: 3600 })
  return judgeToken(token, call.order, { now: Date.now() / 1000, cause })
}
