/**
 * How many challenges may wait unpaid, where making one costs the network something: who asks again gets the same, who
 * asks too much waits, who pays may go on.
 *
 * @module
 */
import * as Errors from '../Errors.js'
import { canonicalize } from '../codec/jcs.js'
import { sha256Text } from '#sha256'
import { giveBack, take } from './allowance.js'
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
  try {
    const issued = await make()
    if (place) await keep(offer, place, issued)
    return issued
  } catch (cause) {
    giveBack(offer.method, client)
    throw cause
  }
}

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
  try {
    return await kernel.client({ method, url, address, header: (name) => inbound.header(name) })
  } catch (cause) {
    // Who has no name is bounded with all the others.
    kernel.events.emit('error', () => ({ method, url, cause }))
    return undefined
  }
}

type Standing = Pick<Issued, 'id' | 'header'>

/** All that a challenge depends on, but for its nonce and its time. */
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
  return `mpp:standing:${sha256Text(parts.join('\n'))}`
}

async function recall(offer: Offer, place: string): Promise<Issued | undefined> {
  const { store } = offer.kernel
  const standing = (await store.get(place)) as Standing | undefined
  // It may have been answered under another name.
  if (!standing || (await store.get(challengeKey(standing.id)))) return undefined
  return { ...standing, offer }
}

async function keep(offer: Offer, place: string, { id, header }: Issued): Promise<void> {
  const { reuse = 0 } = offer.method.issued?.bounds ?? {}
  // Whoever is asked again has at least half of the time left to pay.
  const ttl = Math.min(reuse, Math.floor(lifeOf(offer) / 2))
  if (ttl >= 1) await offer.kernel.store.set(place, { id, header } satisfies Standing, { ttl })
}
