/**
 * Lightning charges between the deployed SDK, with a method of the shape that its users have, and ours, over HTTP, on real nodes.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { Receipt as OurReceipt } from '@polyrail/core'
import { Mpp as OurWallet } from '@polyrail/core/client'
import { Mpp } from '@polyrail/core/server'
import { lightning as paying } from '@polyrail/lightning/client'
import { lightning } from '@polyrail/lightning/server'
import { Lightning } from '@polyrail/sandbox/lightning'
import { Credential, Method, Receipt } from 'mppx'
import { Mppx as Wallet } from 'mppx/client'
import { Mppx } from 'mppx/server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { object, optional, string } from 'zod/mini'
import { decode, open, present, realm, secretKey } from './page.js'

/** What travels, as deployed servers and clients of this method have it. */
const charge = Method.from({
  name: 'lightning',
  intent: 'charge',
  schema: {
    request: object({
      amount: string(),
      currency: optional(string()),
      description: optional(string()),
      methodDetails: object({
        invoice: string(),
        paymentHash: optional(string()),
        network: optional(string()),
      }),
    }),
    credential: { payload: object({ preimage: string() }) },
  },
})

const network = 'regtest'
const hashOf = (preimage: string) =>
  createHash('sha256').update(Buffer.from(preimage, 'hex')).digest('hex')

let nodes: Lightning.Network
beforeAll(async () => {
  nodes = await Lightning.start({ quiet: true })
})
afterAll(() => nodes.stop())

test('the deployed client pays our server, once', async () => {
  const mpp = Mpp.create({
    methods: [lightning.charge({ wallet: nodes.payee, network })],
    realm,
    secretKey,
  })
  await using page = await open(Mpp.toNodeListener(mpp.charge({ amount: '10', memo: 'a page' })))
  const method = Method.toClient(charge, {
    async createCredential({ challenge }) {
      const { invoice, paymentHash = '' } = challenge.request.methodDetails
      const order = { invoice, paymentHash, maxFeeMsat: 10_000n, timeoutSeconds: 10 }
      const payment = await nodes.payer.payInvoice(order)
      if (payment.status !== 'paid') throw new Error(payment.status)
      return Credential.serialize({ challenge, payload: { preimage: payment.preimage } })
    },
  })
  const before = nodes.payee.income.count
  const wallet = Wallet.create({ methods: [method], polyfill: false })
  const response = await wallet.fetch(page.url)
  expect([response.status, await response.text()]).toEqual([200, 'page 1'])
  const [authorization = ''] = page.presented
  const paymentHash = hashOf(String(decode(authorization).payload['preimage']))
  expect(Receipt.fromResponse(response)).toMatchObject({
    method: 'lightning',
    status: 'success',
    reference: paymentHash,
  })
  expect(nodes.payee.received(paymentHash)?.amountMsat).toBe(10_000n)
  expect((await present(page.url, authorization)).status).toBe(402)
  expect([nodes.payee.income.count - before, page.served()]).toEqual([1, 1])
})

test('our client pays the deployed server, once', async () => {
  const method = Method.toServer(charge, {
    defaults: { currency: 'sat', methodDetails: { invoice: '', paymentHash: '' } },
    async request({ credential, request }) {
      if (credential) return credential.challenge.request as typeof request
      const made = nodes.payee.ledger.issue({
        amountMsat: BigInt(request.amount) * 1000n,
        description: request.description ?? '',
        expirySeconds: 600,
      })
      const { invoice, paymentHash } = made
      return { ...request, methodDetails: { invoice, paymentHash, network } }
    },
    async verify({ credential }) {
      const { paymentHash } = credential.challenge.request.methodDetails
      const reference = hashOf(credential.payload.preimage)
      if (reference !== paymentHash) throw new Error('another preimage')
      const timestamp = new Date().toISOString()
      return Receipt.from({ method: 'lightning', reference, status: 'success', timestamp })
    },
  })
  const mppx = Mppx.create({ methods: [method], realm, secretKey })
  await using page = await open(
    Mppx.toNodeListener(mppx.charge({ amount: '10', description: 'a page' })),
  )
  const before = nodes.payee.income.count
  const wallet = OurWallet.create({
    methods: [paying.charge({ wallet: nodes.payer, network })],
    policy: { max: '20' },
  })
  const response = await wallet.fetch(page.url)
  expect([response.status, await response.text()]).toEqual([200, 'page 1'])
  const reference = OurReceipt.fromResponse(response)?.reference ?? ''
  expect(nodes.payee.received(reference)?.amountMsat).toBe(10_000n)
  expect([nodes.payee.income.count - before, page.served()]).toEqual([1, 1])
})
