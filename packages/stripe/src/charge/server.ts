/**
 * Is paid by Stripe charges: creates a PaymentIntent with the payer's token, once.
 *
 * @module
 */
import { Method } from '@polyrail/core'
import { connect, type Location } from '../network.js'
import type { Settlement } from './connect.js'
import { fingerprint } from './fingerprint.js'
import { charge as method, type Request } from './method.js'
import { createRequest, readCurrency, type Route as RouteTerms } from './price.js'
import { cancel, capture } from './authorization.js'
import { refund } from './refund.js'
import { reconcile, settle, type Terms } from './settlement.js'

/**
 * Takes Stripe charges.
 *
 * @param options.client - `new Stripe(secretKey)`, or the secret key.
 * @param options.networkId - Your profile on Stripe, to which payers grant their tokens.
 * @throws TypeError for options that cannot work.
 * @example
 * const methods = [stripe.charge({ client: new Stripe(key), networkId: 'profile_…' })]
 * const mpp = Mpp.create({ methods, realm, secretKey })
 * const pay = mpp.charge({ amount: '0.50' })
 * @see Stripe charge draft, Verification Procedure and Settlement Procedure
 */
export function charge(options: charge.Options): charge.Rail {
  const { networkId, paymentMethodTypes = ['card', 'link'], currency = 'usd' } = options
  if (typeof networkId !== 'string' || networkId === '')
    throw new TypeError(
      'stripe/charge: networkId is your Business Network Profile on Stripe, profile_…: payers grant their tokens to it.',
    )
  if (!Array.isArray(paymentMethodTypes) || paymentMethodTypes.length === 0)
    throw new TypeError('stripe/charge: paymentMethodTypes must name one at least, such as card.')
  readCurrency(currency)
  const terms = createTerms(options)
  return Method.toServer(method, {
    defaults: { capture: options.capture },

    request: (route: charge.Route) =>
      createRequest(route, { networkId, paymentMethodTypes, currency }),

    replayKey: ({ credential }) => fingerprint(credential.payload.spt),

    settle: (presented) => settle(terms, presented),

    reconcile: (presented) => reconcile(terms, presented, presented.attempt),

    capture: (presented) => capture(terms, presented),

    cancel: (presented) => cancel(terms, presented),

    refund: (asked) => refund(terms, asked),
  })
}

function createTerms({
  connect: connected,
  tokenParameter = 'shared_payment_granted_token',
  idempotencyKey = ({ challengeId, spt }) => `${challengeId}_${spt}`,
  ...location
}: charge.Options): Terms {
  checkKeys(idempotencyKey)
  if (!TOKEN_PARAMETERS.has(tokenParameter))
    throw new TypeError(
      `stripe/charge: tokenParameter must be ${[...TOKEN_PARAMETERS].join(' or ')}.`,
    )
  if (connected) checkConnect(connected)
  return {
    network: connect(location),
    tokenParameter,
    idempotencyKey,
    accounts: connected?.accounts,
    settlement: connected?.settlement,
  }
}

const TOKEN_PARAMETERS: ReadonlySet<unknown> = new Set<Terms['tokenParameter']>([
  'shared_payment_granted_token',
  'payment_method_data',
])

/** What is left out or misspelt here would have the money go elsewhere, and nobody would notice. */
function checkConnect({ accounts, settlement }: charge.Connect): void {
  if (!Array.isArray(accounts) || typeof settlement !== 'function')
    throw new TypeError(
      'stripe/charge: connect needs accounts, a list of acct_…, and settlement, a function that says where the money goes.',
    )
}

/** A key that is never the same finds no payment again, and one that is always the same finds another's. */
function checkKeys(idempotencyKey: Terms['idempotencyKey']): void {
  const [one, again, other] = ['1', '1', '2'].map((at) =>
    idempotencyKey({ challengeId: `challenge_${at}`, spt: `spt_${at}` }),
  )
  if (one !== again || one === other)
    throw new TypeError(
      'stripe/charge: idempotencyKey must return the same for the same payment, and another for another.',
    )
}

export declare namespace charge {
  type Options = Location & {
    /** Your Business Network Profile on Stripe. */
    networkId: string
    /** What you can be paid with (`['card', 'link']`). */
    paymentMethodTypes?: readonly string[] | undefined
    /** ISO 4217, for routes that name none (`'usd'`). */
    currency?: string | undefined
    /** Where the token goes in the call: the draft's place, or that of Stripe's newer previews. */
    tokenParameter?: Terms['tokenParameter'] | undefined
    /** The key under which Stripe takes a payment once. Left out, the draft's: challenge id and token. */
    idempotencyKey?: Terms['idempotencyKey'] | undefined
    /**
     * `'after'`: the money is authorized, and captured once the handler has made a good answer; else it is let go. For routes that
     * do not say it themselves (`'before'`).
     */
    capture?: 'before' | 'after' | undefined
    /** Stripe Connect. */
    connect?: Connect | undefined
  }
  type Connect = {
    /** Connected accounts that this server may use: no other is ever named to Stripe. */
    accounts: readonly string[]
    /** Where the money of a payment goes. It is never asked of the payer, nor shown to them. */
    settlement: (payment: {
      request: Request
      challengeId: string
    }) => Settlement | Promise<Settlement>
  }
  type Rail = Method.Server<typeof method, Route>
  /** What a route says. */
  type Route = RouteTerms
}
