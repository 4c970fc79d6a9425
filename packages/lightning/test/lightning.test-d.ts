/**
 * The types of the factories, as users meet them.
 *
 * @module
 */
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import type { Store } from '@polyrail/core'
import type { ChargePayload, ChargeRequest, Wallet } from '@polyrail/lightning'
import { lightning as paying } from '@polyrail/lightning/client'
import { lightning } from '@polyrail/lightning/server'
import { expectTypeOf, test } from 'vitest'

declare const wallet: Wallet
declare const store: Store.Store

test('the server takes a route’s words and nothing else', () => {
  const mpp = Mpp.create({ methods: [lightning({ wallet })], realm: 'a', secretKey: 'b' })
  mpp.charge({ amount: '10' })
  mpp.lightning.charge({ amount: '10', memo: 'tea', externalId: 'x', description: 'y' })
  mpp.compose(mpp.lightning.charge({ amount: '1' }), ['lightning/charge', { amount: '2' }])
  // @ts-expect-error -- a price is text, so that no digit is lost
  mpp.charge({ amount: 10 })
  // @ts-expect-error -- a price is needed
  mpp.charge({})
  // @ts-expect-error -- satoshis are all there is
  mpp.charge({ amount: '10', currency: 'usd' })
})

test('each side asks of a wallet only what it needs', () => {
  lightning({ wallet: { createInvoice: async () => 'lnbc1' } })
  paying({ wallet: { payInvoice: wallet.payInvoice, lookupPayment: wallet.lookupPayment }, store })
  // @ts-expect-error -- who cannot look a payment up cannot pay safely
  paying({ wallet: { payInvoice: wallet.payInvoice } })
  // @ts-expect-error -- a network that the draft does not know
  lightning({ wallet, network: 'testnet' })
})

test('each intent can be had alone, with the same options', () => {
  expectTypeOf(lightning({ wallet })[0]).toEqualTypeOf(lightning.charge({ wallet }))
  Client.create({ methods: [paying({ wallet })], policy: { max: '1' } })
  Client.create({ methods: [paying.charge({ wallet })], policy: { max: '1' } })
})

test('the wire types are the draft’s', () => {
  expectTypeOf<ChargeRequest['amount']>().toEqualTypeOf<string>()
  expectTypeOf<ChargePayload>().toEqualTypeOf<{ preimage: string }>()
})
