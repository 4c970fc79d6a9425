/**
 * The client's side of a card charge: what its enabler is told, what it refuses to encrypt for, and what comes of it.
 *
 * @module
 */
import { Challenge, type Method } from '@polyrail/core'
import { Mpp as Client } from '@polyrail/core/client'
import type { charge, ChargePayload } from '@polyrail/card'
import { card, httpEnabler, type TokenRequest } from '@polyrail/card/client'
import { encrypt, type Plaintext } from '@polyrail/card/enabler'
import { LocalCards } from '@polyrail/sandbox/card'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makePair } from './forge.js'
import { countCaptures, createClient, openShop, receiptOf, url, type Options } from './shop.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

const captured = countCaptures(() => local)
const TOKENS = 'POST /v1/payment-tokens'
const asked = () => local.calls.filter(({ call }) => call === TOKENS)
const lastAsked = () => JSON.parse(asked().at(-1)?.body ?? '') as Record<string, unknown>

/** A challenge as a server might send it. */
function challengeOf(methodDetails: object = {}, request: object = {}) {
  const made = Challenge.from({
    id: 'c',
    realm: 'shop.example',
    method: 'card',
    intent: 'charge',
    expires: new Date(Date.now() + 60_000),
    request: {
      amount: '50',
      currency: 'usd',
      ...request,
      methodDetails: {
        acceptedNetworks: ['visa'],
        merchantName: 'Shop',
        encryptionJwk: local.key,
        ...methodDetails,
      },
    },
  })
  return made as Method.ChallengeOf<typeof charge>
}

/** A server that sends one challenge, and what a client does about it. */
async function meet(challenge: Challenge.Challenge, options: Partial<card.charge.Options> = {}) {
  const presented: string[] = []
  const client = createClient(
    local,
    async (request) => {
      const authorization = request.headers.get('authorization')
      if (authorization) presented.push(authorization)
      const headers = { 'www-authenticate': Challenge.serialize(challenge) }
      return new Response(null, { status: 402, headers })
    },
    options,
  )
  const answer = await client.fetch(url)
  return { presented, refusals: client.explain(answer)?.refusals ?? [] }
}

describe('a token', () => {
  test('is asked for in the draft’s words, and pays', async () => {
    const shop = openShop(local, { recipient: local.recipient, route: { externalId: 'order-7' } })
    const answer = await createClient(local, shop.page).fetch(url)
    expect([answer.status, await answer.json(), captured()]).toEqual([200, { page: 1 }, 1])
    const challenge = lastAsked()['challenge'] as Record<string, unknown>
    expect(lastAsked()['cardId']).toBe('card_visa')
    expect(challenge).toEqual({
      id: receiptOf(answer)?.['challengeId'],
      realm: 'shop.example',
      amount: '50',
      currency: 'usd',
      recipient: local.recipient,
      acceptedNetworks: ['visa', 'mastercard', 'amex', 'discover'],
      merchantName: 'Shop',
      expires: expect.stringMatching(/^\d{4}-.*Z$/),
      encryptionJwk: local.key,
    })
  })

  test.each([
    'card_mastercard',
    'card_amex',
    'card_discover',
    'card_no_cryptogram',
    'card_anonymous',
  ])('of %s pays', async (cardId) => {
    const shop = openShop(local)
    const client = createClient(local, shop.page)
    const answer = await client.fetch(url, { context: { cardId } })
    expect([answer.status, captured()]).toEqual([200, 1])
  })

  test('is made by an enabler of one’s own, with the key found and checked', async () => {
    const requests: TokenRequest[] = []
    const enabler = {
      async createToken(request: TokenRequest): Promise<ChargePayload> {
        requests.push(request)
        const { amount, currency } = request.challenge
        const made = local.provision({ amount, currency, cardId: 'card_amex' }) as Plaintext
        return {
          encryptedPayload: await encrypt(made, { key: request.key }),
          network: 'amex',
          panLastFour: '0005',
          panExpirationMonth: '06',
          panExpirationYear: '2034',
        }
      },
    }
    const shop = openShop(local)
    const answer = await createClient(local, shop.page, { enabler }).fetch(url)
    expect([answer.status, captured()]).toEqual([200, 1])
    expect(requests).toHaveLength(1)
    expect(requests[0]).toMatchObject({ cardId: 'card_visa', key: local.key })
    expect(requests[0]?.signal).toBeInstanceOf(AbortSignal)
  })

  test('goes to the server as it came: the client opens nothing [card-charge-033] [card-charge-050] [card-charge-052]', async () => {
    const payload = local.issue({ amount: '50' })
    const enabler = { createToken: async () => ({ ...payload, more: 'what nobody asked for' }) }
    const { presented } = await meet(challengeOf(), { enabler })
    const [text = ''] = presented
    const credential = JSON.parse(
      Buffer.from(text.replace('Payment ', ''), 'base64url').toString(),
    ) as { payload: unknown }
    expect(credential.payload).toEqual(payload)
  })
})

describe('personal data', () => {
  const ask = async (options: Options, cardId: string) => {
    const bodies = local.calls.length
    const shop = openShop(local, options)
    const answer = await createClient(local, shop.page).fetch(url, { context: { cardId } })
    const order = local.calls.slice(bodies).find(({ call }) => call === 'POST /v1/charges')
    const { payload } = JSON.parse(order?.body ?? '{}') as { payload: Record<string, unknown> }
    return { answer, payload }
  }

  test('an address that is asked for is sent [card-charge-012] [card-charge-063] [card-charge-064]', async () => {
    const { answer, payload } = await ask({ billingRequired: true }, 'card_visa')
    expect(answer.status).toBe(200)
    expect(lastAsked()['challenge']).toMatchObject({ billingRequired: true })
    expect(payload['billingAddress']).toEqual({
      line1: '123 Main St',
      line2: 'Apt 4B',
      city: 'San Francisco',
      state: 'CA',
      zip: '94102',
      countryCode: 'US',
    })
  })

  test('one that nobody asks for is not, even if the enabler gives it', async () => {
    const { payload } = await ask({}, 'card_visa')
    expect(payload).not.toHaveProperty('billingAddress')
    const given = { ...local.issue({ amount: '50' }), billingAddress: { zip: '94102' } }
    const { presented } = await meet(challengeOf(), {
      enabler: { createToken: async () => given },
    })
    expect(Buffer.from(presented[0]?.slice(8) ?? '', 'base64url').toString()).not.toMatch(/94102/)
  })

  test('name and account reference go along when their issuer gives them [card-charge-039] [card-charge-040] [card-charge-041]', async () => {
    const known = await ask({}, 'card_visa')
    expect(known.payload).toMatchObject({
      cardholderFullName: 'Jane Smith',
      paymentAccountReference: expect.stringMatching(/^PAR\d{25}$/),
    })
    const unknown = await ask({}, 'card_anonymous')
    expect(unknown.answer.status).toBe(200)
    expect(Object.keys(unknown.payload).toSorted()).toEqual([
      'encryptedPayload',
      'network',
      'panExpirationMonth',
      'panExpirationYear',
      'panLastFour',
    ])
  })
})

describe('nothing is asked of the enabler, and nothing presented', () => {
  const { publicKey, privateKey } = makePair()
  const cases: [string, () => object, string, RegExp][] = [
    [
      'for a network that is not here',
      () => ({ acceptedNetworks: ['mastercard'] }),
      'not-accepted',
      /takes mastercard/,
    ],
    ['without a key', () => ({ encryptionJwk: undefined }), 'not-accepted', /no encryption key/],
    [
      'for a weak key',
      () => ({ encryptionJwk: makePair('a', 1024).publicKey }),
      'not-accepted',
      /weak/,
    ],
    ['for a private key', () => ({ encryptionJwk: privateKey }), 'not-accepted', /private parts/],
    [
      'for a key to sign with',
      () => ({ encryptionJwk: { ...publicKey, use: 'sig' } }),
      'not-accepted',
      /encryption/,
    ],
    [
      'for a key with another beside it',
      () => ({ jwksUri: 'https://shop.example/jwks', kid: 'a' }),
      'not-accepted',
      /one encryption key/,
    ],
    [
      'for a key set elsewhere',
      () => ({ encryptionJwk: undefined, jwksUri: 'https://other.example/jwks', kid: 'a' }),
      'not-accepted',
      /origin/,
    ],
    [
      'for a key set over http',
      () => ({ encryptionJwk: undefined, jwksUri: 'http://shop.example/jwks', kid: 'a' }),
      'not-accepted',
      /https/,
    ],
    [
      'for a key that is a text',
      () => ({ encryptionJwk: 'key' }),
      'request-invalid',
      /^undefined$/,
    ],
    ['for no networks', () => ({ acceptedNetworks: [] }), 'request-invalid', /^undefined$/],
    [
      'for a merchant without a name',
      () => ({ merchantName: '' }),
      'request-invalid',
      /^undefined$/,
    ],
  ]
  test.each(cases)('%s', async (_, details, code, detail) => {
    const before = asked().length
    const met = await meet(challengeOf(details()), { networks: ['visa'] })
    expect(met.presented).toEqual([])
    expect(met.refusals.map((one) => one.code)).toEqual([code])
    expect(String(met.refusals[0]?.detail)).toMatch(detail)
    expect(asked()).toHaveLength(before)
  })

  test.each([
    ['amount', { amount: '0' }],
    ['amount', { amount: '-50' }],
    ['amount', { amount: '0.50' }],
    ['amount', { amount: 50 }],
    ['amount', { amount: '050' }],
    ['currency', { currency: 'USD' }],
    ['currency', { currency: 'dollars' }],
  ])('for an %s like %j', async (_, request) => {
    const before = asked().length
    const { presented, refusals } = await meet(challengeOf({}, request))
    expect([presented, refusals[0]?.code, asked().length]).toEqual([[], 'request-invalid', before])
  })

  test('for a currency that is none', async () => {
    const { presented, refusals } = await meet(challengeOf({}, { currency: 'zzz' }))
    expect([presented, refusals[0]?.code]).toEqual([[], 'price-unreadable'])
  })
})

describe('an enabler that gives no token', () => {
  const faults: [string, LocalCards.CardFault][] = [
    ['that does not answer', { call: TOKENS, fail: 'hang', times: 1 }],
    ['that loses the connection', { call: TOKENS, fail: 'drop', times: 1 }],
    [
      'that is down',
      { call: TOKENS, fail: { status: 503, body: 'card 4242424242424242' }, times: 1 },
    ],
    ['that refuses', { call: TOKENS, fail: { status: 403 }, times: 1 }],
    [
      'that redirects',
      {
        call: TOKENS,
        fail: { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
        times: 1,
      },
    ],
    ['that answers a page', { call: TOKENS, fail: { status: 200, body: '<html>' }, times: 1 }],
    ['that answers nothing', { call: TOKENS, fail: { status: 204, body: '' }, times: 1 }],
    [
      'that answers without end',
      { call: TOKENS, fail: { status: 200, body: { more: 'x'.repeat(70_000) } }, times: 1 },
    ],
  ]
  test.each(faults)('%s costs nothing', async (_, fault) => {
    using _fault = local.fault(fault)
    const enabler = httpEnabler({ ...local.vault, timeout: 200 })
    const { presented, refusals } = await meet(challengeOf(), { enabler })
    expect([presented, refusals.map(({ code }) => code)]).toEqual([[], ['credential-failed']])
    expect(String(refusals[0]?.cause)).not.toMatch(/4242/)
    expect(captured()).toBe(0)
  })

  const answers: [string, (payload: LocalCards.Payload) => unknown][] = [
    ['nothing', () => undefined],
    ['a text', ({ encryptedPayload }) => encryptedPayload],
    ['no token', (payload) => ({ ...payload, encryptedPayload: undefined })],
    ['a token in the clear', (payload) => ({ ...payload, encryptedPayload: '4242424242424242' })],
    ['another network', (payload) => ({ ...payload, network: 'amex' })],
    ['no last four digits', (payload) => ({ ...payload, panLastFour: undefined })],
    [
      'a whole number for the last four',
      (payload) => ({ ...payload, panLastFour: '4242424242424242' }),
    ],
    ['a month that is none', (payload) => ({ ...payload, panExpirationMonth: '13' })],
    ['a year of two digits', (payload) => ({ ...payload, panExpirationYear: '34' })],
  ]
  test.each(answers)('that answers %s', async (_, spoil) => {
    const enabler = { createToken: async () => spoil(local.issue({ amount: '50' })) }
    const { presented, refusals } = await meet(challengeOf(), { enabler })
    expect([presented, refusals.map(({ code }) => code)]).toEqual([[], ['credential-failed']])
  })

  test('whose card is not known', async () => {
    const { presented, refusals } = await meet(challengeOf(), { cardId: 'card_nobody' })
    expect(presented).toEqual([])
    expect(String(refusals[0]?.cause)).toMatch(/made no token \(status 404\)/)
  })

  test('leaves the 402 to its caller', async () => {
    const shop = openShop(local)
    const failing = { createToken: async () => Promise.reject(new Error('no vault')) }
    const client = createClient(local, shop.page, { enabler: failing })
    const answer = await client.fetch(url)
    expect([answer.status, client.explain(answer)?.status, captured()]).toEqual([
      402,
      'declined',
      0,
    ])
  })
})

describe('a client cannot be made', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['without an enabler', () => card.charge({} as card.Options), /enabler must have createToken/],
    [
      'with an enabler over http',
      () => httpEnabler({ url: 'http://vault.example', apiKey: 'k' }),
      /must be https/,
    ],
    [
      'with an enabler behind a password',
      () => httpEnabler({ url: 'https://a:b@vault.example', apiKey: 'k' }),
      /must be https/,
    ],
    [
      'with an enabler that is no URL',
      () => httpEnabler({ url: 'vault', apiKey: 'k' }),
      /must be https/,
    ],
    [
      'with an enabler whose paths would end up in a fragment',
      () => httpEnabler({ url: 'https://vault.example/v1#eu', apiKey: 'k' }),
      /no fragment/,
    ],
    [
      'with an enabler that nobody says where to find',
      () => httpEnabler({ url: undefined as unknown as string, apiKey: 'k' }),
      /must be https/,
    ],
  ]
  test.each(cases)('%s', (_, make, message) => {
    expect(make).toThrow(message)
  })
})

test('a client in the place of the platform’s fetch does not pay for its own token', async () => {
  const challenge = Challenge.serialize(challengeOf())
  const headers = { 'www-authenticate': challenge }
  using fault = local.fault({ call: TOKENS, fail: { status: 402, headers } })
  const server = createServer((_, response) => void response.writeHead(402, headers).end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const enabler = httpEnabler(local.vault)
  const client = Client.create({
    methods: [card.charge({ enabler, cardId: 'card_visa' })],
    policy: { max: '2.00', realms: ['shop.example'] },
    polyfill: true,
  })
  const answer = await fetch(`http://127.0.0.1:${port}/page`)
  client.restore()
  server.close()
  server.closeAllConnections()
  expect([answer.status, client.explain(answer)?.refusals[0]?.code]).toEqual([
    402,
    'credential-failed',
  ])
  expect(fault.hits).toBe(1)
})

test('a client that is told to leave leaves, whatever its enabler does', async () => {
  const silent = createServer(() => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const enabler = httpEnabler({ url: `http://127.0.0.1:${port}`, apiKey: 'k' })
  const shop = openShop(local)
  const client = createClient(local, shop.page, { enabler })
  const leaving = client.fetch(url, { signal: AbortSignal.timeout(100) })
  await expect(leaving).rejects.toMatchObject({ name: 'TimeoutError' })
  silent.closeAllConnections()
  silent.close()
  expect(captured()).toBe(0)
})
