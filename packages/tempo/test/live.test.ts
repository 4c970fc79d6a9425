/**
 * One real payment on Tempo's public testnet, for who has a funded account there.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { TESTNET } from '@polyrail/tempo'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo } from '@polyrail/tempo/server'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'

const privateKey = process.env['POLYRAIL_TEMPO_PRIVATE_KEY']
const rpcUrl = process.env['POLYRAIL_TEMPO_RPC_URL']
const why =
  'POLYRAIL_TEMPO_PRIVATE_KEY is not set: the key of an account with pathUSD on the Tempo testnet'

if (privateKey === undefined) console.warn(`!!! Tempo testnet left out: ${why}`)

test.skipIf(privateKey === undefined)(
  `a payment on the testnet brings the page${privateKey === undefined ? ` (left out: ${why})` : ''}`,
  { timeout: 60_000 },
  async () => {
    const at = { chainId: TESTNET, rpcUrl }
    const account = privateKeyToAccount(privateKey as `0x${string}`)
    const recipient = privateKeyToAccount(generatePrivateKey()).address
    const mpp = Mpp.create({
      methods: [tempo({ recipient, ...at })],
      realm: 'shop.example',
      secretKey: 'a secret of this test, which is long enough',
    })
    const page = mpp.charge({ amount: '0.001' })(() => new Response('page'))
    const wallet = Wallet.create({
      methods: [paying({ account, ...at })],
      policy: { max: '0.001' },
      fetch: (input, init) => page(new Request(input, init)),
    })
    const response = await wallet.fetch('https://shop.example/page')
    expect(await response.text()).toBe('page')
    expect(Receipt.fromResponse(response)?.reference).toMatch(/^0x[\da-f]{64}$/)
  },
)
