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
import { scopeOf } from '../offers.js'
import { deepFreeze, pickIssued, withIssued, type Offer } from '../route.js'
import type { Inbound } from '../transport.js'
import { refuse, type Refusal } from './capture.js'

/** A credential that answers an offer of this route. */
export type Bound = {
  offer: Offer
  challenge: Challenge.Challenge
  payload: unknown
  source: string | undefined
  /** Expiry as epoch milliseconds. */
  expires: number
  /** Set when the challenge is ours but no longer good: expired, or the price has changed. */
  stale?: Refusal
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
  const candidates = offers.filter(({ method }) => method.name === wire.method && method.intent === wire.intent)
  if (candidates.length === 0) return refuse('method-unsupported')
  const offer = candidates.find((candidate) => candidate.encoded === wire.request) ?? (candidates[0] as Offer)
  const opaque = wire.opaque === undefined ? undefined : PaymentRequest.deserialize(wire.opaque)
  const mismatch = checkBinding(offer, { wire, opaque }, visit)
  return mismatch ?? readTerms(candidates, offer, { credential, opaque })
}

/** What no recorded payment can outweigh: an id that is not ours, another place, another body. */
function checkBinding(
  offer: Offer,
  { wire, opaque }: { wire: Challenge.Wire; opaque: Opaque },
  { inbound, body }: { inbound: Inbound; body: Uint8Array | undefined },
): Refusal | undefined {
  const { kernel, options } = offer
  if (wire.realm !== kernel.realm || !ChallengeId.verify(wire, kernel.keyring))
    return refuse('invalid-challenge', { detail: 'This challenge was not issued here.' })
  if (options.bind?.scope !== false && opaque?.['scope'] !== scopeOf(offer, inbound))
    return refuse('invalid-challenge', { detail: 'This challenge was issued for another route or HTTP method.' })
  if (options.bind?.body === false) return undefined
  const matches = wire.digest === undefined ? body === undefined : BodyDigest.verify(wire.digest, body ?? '')
  return matches
    ? undefined
    : refuse('invalid-challenge', { detail: 'The request body is not the one that this challenge was issued for.' })
}

function readTerms(
  candidates: readonly Offer[],
  first: Offer,
  { credential, opaque }: { credential: Credential.Credential; opaque: Opaque },
): Bound | Refusal {
  const wire = credential.challenge
  const expires = wire.expires === undefined ? undefined : Expires.parse(wire.expires)
  if (expires === undefined) return refuse('invalid-challenge', { detail: 'This challenge has no expiry.' })
  const { offer, request } = matchPrice(candidates, first, wire)
  const bound: Bound = {
    offer,
    challenge: decode(wire, request, opaque),
    payload: credential.payload,
    source: credential.source,
    expires,
  }
  if (request === undefined)
    bound.stale = refuse('invalid-challenge', { detail: 'The price of this route has changed; a fresh challenge has it.' })
  if (expires <= Date.now()) bound.stale = refuse('invalid-challenge', { detail: 'This challenge has expired.' })
  return bound
}

/** Finds the offer that asks just this; with fields issued anew, once those are put aside. */
function matchPrice(
  candidates: readonly Offer[],
  first: Offer,
  wire: Challenge.Wire,
): { offer: Offer; request: Record<string, unknown> | undefined } {
  if (first.encoded === wire.request && !first.method.issued) return { offer: first, request: first.request }
  const presented = PaymentRequest.deserialize(wire.request)
  for (const offer of candidates) {
    if (!offer.method.issued || !presented) continue
    const ours = PaymentRequest.serialize(withIssued(offer.request, pickIssued(offer.method, presented)))
    if (ours === wire.request) return { offer, request: deepFreeze(presented) }
  }
  return { offer: first, request: undefined }
}

/** Our own challenge, as it was when it was issued: its id has proved every parameter but the description. */
function decode(wire: Challenge.Wire, request: Record<string, unknown> | undefined, opaque: Opaque): Challenge.Challenge {
  const { id, realm, method, intent } = wire
  const challenge: Challenge.Challenge = {
    id,
    realm,
    method,
    intent,
    request: request ?? PaymentRequest.deserialize(wire.request) ?? {},
    wire,
  }
  if (wire.expires !== undefined) challenge.expires = wire.expires
  if (wire.digest !== undefined) challenge.digest = wire.digest
  if (wire.description !== undefined) challenge.description = wire.description
  if (opaque) challenge.opaque = opaque as Record<string, string>
  return challenge
}
