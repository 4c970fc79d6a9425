/**
 * What the card network knows: its keys, cards, tokens and charges, and the time.
 *
 * @module
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { RefundTold } from './acquirer.js'
import type { Brand, Card, DeclineReason } from './cards.js'
import { testCards } from './cards.js'
import type { PublicJwk } from './jwe.js'
import { openTokens, type Tokens } from './tokens.js'

/** How far a charge has come. */
export type ChargeStatus = 'approved' | 'authorized' | 'declined' | 'pending' | 'canceled'

/** A charge in the acquirer's books. */
export type Charge = {
  /** The idempotency key that it was asked with. */
  key: string
  reference: string
  status: ChargeStatus
  /** Minor units, like all amounts. */
  amount: bigint
  currency: string
  network: Brand
  captured: bigint
  refunded: bigint
  reason: DeclineReason | undefined
  externalId: string | undefined
  /** The merchant's own name of the attempt. */
  attempt: string | undefined
  /** RFC 3339. */
  timestamp: string
  /** Whether the money is taken as soon as the issuer agrees. */
  isSale: boolean
  /** Refunds by their idempotency keys. */
  refunds: Map<string, { asked: bigint | undefined; told: RefundTold }>
}

/** All that one card network knows. */
export type World = {
  cards: Map<string, Card>
  tokens: Tokens
  charges: Map<string, Charge>
  /** Private keys of the acquirer in PEM, by kid. */
  keys: Map<string, string>
  /** The same for the public, the present one last. */
  publicKeys: PublicJwk[]
  /** Seconds since 1970. */
  now: () => number
  advance: (seconds: number) => void
  merchantKey: string
  agentKey: string
  recipient: string
}

export function openWorld(): World {
  let ahead = 0
  const world: World = {
    cards: new Map(Object.entries(testCards)),
    tokens: openTokens(),
    charges: new Map(),
    keys: new Map(),
    publicKeys: [],
    now: () => Math.floor(Date.now() / 1000) + ahead,
    advance: (seconds) => void (ahead += seconds),
    merchantKey: `merchant_test_${randomBytes(12).toString('hex')}`,
    agentKey: `agent_test_${randomBytes(12).toString('hex')}`,
    recipient: `merch_test_${randomBytes(6).toString('hex')}`,
  }
  addKey(world)
  return world
}

/** Makes another key of the acquirer; the earlier ones still open what was encrypted for them. */
export function addKey({ keys, publicKeys }: World): PublicJwk {
  const kid = `enc-test-${randomBytes(4).toString('hex')}`
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  const key: PublicJwk = { kty: 'RSA', kid, use: 'enc', alg: 'RSA-OAEP-256', n, e }
  keys.set(kid, String(privateKey.export({ format: 'pem', type: 'pkcs8' })))
  publicKeys.push(key)
  return key
}

/** Adds up charges, by currency. */
export function totals(
  { charges }: World,
  part: (charge: Charge) => bigint,
): Readonly<Record<string, { sum: bigint; count: number }>> {
  const all: Record<string, { sum: bigint; count: number }> = {}
  for (const charge of charges.values()) {
    const amount = part(charge)
    if (amount === 0n) continue
    const total = (all[charge.currency] ??= { sum: 0n, count: 0 })
    total.sum += amount
    total.count++
  }
  return all
}
