/**
 * Step 2: the credential must answer a challenge of ours, for this route, this body and this price.
 *
 * @module
 */
import * as BodyDigest from '../../BodyDigest.js'
import type * as Challenge from '../../Challenge.js'
import * as ChallengeId from '../../ChallengeId.js'
import * as Credential from '../../Credential.js'
import * as Expires from '../../Expires.js'
import * as PaymentRequest from '../../PaymentRequest.js'
import { scopeOf } from '../scope.js'
import { deepFreeze, pickIssued, withIssued, type Offer } from '../route.js'
import type { Inbound } from '../transport.js'
import { isRefusal, refuse, type Refusal } from './receive.js'

/** A credential that answers an offer of this route. */
export type Bound = {
  offer: Offer
  challenge: Challenge.Challenge
  payload: unknown
  source: string | undefined
  /** Who provably pays; known once the rail has judged. */
  payer: string | undefined
  /** The route, as the challenge names it. */
  scope: string
  /** Expiry as epoch milliseconds. */
  expires: number
  /** Set when the challenge is ours but no longer good: expired, or the price has changed. */
  stale?: Refusal
  /** Set when it has expired, and nothing else. */
  isLate?: boolean
}

type Opaque = Record<string, unknown> | undefined

/**
 * Binds a credential to one of the route's offers.
 *
 * @param body - The request's body, whose digest must be the challenge's.
 * @see core draft, Challenge Binding and Request Body Digest Binding
 */
export function bind(
  offers: readonly Offer[],
  token: string,
  visit: { inbound: Inbound; body: Uint8Array | undefined },
): Bound | Refusal {
  const credential = Credential.deserialize(token)
  if (!credential) return refuse('malformed-credential')
  const wire = credential.challenge
  const candidates = offers.filter(
    ({ method }) => method.name === wire.method && method.intent === wire.intent,
  )
  if (candidates.length === 0) return refuse('method-unsupported')
  const issuers = candidates.filter(
    ({ kernel }) => kernel.realm === wire.realm && ChallengeId.verify(wire, kernel.keyring),
  )
  const bound =
    issuers.length === 0
      ? refuse('invalid-challenge', { detail: 'This challenge was not issued here.' })
      : bindTo(matchPrice(issuers, wire), credential, visit)
  return isRefusal(bound) ? { ...bound, method: (candidates[0] as Offer).method } : bound
}

/** Finds the offer that asks just this; with fields issued anew, once those are put aside. */
function matchPrice(issuers: readonly Offer[], wire: Challenge.Wire): Match {
  for (const offer of issuers)
    if (offer.encoded === wire.request && !offer.method.issued)
      return { offer, request: offer.request }
  const presented = PaymentRequest.deserialize(wire.request) ?? {}
  for (const offer of issuers) {
    if (!offer.method.issued) continue
    const ours = PaymentRequest.serialize(withIssued(offer.request, pickIssued(offer, presented)))
    if (ours === wire.request) return { offer, request: deepFreeze(presented) }
  }
  return { offer: issuers[0] as Offer, request: presented, changed: true }
}

type Match = { offer: Offer; request: Record<string, unknown>; changed?: boolean }

function bindTo(
  { offer, request, changed }: Match,
  { challenge: wire, payload, source }: Credential.Credential,
  visit: { inbound: Inbound; body: Uint8Array | undefined },
): Bound | Refusal {
  const opaque = wire.opaque === undefined ? undefined : PaymentRequest.deserialize(wire.opaque)
  const scope = scopeOf(offer, visit.inbound)
  const mismatch = checkPlace(offer.options.bind ?? {}, {
    wire,
    body: visit.body,
    matches: opaque?.['scope'] === scope,
  })
  if (mismatch) return refuse('invalid-challenge', { detail: mismatch })
  const expires = Expires.parse(wire.expires ?? '')
  if (expires === undefined)
    return refuse('invalid-challenge', { detail: 'This challenge has no expiry.' })
  const bound: Bound = {
    offer,
    challenge: decode(wire, request, opaque),
    payload,
    source,
    payer: undefined,
    scope,
    expires,
  }
  const stale = changed
    ? 'The price of this route has changed; a fresh challenge has it.'
    : expires <= Date.now() && 'This challenge has expired.'
  if (stale) {
    bound.isLate = !changed
    bound.stale = refuse('invalid-challenge', { detail: stale }, { isExpired: !changed })
  }
  return bound
}

function checkPlace(
  bind: { scope?: boolean | undefined; body?: boolean | undefined },
  { wire, body, matches }: { wire: Challenge.Wire; body: Uint8Array | undefined; matches: boolean },
): string | undefined {
  if (bind.scope !== false && !matches)
    return 'This challenge was issued for another route or HTTP method.'
  if (bind.body !== false && !hasDigest(wire.digest, body))
    return 'The request body is not the one that this challenge was issued for.'
  return undefined
}

const hasDigest = (digest: string | undefined, body: Uint8Array | undefined): boolean =>
  digest === undefined ? body === undefined : BodyDigest.verify(digest, body ?? '')

/** Our own challenge, as it was when it was issued: its id has proved every parameter but the description. */
function decode(
  wire: Challenge.Wire,
  request: Record<string, unknown>,
  opaque: Opaque,
): Challenge.Challenge {
  const { id, realm, method, intent } = wire
  const challenge: Challenge.Challenge = {
    id,
    realm,
    method,
    intent,
    request,
    wire,
  }
  if (wire.expires !== undefined) challenge.expires = wire.expires
  if (wire.digest !== undefined) challenge.digest = wire.digest
  if (wire.description !== undefined) challenge.description = wire.description
  if (opaque) challenge.opaque = opaque as Record<string, string>
  return challenge
}
