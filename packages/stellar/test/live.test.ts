/**
 * One real payment on Stellar's test network, for who has a funded account there.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { TESTNET } from '@polyrail/stellar'
import { stellar as paying } from '@polyrail/stellar/client'
import { stellar } from '@polyrail/stellar/server'
import { Asset, Keypair, Networks } from '@stellar/stellar-sdk'
import { expect, test } from 'vitest'

const secret = process.env['POLYRAIL_STELLAR_SECRET']
const recipient = process.env['POLYRAIL_STELLAR_RECIPIENT']
const isLeftOut = secret === undefined || recipient === undefined
const why =
  'POLYRAIL_STELLAR_SECRET and POLYRAIL_STELLAR_RECIPIENT are not set: an account with lumens on the test network, and another that gets some'

if (isLeftOut) console.warn(`!!! Stellar's test network left out: ${why}`)

test.skipIf(isLeftOut)(
  `a payment on the test network brings the page${isLeftOut ? ` (left out: ${why})` : ''}`,
  { timeout: 90_000 },
  async () => {
    const currency = Asset.native().contractId(Networks.TESTNET)
    const account = Keypair.fromSecret(secret ?? '')
    const mpp = Mpp.create({
      methods: [stellar({ ...(recipient && { recipient }), currency, network: TESTNET })],
      realm: 'shop.example',
      secretKey: 'a secret of this test, which is long enough',
    })
    const page = mpp.charge({ amount: '0.001' })(() => new Response('page'))
    const wallet = Wallet.create({
      methods: [paying({ account, currencies: [currency], network: TESTNET })],
      policy: { max: '0.001' },
      fetch: (input, init) => page(new Request(input, init)),
    })
    const response = await wallet.fetch('https://shop.example/page')
    expect(await response.text()).toBe('page')
    expect(Receipt.fromResponse(response)?.reference).toMatch(/^[\da-f]{64}$/)
  },
)
