/**
 * The types of the factories, as users meet them.
 *
 * @module
 */
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import type { CardNetwork, ChargePayload, ChargeRequest } from '@polyrail/card'
import { card as paying, httpEnabler as vault, type ClientEnabler } from '@polyrail/card/client'
import {
  createKeyPair,
  createResolver,
  decrypt,
  encrypt,
  type Plaintext,
  type PrivateKey,
  type PublicKey,
} from '@polyrail/card/enabler'
import {
  card,
  httpEnabler,
  type Order,
  type Result,
  type ServerEnabler,
} from '@polyrail/card/server'
import { expectTypeOf, test } from 'vitest'

declare const key: PublicKey
const enabler = httpEnabler({ url: 'https://psp.example/v1', apiKey: 'k' })
const rest = { enabler, merchantName: 'Shop' }

test('the server takes a route’s words and nothing else', () => {
  const methods = [card({ ...rest, key })]
  const mpp = Mpp.create({ methods, realm: 'a', secretKey: 'b' })
  mpp.charge({ amount: '0.50' })
  mpp.card.charge({ amount: '50', currency: 'jpy', externalId: 'x', billingRequired: true })
  mpp.compose(mpp.card.charge({ amount: '1' }), ['card/charge', { amount: '2' }])
  // @ts-expect-error -- a price is text, so that no digit is lost
  mpp.charge({ amount: 10 })
  // @ts-expect-error -- a price is needed
  mpp.charge({})
  // @ts-expect-error -- who is paid is not a route's to say
  mpp.charge({ amount: '1', recipient: 'merch_other' })
})

test('a key, or a key set and the name of a key in it', () => {
  card({ ...rest, key })
  card({ ...rest, key: async () => key })
  card.charge({ ...rest, jwksUri: 'https://a.example/jwks', kid: 'enc-1' })
  card.charge({ ...rest, jwksUri: 'https://a.example/jwks', kid: () => 'enc-1' })
  // @ts-expect-error -- nobody could encrypt
  card(rest)
  // @ts-expect-error -- a set has several keys
  card({ ...rest, jwksUri: 'https://a.example/jwks' })
  // @ts-expect-error -- the challenge has one key
  card({ ...rest, key, jwksUri: 'https://a.example/jwks', kid: 'enc-1' })
  // @ts-expect-error -- payers want to know whom they pay
  card({ enabler, key })
  // @ts-expect-error -- not a network of the draft
  card({ ...rest, key, acceptedNetworks: ['shell'] })
  // @ts-expect-error -- the token is nobody's to see
  card({ ...rest, key, reveal: ['encryptedPayload'] })
})

test('a key set is served by a plain handler', () => {
  expectTypeOf(card.jwks([key])).toEqualTypeOf<(request: Request) => Promise<Response>>()
  card.jwks(async () => [key])
})

test('each intent can be had alone, with the same options', () => {
  expectTypeOf(card({ ...rest, key })[0]).toEqualTypeOf(card.charge({ ...rest, key }))
  const enabler = vault({ url: 'https://vault.example/v1', apiKey: 'k' })
  Client.create({ methods: [paying({ enabler, cardId: 'card_1' })], policy: { max: '1' } })
  Client.create({ methods: [paying.charge({ enabler, networks: ['visa'] })], policy: { max: '1' } })
  // @ts-expect-error -- somebody must have the card
  paying({ cardId: 'card_1' })
})

test('an enabler of one’s own', () => {
  const own: ServerEnabler = {
    name: 'own',
    charge: async (order, { idempotencyKey }) => {
      expectTypeOf(order).toEqualTypeOf<Order>()
      return { status: 'declined', idempotencyKey, reason: 'do_not_honor' }
    },
    lookup: async () => undefined,
  }
  card({ ...rest, enabler: own, key })
  expectTypeOf<Result['status']>().toEqualTypeOf<
    'approved' | 'authorized' | 'declined' | 'pending'
  >()
  const client: ClientEnabler = {
    async createToken({ challenge, key, signal }) {
      expectTypeOf(challenge.amount).toEqualTypeOf<string>()
      expectTypeOf(key).toEqualTypeOf<PublicKey>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
    },
  }
  paying({ enabler: client })
})

test('what a PSP needs', () => {
  expectTypeOf(createKeyPair).returns.resolves.toEqualTypeOf<{
    publicKey: PublicKey
    privateKey: PrivateKey
  }>()
  expectTypeOf(encrypt).returns.resolves.toEqualTypeOf<string>()
  expectTypeOf(decrypt).returns.resolves.toEqualTypeOf<Plaintext>()
  expectTypeOf(createResolver()).returns.resolves.toEqualTypeOf<PublicKey>()
})

test('the wire types are the draft’s', () => {
  expectTypeOf<ChargeRequest['amount']>().toEqualTypeOf<string>()
  expectTypeOf<ChargePayload['network']>().toEqualTypeOf<CardNetwork>()
  expectTypeOf<ChargePayload['encryptedPayload']>().toEqualTypeOf<string>()
})
