import { Lightning } from '@polyrail/sandbox/lightning'
import { finalizeEvent, generateSecretKey, getPublicKey } from 'nostr-tools/pure'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, openClient } from './nwc-client.js'

let network: Lightning.Network
let relay: Lightning.Relay
let shopService: Lightning.Nwc
let walletService: Lightning.Nwc
let shop: Awaited<ReturnType<typeof openClient>>
let wallet: Awaited<ReturnType<typeof openClient>>

beforeAll(async () => {
  network = await Lightning.start({ quiet: true })
  relay = await Lightning.relay()
  shopService = await Lightning.nwc(network.payee, relay)
  walletService = await Lightning.nwc(network.payer, relay)
  shop = await openClient(shopService.url)
  wallet = await openClient(walletService.url)
})
afterAll(async () => {
  shop.close()
  wallet.close()
  await network.stop()
  await relay.close()
})

type Made = { invoice: string; payment_hash: string }

const bill = async (params: object = { amount: 21_001, description: 'a page', expiry: 60 }) =>
  (await shop.ask('make_invoice', params)).result as Made

describe('the wallet service', () => {
  test('says what it can do', async () => {
    expect(walletService.url).toMatch(/^nostr\+walletconnect:\/\/[0-9a-f]{64}\?relay=ws%3A%2F%2F/)
    expect(wallet.info).toMatchObject({
      content: 'pay_invoice make_invoice lookup_invoice get_info get_balance',
      tags: [['encryption', 'nip44_v2 nip04']],
    })
    expect(await wallet.ask('get_info')).toMatchObject({
      result_type: 'get_info',
      result: { pubkey: network.payer.id, network: 'regtest' },
      error: null,
    })
    const { result } = await wallet.ask('get_balance')
    expect(result).toEqual({ balance: Number(network.payer.balance) })
  })

  test.each(['nip44_v2', 'nip04', 'none'] as const)(
    'makes, pays and looks up an invoice, encrypted as %s',
    async (encryption) => {
      const asking = { encryption }
      const made = await shop.ask('make_invoice', { amount: 5_000, expiry: 60 }, asking)
      const { invoice, payment_hash } = made.result as Made
      expect(made.result).toMatchObject({ type: 'incoming', state: 'pending', amount: 5_000 })
      expect(made.result).not.toHaveProperty('preimage')
      const paid = await wallet.ask('pay_invoice', { invoice }, asking)
      expect(paid).toMatchObject({ result_type: 'pay_invoice', result: { fees_paid: 0 } })
      const { preimage } = paid.result as { preimage: string }
      const settled = { state: 'settled', preimage, payment_hash, settled_at: expect.any(Number) }
      expect((await shop.ask('lookup_invoice', { payment_hash }, asking)).result).toMatchObject({
        type: 'incoming',
        ...settled,
      })
      expect((await wallet.ask('lookup_invoice', { invoice }, asking)).result).toMatchObject({
        type: 'outgoing',
        ...settled,
      })
    },
  )

  test('answers with the error codes of NIP-47', async () => {
    const { invoice } = await bill()
    await wallet.ask('pay_invoice', { invoice })
    const dear = await bill({ amount: 1e12 })
    const own = (await wallet.ask('make_invoice', { amount: 1_000 })).result as Made
    const cases: [string, object, string][] = [
      ['pay_invoice', { invoice }, 'OTHER'],
      ['pay_invoice', { invoice: 'lnbcrt1oops' }, 'OTHER'],
      ['pay_invoice', {}, 'OTHER'],
      ['pay_invoice', { invoice: dear.invoice }, 'INSUFFICIENT_BALANCE'],
      ['pay_invoice', { invoice: own.invoice }, 'PAYMENT_FAILED'],
      ['lookup_invoice', { payment_hash: '00'.repeat(32) }, 'NOT_FOUND'],
      ['make_invoice', { amount: 'much' }, 'OTHER'],
      ['pay_keysend', {}, 'NOT_IMPLEMENTED'],
    ]
    for (const [method, params, code] of cases) {
      expect(await wallet.ask(method, params)).toMatchObject({
        result_type: method,
        result: null,
        error: { code },
      })
    }
  })

  test('refuses strangers, unknown encryption, and what the connection may not do', async () => {
    const stranger = { secret: wallet.stranger() }
    expect(await wallet.ask('get_info', {}, stranger)).toMatchObject({
      error: { code: 'UNAUTHORIZED' },
    })
    expect(await wallet.ask('get_info', {}, { encryption: 'rot13' })).toMatchObject({
      error: { code: 'UNSUPPORTED_ENCRYPTION' },
    })
    await using narrow = await Lightning.nwc(network.payer, relay, {
      encryptions: ['nip04'],
      methods: ['get_info'],
    })
    const client = await openClient(narrow.url)
    expect(client.info).toMatchObject({ content: 'get_info', tags: [['encryption', 'nip04']] })
    const asking = { encryption: 'nip04' } as const
    expect(await client.ask('get_balance', {}, asking)).toMatchObject({
      error: { code: 'RESTRICTED' },
    })
    expect(await client.ask('get_info')).toMatchObject({
      error: { code: 'UNSUPPORTED_ENCRYPTION' },
    })
    client.close()
  })

  test('ignores a request that is past its expiration', async () => {
    const { invoice, payment_hash } = await bill()
    const at = Math.floor(Date.now() / 1000)
    wallet.send(wallet.make('pay_invoice', { invoice }, { tags: [['expiration', String(at - 5)]] }))
    // The service takes requests in order, so after a later one's answer the first has been seen.
    await wallet.ask('get_info', {}, { tags: [['expiration', String(at + 60)]] })
    expect(network.payer.ledger.payment(payment_hash)).toBeUndefined()
  })

  test('answers when the payment arrives, and can be asked meanwhile', async () => {
    const hold = network.payee.hold()
    const { invoice, payment_hash } = await bill()
    const paying = wallet.ask('pay_invoice', { invoice })
    await hold.arrived()
    expect((await wallet.ask('lookup_invoice', { payment_hash })).result).toMatchObject({
      state: 'pending',
    })
    expect((await shop.ask('lookup_invoice', { payment_hash })).result).toMatchObject({
      state: 'accepted',
    })
    hold.release()
    expect((await paying).result).toHaveProperty('preimage')
  })

  test('takes faults: an error, a lost answer', async () => {
    using limited = walletService.fault({
      fail: { code: 'RATE_LIMITED', message: 'slow down' },
      times: 1,
    })
    expect(await wallet.ask('get_info')).toMatchObject({ error: { code: 'RATE_LIMITED' } })
    expect(limited.hits).toBe(1)

    const { invoice, payment_hash } = await bill()
    using _ = walletService.fault({ call: 'pay_invoice', executed: true, fail: 'drop', times: 1 })
    const request = wallet.make('pay_invoice', { invoice })
    wallet.send(request)
    while (!network.payee.received(payment_hash)) await new Promise((next) => setImmediate(next))
    expect((await wallet.ask('lookup_invoice', { payment_hash })).result).toMatchObject({
      state: 'settled',
    })
    const answers = wallet.line.heard.filter(([verb, id]) => verb === 'EVENT' && id === request.id)
    expect(answers).toEqual([])
  })

  test('comes back when the relay has cut its connection', async () => {
    await using other = await Lightning.relay()
    await using service = await Lightning.nwc(network.payer, other)
    await other.cut()
    while (other.subscriptions === 0) await new Promise((next) => setImmediate(next))
    const client = await openClient(service.url)
    expect(await client.ask('get_info')).toMatchObject({ error: null })
    client.close()
  })
})

describe('the relay', () => {
  const secret = generateSecretKey()
  const event = (kind: number, content = '', tags: string[][] = []) =>
    finalizeEvent({ kind, content, tags, created_at: Math.floor(Date.now() / 1000) }, secret)

  test('verifies ids and signatures', async () => {
    const line = await connect(relay.url)
    const good = event(1, 'hello')
    line.say('EVENT', good)
    expect(await line.hear(([, id]) => id === good.id)).toEqual(['OK', good.id, true, ''])
    for (const forged of [
      { ...event(1, 'a'), content: 'b' },
      { ...event(1, 'c'), sig: good.sig },
    ]) {
      line.say('EVENT', forged)
      expect(await line.hear(([verb, id]) => verb === 'OK' && id === forged.id)).toEqual([
        'OK',
        forged.id,
        false,
        expect.stringMatching(/^invalid: /),
      ])
    }
    line.close()
  })

  test('sends what is stored and then what comes, by every filter', async () => {
    const [line, other] = [await connect(relay.url), await connect(relay.url)]
    const [first, last] = [event(1, 'one', [['e', 'x']]), event(2, 'two', [['p', 'y']])]
    line.say('EVENT', first)
    await line.hear(([, id]) => id === first.id)
    const authors = [getPublicKey(secret)]
    const hits = [
      { ids: [first.id] },
      { authors, kinds: [1], '#e': ['x'] },
      { since: 0, kinds: [1] },
    ]
    const misses = [{ ids: [last.id] }, { authors, '#e': ['z'] }, { since: 9e9 }]
    for (const [index, filter] of [...hits, ...misses].entries()) {
      const id = `${index}`
      other.say('REQ', id, filter)
      await other.hear(([verb, of]) => verb === 'EOSE' && of === id)
      const found = other.heard.filter(([verb, of]) => verb === 'EVENT' && of === id)
      expect(found.some(([, , one]) => (one as { id: string }).id === first.id)).toBe(
        index < hits.length,
      )
    }
    other.say('REQ', 'live', { '#p': ['y'], authors })
    other.say('REQ', 'gone', { '#p': ['y'] })
    other.say('CLOSE', 'gone')
    other.say('REQ', 'sync', { ids: [] })
    await other.hear(([verb, id]) => verb === 'EOSE' && id === 'sync')
    line.say('EVENT', last)
    await other.hear(([verb, id]) => verb === 'EVENT' && id === 'live')
    expect(other.heard.filter(([verb, id]) => verb === 'EVENT' && id === 'gone')).toEqual([])
    line.close()
    other.close()
  })

  test('keeps no ephemeral events, and the newest of replaceable ones', async () => {
    const line = await connect(relay.url)
    const sent = [event(23194, 'gone'), event(10_002, 'old'), event(10_002, 'new')]
    for (const one of sent) line.say('EVENT', one)
    await line.hear(([, id]) => id === sent[2]!.id)
    line.say('REQ', 'all', { authors: [getPublicKey(secret)], kinds: [23194, 10_002] })
    await line.hear(([verb]) => verb === 'EOSE')
    const stored = line.heard.filter(([verb]) => verb === 'EVENT')
    expect(stored.map(([, , one]) => (one as { content: string }).content)).toEqual(['new'])
    line.close()
  })

  test.each(['{oops', '7', '[]', '["EVENT"]', '["EVENT",{}]', '["REQ","x",7]', '["REQ",7]'])(
    'answers nonsense with a notice: %s',
    async (text) => {
      const line = await connect(relay.url)
      line.sayRaw(text)
      await line.hear(([verb]) => verb === 'NOTICE')
      line.close()
    },
  )

  test('takes faults: a refusal, a cut connection', async () => {
    const line = await connect(relay.url)
    const [first, second] = [event(7, 'a'), event(7, 'b')]
    using _ = relay.fault({ call: 'EVENT', kind: 7, fail: { message: 'blocked: no' }, times: 1 })
    line.say('EVENT', first)
    expect(await line.hear(([, id]) => id === first.id)).toEqual([
      'OK',
      first.id,
      false,
      'blocked: no',
    ])
    using cut = relay.fault({ kind: 7, fail: 'drop', times: 1 })
    line.say('EVENT', second)
    await line.closed
    expect(cut.hits).toBe(1)
  })
})
