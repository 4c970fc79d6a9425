/**
 * A Spark wallet as a payment method of both sides.
 *
 * @module
 */
import { Mpp as Client } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { spark } from '@polyrail/lightning/spark'
import { Lightning } from '@polyrail/sandbox/lightning'
import { expect, test } from 'vitest'
import { openOperators } from './operators.js'

const mnemonic = 'legal winner thank year wave sausage worth useful legal winner thank yellow'
const secretKey = 'a secret of this test, which is long enough'

test('a wallet on Spark pays and is paid, as one payment method', async () => {
  await using nodes = await Lightning.start({ quiet: true })
  const [payer, shop] = [openOperators(nodes.payer), openOperators(nodes.payee)]
  const options = { mnemonic, network: 'regtest', pollInterval: 5 } as const
  const paid = spark.charge({ ...options, sdk: shop.sdk })
  const paying = spark.charge({ ...options, sdk: payer.sdk, maxFee: '5' })

  const server = Mpp.create({ methods: [paid], realm: 'shop.example', secretKey })
  const page = server.charge({ amount: '21' })(() => new Response('goods'))
  const client = Client.create({
    methods: [paying],
    policy: { max: '21' },
    fetch: async (input, init) => page(new Request(input, init)),
  })
  const response = await client.fetch('https://shop.example/')
  expect(await response.text()).toBe('goods')
  expect(nodes.payee.income.sumMsat).toBe(21_000n)

  await Promise.all([paid.cleanup(), paying.cleanup()])
  expect([payer.closed, shop.closed]).toEqual([1, 1])
})
