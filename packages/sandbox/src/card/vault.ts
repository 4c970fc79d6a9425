/**
 * The Client Enabler: makes the payload of a credential for a challenge and a card.
 *
 * @module
 */
import type { Card } from './cards.js'
import { isOfForm } from './json.js'
import { seal, type Spoil } from './jwe.js'
import { Refusal } from './refusal.js'
import { type NetworkToken, toPlaintext } from './tokens.js'
import type { World } from './world.js'

/** The part of a challenge that a vault is sent, as the draft's appendix has it. */
export type Asked = {
  realm: string
  amount: string
  currency: string
  acceptedNetworks: readonly string[]
  billingRequired?: boolean
  encryptionJwk?: Readonly<Record<string, unknown>>
  jwksUri?: string
  kid?: string
  expires?: string
}

/** A payload, as the draft defines it. */
export type Payload = {
  encryptedPayload: string
  network: string
  panLastFour: string
  panExpirationMonth: string
  panExpirationYear: string
  billingAddress?: Card['billing']
  cardholderFullName?: string
  paymentAccountReference?: string
}

/** What a test may want otherwise. */
export type Wishes = Spoil & {
  /** Seconds since 1970: when the cryptogram ends. Default: in fifteen minutes. */
  cryptogramExpires?: number
  tokenExpirationMonth?: string
  tokenExpirationYear?: string
}

/** Answers `POST /v1/payment-tokens`. */
export async function createToken(world: World, body: unknown): Promise<Payload> {
  const { cardId, challenge } = (body ?? {}) as { cardId?: unknown; challenge?: Partial<Asked> }
  if (typeof cardId !== 'string' || !challenge) throw new Refusal(400, 'invalid_request')
  const { realm, amount, currency, acceptedNetworks } = challenge
  const isWhole =
    typeof realm === 'string' &&
    isOfForm(amount, /^[1-9]\d*$/) &&
    isOfForm(currency, /^[a-z]{3}$/) &&
    Array.isArray(acceptedNetworks)
  if (!isWhole) throw new Refusal(400, 'invalid_request')
  const asked = challenge as Asked
  return issue(world, { cardId, asked, key: await findKey(asked) })
}

/**
 * Makes a token and encrypts it.
 *
 * @throws Refusal when there is no such card, the merchant does not take it, or the key is not fit.
 */
export function issue(
  world: World,
  { cardId, asked, key }: { cardId: string; asked: Asked; key: Readonly<Record<string, unknown>> },
  wishes: Wishes = {},
): Payload {
  const card = cardOf(world, cardId)
  if (!asked.acceptedNetworks.includes(card.brand)) throw new Refusal(422, 'network_not_accepted')
  const { amount, currency } = asked
  const token = provision(world, { cardId, amount, currency }, wishes)
  return {
    encryptedPayload: encrypt(JSON.stringify(toPlaintext(token)), key, wishes),
    ...describe(card, asked),
  }
}

/** Makes a token with a cryptogram for one amount, and notes both. */
export function provision(
  world: World,
  { cardId, amount, currency }: { cardId: string; amount: string; currency: string },
  wishes: Wishes = {},
): NetworkToken {
  const { cryptogramExpires = world.now() + 900 } = wishes
  const { tokenExpirationMonth, tokenExpirationYear } = wishes
  return world.tokens.provision(cardId, cardOf(world, cardId), {
    amount,
    currency,
    cryptogramExpires,
    ...(tokenExpirationMonth && { expirationMonth: tokenExpirationMonth }),
    ...(tokenExpirationYear && { expirationYear: tokenExpirationYear }),
  })
}

function cardOf({ cards }: World, cardId: string): Card {
  const card = cards.get(cardId)
  if (!card) throw new Refusal(404, 'card_not_found')
  return card
}

function encrypt(text: string, key: Readonly<Record<string, unknown>>, spoil: Spoil): string {
  try {
    return seal(text, key, spoil)
  } catch {
    throw new Refusal(422, 'key_not_fit')
  }
}

/** What is shown of a card. Where its issuer gives them, name and account reference go along. */
function describe(card: Card, { billingRequired }: Asked): Omit<Payload, 'encryptedPayload'> {
  const { brand, pan, expirationMonth, expirationYear, holder, par, billing } = card
  return {
    network: brand,
    panLastFour: pan.slice(-4),
    panExpirationMonth: expirationMonth,
    panExpirationYear: expirationYear,
    ...(billingRequired && billing && { billingAddress: billing }),
    ...(holder !== undefined && { cardholderFullName: holder }),
    ...(par !== undefined && { paymentAccountReference: par }),
  }
}

/** In the challenge, or in a key set on the realm's own origin. */
async function findKey(asked: Asked): Promise<Readonly<Record<string, unknown>>> {
  const { encryptionJwk, jwksUri, kid, realm } = asked
  if (encryptionJwk && jwksUri === undefined && kid === undefined) return encryptionJwk
  if (encryptionJwk || jwksUri === undefined || kid === undefined)
    throw new Refusal(422, 'key_ambiguous')
  if (!isOwn(jwksUri, realm)) throw new Refusal(422, 'key_foreign')
  const [found, ...more] = (await fetchKeys(jwksUri)).filter((key) => key['kid'] === kid)
  if (!found || more.length > 0) throw new Refusal(422, 'key_unknown')
  return found
}

/** https and the realm's own origin; on this machine either scheme, and any port where the realm names none. */
function isOwn(jwksUri: string, realm: string): boolean {
  try {
    const isWhole = /^https?:\/\//i.test(realm)
    const [uri, own] = [new URL(jwksUri), new URL(isWhole ? realm : `https://${realm}`)]
    if (!/^(?:127\.0\.0\.1|localhost)$/.test(uri.hostname))
      return uri.protocol === 'https:' && uri.origin === own.origin
    return uri.hostname === own.hostname && (own.port === '' || uri.port === own.port)
  } catch {
    return false
  }
}

async function fetchKeys(url: string): Promise<readonly Record<string, unknown>[]> {
  try {
    const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(5_000) })
    const { keys } = (await answer.json()) as { keys: Record<string, unknown>[] }
    return keys.filter((key) => typeof key === 'object' && key !== null)
  } catch {
    throw new Refusal(422, 'key_unreachable')
  }
}
