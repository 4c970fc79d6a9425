/**
 * Pays Stripe charges: has a token made for just what is asked.
 *
 * @module
 */
import { Errors, Method } from '@polyrail/core'
import { TOKEN_MARGIN } from '../constants.js'
import { charge as method } from './method.js'

/**
 * Pays Stripe charges.
 *
 * @param options.createToken - Has Stripe issue a Shared Payment Token, best by a server of yours that decides the amount.
 * @param options.paymentMethod - A saved payment method, handed to `createToken`.
 * @throws TypeError without `createToken`.
 * @example
 * const createToken = async ({ challenge, signal }) => {
 *   const body = Challenge.serialize(challenge)
 *   return (await fetch('/token', { method: 'POST', body, signal })).text()
 * }
 * const mpp = Mpp.create({ methods: [stripe.charge({ createToken })], policy: { max: '1.00' } })
 * @see Stripe charge draft, Credential Schema and Amount Verification
 */
export function charge(options: charge.Options): charge.Rail {
  const { createToken, paymentMethod, paymentMethodTypes, externalId } = options
  if (typeof createToken !== 'function')
    throw new TypeError('stripe/charge: createToken must be a function that returns spt_….')
  return Method.toClient<typeof method, charge.Context | undefined>(method, {
    accepts({ challenge }) {
      const { paymentMethodTypes: taken } = challenge.request.methodDetails
      return paymentMethodTypes && !taken.some((type) => paymentMethodTypes.includes(type))
        ? `The seller takes ${taken.join(', ')}, and none of these is here.`
        : undefined
    },

    async createCredential({ challenge, context, signal }) {
      const { amount, currency, methodDetails } = challenge.request
      const spt = await createToken({
        amount,
        currency: currency.toLowerCase(),
        networkId: methodDetails.networkId,
        paymentMethodTypes: methodDetails.paymentMethodTypes,
        metadata: methodDetails.metadata,
        expiresAt: endOf(challenge.expires) + TOKEN_MARGIN,
        paymentMethod: context?.paymentMethod ?? paymentMethod,
        challenge,
        signal,
      })
      if (typeof spt !== 'string' || !/^spt_\w{1,200}$/.test(spt))
        throw new Errors.PaymentError('verification-failed', {
          detail: 'createToken gave no Shared Payment Token, spt_….',
        })
      return {
        payload: { spt, ...(externalId !== undefined && { externalId }) },
        authorization: true,
      }
    },
  })
}

/** Epoch seconds. A challenge without an end, which a policy must allow, gets a token for five minutes. */
const endOf = (expires: string | undefined): number =>
  Math.ceil((expires === undefined ? Date.now() + 300_000 : Date.parse(expires)) / 1000)

export declare namespace charge {
  type Options = {
    createToken: (terms: Terms) => string | Promise<string>
    /** Left out: `createToken` decides, or the `context` of a fetch says. */
    paymentMethod?: string | undefined
    /** What can be paid with here. Left out: whatever the seller takes. */
    paymentMethodTypes?: readonly string[] | undefined
    /** Your reference, echoed in the receipt. */
    externalId?: string | undefined
  }
  /** What a fetch may say. */
  type Context = { paymentMethod?: string | undefined }
  /** What a token is for, and no more. */
  type Terms = {
    /** Smallest units of the currency: the token's `max_amount`. */
    amount: string
    currency: string
    /** The seller to whom it is granted. */
    networkId: string
    paymentMethodTypes: readonly string[]
    metadata?: Readonly<Record<string, string>> | undefined
    /** Epoch seconds: the token's `expires_at`. */
    expiresAt: number
    paymentMethod: string | undefined
    challenge: Method.ChallengeOf<typeof method>
    signal: AbortSignal
  }
  type Rail = Method.Client<typeof method, Context | undefined>
}
