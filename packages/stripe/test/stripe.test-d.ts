/**
 * The types of the factories, as users meet them.
 *
 * @module
 */
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import type { ChargePayload, ChargeRequest } from '@polyrail/stripe'
import { stripe as paying } from '@polyrail/stripe/client'
import { stripe } from '@polyrail/stripe/server'
import { Stripe } from 'stripe'
import { expectTypeOf, test } from 'vitest'

const networkId = 'profile_1'
const client = new Stripe('sk_test_1')

test('the server takes a route’s words and nothing else', () => {
  const mpp = Mpp.create({ methods: [stripe({ client, networkId })], realm: 'a', secretKey: 'b' })
  mpp.charge({ amount: '0.50' })
  mpp.stripe.charge({ amount: '50', currency: 'jpy', externalId: 'x', metadata: { order: '7' } })
  mpp.compose(mpp.stripe.charge({ amount: '1' }), ['stripe/charge', { amount: '2' }])
  // @ts-expect-error -- a price is text, so that no digit is lost
  mpp.charge({ amount: 10 })
  // @ts-expect-error -- a price is needed
  mpp.charge({})
  // @ts-expect-error -- where the money goes is not a route's to say
  mpp.charge({ amount: '1', transferData: { destination: 'acct_1' } })
})

test('money is captured after and given back in the words of the server', () => {
  const rail = stripe({ client, networkId, capture: 'after' })
  const mpp = Mpp.create({ methods: [rail], realm: 'a', secretKey: 'b' })
  mpp.charge({ amount: '0.50', capture: 'before' })
  expectTypeOf(mpp.refund('receipt', { amount: 5n, id: 'x' })).resolves.toEqualTypeOf<{
    reference: string
    amount: bigint
    left: bigint
  }>()
  // @ts-expect-error -- money is a bigint
  void mpp.refund('receipt', { amount: 5 })
  // @ts-expect-error -- before the handler or after it
  mpp.charge({ amount: '0.50', capture: 'manual' })
})

test('a client of the package stripe, or its key', () => {
  stripe({ client, networkId })
  stripe({ client: 'sk_test_1', networkId })
  stripe.charge({
    client,
    networkId,
    connect: { accounts: ['acct_1'], settlement: () => ({ applicationFeeAmount: 5n }) },
  })
  // @ts-expect-error -- tokens are granted to somebody
  stripe({ client })
  // @ts-expect-error -- an account that nobody allowed
  stripe({ client, networkId, connect: { settlement: () => ({ onBehalfOf: 'acct_1' }) } })
  const fee = { applicationFeeAmount: 5 }
  // @ts-expect-error -- money is a bigint
  stripe({ client, networkId, connect: { accounts: [], settlement: () => fee } })
})

test('each intent can be had alone, with the same options', () => {
  expectTypeOf(stripe({ client, networkId })[0]).toEqualTypeOf(stripe.charge({ client, networkId }))
  const createToken = ({ amount }: paying.charge.Terms) => `spt_${amount}`
  Client.create({ methods: [paying({ createToken })], policy: { max: '1' } })
  Client.create({ methods: [paying.charge({ createToken })], policy: { max: '1' } })
})

test('the wire types are the draft’s', () => {
  expectTypeOf<ChargeRequest['amount']>().toEqualTypeOf<string>()
  expectTypeOf<ChargePayload['spt']>().toEqualTypeOf<string>()
})
