/**
 * Clients of the local Stripe for its tests: the real `stripe` package, and bare HTTP.
 *
 * @module
 */
import type { LocalStripe } from '@polyrail/sandbox/stripe'
import { Stripe } from 'stripe'

/** The version of the API that knows Shared Payment Tokens. */
export const apiVersion = '2026-07-29.preview'

/** What the typed parameters of the package lack. */
export type Token = { shared_payment_granted_token: string }

/** The real package, talking to the local Stripe with the seller's key. */
export function connect(local: LocalStripe.Sandbox, options: Stripe.StripeConfig = {}): Stripe {
  return new Stripe(local.secretKey, { ...local.options, ...options })
}

/** The parameters of a payment as a rail makes it. */
export function paying(
  token: string,
  more: Partial<Stripe.PaymentIntentCreateParams> = {},
): Stripe.PaymentIntentCreateParams & Token {
  return {
    amount: 500,
    currency: 'usd',
    confirm: true,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
    shared_payment_granted_token: token,
    ...more,
  }
}

/** Grants a token and pays with it. */
export async function pay(
  local: LocalStripe.Sandbox,
  paymentMethod: string,
  more: Partial<Stripe.PaymentIntentCreateParams> = {},
  options: Stripe.RequestOptions = {},
): Promise<Stripe.Response<Stripe.PaymentIntent>> {
  const token = await local.grant({ amount: 500n, paymentMethod })
  return connect(local).paymentIntents.create(paying(token, more), { apiVersion, ...options })
}

/** The error of a call that must fail. */
export async function errorOf(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  const outcome = await call.catch((error: unknown) => error)
  if (outcome instanceof Stripe.errors.StripeError) return outcome
  throw new Error(`expected an error of Stripe: ${JSON.stringify(outcome)}`)
}

/** A request over bare HTTP, form-encoded as it is written. */
export async function call(
  local: LocalStripe.Sandbox,
  request: string,
  body?: string,
  headers: Record<string, string> = {},
) {
  const [method = '', path = ''] = request.split(' ')
  const response = await fetch(`${local.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${local.secretKey}`,
      'content-type': 'application/x-www-form-urlencoded',
      'stripe-version': apiVersion,
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) }
}
