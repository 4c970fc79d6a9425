import { LocalCards } from '@polyrail/sandbox/card'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { call, charge, look, order } from './card-client.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

const networks = ['visa', 'mastercard', 'amex', 'discover']

const zeroed = (text: string): string =>
  Buffer.concat([Buffer.alloc(1), Buffer.from(text, 'base64url')]).toString('base64url')

/** Self-signed, of a key on the curve P-256. */
const foreignCertificate = [
  'MIIBcDCCARWgAwIBAgIUH5UwGg886HDd5vKzbf+gHTnUKpwwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBYTAgFw0yNjExMjkxNTA4',
  'NTNaGA8yMDU0MDQxNTE1MDg1M1owDDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCVb1Xxp/n39as4JFIlc',
  'dC7/IhGKy8DL6bkMM5Rn9pkxZRJI8RXOOJXei7n46qeGCJqVOg8QhekdnTWPj+ePjnajUzBRMB0GA1UdDgQWBBTVV21n4104Vu7C',
  'R48jNdPbqOlp6zAfBgNVHSMEGDAWgBTVV21n4104Vu7CR48jNdPbqOlp6zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA',
  'MEYCIQDaZiUtFqpBfw8Hbkz6w+ZpE+35xcGtMIqqwuGECWgPxQIhAPqZ+K9GuJdJl9qOZZgtTu75nyXaUuKBaJIsx09Ao5lE',
].join('')

describe('the vault', () => {
  const challenge = (more: object = {}) => ({
    realm: 'shop.example',
    amount: '500',
    currency: 'usd',
    acceptedNetworks: networks,
    merchantName: 'Shop',
    encryptionJwk: local.key,
    ...more,
  })
  const ask = (body: unknown) => call(local.vault, '/payment-tokens', { body })

  test.each([
    ['card_visa', 'visa', '4242', 16],
    ['card_mastercard', 'mastercard', '4444', 16],
    ['card_amex', 'amex', '0005', 15],
    ['card_discover', 'discover', '1117', 16],
  ])(
    'makes a token of %s that the acquirer takes',
    async (cardId, network, panLastFour, length) => {
      const { status, body } = await ask({ cardId, challenge: challenge() })
      expect([status, body]).toMatchObject([
        200,
        { network, panLastFour, panExpirationYear: '2034' },
      ])
      expect(body).not.toHaveProperty('billingAddress')
      expect(local.provision({ amount: '1', cardId }).token.paymentToken).toHaveLength(length)
      const paid = await charge(local, { ...order(local), payload: body })
      expect(paid.body).toMatchObject({ status: 'approved', amount: '500', network })
    },
  )

  test('tells where a card is billed when it is asked, and nothing that it does not know', async () => {
    const asked = challenge({ billingRequired: true })
    const known = await ask({ cardId: 'card_visa', challenge: asked })
    expect(known.body['billingAddress']).toMatchObject({ zip: '94102', countryCode: 'US' })
    const unknown = await ask({ cardId: 'card_anonymous', challenge: asked })
    for (const name of ['billingAddress', 'cardholderFullName', 'paymentAccountReference'])
      expect(unknown.body).not.toHaveProperty(name)
  })

  test('finds a key in a key set on the realm’s origin', async () => {
    const server = createServer((_, response) => response.end(JSON.stringify({ keys: local.keys })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { kid } = local.key
    const jwksUri = `http://127.0.0.1:${port}/jwks`
    const at = (more: object) => ({
      cardId: 'card_visa',
      challenge: challenge({ realm: '127.0.0.1', encryptionJwk: undefined, jwksUri, kid, ...more }),
    })
    for (const own of ['127.0.0.1', `127.0.0.1:${port}`, `http://127.0.0.1:${port}`])
      expect((await ask(at({ realm: own }))).status).toBe(200)
    expect((await ask(at({ kid: 'other' }))).body).toEqual({ code: 'key_unknown' })
    expect((await ask(at({ realm: 'shop.example' }))).body).toEqual({ code: 'key_foreign' })
    for (const [realm, uri] of [
      ['127.0.0.1:1', jwksUri],
      ['Weather API', jwksUri],
      ['shop.example', 'https://shop.example:8443/jwks'],
      ['shop.example', 'http://shop.example/jwks'],
      ['http://shop.example', 'https://shop.example/jwks'],
      ['http://shop.example', 'http://shop.example/jwks'],
      ['shop.example', 'jwks'],
    ])
      expect((await ask(at({ realm, jwksUri: uri }))).body).toEqual({ code: 'key_foreign' })
    expect((await ask(at({ encryptionJwk: local.key }))).body).toEqual({ code: 'key_ambiguous' })
    server.close()
    server.closeAllConnections()
    expect((await ask(at({}))).body).toEqual({ code: 'key_unreachable' })
  })

  test.each([
    ['nothing', '{}', 'key_unreachable'],
    ['an object', '{"keys":{}}', 'key_unreachable'],
    ['a text', '{"keys":"key"}', 'key_unreachable'],
    ['null', '{"keys":[null]}', 'key_unknown'],
  ])('makes no token for a key set of %s', async (_, text, code) => {
    const server = createServer((__, response) => response.end(text))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
    const set = { realm: '127.0.0.1', encryptionJwk: undefined, jwksUri, kid: 'a' }
    const refused = await ask({ cardId: 'card_visa', challenge: challenge(set) })
    server.close()
    server.closeAllConnections()
    expect(refused).toEqual({ status: 422, body: { code } })
  })

  test.each<[string, () => object]>([
    ['an even exponent', () => ({ e: 'AQAC' })],
    ['an exponent of one', () => ({ e: 'AQ' })],
    ['an exponent behind zeros', () => ({ e: 'AAEAAQ' })],
    ['a padded modulus', () => ({ n: `${local.key.n}==` })],
    ['a modulus behind zeros', () => ({ n: zeroed(local.key.n) })],
    ['an empty kid', () => ({ kid: '' })],
    ['further primes', () => ({ oth: [] })],
    ['a secret', () => ({ k: 'AAAA' })],
    ['an operation that decrypts', () => ({ key_ops: ['decrypt'] })],
    ['no operation', () => ({ key_ops: [] })],
    ['a curve', () => ({ kty: 'EC' })],
    ['an operation twice', () => ({ key_ops: ['encrypt', 'encrypt'] })],
    ['the certificate of another', () => ({ x5c: [foreignCertificate] })],
    ['a certificate that is none', () => ({ x5c: ['AAAA'] })],
    ['no certificate in the list', () => ({ x5c: [] })],
    ['a certificate as a text', () => ({ x5c: foreignCertificate })],
  ])('makes no token for a key with %s', async (_, change) => {
    const encryptionJwk = { ...local.key, ...change() }
    const refused = await ask({ cardId: 'card_visa', challenge: challenge({ encryptionJwk }) })
    expect(refused).toEqual({ status: 422, body: { code: 'key_not_fit' } })
  })

  test.each<[string, () => unknown, number, string]>([
    [
      'a card that nobody has',
      () => ({ cardId: 'card_nobody', challenge: challenge() }),
      404,
      'card_not_found',
    ],
    ['no card', () => ({ challenge: challenge() }), 400, 'invalid_request'],
    ['no challenge', () => ({ cardId: 'card_visa' }), 400, 'invalid_request'],
    [
      'no amount',
      () => ({ cardId: 'card_visa', challenge: challenge({ amount: undefined }) }),
      400,
      'invalid_request',
    ],
    [
      'an amount that is a number',
      () => ({ cardId: 'card_visa', challenge: challenge({ amount: 500 }) }),
      400,
      'invalid_request',
    ],
    ['no JSON', () => 'hello', 400, 'invalid_request'],
    [
      'a merchant that does not take it',
      () => ({ cardId: 'card_visa', challenge: challenge({ acceptedNetworks: ['amex'] }) }),
      422,
      'network_not_accepted',
    ],
    [
      'no key',
      () => ({ cardId: 'card_visa', challenge: challenge({ encryptionJwk: undefined }) }),
      422,
      'key_ambiguous',
    ],
    [
      'a key to sign with',
      () => ({
        cardId: 'card_visa',
        challenge: challenge({ encryptionJwk: { ...local.key, use: 'sig' } }),
      }),
      422,
      'key_not_fit',
    ],
    [
      'a private key',
      () => ({
        cardId: 'card_visa',
        challenge: challenge({ encryptionJwk: { ...local.key, d: 'AA' } }),
      }),
      422,
      'key_not_fit',
    ],
    [
      'a key with a small exponent',
      () => ({
        cardId: 'card_visa',
        challenge: challenge({ encryptionJwk: { ...local.key, e: 'Aw' } }),
      }),
      422,
      'key_not_fit',
    ],
    [
      'a short key',
      () => ({
        cardId: 'card_visa',
        challenge: challenge({ encryptionJwk: { ...local.key, n: local.key.n.slice(0, 170) } }),
      }),
      422,
      'key_not_fit',
    ],
  ])('refuses %s', async (_, body, status, code) => {
    expect(await ask(body())).toEqual({ status, body: { code } })
  })
})

describe('the acquirer', () => {
  test('charges once for a key, and tells the same again', async () => {
    const before = local.captured['usd']?.count ?? 0
    const body = order(local, { order: { externalId: 'order-7', attempt: 'mine' } })
    const key = crypto.randomUUID()
    const [paid, again] = [await charge(local, body, key), await charge(local, body, key)]
    expect(again).toEqual(paid)
    expect(await look(local, key)).toEqual(paid)
    expect(paid.body).toEqual({
      status: 'approved',
      idempotencyKey: key,
      attempt: 'mine',
      reference: expect.stringMatching(/^visa_test_[\da-f]{16}$/),
      amount: '500',
      currency: 'usd',
      network: 'visa',
      timestamp: expect.stringMatching(/Z$/),
      captured: '500',
      refunded: '0',
    })
    expect(local.captured['usd']?.count).toBe(before + 1)
  })

  test('refuses another order under a key, and the same while it works on it', async () => {
    await using slow = await LocalCards.start({ quiet: true, latency: 50 })
    const [body, key] = [order(slow), 'one-key']
    const both = await Promise.all([charge(slow, body, key), charge(slow, body, key)])
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409])
    const other = await charge(slow, { ...body, amount: '1' }, key)
    expect(other).toEqual({ status: 422, body: { code: 'idempotency_conflict' } })
    expect(slow.captured['usd']).toEqual({ sum: 500n, count: 1 })
  })

  const declined: [string, () => unknown, string][] = [
    ['a cryptogram that was used', () => local.charges.length, 'cryptogram_invalid'],
    [
      'a cryptogram that has expired',
      () => order(local, { cryptogramExpires: local.now() - 1 }),
      'cryptogram_expired',
    ],
    [
      'a token that has expired',
      () => order(local, { tokenExpirationYear: '2020' }),
      'token_expired',
    ],
    ['a token for another amount', () => order(local, { amount: '499' }), 'amount_mismatch'],
    ['a token for another currency', () => order(local, { currency: 'eur' }), 'amount_mismatch'],
    ['a network that is not the token’s', () => spoiled({ network: 'amex' }), 'network_mismatch'],
    [
      'a network that the merchant does not take',
      () => order(local, { order: { acceptedNetworks: ['amex'] } }),
      'network_mismatch',
    ],
    ['another last four', () => spoiled({ panLastFour: '0000' }), 'card_mismatch'],
    ['another address', () => spoiled({ billingAddress: { zip: '10001' } }), 'address_mismatch'],
    [
      'a payload for another key',
      () => order(local, { order: { kid: 'other' } }),
      'invalid_payload',
    ],
    ['a payload that is none', () => spoiled({ encryptedPayload: 'a.b.c.d.e' }), 'invalid_payload'],
    [
      'a token that nobody made',
      () => order(local, { plaintext: Buffer.from('{"token":{},"dynamicData":{}}') }),
      'invalid_payload',
    ],
    ...['insufficient_funds', 'limit_exceeded', 'do_not_honor', 'authentication_required'].map(
      (reason): [string, () => unknown, string] => [
        `a card of that kind, ${reason},`,
        () => order(local, { cardId: `card_${reason}` }),
        reason,
      ],
    ),
    ['a card that is lost', () => order(local, { cardId: 'card_lost' }), 'lost_card'],
    ['a card that has expired', () => order(local, { cardId: 'card_expired' }), 'expired_card'],
  ]
  const spoiled = (payload: object) => {
    const made = order(local)
    return { ...made, payload: { ...made.payload, ...payload } }
  }
  test.each(declined)('declines %s as %s', async (name, make, reason) => {
    const used = order(local)
    if (name.endsWith('was used')) await charge(local, used)
    const before = local.captured
    const key = crypto.randomUUID()
    const { status, body } = await charge(local, name.endsWith('was used') ? used : make(), key)
    expect([status, body]).toEqual([200, { status: 'declined', idempotencyKey: key, reason }])
    expect(local.captured).toEqual(before)
    expect((await look(local, key)).body).toEqual(body)
  })

  test('takes a token without a cryptogram, whether its value is empty or left out', async () => {
    for (const dynamicDataValue of ['', undefined]) {
      const cardId = 'card_no_cryptogram'
      const { token, dynamicData } = local.provision({ cardId, amount: '500' })
      expect(dynamicData).toMatchObject({ dynamicDataType: 'NONE', dynamicDataValue: '' })
      const text = JSON.stringify({ token, dynamicData: { ...dynamicData, dynamicDataValue } })
      const body = order(local, { cardId, plaintext: Buffer.from(text) })
      expect((await charge(local, body)).body).toMatchObject({ status: 'approved' })
    }
  })

  test('waits for an issuer that has not decided', async () => {
    const key = crypto.randomUUID()
    const pending = await charge(local, order(local, { cardId: 'card_pending' }), key)
    expect(pending.body).toMatchObject({ status: 'pending', idempotencyKey: key })
    local.complete(key)
    expect((await look(local, key)).body).toMatchObject({ status: 'approved', captured: '500' })
    expect(() => local.complete(key)).toThrow(/is approved/)
    expect(() => local.complete('nobody')).toThrow(/no charge/)
  })

  test.each<[string, object, number, string]>([
    ['no amount', { amount: undefined }, 400, 'invalid_request'],
    ['an amount with a point', { amount: '5.00' }, 400, 'invalid_request'],
    ['an amount that is a number', { amount: 500 }, 400, 'invalid_request'],
    [
      'a network that is no text',
      { payload: { encryptedPayload: 'a', network: { toString: 1 } } },
      400,
      'invalid_request',
    ],
    ['a currency in capitals', { currency: 'USD' }, 400, 'invalid_request'],
    ['no payload', { payload: undefined }, 400, 'invalid_request'],
    ['a capture that is a word', { capture: 'false' }, 400, 'invalid_request'],
    ['an attempt that is a number', { attempt: 7 }, 400, 'invalid_request'],
    ['another merchant', { recipient: 'merch_other' }, 403, 'recipient_unknown'],
  ])('refuses an order with %s, and keeps nothing of it', async (_, change, status, code) => {
    const key = crypto.randomUUID()
    const body = order(local)
    expect(await charge(local, { ...body, ...change }, key)).toEqual({ status, body: { code } })
    expect(await look(local, key)).toEqual({ status: 404, body: { code: 'charge_not_found' } })
    expect((await charge(local, body, key)).body).toMatchObject({ status: 'approved' })
  })

  test('opens what was encrypted for an earlier key, until it forgets that', async () => {
    const [first, second] = [order(local), order(local)]
    local.rotate()
    expect(local.key.kid).not.toBe(first.kid)
    expect((await charge(local, first)).body).toMatchObject({ status: 'approved' })
    local.forget(first.kid)
    expect((await charge(local, second)).body).toMatchObject({ reason: 'invalid_payload' })
  })
})

describe('what follows an authorisation', () => {
  const follow = (key: string, what: string, body?: unknown, own?: string) =>
    call(local.acquirer, `/charges/${key}/${what}`, {
      ...(body !== undefined && { body }),
      ...(own !== undefined && { key: own }),
    })
  async function authorise() {
    const key = crypto.randomUUID()
    const made = await charge(local, order(local, { order: { capture: false } }), key)
    expect(made.body).toMatchObject({ status: 'authorized', captured: '0' })
    return key
  }
  const sumOf = (totals: LocalCards.Totals) => totals['usd']?.sum ?? 0n

  test('is a capture, once', async () => {
    const before = sumOf(local.captured)
    const key = await authorise()
    expect(sumOf(local.captured)).toBe(before)
    for (let tries = 0; tries < 2; tries++)
      expect(await follow(key, 'capture')).toMatchObject({
        status: 200,
        body: { status: 'approved', idempotencyKey: key, captured: '500' },
      })
    expect((await follow(key, 'cancel')).body).toMatchObject({ status: 'approved' })
    expect(sumOf(local.captured)).toBe(before + 500n)
  })

  test('or a cancel, after which nothing is taken', async () => {
    const before = sumOf(local.captured)
    const key = await authorise()
    const canceled = { status: 'declined', idempotencyKey: key, reason: 'canceled' }
    for (const what of ['cancel', 'cancel', 'capture'])
      expect((await follow(key, what)).body).toEqual(canceled)
    expect(sumOf(local.captured)).toBe(before)
  })

  test('and refunds of what was captured, each once for its key, never more than was taken', async () => {
    const before = sumOf(local.refunded)
    const key = crypto.randomUUID()
    const made = await charge(local, order(local), key)
    const { reference } = made.body as { reference: string }
    const refund = async (own: string | undefined, body: object = {}) =>
      (await follow(key, 'refunds', { reference, ...body }, own)).body
    expect(await refund(undefined)).toEqual({ code: 'idempotency_key_missing' })
    const first = await refund('a', { amount: '200' })
    expect(first).toEqual({
      status: 'refunded',
      idempotencyKey: 'a',
      reference: expect.stringMatching(/^refund_test_/),
      amount: '200',
      left: '300',
    })
    expect(await refund('a', { amount: '200' })).toEqual(first)
    expect(await refund('a', { amount: '100' })).toEqual({ code: 'idempotency_conflict' })
    const tooLarge = { status: 'declined', reason: 'amount_too_large' }
    expect(await refund('b', { amount: '301' })).toMatchObject(tooLarge)
    for (const amount of ['0', '01', '1.0', -1, 1, null])
      expect(await refund('c', { amount })).toEqual({ code: 'invalid_request' })
    expect(await refund('c', { reference: 'visa_test_other' })).toEqual({
      code: 'charge_not_found',
    })
    expect(await refund('c')).toMatchObject({ amount: '300', left: '0' })
    expect(await refund('d')).toMatchObject(tooLarge)
    expect(sumOf(local.refunded)).toBe(before + 500n)
    expect((await look(local, key)).body).toMatchObject({ refunded: '500', captured: '500' })
  })

  test('but none of what was not', async () => {
    const key = await authorise()
    const { reference } = (await look(local, key)).body as { reference: string }
    expect((await follow(key, 'refunds', { reference }, 'a')).body).toEqual({
      status: 'declined',
      idempotencyKey: 'a',
      reason: 'not_captured',
    })
  })

  test('of a charge that nobody made is nothing', async () => {
    for (const what of ['capture', 'cancel', 'refunds'])
      expect(await follow('nobody', what, undefined, 'a')).toEqual({
        status: 404,
        body: { code: 'charge_not_found' },
      })
  })
})

describe('who may ask what', () => {
  const body = {}
  test('the vault’s key makes tokens, the acquirer’s is paid', async () => {
    const { vault, acquirer } = local
    const stranger = { url: local.vault.url, apiKey: 'nobody' }
    expect((await call(acquirer, '/payment-tokens', { body })).status).toBe(403)
    expect((await call(vault, '/charges', { body, key: 'k' })).status).toBe(403)
    expect((await call(stranger, '/charges', { body, key: 'k' })).status).toBe(401)
    expect((await fetch(`${vault.url}/charges`, { method: 'POST' })).status).toBe(401)
    expect((await call(acquirer, '/charges', { body: order(local) })).body).toEqual({
      code: 'idempotency_key_missing',
    })
    for (const path of ['/nowhere', '/charges/%/void', '/charges/%ff/void'])
      expect(await call(acquirer, path, { body })).toEqual({
        status: 404,
        body: { code: 'no_such_path' },
      })
  })

  test('any number run at once, each with books of its own', async () => {
    await using other = await LocalCards.start({ quiet: true })
    expect(other.key.kid).not.toBe(local.key.kid)
    const foreign = { ...order(local), kid: other.key.kid }
    expect((await charge(other, foreign)).body).toMatchObject({ status: 'declined' })
    expect([other.captured, other.charges.length]).toEqual([{}, 1])
  })

  test('it says where it is', async () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    await using loud = await LocalCards.start()
    expect(log.mock.calls.flat().join()).toMatch(
      new RegExp(`^Card network at ${loud.url}, ready in`),
    )
    log.mockRestore()
  })
})
