/**
 * Stellar beside other rails on one endpoint: one 402 offers them all, each at its price, and one that is down drops out.
 *
 * @module
 */
import { reference } from '@polyrail/conformance'
import { Challenge } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { stellar as paying } from '@polyrail/stellar/client'
import { stellar } from '@polyrail/stellar/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { start, type Local } from './rail.ts'
import { realm, secretKey, url } from './shop.ts'

let local: Local
beforeAll(async () => void (local = await start()))
afterAll(() => local.chain.stop())

const [orders, tokens, invoices] = [reference.order(), reference.token(), reference.invoice()]
const others = [orders, tokens, invoices]

function open(options: Parameters<typeof stellar.charge>[0] = {}) {
  const mine = stellar.charge({ ...local.terms, ...options })
  const methods = [mine, orders.server, tokens.server, invoices.server]
  const mpp = Mpp.create({ methods, realm, secretKey })
  const page = mpp.compose(
    mpp.stellar.charge({ amount: '0.01' }),
    mpp.order.charge(orders.options),
    mpp.token.charge(tokens.options),
    mpp.invoice.charge(invoices.options),
  )
  return async (input: RequestInfo | URL, init?: RequestInit) => {
    const payment = await page(new Request(input, init))
    return payment.status === 402 ? payment.challenge : payment.withReceipt(new Response('goods'))
  }
}

const offered = async (fetch: ReturnType<typeof open>) =>
  Challenge.parse((await fetch(url)).headers).map(({ method }) => method)

const wallet = (
  method: Parameters<typeof Wallet.create>[0]['methods'][number],
  fetch: ReturnType<typeof open>,
) => Wallet.create({ methods: [method], policy: { max: '1000000', approve: () => true }, fetch })

test('all are offered, and any one of them buys the page', async () => {
  const fetch = open()
  const names = others.map(({ server }) => server.name)
  expect((await offered(fetch)).toSorted()).toEqual(['stellar', ...names].toSorted())
  const before = local.settled()
  for (const method of [paying.charge(local.wallet), ...others.map(({ client }) => client)])
    expect(await (await wallet(method, fetch).fetch(url)).text()).toBe('goods')
  expect(local.settled()).toBe(before + 1)
})

test('a payer of Stellar alone takes the one offer that is theirs', async () => {
  const asked: string[] = []
  const fetch = open()
  const listening = async (input: RequestInfo | URL, init?: RequestInit) => {
    const answer = await fetch(input, init)
    asked.push(`${answer.status}`)
    return answer
  }
  expect((await wallet(paying.charge(local.wallet), listening).fetch(url)).status).toBe(200)
  expect(asked).toEqual(['402', '200'])
})

test('a sponsor whose node is down drops out of the offer, and the others stay', async () => {
  const fetch = open({ feePayer: local.chain.account() })
  using _ = local.chain.fault({ fail: { status: 503 } })
  expect(await offered(fetch)).toEqual(others.map(({ server }) => server.name))
})
