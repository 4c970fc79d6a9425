/**
 * A Stripe on your own machine, for tests and demos: tokens, payments, idempotency keys and failures, over HTTP.
 *
 * @module
 */
import type { Injected } from '../faults.js'
import { host, serve } from '../loopback.js'
import { liveKeyRefused } from './access.js'
import { balanceOf } from './account.js'
import {
  type BookedPayment,
  type BookedRefund,
  type BookedToken,
  bookPayment,
  bookRefund,
  bookToken,
  captured,
  refunded,
  type Totals,
} from './books.js'
import { complete, fail, lapse } from './charging.js'
import { decimalsOf } from './currencies.js'
import { type Chaos, type ChaosOptions, openStripeFaults, type StripeFault } from './faults.js'
import { answer, type Gateway, type Logged } from './gateway.js'
import { type Hold, openHolds } from './holds.js'
import { openKeys } from './idempotency.js'
import type { StripeCall } from './routes.js'
import { type DeclineCode, findTestMethod } from './test-methods.js'
import { addToken, deactivate, look } from './tokens.js'
import { type Account, addAccount, openWorld, type World } from './world.js'

export type { Injected } from '../faults.js'
export type { BookedPayment, BookedRefund, BookedToken, Total, Totals } from './books.js'
export type { Chaos, ChaosKind, ChaosOptions, StripeFailure, StripeFault } from './faults.js'
export type { Logged } from './gateway.js'
export type { Hold } from './holds.js'
export type { StripeCall } from './routes.js'
export type { DeclineCode } from './test-methods.js'
export type { Account, DeactivatedReason, PaymentStatus } from './world.js'

/** A running local Stripe. */
export interface Sandbox extends AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  url: string
  /** The secret key of the seller, `sk_test_…`. */
  secretKey: string
  /** The seller's profile, which tokens are granted to: `profile_test_…`. */
  networkId: string
  /** For `new Stripe(secretKey, options)`. */
  options: ClientOptions
  /** The seller. */
  account: Account
  /** An account that issues tokens, with a key of its own. */
  agent: Account
  /** Opens the account of another seller. */
  seller: () => Account
  /** Opens an account that is connected to the seller's, which becomes its platform. */
  connect: (options?: ConnectOptions) => Account
  /** Grants a Shared Payment Token to a seller, as the agent does. Resolves to its id, `spt_…`. */
  grant: (options: GrantOptions) => Promise<string>
  /** Takes a token back. */
  revoke: (token: string) => Promise<void>
  /** Ends what a payment waits for well: the customer has authenticated, or the bank has paid. */
  complete: (paymentIntent: string) => Promise<void>
  /** Ends it badly: the customer has not authenticated, or the bank has declined. Default: `generic_decline`. */
  fail: (paymentIntent: string, decline?: DeclineCode) => Promise<void>
  /** Stripe's time, in seconds: this machine's, plus what `advance` added. */
  now: () => number
  /** Moves Stripe's time forward: tokens expire, idempotency keys are forgotten after a day, holds end after seven. */
  advance: (seconds: number) => void
  /** Makes calls fail, come late, or lose their answer. */
  fault: (fault: StripeFault) => Injected
  /** Holds calls when they have begun and their idempotency keys are in use. Default: every call. */
  hold: (call?: StripeCall) => Hold
  /** Strikes calls at random, the same for the same seed. */
  chaos: (options: ChaosOptions) => Chaos
  /** What was captured, by currency, before refunds. */
  readonly captured: Totals
  /** What was given back, by currency. */
  readonly refunded: Totals
  /** Every PaymentIntent, the oldest first. */
  readonly paymentIntents: readonly BookedPayment[]
  /** Every refund, the oldest first. */
  readonly refunds: readonly BookedRefund[]
  /** Every Shared Payment Token, the oldest first. */
  readonly tokens: readonly BookedToken[]
  /** What an account has after fees, in minor units by currency. Default: the seller. */
  balance: (account?: Account) => Readonly<Record<string, bigint>>
  /** Every call that was let in, the oldest first. */
  readonly calls: readonly Logged[]
  /** Ends it, cutting open connections. */
  stop: () => Promise<void>
}

/** How the `stripe` package finds the local Stripe. */
export type ClientOptions = {
  host: string
  port: number
  protocol: 'http'
  /** None, so that a test sees every failure; a lost connection is tried again once all the same. */
  maxNetworkRetries: number
  telemetry: boolean
}

/** Options of {@link Sandbox.connect}. */
export type ConnectOptions = {
  /** Whether payments may be transferred to it. Default true. */
  transfers?: boolean
}

/** Options of {@link Sandbox.grant}. */
export type GrantOptions = {
  /** The most that the token can pay, in minor units. */
  amount: bigint
  /** Default `usd`. */
  currency?: string
  /** One of Stripe's payment methods for tests. Default `pm_card_visa`. */
  paymentMethod?: string
  /** The profile of the seller who may use it. Default: the sandbox's `networkId`. */
  seller?: string
  /** Seconds since 1970. Default: in an hour. */
  expiresAt?: number
  /** The API's `shared_metadata`. */
  metadata?: Record<string, string>
  /** The API's `seller_details[external_id]`. */
  externalId?: string
}

/**
 * Starts a local Stripe: an HTTP server on loopback that the `stripe` package talks to.
 *
 * Any number may run at once, each with accounts and keys of its own.
 *
 * @param options - See {@link start.Options}.
 * @returns The running Stripe.
 * @throws Error when `secretKey` is a live key, or none for tests.
 * @example
 * ```ts
 * await using local = await LocalStripe.start()
 * const stripe = new Stripe(local.secretKey, local.options)
 * const token = await local.grant({ amount: 500n })
 * ```
 */
export async function start(options: start.Options = {}): Promise<Sandbox> {
  const { quiet = false, log = console.log, latency = 0, secretKey, networkId } = options
  if (secretKey !== undefined) checkKey(secretKey)
  const begun = performance.now()
  const world = openWorld()
  const account = addAccount(world, {
    ...(secretKey === undefined ? {} : { secretKey }),
    ...(networkId === undefined ? {} : { networkId }),
  })
  const gateway: Gateway = {
    world,
    faults: openStripeFaults(),
    holds: openHolds(),
    keys: openKeys(world.now),
    latency,
    log: [],
  }
  const server = await serve((request) => answer(gateway, request))
  const sandbox = assemble(gateway, account, server)
  const elapsed = Math.round(performance.now() - begun)
  if (!quiet) log(`Stripe at ${sandbox.url}, ready in ${elapsed} ms`)
  return sandbox
}

export declare namespace start {
  type Options = {
    /** The seller's key. Default: a new one. Live keys are refused. */
    secretKey?: string
    /** The seller's profile. Default: a new one. */
    networkId?: string
    /** Milliseconds that the work of a call takes, with its idempotency key in use. Default 0. */
    latency?: number
    /** Prints nothing. Default false. */
    quiet?: boolean
    /** Where the one line about the start goes. Default `console.log`. */
    log?: (line: string) => void
  }
}

function checkKey(secretKey: string): void {
  if (/^[a-z]+_live_/.test(secretKey)) throw new Error(liveKeyRefused)
  if (!/^sk_test_\w+$/.test(secretKey))
    throw new Error('A secret key for tests begins with sk_test_.')
}

function assemble(
  { world, faults, holds, log }: Gateway,
  account: Account,
  server: { port: number; close: () => Promise<void> },
): Sandbox {
  const agent = addAccount(world)
  const { port } = server
  const stop = async () => {
    holds.clear()
    faults.clear()
    await server.close()
  }
  return {
    url: `http://${host}:${port}`,
    secretKey: account.secretKey,
    networkId: account.networkId,
    options: { host, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false },
    account,
    agent,
    seller: () => addAccount(world),
    connect: ({ transfers = true } = {}) => addAccount(world, { platform: account, transfers }),
    grant: async (options) => grant(world, agent, { seller: account.networkId, ...options }),
    revoke: async (token) =>
      deactivate(world, look(world, expect(world.tokens.get(token), token)), 'revoked'),
    complete: async (id) => complete(world, expect(world.payments.get(id), id)),
    fail: async (id, decline = 'generic_decline') =>
      fail(world, expect(world.payments.get(id), id), decline),
    now: world.now,
    advance: world.advance,
    fault: faults.inject,
    hold: holds.hold,
    chaos: faults.chaos,
    get captured() {
      return captured(world)
    },
    get refunded() {
      return refunded(world)
    },
    get paymentIntents() {
      lapse(world)
      return [...world.payments.values()].map(bookPayment)
    },
    get refunds() {
      return [...world.refunds.values()].map(bookRefund)
    },
    get tokens() {
      return [...world.tokens.values()].map((token) => bookToken(world, token))
    },
    balance: (of = account) => balanceOf(world, of),
    get calls() {
      return log.map((logged) => ({ ...logged }))
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function grant(world: World, issuer: Account, options: GrantOptions & { seller: string }): string {
  const { amount, currency = 'usd', paymentMethod = 'pm_card_visa', seller, externalId } = options
  const { expiresAt = world.now() + 3_600, metadata = {} } = options
  const method = findTestMethod(paymentMethod)
  if (method === undefined) throw new Error(`there is no test payment method ${paymentMethod}`)
  if (decimalsOf(currency) === undefined) throw new Error(`Stripe takes no ${currency}`)
  if (amount < 1n) throw new Error('a token is for one minor unit or more')
  return addToken(world, {
    issuer,
    seller,
    externalId,
    method,
    methodId: paymentMethod,
    currency,
    maxAmount: amount,
    expiresAt,
    metadata: { ...metadata },
  }).id
}

function expect<one>(found: one | undefined, id: string): one {
  if (found === undefined) throw new Error(`there is no ${id}`)
  return found
}
