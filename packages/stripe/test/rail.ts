/**
 * Stripe charges on a local Stripe, for the conformance suite and for the tests of this package.
 *
 * @module
 */
import type { Fault, Rail } from '@polyrail/conformance'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import type { charge } from '@polyrail/stripe'
import { stripe as paying } from '@polyrail/stripe/client'
import { stripe as paid } from '@polyrail/stripe/server'
import { Stripe } from 'stripe'

/** Starts a Stripe with a seller and a payer. */
async function start() {
  const local = await LocalStripe.start({ quiet: true })
  const { secretKey, networkId, options } = local
  const grant = (terms: paying.charge.Terms, more: Partial<LocalStripe.GrantOptions> = {}) =>
    local.grant({
      amount: BigInt(terms.amount),
      currency: terms.currency,
      seller: terms.networkId,
      expiresAt: terms.expiresAt,
      ...(terms.paymentMethod !== undefined && { paymentMethod: terms.paymentMethod }),
      ...more,
    })
  const client = new Stripe(secretKey, options)
  return {
    local,
    grant,
    stripe: client,
    server: paid.charge({ client, networkId }),
    client: paying.charge({ createToken: (terms) => grant(terms) }),
  }
}

/** `stripe` asks once more by itself when a connection is lost. */
const FAULTS: Record<Fault, LocalStripe.StripeFault> = {
  'before-settle': { fail: 'drop', times: 2 },
  'after-settle': { fail: 'drop', executed: true, times: 2 },
  hang: { fail: 'hang', times: 1 },
}

/** The fixture of the conformance suite. */
export async function createRail() {
  const { local, server, client } = await start()
  return {
    server,
    client,
    options: { amount: '0.50' },
    dearer: { amount: '1.00' },
    capabilities: {
      pushes: false,
      issues: false,
      bindsChallenge: false,
      namesPayer: false,
      reconciles: true,
    },
    async tamper(_payload, { request }) {
      const amount = BigInt(request.amount)
      const bad = (title: string, spt: unknown, code = 'verification-failed') => ({
        title,
        payload: { spt },
        code,
      })
      const used = await local.grant({ amount })
      await local.revoke(used)
      const expired = await local.grant({ amount, expiresAt: local.now() + 1 })
      const declined = await local.grant({ amount, paymentMethod: 'pm_card_chargeDeclined' })
      const unproven = await local.grant({
        amount,
        paymentMethod: 'pm_card_authenticationRequired',
      })
      local.advance(2)
      return [
        bad('a token that nobody granted', 'spt_nobody'),
        bad('a token that was taken back', used),
        bad('a token that has expired', expired),
        bad('a token for less', await local.grant({ amount: amount - 1n }), 'payment-insufficient'),
        bad('a token in another currency', await local.grant({ amount, currency: 'eur' })),
        bad(
          'a token for another seller',
          await local.grant({ amount, seller: local.seller().networkId }),
        ),
        bad('a token of a card that is declined', declined),
        bad('a token whose payer has not authenticated', unproven),
        bad('no token', undefined, 'malformed-credential'),
        bad('a secret key for a token', 'sk_test_1', 'malformed-credential'),
      ]
    },
    fault(kind) {
      const isHeld = local.paymentIntents.at(-1)?.status === 'requires_capture'
      const call = `POST /v1/payment_intents${isHeld ? '/:id/capture' : ''}` as const
      local.fault({ ...FAULTS[kind], call })
    },
    refunded: () => local.refunds.length,
    settled: () => Object.values(local.captured).reduce((sum, { count }) => sum + count, 0),
    stop: () => local.stop(),
  } satisfies Rail<typeof charge>
}
