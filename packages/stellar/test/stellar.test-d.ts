/**
 * The types of the factories, as users meet them.
 *
 * @module
 */
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import type { ChargePayload, ChargeRequest } from '@polyrail/stellar'
import { stellar as paying } from '@polyrail/stellar/client'
import { stellar } from '@polyrail/stellar/server'
import { Keypair } from '@stellar/stellar-sdk'
import { expectTypeOf, test } from 'vitest'

const account = Keypair.random()
const recipient = account.publicKey()

test('the server takes a route’s words and nothing else', () => {
  const mpp = Mpp.create({ methods: [stellar({ recipient })], realm: 'a', secretKey: 'b' })
  mpp.charge({ amount: '0.01' })
  mpp.stellar.charge({ amount: '1', currency: 'C', externalId: 'x', feePayer: false })
  mpp.compose(mpp.stellar.charge({ amount: '1' }), ['stellar/charge', { amount: '2' }])
  // @ts-expect-error -- a price is text, so that no digit is lost
  mpp.charge({ amount: 10 })
  // @ts-expect-error -- a price is needed
  mpp.charge({})
  // @ts-expect-error -- who pays fees is not a route's to say
  mpp.charge({ amount: '1', feePayer: account })
})

test('who pays fees signs, with limits or without', () => {
  stellar({ feePayer: account })
  stellar({ feePayer: { account: [account], feeBump: account, bid: 200n, budget: { total: '5' } } })
  // @ts-expect-error -- a fee is lumens, as text
  stellar({ feePayer: { account, maxFee: 5 } })
  // @ts-expect-error -- a network that is none
  stellar({ network: 'stellar:moonnet' })
})

test('each intent can be had alone, with the same options', () => {
  expectTypeOf(stellar({ recipient })[0]).toEqualTypeOf(stellar.charge({ recipient }))
  Client.create({ methods: [paying({ account })], policy: { max: '1' } })
  const sign = async (bytes: Uint8Array) => bytes
  Client.create({
    methods: [paying.charge({ account: { publicKey: () => recipient, sign } })],
    policy: { max: '1' },
  })
  // @ts-expect-error -- somebody signs
  paying({})
})

test('the wire types are the draft’s', () => {
  expectTypeOf<ChargeRequest['amount']>().toEqualTypeOf<string>()
  expectTypeOf<ChargePayload['type']>().toEqualTypeOf<'hash' | 'signedHash' | 'transaction'>()
})
