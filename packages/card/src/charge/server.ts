/**
 * Is paid by card: offers a key, judges the outside of a payload, and hands it to the Server Enabler, once.
 *
 * @module
 */
import { Errors, Method, Outcome } from '@polyrail/core'
import { NETWORKS, type CardNetwork } from '../constants.js'
import { createKeySource, type KeyOptions } from '../key/source.js'
import type { Presented } from './attempt.js'
import { cancel, capture } from './authorization.js'
import { fingerprint } from './fingerprint.js'
import { charge as method, hasBilling, type Payload } from './method.js'
import { checkMerchant, createRequest, type Route as RouteTerms } from './price.js'
import { refund } from './refund.js'
import type { ServerEnabler } from './server-enabler.js'
import { reconcile, settle } from './settlement.js'

/**
 * Takes card charges.
 *
 * @param options.enabler - The PSP that opens payloads and moves the money.
 * @param options.key - The public key that payers’ enablers encrypt for, or what returns the present one.
 * @param options.jwksUri - In its place: a key set on the realm’s origin, with `kid` naming the key in it.
 * @throws TypeError for options that cannot work.
 * @example
 * const methods = [card.charge({ enabler: httpEnabler({ url, apiKey }), key, merchantName: 'Acme Corp' })]
 * const mpp = Mpp.create({ methods, realm, secretKey })
 * const pay = mpp.charge({ amount: '0.50' })
 * @see Card charge draft, Verification Procedure and Settlement Procedure
 */
export function charge(options: charge.Options): charge.Rail {
  const { enabler, onMissingBilling = 'refuse', reveal = [], recipient } = options
  const { acceptedNetworks = NETWORKS, merchantName, currency = 'usd' } = options
  const { billingRequired = false } = options
  checkEnabler(enabler)
  const merchant = checkMerchant({
    acceptedNetworks,
    merchantName,
    currency,
    recipient,
    billingRequired,
  })
  const createKey = createKeySource(options)
  const revealing =
    <presented extends Presented>(act: Act<presented>) =>
    async (presented: presented): Promise<Outcome.Outcome> => {
      const outcome = await act(enabler, presented)
      return outcome.status === 'settled' && reveal.length > 0
        ? { ...outcome, settlement: pick(presented.credential.payload, reveal) }
        : outcome
    }
  return Method.toServer(method, {
    defaults: { capture: options.capture },

    request: (route: charge.Route) => createRequest(route, merchant),

    issued: {
      fields: ['methodDetails.encryptionJwk', 'methodDetails.jwksUri', 'methodDetails.kid'],
      create: async ({ realm }) => ({ methodDetails: await createKey(realm) }),
    },

    validate({ challenge, credential: { payload } }) {
      const { acceptedNetworks: accepted, billingRequired: isAsked } =
        challenge.request.methodDetails
      if (!accepted.includes(payload.network))
        return refuse(`This merchant takes ${accepted.join(', ')}.`)
      if (isAsked && onMissingBilling === 'refuse' && !hasBilling(payload))
        return refuse('This merchant needs the billing address of the card.')
      return true
    },

    // The store needs no token, encrypted or not.
    replayKey: ({ credential }) => fingerprint(credential.payload.encryptedPayload),

    settle: revealing(settle),

    reconcile: revealing(reconcile),

    capture: enabler.capture && revealing(capture),

    cancel: enabler.cancel && revealing(cancel),

    refund: enabler.refund && ((asked) => refund(enabler, asked)),

    problems: { 'refused-before': REFUSED_BEFORE },
  })
}

/** What is done about a payment’s money. */
type Act<presented extends Presented> = (
  enabler: ServerEnabler,
  presented: presented,
) => Promise<Outcome.Outcome>

/** Draft, Idempotency and Replay Protection: prior processing failed. */
const REFUSED_BEFORE = Errors.problem({
  ...Errors.problem('verification-failed'),
  status: 409,
  detail: 'This payment was refused before. Ask again without it for a fresh challenge.',
})

const refuse = (detail: string): Outcome.Rejected =>
  Outcome.rejected('verification-failed', { detail })

function checkEnabler(enabler: ServerEnabler): void {
  const { name, charge, lookup } = (enabler ?? {}) as Partial<ServerEnabler>
  const isWhole = typeof charge === 'function' && typeof lookup === 'function'
  if (!isWhole || typeof name !== 'string' || name === '')
    throw new TypeError(
      'card/charge: enabler must have a name, charge and lookup: httpEnabler({ url, apiKey }), or your own.',
    )
}

const pick = (payload: Payload, names: readonly Revealed[]): Partial<Payload> =>
  Object.fromEntries(names.map((name) => [name, payload[name]]))

/** What a merchant may want to know of a payer. All of it is personal data. */
type Revealed = Exclude<keyof Payload, 'encryptedPayload'>

export declare namespace charge {
  type Options = KeyOptions & {
    enabler: ServerEnabler
    /** What you take. Left out: all that the draft names. */
    acceptedNetworks?: readonly CardNetwork[] | undefined
    /** What your payers know you by. */
    merchantName: string
    /** Your id at the enabler. */
    recipient?: string | undefined
    /** ISO 4217, for routes that name none (`'usd'`). */
    currency?: string | undefined
    /** Whether payers are asked for the billing address of their card (false). */
    billingRequired?: boolean | undefined
    /** What becomes of a payment without the address that was asked for (`'refuse'`). */
    onMissingBilling?: 'refuse' | 'proceed' | undefined
    /**
     * `'after'`: the money is authorised, and captured once the handler has made a good answer; else it is let go. For routes that
     * do not say it themselves (`'before'`).
     */
    capture?: 'before' | 'after' | undefined
    /**
     * Personal data that the application gets as `payment.settlement`, and listeners of `settled` with it (none). It is
     * yours to keep only as long as you need it.
     */
    reveal?: readonly Revealed[] | undefined
  }
  type Rail = Method.Server<typeof method, Route>
  /** What a route says. */
  type Route = RouteTerms
}
