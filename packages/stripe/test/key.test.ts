/**
 * A secret key in place of a client: the package `stripe` is loaded with the first payment.
 *
 * @module
 */
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { expect, test, vi } from 'vitest'
import { buy, openShop } from './shop.js'

const place = vi.hoisted(() => ({ options: {} }))
vi.mock('stripe', async (original) => {
  const real = await original<typeof import('stripe')>()
  class Local extends real.Stripe {
    constructor(key: string) {
      super(key, place.options)
    }
  }
  return { ...real, default: Local }
})

test('a secret key pays as its client does', async () => {
  await using local = await LocalStripe.start({ quiet: true })
  place.options = local.options
  const { answer } = await buy(local, openShop(local, { client: local.secretKey }))
  expect([answer.status, local.captured['usd']]).toEqual([200, { sum: 50n, count: 1 }])
})
