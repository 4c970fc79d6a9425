/**
 * A card network on your own machine, for tests and demos: a vault that makes tokens, an acquirer that takes them, and failures.
 *
 * @module
 */
import type { Injected } from '../faults.js'
import { host, serve } from '../loopback.js'
import { conclude } from './acquirer.js'
import type { DeclineReason } from './cards.js'
import { type CardFault, type Chaos, type ChaosOptions, openCardFaults } from './faults.js'
import { answer, type Gateway, type Logged } from './gateway.js'
import type { PublicJwk } from './jwe.js'
import { type Plaintext, toPlaintext } from './tokens.js'
import { type Asked, issue, type Payload, provision, type Wishes } from './vault.js'
import { addKey, type Charge, openWorld, totals, type World } from './world.js'

export type { Injected } from '../faults.js'
export type { Billing, Brand, DeclineReason, DynamicDataType } from './cards.js'
export type { CardCall, CardFailure, CardFault, Chaos, ChaosKind, ChaosOptions } from './faults.js'
export type { Logged } from './gateway.js'
export type { PublicJwk, Spoil } from './jwe.js'
export type { Plaintext } from './tokens.js'
export type { Asked, Payload, Wishes } from './vault.js'
export type { Charge, ChargeStatus } from './world.js'

/** Where a service is, and who may ask it. */
export type Access = { url: string; apiKey: string }

/** A running card network. */
export interface Sandbox extends AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  url: string
  /** The Client Enabler: `POST <url>/payment-tokens`. */
  vault: Access
  /** The Server Enabler: `POST <url>/charges`, `GET <url>/charges/<key>`, and what follows a charge. */
  acquirer: Access
  /** The merchant's id at the acquirer. */
  recipient: string
  /** The acquirer's present public key. */
  readonly key: PublicJwk
  /** All that it can still open, the oldest first. */
  readonly keys: readonly PublicJwk[]
  /** Makes another key the present one. */
  rotate: () => PublicJwk
  /** Forgets a key: what was encrypted for it is lost. */
  forget: (kid: string) => void
  /** Makes a payload as the vault does, or not quite. */
  issue: (options: IssueOptions) => Payload
  /** Makes a network token and its cryptogram in the clear, for a vault of your own. */
  provision: (options: ProvisionOptions) => Plaintext
  /** Ends what an issuer has not decided yet. Default: approved. */
  complete: (key: string, verdict?: 'approve' | DeclineReason) => void
  /** The network's time, in seconds: this machine's, plus what `advance` added. */
  now: () => number
  /** Moves the network's time forward: tokens and cryptograms expire. */
  advance: (seconds: number) => void
  /** Makes calls fail, come late, come twice, or lose their answer. */
  fault: (fault: CardFault) => Injected
  /** Strikes calls at random, the same for the same seed. */
  chaos: (options: ChaosOptions) => Chaos
  /** What was captured, by currency, before refunds. */
  readonly captured: Totals
  /** What was given back, by currency. */
  readonly refunded: Totals
  /** Every charge, the oldest first. */
  readonly charges: readonly Charge[]
  /** Every call that was let in, the oldest first. */
  readonly calls: readonly Logged[]
  /** Ends it, cutting open connections. */
  stop: () => Promise<void>
}

/** Sums in minor units. */
export type Totals = Readonly<Record<string, { sum: bigint; count: number }>>

/** Options of {@link Sandbox.provision}. */
export type ProvisionOptions = {
  /** Default `card_visa`. */
  cardId?: string
  /** Minor units. */
  amount: string
  /** Default `usd`. */
  currency?: string
}

/** Options of {@link Sandbox.issue}. */
export type IssueOptions = Wishes & {
  /** Default `card_visa`. */
  cardId?: string
  /** Minor units. */
  amount: string
  /** Default `usd`. */
  currency?: string
  acceptedNetworks?: readonly string[]
  billingRequired?: boolean
  /** Default: the acquirer's present key. */
  key?: Readonly<Record<string, unknown>>
}

/**
 * Starts a card network: an HTTP server on loopback with a vault and an acquirer.
 *
 * Any number may run at once, each with keys, tokens and books of its own.
 *
 * @param options - See {@link start.Options}.
 * @returns The running network.
 * @example
 * ```ts
 * await using local = await LocalCards.start()
 * const key = local.key
 * ```
 */
export async function start({ quiet = false, latency = 0 }: start.Options = {}): Promise<Sandbox> {
  const begun = performance.now()
  const world = openWorld()
  const gateway: Gateway = { world, faults: openCardFaults(), latency, log: [], keys: new Map() }
  const server = await serve((request) => answer(gateway, request))
  const sandbox = assemble(gateway, server)
  const took = Math.round(performance.now() - begun)
  if (!quiet) console.log(`Card network at ${sandbox.url}, ready in ${took} ms`)
  return sandbox
}

export declare namespace start {
  type Options = {
    /** Prints nothing. Default false. */
    quiet?: boolean
    /** Milliseconds that a charge takes. Default 0. */
    latency?: number
  }
}

function assemble(
  { world, faults, log }: Gateway,
  server: { port: number; close: () => Promise<void> },
): Sandbox {
  const url = `http://${host}:${server.port}`
  const stop = async () => {
    faults.clear()
    await server.close()
  }
  return {
    url,
    vault: { url: `${url}/v1`, apiKey: world.agentKey },
    acquirer: { url: `${url}/v1`, apiKey: world.merchantKey },
    recipient: world.recipient,
    get key() {
      return keyOf(world)
    },
    get keys() {
      return [...world.publicKeys]
    },
    rotate: () => addKey(world),
    forget: (kid) => void world.keys.delete(kid),
    issue: (options) => make(world, options),
    provision: ({ cardId = 'card_visa', amount, currency = 'usd' }) =>
      toPlaintext(provision(world, { cardId, amount, currency })),
    complete: (key, verdict = 'approve') => conclude(chargeOf(world, key), verdict),
    now: world.now,
    advance: world.advance,
    fault: faults.inject,
    chaos: faults.chaos,
    get captured() {
      return totals(world, ({ captured }) => captured)
    },
    get refunded() {
      return totals(world, ({ refunded }) => refunded)
    },
    get charges() {
      return [...world.charges.values()].map((charge) => ({ ...charge }))
    },
    get calls() {
      return log.map((logged) => ({ ...logged }))
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function make(world: World, options: IssueOptions): Payload {
  const { cardId = 'card_visa', amount, currency = 'usd', key = keyOf(world), ...rest } = options
  const { acceptedNetworks = ['visa', 'mastercard', 'amex', 'discover'], billingRequired } = rest
  const asked: Asked = {
    realm: '127.0.0.1',
    amount,
    currency,
    acceptedNetworks,
    ...(billingRequired && { billingRequired }),
  }
  return issue(world, { cardId, asked, key }, rest)
}

function keyOf({ publicKeys }: World): PublicJwk {
  const key = publicKeys.at(-1)
  if (!key) throw new Error('there is no key')
  return key
}

function chargeOf({ charges }: World, key: string): Charge {
  const charge = charges.get(key)
  if (!charge) throw new Error(`there is no charge of ${key}`)
  return charge
}
