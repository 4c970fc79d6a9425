/**
 * The agent's own server, which has Stripe make tokens: it alone has the secret key, and it alone decides the amount.
 *
 * @module
 */
import { Challenge } from '@polyrail/core'
import { charge } from '@polyrail/stripe'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Stripe } from 'stripe'

/** Stripe's version of the calls that know Shared Payment Tokens. */
const apiVersion = '2026-07-29.preview'

/**
 * Opens the token server on a free port of this machine.
 *
 * @param options.stripe - The agent's account at Stripe.
 * @param options.paymentMethod - The customer's saved card.
 * @param options.most - Most cents for one token, whoever asks.
 */
export async function openTokens({ stripe, paymentMethod, most }: openTokens.Options) {
  /** What a token is for stands in the challenge, and nothing else of what is sent is read. */
  async function issue(text: string): Promise<string> {
    const [challenge] = Challenge.parse(new Headers({ 'www-authenticate': text }))
    const isOurs = challenge?.method === charge.name && challenge.intent === charge.intent
    const read = charge.schema.request.safeParse(challenge?.request)
    if (!isOurs || !read.success) throw new Error('This is no challenge of Stripe.')
    const { amount, currency, methodDetails } = read.data
    const ends = Date.parse(challenge.expires ?? '') / 1000
    if (currency !== 'usd' || BigInt(amount) > most || !(ends < Date.now() / 1000 + 3600))
      throw new Error('This is more than the customer allows.')
    const limits = { currency, max_amount: Number(amount), expires_at: Math.ceil(ends) + 60 }
    const token = await stripe.rawRequest(
      'POST',
      '/v1/shared_payment/issued_tokens',
      {
        payment_method: paymentMethod,
        usage_limits: limits,
        seller_details: { network_business_profile: methodDetails.networkId },
      },
      { apiVersion },
    )
    return (token as { id?: string }).id ?? ''
  }

  const server = createServer((request, response) => {
    const answer = (status: number, text: string) => response.writeHead(status).end(text)
    readText(request)
      .then(issue)
      .then(
        (token) => answer(200, token),
        () => answer(403, 'no token'),
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/token`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export declare namespace openTokens {
  type Options = { stripe: Stripe; paymentMethod: string; most: bigint }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > 16_384) throw new Error('too long')
  }
  return text
}
