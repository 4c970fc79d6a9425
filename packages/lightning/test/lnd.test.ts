import { lnd } from '@polyrail/lightning/lnd'
import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bill, hashOf, thrownBy } from './bills.js'
import { benchOf, keepsContract } from './contract.js'

const CALLS = {
  create: 'POST /v1/invoices',
  pay: 'POST /v2/router/send',
  lookup: 'GET /v2/router/track',
} as const

keepsContract({
  codes: { drop: 'unreachable', hang: 'unanswered', garbage: 'unreadable' },
  async open(node, timeout) {
    const service = await Lightning.lnd(node)
    return { wallet: lnd({ ...service, timeout }), ...benchOf(service, CALLS) }
  },
})

describe('against a node', { timeout: 30_000 }, () => {
  let network: Lightning.Network
  let node: Lightning.Lnd

  beforeAll(async () => {
    network = await Lightning.start({ quiet: true })
    node = await Lightning.lnd(network.payer)
  })
  afterAll(() => network.stop())

  test('fees are limited', async () => {
    const far = await network.node()
    const wallet = lnd(node)
    const order = await bill(far)
    const cheap = await wallet.payInvoice({ ...order, maxFeeMsat: 999n })
    expect(cheap).toEqual({ status: 'failed', reason: 'no route within the fee limit' })
    const payment = await wallet.payInvoice({ ...order, maxFeeMsat: 1_000n })
    expect(payment).toMatchObject({ status: 'paid', feeMsat: 1_000n })
  })

  test('a wrong macaroon pays nothing, and is not quoted', async () => {
    const macaroon = 'ab'.repeat(40)
    const wallet = lnd({ ...node, macaroon })
    const order = await bill(network.payee)
    for (const ask of [wallet.payInvoice, wallet.lookupPayment]) {
      const thrown = await thrownBy(ask(order))
      expect(thrown).toMatchObject({ code: 'refused' })
      expect(thrown.message).toContain('macaroon')
      expect(thrown.message).not.toContain(macaroon)
    }
  })

  test.each([401, 403])('HTTP %s says that the key is not accepted', async (status) => {
    using _ = node.fault({ fail: { status } })
    const made = lnd(node).createInvoice({ expirySeconds: 60 })
    expect(await thrownBy(made)).toMatchObject({ code: 'unauthorized' })
  })

  test.each([500, 502, 503, 504])('HTTP %s is no word on a payment', async (status) => {
    const body = { code: 2, message: 'payment failed', details: [] }
    const order = await bill(network.payee)
    using _ = node.fault({ call: CALLS.pay, fail: { status, body }, executed: true, times: 1 })
    expect(await thrownBy(lnd(node).payInvoice(order))).toMatchObject({ code: 'refused' })
    expect(await lnd(node).lookupPayment(order)).toMatchObject({ status: 'paid' })
  })

  test('a wrong address is not taken for an unknown payment', async () => {
    const body = { code: 5, message: 'Not Found', details: [] }
    using _ = node.fault({ call: CALLS.lookup, fail: { status: 404, body } })
    const looked = lnd(node).lookupPayment(await bill(network.payee))
    expect(await thrownBy(looked)).toMatchObject({ code: 'refused' })
  })

  test('what LND refuses and has no record of has failed', async () => {
    const body = { error: { code: 3, message: 'secret words' } }
    using _ = node.fault({ call: CALLS.pay, fail: { status: 400, body } })
    const failed = await lnd(node).payInvoice(await bill(network.payee))
    expect(failed).toEqual({ status: 'failed', reason: 'LND refused: HTTP 400, gRPC code 3.' })
  })

  test('a port where nothing listens cannot be reached', async () => {
    const gone = await Lightning.lnd(network.payer)
    await gone.close()
    const paying = lnd(gone).payInvoice(await bill(network.payee))
    const thrown = await thrownBy(paying)
    expect(thrown).toMatchObject({ code: 'unreachable' })
    expect(thrown.message).toContain('ECONNREFUSED')
  })
})

describe('against a stream', { timeout: 30_000 }, () => {
  const preimage = '11'.repeat(32)
  const order = {
    invoice: `lnbcrt1${'q'.repeat(60)}`,
    paymentHash: hashOf(preimage),
    maxFeeMsat: 1n,
    timeoutSeconds: 1,
  }
  const options = { url: 'https://localhost:8080', macaroon: 'ab' }
  const result = (status: string, more = {}) => JSON.stringify({ result: { status, ...more } })
  const settled = result('SUCCEEDED', { payment_preimage: preimage, fee_msat: '9007199254740993' })

  /** Answers each request with parts, as they are; the stream ends after the last, or never. */
  const streaming =
    (parts: readonly string[], { end = true } = {}) =>
    async () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start(controller) {
            for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
            if (end) controller.close()
          },
        }),
      )

  test('lines come in pieces, and amounts above 2^53 are exact', async () => {
    const [head, tail] = [settled.slice(0, 20), settled.slice(20)]
    const parts = [`${result('IN_FLIGHT')}\n`, head, `${tail}\n`, 'never read']
    const wallet = lnd({ ...options, fetch: streaming(parts) })
    expect(await wallet.payInvoice(order)).toEqual({
      status: 'paid',
      preimage,
      feeMsat: 9_007_199_254_740_993n,
    })
  })

  test('the last line may lack its end', async () => {
    const wallet = lnd({ ...options, fetch: streaming([settled]) })
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
  })

  test('one that breaks off is no word on the payment', async () => {
    const wallet = lnd({ ...options, fetch: streaming([`${result('IN_FLIGHT')}\n`]) })
    expect(await thrownBy(wallet.payInvoice(order))).toMatchObject({ code: 'unreachable' })
  })

  test('one that stays silent says that the payment is under way', async () => {
    const fetch = streaming([], { end: false })
    const wallet = lnd({ ...options, timeout: 0.05, fetch })
    expect(await wallet.lookupPayment(order)).toEqual({ status: 'pending' })
  })

  test('one without an end of line is given up', async () => {
    const wallet = lnd({ ...options, fetch: streaming(Array(5).fill('x'.repeat(1024 * 1024))) })
    expect(await thrownBy(wallet.payInvoice(order))).toMatchObject({ code: 'unreadable' })
  })

  test.each(['42'.repeat(32), '0'.repeat(64), '11', undefined])(
    'the preimage %s is no proof',
    async (wrong) => {
      const line = result('SUCCEEDED', { payment_preimage: wrong })
      const wallet = lnd({ ...options, fetch: streaming([line]) })
      const thrown = await thrownBy(wallet.payInvoice(order))
      expect(thrown).toMatchObject({ code: 'unreadable' })
      if (wrong) expect(thrown.message).not.toContain(wrong)
    },
  )

  test.each(['', '{}', '[]', 'null', '{"result":{"status":"NEW"}}', '{"result":7}'])(
    '%s makes no sense',
    async (line) => {
      const wallet = lnd({ ...options, fetch: streaming([`${line}\n`]) })
      const thrown = await thrownBy(wallet.lookupPayment(order))
      expect(thrown).toMatchObject({ code: 'unreadable' })
    },
  )

  test('a redirect is not followed', async () => {
    const seen: RequestInit[] = []
    const fetch = async (_: string, init: RequestInit) => {
      seen.push(init)
      return new Response(null, { status: 307, headers: { location: 'https://thief.example' } })
    }
    const wallet = lnd({ ...options, fetch })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'refused' })
    expect(seen.map(({ redirect }) => redirect)).toEqual(['manual'])
  })

  test('a fetch that does not know signals is left behind', async () => {
    const wallet = lnd({ ...options, timeout: 0.05, fetch: () => new Promise(() => {}) })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'unanswered' })
  })

  test('what a fetch throws is not passed on', async () => {
    const fetch = async () => {
      throw Object.assign(new Error(`with ${options.macaroon}`), { code: 'EPROTO' })
    }
    const thrown = await thrownBy(lnd({ ...options, fetch }).lookupPayment(order))
    expect(thrown.message).toBe('LND cannot be reached (EPROTO).')
    expect(thrown.cause).toBeUndefined()
  })

  test('private channels are named on demand', async () => {
    const bodies: unknown[] = []
    const fetch = async (_: string, { body }: RequestInit) => {
      bodies.push(JSON.parse(String(body)))
      return Response.json({ payment_request: order.invoice })
    }
    const terms = { amountMsat: 2n ** 60n, expirySeconds: 60 }
    await lnd({ ...options, private: true, fetch }).createInvoice(terms)
    expect(bodies).toEqual([{ value_msat: '1152921504606846976', expiry: '60', private: true }])
  })
})

describe('options', { timeout: 30_000 }, () => {
  const macaroon = 'ab'

  test.each([
    ['no address', { url: 'localhost', macaroon }],
    ['another scheme', { url: 'ftp://localhost', macaroon }],
    ['a password in the address', { url: 'https://me:secret@localhost', macaroon }],
    ['a query in the address', { url: 'https://localhost/?macaroon=secret', macaroon }],
    ['http on the internet', { url: 'http://node.example.com:8080', macaroon }],
    ['http on the internet, by number', { url: 'http://8.8.8.8:8080', macaroon }],
    ['a macaroon in base64', { url: 'https://localhost', macaroon: 'secret==' }],
    ['no macaroon', { url: 'https://localhost', macaroon: '' }],
  ])('that cannot be: %s', (_, options) => {
    const make = () => lnd(options)
    expect(make).toThrow(TypeError)
    expect(make).not.toThrow('secret')
  })

  test.each([
    'https://node.example.com:8080/lnd/',
    'http://localhost:8080',
    'http://127.0.0.1:8080',
    'http://[::1]:8080',
    'http://10.1.2.3',
    'http://172.16.0.1',
    'http://192.168.1.1',
    'http://100.100.1.1',
    'http://[fd00::1]',
    'http://lnd:8080',
    'http://umbrel.local:8080',
    'http://abcdefghijklmnop.onion:8080',
  ])('may say %s', (url) => {
    expect(() => lnd({ url, macaroon })).not.toThrow()
  })
})
