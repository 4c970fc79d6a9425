/**
 * How many challenges may wait unpaid, where making one costs the network something: who asks again gets the same, who
 * asks too much waits, who pays may go on.
 *
 * @module
 */
import * as Errors from '../Errors.js'
import { canonicalize } from '../codec/jcs.js'
import { hmac } from '#sha256'
import { giveBack, take } from './allowance.js'
import { race } from './deadline.js'
import type { Issued, Visit } from './offers.js'
import { lifeOf, type Offer } from './route.js'
import { scopeOf } from './scope.js'
import type { Bound } from './steps/bind.js'
import { challengeKey } from './steps/record.js'
import type { Inbound } from './transport.js'

/**
 * Gives a named client the challenge that it has not answered yet; else makes one, if that is within bounds.
 *
 * @throws PaymentError `rate-limited`, with the seconds until another can be made.
 */
export async function issueBounded(
  offer: Offer,
  { inbound, digest }: Visit,
  make: () => Promise<Issued>,
): Promise<Issued> {
  const client = await nameOf(offer, inbound)
  const place = client === undefined ? undefined : placeOf(offer, { client, inbound, digest })
  const standing = place && (await recall(offer, place))
  if (standing) return standing
  const wait = take(offer.method, client)
  if (wait > 0)
    throw new Errors.PaymentError('rate-limited', { detail: TOO_MANY }, { retryAfter: wait })
  const issued = await make().catch((cause: unknown) => {
    // What is late may be made all the same: a slow network would be asked without bound.
    if (!isLate(cause)) giveBack(offer.method, client)
    throw cause
  })
  if (place) await keep(offer, place, issued)
  return issued
}

const isLate = (cause: unknown): boolean =>
  cause instanceof Error && /^(?:Deadline|Timeout|Abort)Error$/.test(cause.name)

const TOO_MANY = 'Too many challenges wait for their payment. Pay one of them, or ask later.'

/**
 * Takes note that a challenge is answered, whatever comes of it: nobody is asked the same again.
 *
 * @returns The client's name, if it has one.
 */
export async function noteAnswer(
  { offer, challenge }: Bound,
  inbound: Inbound,
): Promise<string | undefined> {
  if (!offer.method.issued?.bounds) return undefined
  const client = await nameOf(offer, inbound)
  if (client !== undefined)
    await offer.kernel.store.delete(placeOf(offer, { client, inbound, digest: challenge.digest }))
  return client
}

async function nameOf(
  { kernel, method: { issued } }: Offer,
  inbound: Inbound,
): Promise<string | undefined> {
  if (!issued?.bounds || !kernel.client) return undefined
  const { method, url, address } = inbound
  const visit = { method, url, address, header: (name: string) => inbound.header(name) }
  try {
    const name: unknown = await race(kernel.deadlines.offer, () => kernel.client?.(visit))
    // A header that is missing is `null`, or empty: not one client, but many.
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch (cause) {
    // Who has no name is bounded with all the others.
    kernel.events.emit('error', () => ({ method, url, cause }))
    return undefined
  }
}

type Standing = Pick<Issued, 'id' | 'header'>

/** All that a challenge depends on, the secret included, but for its nonce and its time. */
function placeOf(
  offer: Offer,
  { client, inbound, digest }: { client: string; inbound: Inbound; digest: string | undefined },
): string {
  const { kernel, method, encoded, options } = offer
  const parts = [
    kernel.realm,
    `${method.name}/${method.intent}`,
    scopeOf(offer, inbound),
    digest ?? '',
    encoded,
    canonicalize(options.meta ?? {}),
    // Two purchases, although of the same.
    inbound.header('idempotency-key') ?? '',
    client,
  ]
  return `mpp:standing:${hmac(kernel.keyring[0], parts.join('\n'))}`
}

async function recall(offer: Offer, place: string): Promise<Issued | undefined> {
  const { store } = offer.kernel
  const standing = (await store.get(place)) as Standing | undefined
  // It may have been answered under another name.
  if (!standing || (await store.get(challengeKey(standing.id)))) return undefined
  return { ...standing, offer }
}

/** It is made, whether or not it can be kept. */
async function keep(offer: Offer, place: string, { id, header }: Issued): Promise<void> {
  const { reuse = 0 } = offer.method.issued?.bounds ?? {}
  // Whoever is asked again has at least half of the time left to pay.
  const ttl = Math.min(reuse, Math.floor(lifeOf(offer) / 2))
  const { store, events } = offer.kernel
  try {
    if (ttl >= 1) await store.set(place, { id, header } satisfies Standing, { ttl })
  } catch (cause) {
    events.emit('error', () => ({ cause }))
  }
}
