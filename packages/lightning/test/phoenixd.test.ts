import { phoenixd } from '@polyrail/lightning/phoenixd'
import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bill, hashOf, thrownBy } from './bills.js'
import { benchOf, keepsContract } from './contract.js'

const CALLS = {
  create: 'POST /createinvoice',
  pay: 'POST /payinvoice',
  lookup: 'GET /payments/outgoingbyhash',
} as const

keepsContract({
  codes: { drop: 'unreachable', hang: 'unanswered', garbage: 'unreadable' },
  wholeSats: true,
  async open(node, timeout) {
    const service = await Lightning.phoenixd(node)
    return { wallet: phoenixd({ ...service, timeout }), ...benchOf(service, CALLS) }
  },
})

describe('against a node', { timeout: 30_000 }, () => {
  let network: Lightning.Network
  let server: Lightning.Phoenixd

  beforeAll(async () => {
    network = await Lightning.start({ quiet: true })
    server = await Lightning.phoenixd(network.payer)
  })
  afterAll(() => network.stop())

  test('a payment whose fixed fee is above the limit is not sent', async () => {
    const wallet = phoenixd(server)
    // 4 satoshis and 0.4 % of 100.
    const order = await bill(network.payee, { amountMsat: 100_000n })
    const failed = await wallet.payInvoice({ ...order, maxFeeMsat: 4_399n })
    expect(failed).toEqual({
      status: 'failed',
      reason: 'phoenixd pays a fixed fee, here 4400 msat, and at most 4399 msat are allowed',
    })
    expect(network.payer.ledger.payment(order.paymentHash)).toBeUndefined()
    const payment = await wallet.payInvoice({ ...order, maxFeeMsat: 4_400n })
    expect(payment).toMatchObject({ status: 'paid' })
  })

  test('the fee may be another', async () => {
    const wallet = phoenixd({ ...server, fee: { baseMsat: 0n, partsPerMillion: 0n } })
    const order = await bill(network.payee)
    expect(await wallet.payInvoice({ ...order, maxFeeMsat: 0n })).toMatchObject({ status: 'paid' })
  })

  test('what was paid says its fee', async () => {
    const far = await network.node()
    const order = await bill(far)
    const wallet = phoenixd(server)
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'paid', feeMsat: 1_000n })
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'paid', feeMsat: 1_000n })
  })

  test('a wrong password does nothing, and is not quoted', async () => {
    const password = 'not the password'
    const wallet = phoenixd({ ...server, password })
    const order = await bill(network.payee)
    for (const ask of [wallet.payInvoice, wallet.lookupPayment]) {
      const thrown = await thrownBy(ask(order))
      expect(thrown).toMatchObject({ code: 'unauthorized' })
      expect(thrown.message).not.toContain(password)
    }
  })

  test.each([400, 500, 502, 503, 504])('HTTP %s is no word on a payment', async (status) => {
    const order = await bill(network.payee)
    const fail = { status, body: 'secret words' }
    using _ = server.fault({ call: CALLS.pay, fail, executed: true, times: 1 })
    const thrown = await thrownBy(phoenixd(server).payInvoice(order))
    expect(thrown).toMatchObject({ code: 'refused', message: `phoenixd refused: HTTP ${status}.` })
    expect(await phoenixd(server).lookupPayment(order)).toMatchObject({ status: 'paid' })
  })

  test('a reason for failing is no word, when the record knows better', async () => {
    const order = await bill(network.payee)
    const fail = { status: 200, body: { paymentHash: order.paymentHash, reason: 'already paid' } }
    using _ = server.fault({ call: CALLS.pay, fail, executed: true, times: 1 })
    expect(await phoenixd(server).payInvoice(order)).toMatchObject({ status: 'paid' })
  })

  test('descriptions are short', async () => {
    const wallet = phoenixd(server)
    const terms = { amountMsat: 1_000n, expirySeconds: 60 }
    const made = wallet.createInvoice({ ...terms, description: 'x'.repeat(129) })
    expect(await thrownBy(made)).toMatchObject({ code: 'unsupported' })
    expect(await wallet.createInvoice({ ...terms, description: 'x'.repeat(128) })).toMatch(/^ln/)
  })
})

describe('against answers', { timeout: 30_000 }, () => {
  const preimage = '11'.repeat(32)
  const paymentHash = hashOf(preimage)
  const order = {
    invoice: `lnbcrt210n1${'q'.repeat(60)}`,
    paymentHash,
    maxFeeMsat: 5_000n,
    timeoutSeconds: 1,
  }
  const options = { url: 'http://localhost:9740', password: 'secret' }

  /** Answers by path; `calls` tells what was asked. */
  function answering(answers: Record<string, () => Response>) {
    const calls: string[] = []
    const fetch = async (url: string, { method, body }: RequestInit) => {
      const { pathname } = new URL(url)
      calls.push(`${method} ${pathname} ${body ?? ''}`.trim())
      return answers[pathname]?.() ?? new Response('Not found', { status: 404 })
    }
    return { wallet: phoenixd({ ...options, fetch }), calls }
  }
  const record = `/payments/outgoingbyhash/${paymentHash}`
  const unknownEndpoint = () => new Response('Unknown endpoint (check api doc)', { status: 404 })

  test.each([204, 404])('an unknown payment may be told by HTTP %s', async (status) => {
    const body = status === 204 ? null : 'Not found'
    const { wallet } = answering({ [record]: () => new Response(body, { status }) })
    expect(await wallet.lookupPayment(order)).toBeUndefined()
  })

  test.each([
    ['a version that has the call', { version: '0.6.2-e2ac9c5' }, undefined],
    ['a version that does not', { version: '0.4.1' }, 'refused'],
    ['another server', {}, 'refused'],
  ])('an unknown endpoint is understood by %s', async (_, info, code) => {
    const getinfo = () => Response.json(info)
    const { wallet } = answering({ [record]: unknownEndpoint, '/getinfo': getinfo })
    const looked = wallet.lookupPayment(order)
    if (code) expect(await thrownBy(looked)).toMatchObject({ code })
    else expect(await looked).toBeUndefined()
  })

  test.each([
    ['no preimage', { isPaid: true, completedAt: 1 }],
    ['the preimage of another', { isPaid: true, preimage: '42'.repeat(32), completedAt: 1 }],
    ['no word', { completedAt: 1 }],
    ['a word that is none', { isPaid: 'yes', preimage }],
  ])('a record with %s proves nothing', async (_, body) => {
    const { wallet, calls } = answering({ [record]: () => Response.json(body) })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'unreadable' })
    expect(await thrownBy(wallet.payInvoice(order))).toMatchObject({ code: 'unreadable' })
    expect(calls.join()).not.toContain('payinvoice')
  })

  test('a payment with the preimage of another is not reported as paid', async () => {
    const paymentPreimage = '42'.repeat(32)
    const { wallet } = answering({ '/payinvoice': () => Response.json({ paymentPreimage }) })
    const thrown = await thrownBy(wallet.payInvoice(order))
    expect(thrown).toMatchObject({ code: 'unreadable' })
    expect(thrown.message).not.toContain(paymentPreimage)
  })

  test('one that is on its way is not paid again', async () => {
    const { wallet, calls } = answering({ [record]: () => Response.json({ isPaid: false }) })
    expect(await wallet.payInvoice(order)).toEqual({ status: 'pending' })
    expect(calls).toEqual([`GET ${record}`])
  })

  test('an amount in the invoice is not repeated', async () => {
    const { wallet, calls } = answering({
      '/payinvoice': () => Response.json({ paymentPreimage: preimage, routingFeeSat: 4 }),
    })
    expect(await wallet.payInvoice(order)).toEqual({ status: 'paid', preimage, feeMsat: 4_000n })
    expect(calls).toEqual([`GET ${record}`, `POST /payinvoice invoice=${order.invoice}`])
  })

  test('an answer that is too long is given up', async () => {
    const { wallet } = answering({ [record]: () => new Response('x'.repeat(5 * 1024 * 1024)) })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'unreadable' })
  })

  test('what is no invoice is not passed on', async () => {
    const { wallet } = answering({ '/createinvoice': () => Response.json({ serialized: 'no' }) })
    const made = wallet.createInvoice({ expirySeconds: 60 })
    expect(await thrownBy(made)).toMatchObject({ code: 'unreadable' })
  })

  test.each(['lnbcrt', 'bitcoin', 'lnxx210n1qqq', 'lnbcrt1p1qqq'])(
    'an order for %s is not passed on',
    async (invoice) => {
      const { wallet, calls } = answering({})
      const paying = wallet.payInvoice({ ...order, invoice })
      expect(await thrownBy(paying)).toMatchObject({ code: 'unsupported' })
      expect(calls).toEqual([`GET ${record}`])
    },
  )

  test('the password goes into a header of its own kind', async () => {
    const seen: unknown[] = []
    const fetch = async (_: string, { headers, redirect }: RequestInit) => {
      seen.push({ headers, redirect })
      return new Response('Not found', { status: 404 })
    }
    await phoenixd({ ...options, fetch }).lookupPayment(order)
    const authorization = `Basic ${btoa(':secret')}`
    expect(seen).toEqual([{ headers: { authorization }, redirect: 'manual' }])
  })
})

test.each([
  ['no password', { url: 'http://localhost:9740', password: '' }],
  ['a password with a line break', { url: 'http://localhost:9740', password: 'secret\n' }],
  ['http on the internet', { url: 'http://node.example.com:9740', password: 'secret' }],
  ['no address', { url: 'localhost:9740', password: 'secret' }],
])('options that cannot be: %s', (_, options) => {
  const make = () => phoenixd(options)
  expect(make).toThrow(TypeError)
  expect(make).not.toThrow('secret')
})
