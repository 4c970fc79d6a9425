import { nwc } from '@polyrail/lightning/nwc'
import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bill, hashOf, thrownBy } from './bills.js'
import { keepsContract } from './contract.js'
import { openService, type Options } from './service.js'

const CALLS = { create: 'make_invoice', pay: 'pay_invoice', lookup: 'lookup_invoice' } as const

let relay: Lightning.Relay
beforeAll(async () => {
  relay = await Lightning.relay()
})
afterAll(() => relay.close())

keepsContract({
  // A relay does not tell whether a service lost an answer or is slow.
  codes: { hang: 'unanswered' },
  async open(node, timeout) {
    const service = await Lightning.nwc(node, relay)
    const wallet = nwc({ url: service.url, timeout })
    return {
      wallet,
      spoil: (call, fault) =>
        service.fault({
          ...fault,
          call: CALLS[call],
          fail: fault.fail === 'hang' ? 'hang' : 'drop',
        }),
      async stop() {
        wallet.close()
        await service.close()
      },
    }
  },
})

describe('against a node', { timeout: 30_000 }, () => {
  let network: Lightning.Network
  let service: Lightning.Nwc
  let wallet: nwc.Connected

  beforeAll(async () => {
    network = await Lightning.start({ quiet: true })
    service = await Lightning.nwc(network.payer, relay)
    wallet = nwc({ url: service.url })
  })
  afterAll(async () => {
    wallet.close()
    await network.stop()
  })

  test.each(['nip44_v2', 'nip04'] as const)('what is said is encrypted by %s', async (scheme) => {
    await using service = await Lightning.nwc(network.payer, relay, { encryptions: [scheme] })
    const wallet = nwc({ url: service.url })
    expect(await wallet.createInvoice({ expirySeconds: 60 })).toMatch(/^lnbcrt1/)
    const order = await bill(network.payee)
    const paid = await wallet.payInvoice(order)
    expect(paid).toMatchObject({ status: 'paid' })
    expect(await wallet.lookupPayment(order)).toEqual(paid)
    wallet.close()
  })

  const refusals = {
    RATE_LIMITED: 'failed',
    NOT_IMPLEMENTED: 'failed',
    INSUFFICIENT_BALANCE: 'failed',
    QUOTA_EXCEEDED: 'failed',
    RESTRICTED: 'failed',
    PAYMENT_FAILED: 'failed',
    INTERNAL: 'refused',
    OTHER: 'refused',
    UNAUTHORIZED: 'unauthorized',
  } as const

  test.each(Object.entries(refusals))(
    '%s, for a payment that the wallet does not know, is %s',
    async (code, meaning) => {
      const fail = { code: code as keyof typeof refusals, message: 'secret words' }
      using _ = service.fault({ call: 'pay_invoice', fail })
      const paying = wallet.payInvoice(await bill(network.payee))
      if (meaning === 'failed') expect(await paying).toMatchObject({ status: 'failed' })
      else expect(await thrownBy(paying)).toMatchObject({ code: meaning })
    },
  )

  test.each(['PAYMENT_FAILED', 'OTHER', 'INTERNAL'] as const)(
    '%s is no word, when the record knows better',
    async (code) => {
      const fail = { code, message: 'secret words' }
      using _ = service.fault({ call: 'pay_invoice', fail, executed: true })
      const order = await bill(network.payee)
      expect(await wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
    },
  )

  test('an error in the record is no word on a payment, and is not quoted', async () => {
    const fail = { code: 'INTERNAL', message: 'secret words' } as const
    using _ = service.fault({ call: 'lookup_invoice', fail })
    const thrown = await thrownBy(wallet.lookupPayment(await bill(network.payee)))
    expect(thrown).toMatchObject({ code: 'refused', message: 'The wallet refused (INTERNAL).' })
  })

  test('a wallet does not pay itself', async () => {
    const thrown = await thrownBy(wallet.payInvoice(await bill(network.payer)))
    expect(thrown).toMatchObject({ code: 'unsupported' })
  })

  test('a connection that is lost is made anew', async () => {
    const order = await bill(network.payee)
    expect(await wallet.lookupPayment(order)).toBeUndefined()
    using fault = relay.fault({ call: 'EVENT', kind: 23194, fail: 'drop', times: 1 })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'unreachable' })
    expect(fault.hits).toBe(1)
    expect(await wallet.payInvoice(order)).toMatchObject({ status: 'paid' })
  })

  test('a payment whose connection is lost is found again', async () => {
    const { payer, payee } = network
    const order = { ...(await bill(payee)), timeoutSeconds: 60 }
    const hold = payee.hold()
    const paying = thrownBy(wallet.payInvoice(order))
    await hold.arrived()
    wallet.close()
    expect(await paying).toMatchObject({ code: 'unreachable' })
    hold.release()
    await payer.ledger.done(payer.ledger.payment(order.paymentHash)!)
    expect(await wallet.lookupPayment(order)).toMatchObject({ status: 'paid' })
  })

  test('a relay that takes nothing any more is given up', async () => {
    await using relay = await Lightning.relay()
    await using service = await Lightning.nwc(network.payer, relay)
    const wallet = nwc({ url: service.url, timeout: 0.5 })
    const order = await bill(network.payee)
    using fault = relay.fault({ call: 'EVENT', kind: 23194, fail: 'hang', times: 1 })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'unreachable' })
    expect(fault.hits).toBe(1)
    wallet.close()
  })

  test('a relay that refuses is named', async () => {
    using _ = relay.fault({ call: 'EVENT', kind: 23194, fail: { message: 'blocked: go away' } })
    const thrown = await thrownBy(wallet.lookupPayment(await bill(network.payee)))
    expect(thrown).toMatchObject({ code: 'refused' })
    expect(thrown.message).not.toContain('go away')
  })

  test('a relay that ends a subscription is named', async () => {
    using _ = relay.fault({ call: 'REQ', fail: { message: 'blocked: go away' }, times: 1 })
    const thrown = await thrownBy(wallet.lookupPayment(await bill(network.payee)))
    expect(thrown).toMatchObject({ code: 'refused' })
  })

  test.each(['make_invoice', 'pay_invoice', 'lookup_invoice'] as const)(
    'what the connection does not allow is not asked: %s',
    async (denied) => {
      const methods = Object.values(CALLS).filter((method) => method !== denied)
      const limited = await Lightning.nwc(network.payer, relay, { methods })
      const wallet = nwc({ url: limited.url })
      const order = await bill(network.payee)
      const asked =
        denied === 'make_invoice'
          ? wallet.createInvoice({ expirySeconds: 60 })
          : wallet.payInvoice(order)
      const thrown = await thrownBy(asked)
      expect(thrown).toMatchObject({ code: 'unsupported' })
      expect(thrown.message).toContain(denied)
      expect(network.payer.ledger.payment(order.paymentHash)).toBeUndefined()
      wallet.close()
    },
  )

  test('of several relays, the first that can be reached serves', async () => {
    const gone = await Lightning.relay()
    await gone.close()
    const url = service.url.replace('relay=', `relay=${encodeURIComponent(gone.url)}&relay=`)
    const wallet = nwc({ url })
    expect(await wallet.lookupPayment(await bill(network.payee))).toBeUndefined()
    wallet.close()
  })

  test('without a relay the wallet cannot be reached', async () => {
    const gone = await Lightning.relay()
    await gone.close()
    const url = service.url.replace(encodeURIComponent(relay.url), encodeURIComponent(gone.url))
    const thrown = await thrownBy(nwc({ url }).lookupPayment(await bill(network.payee)))
    expect(thrown).toMatchObject({ code: 'unreachable' })
    expect(thrown.message).not.toContain('secret')
  })

  test('a connection is kept, and ends on demand', async () => {
    await using relay = await Lightning.relay()
    await using service = await Lightning.nwc(network.payer, relay)
    const wallet = nwc({ url: service.url })
    const order = await bill(network.payee)
    await Promise.all([wallet.lookupPayment(order), wallet.lookupPayment(order)])
    await wallet.lookupPayment(order)
    expect(relay.connections).toBe(2)
    wallet.close()
    await expect.poll(() => relay.connections).toBe(1)
  })
})

describe('against answers', { timeout: 30_000 }, () => {
  const preimage = '11'.repeat(32)
  const invoice = `lnbcrt210n1${'q'.repeat(60)}`
  const order = { invoice, paymentHash: hashOf(preimage), maxFeeMsat: 0n, timeoutSeconds: 10 }
  const unknown = { result_type: 'lookup_invoice', error: { code: 'NOT_FOUND', message: '' } }
  const modern = { tags: [['encryption', 'nip44_v2 nip04']], content: 'pay_invoice lookup_invoice' }

  async function answering({
    timeout = 15,
    ...options
  }: Omit<Options, 'relay'> & { timeout?: number }) {
    const service = await openService({ relay: relay.url, info: modern, ...options })
    const wallet = nwc({ url: service.url, timeout })
    return {
      wallet,
      service,
      [Symbol.dispose]() {
        wallet.close()
        service.close()
      },
    }
  }
  const record = (result: object) => ({ result_type: 'lookup_invoice', error: null, result })

  test('a request is dated, encrypted for the wallet and signed', async () => {
    using it = await answering({ answer: () => unknown })
    expect(await it.wallet.lookupPayment(order)).toBeUndefined()
    const { method, params, event } = it.service.asked[0]!
    expect({ method, params }).toEqual({
      method: 'lookup_invoice',
      params: { payment_hash: order.paymentHash },
    })
    const tags = Object.fromEntries(event.tags)
    expect(tags).toMatchObject({ encryption: 'nip44_v2' })
    expect(Number(tags['expiration'])).toBeGreaterThan(event.created_at)
  })

  test('without a word on encryption the old one is used', async () => {
    using it = await answering({
      answer: () => unknown,
      info: { tags: [], content: 'lookup_invoice' },
    })
    expect(await it.wallet.lookupPayment(order)).toBeUndefined()
    expect(Object.fromEntries(it.service.asked[0]!.event.tags)).not.toHaveProperty('encryption')
  })

  test('without a word on anything it is asked all the same', async () => {
    using it = await answering({ answer: () => unknown, info: undefined })
    expect(await it.wallet.lookupPayment(order)).toBeUndefined()
  })

  test.each([
    ['that cannot be decrypted', 'garbage'],
    ['that is no object', '[]'],
    ['to something else', { result_type: 'get_info', result: {} }],
    ['without a result', { result_type: 'lookup_invoice', error: null, result: null }],
    ['with an error of no kind', { result_type: 'lookup_invoice', error: {}, result: null }],
  ])('an answer %s makes no sense', async (_, reply) => {
    using it = await answering({ answer: () => reply })
    expect(await thrownBy(it.wallet.lookupPayment(order))).toMatchObject({ code: 'unreadable' })
  })

  test('an answer that another has signed is none', async () => {
    const signer = new Uint8Array(32).fill(7)
    using it = await answering({
      answer: () => record({ type: 'outgoing', preimage }),
      signer,
      timeout: 0.5,
    })
    expect(await thrownBy(it.wallet.lookupPayment(order))).toMatchObject({ code: 'unanswered' })
  })

  test.each([
    ['settled', { type: 'outgoing', state: 'settled', preimage, fees_paid: 7 }, 'paid'],
    ['settled once', { type: 'outgoing', settled_at: 1, preimage, fees_paid: 7 }, 'paid'],
    ['proved', { type: 'outgoing', state: 'pending', preimage, fees_paid: 7 }, 'paid'],
    ['pending', { type: 'outgoing', state: 'pending' }, 'pending'],
    ['of no state', { type: 'outgoing', settled_at: null, preimage: null }, 'pending'],
    ['failed', { type: 'outgoing', state: 'failed' }, 'failed'],
  ])('a record that is %s', async (_, result, status) => {
    using it = await answering({ answer: () => record(result) })
    const payment = await it.wallet.lookupPayment(order)
    expect(payment).toEqual(status === 'paid' ? { status, preimage, feeMsat: 7n } : { status })
  })

  test.each([
    ['settled without a preimage', { type: 'outgoing', state: 'settled' }, 'unreadable'],
    [
      'settled with a wrong one',
      { type: 'outgoing', state: 'settled', preimage: '42' },
      'unreadable',
    ],
    ['of an invoice of its own', { type: 'incoming', state: 'pending', preimage }, 'unsupported'],
    ['of no type', { state: 'settled', preimage }, 'unsupported'],
  ])('a record %s proves nothing', async (_, result, code) => {
    using it = await answering({ answer: () => record(result) })
    expect(await thrownBy(it.wallet.lookupPayment(order))).toMatchObject({ code })
  })

  test.each(['42'.repeat(32), '', null])(
    'a payment with the preimage %s is not paid',
    async (wrong) => {
      using it = await answering({
        answer: ({ method }) =>
          method === 'pay_invoice'
            ? { result_type: method, error: null, result: { preimage: wrong } }
            : unknown,
      })
      const thrown = await thrownBy(it.wallet.payInvoice(order))
      expect(thrown).toMatchObject({ code: 'unreadable' })
      if (wrong) expect(thrown.message).not.toContain(wrong)
    },
  )

  test('a payment is not begun after its time', async () => {
    const error = { code: 'OTHER', message: 'not now' }
    using it = await answering({
      answer: ({ method }) => (method === 'pay_invoice' ? { result_type: method, error } : unknown),
    })
    const asked = it.wallet.payInvoice({ ...order, timeoutSeconds: 7 })
    expect(await thrownBy(asked)).toMatchObject({ code: 'refused' })
    const { event } = it.service.asked.find(({ method }) => method === 'pay_invoice')!
    const expiration = Number(Object.fromEntries(event.tags)['expiration'])
    expect(expiration - event.created_at).toBeLessThanOrEqual(8)
  })

  test('a wallet that always names an amount makes no open invoices', async () => {
    using it = await answering({
      answer: ({ method }) => ({ result_type: method, error: null, result: { invoice } }),
      info: undefined,
    })
    const made = it.wallet.createInvoice({ expirySeconds: 60 })
    expect(await thrownBy(made)).toMatchObject({ code: 'unsupported' })
    const [asked] = it.service.asked
    expect(asked?.params).toEqual({ amount: 0, expiry: 60 })
  })

  test('an amount that a number cannot hold is refused', async () => {
    using it = await answering({ answer: () => unknown, info: undefined })
    const made = it.wallet.createInvoice({ amountMsat: 2n ** 53n, expirySeconds: 60 })
    expect(await thrownBy(made)).toMatchObject({ code: 'unsupported' })
    expect(it.service.asked).toEqual([])
  })

  test('a relay that no connection can be begun to cannot be reached', async () => {
    using it = await answering({ answer: () => unknown })
    class Offline extends WebSocket {
      constructor() {
        super('nowhere')
      }
    }
    const wallet = nwc({ url: it.service.url, webSocket: Offline })
    expect(await thrownBy(wallet.lookupPayment(order))).toMatchObject({ code: 'unreachable' })
  })

  test('a public key that is none is named, and nothing is quoted', async () => {
    const url = `nostr+walletconnect://${KEY}?relay=wss://relay.example&secret=${KEY}`
    const thrown = await thrownBy(nwc({ url }).lookupPayment(order))
    expect(thrown).toMatchObject({ code: 'unsupported', name: 'WalletError' })
    expect(thrown.message).not.toContain(KEY)
  })
})

const KEY = '5c'.repeat(32)

test.each([
  ['nothing', ''],
  ['another scheme', `nostr:${KEY}?relay=wss://relay.example&secret=${KEY}`],
  ['no public key', `nostr+walletconnect://?relay=wss://relay.example&secret=${KEY}`],
  ['no relay', `nostr+walletconnect://${KEY}?secret=${KEY}`],
  ['a relay in the clear', `nostr+walletconnect://${KEY}?relay=ws://relay.example&secret=${KEY}`],
  ['a relay that is none', `nostr+walletconnect://${KEY}?relay=relay.example&secret=${KEY}`],
  ['no secret', `nostr+walletconnect://${KEY}?relay=wss://relay.example`],
  ['half a secret', `nostr+walletconnect://${KEY}?relay=wss://relay.example&secret=5c5c`],
])('a connection that cannot be: %s', (_, url) => {
  const make = () => nwc({ url })
  expect(make).toThrow(TypeError)
  expect(make).not.toThrow('5c5c')
})

test('the older way to write a connection is read too', () => {
  const url = `nostrwalletconnect://${KEY}?relay=wss%3A%2F%2Frelay.example%2Fv1&secret=${KEY}&lud16=a@b`
  expect(() => nwc({ url })).not.toThrow()
})
