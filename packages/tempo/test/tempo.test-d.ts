/**
 * The types of the factories, as users meet them.
 *
 * @module
 */
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import type { ChargePayload, ChargeRequest } from '@polyrail/tempo'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo } from '@polyrail/tempo/server'
import type { PrivateKeyAccount } from 'viem'
import type { Account } from 'viem/tempo'
import { expectTypeOf, test } from 'vitest'

declare const plain: PrivateKeyAccount
declare const root: Account.RootAccount
const recipient = '0x8ba1f109551bD432803012645Ac136ddd64DBA72'

test('the server takes a route’s words and nothing else', () => {
  const mpp = Mpp.create({ methods: [tempo({ recipient })], realm: 'a', secretKey: 'b' })
  mpp.charge({ amount: '0.01' })
  mpp.tempo.charge({ amount: '0.01', memo: '0x00', externalId: 'x', description: 'y' })
  mpp.compose(mpp.tempo.charge({ amount: '1' }), ['tempo/charge', { amount: '2' }])
  // @ts-expect-error -- a price is text, so that no digit is lost
  mpp.charge({ amount: 0.01 })
  // @ts-expect-error -- a price is needed
  mpp.charge({})
  // @ts-expect-error -- an address is needed
  tempo({ recipient: 'bob' })
})

test('each intent can be had alone, with the same options', () => {
  expectTypeOf(tempo({ recipient })[0]).toEqualTypeOf(tempo.charge({ recipient }))
  expectTypeOf(paying({ account: plain })[0]).toEqualTypeOf(paying.charge({ account: plain }))
})

test('the client takes any local account', () => {
  Wallet.create({ methods: [paying({ account: plain })], policy: { max: '1' } })
  Wallet.create({ methods: [paying.charge({ account: root })], policy: { max: '1' } })
  // @ts-expect-error -- an address cannot sign
  paying.charge({ account: recipient })
})

test('the wire types are the draft’s', () => {
  expectTypeOf<ChargeRequest['amount']>().toEqualTypeOf<string>()
  expectTypeOf<ChargePayload['type']>().toEqualTypeOf<'transaction' | 'hash' | 'proof'>()
})
