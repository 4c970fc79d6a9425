/**
 * The server's side of a card charge: what it asks for, what it takes, and what it tells to whom.
 *
 * @module
 */
import { Challenge } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import { charge, decimalsOf, type ChargePayload } from '@polyrail/card'
import { card, EnablerError, httpEnabler, type Order, type Result } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { decrypt } from '@polyrail/card/enabler'
import { forge, makePair, plaintext, type Forgery, type Jwk } from './forge.js'
import {
  acquirer,
  buy,
  challengeIn,
  CHARGE,
  countCaptures,
  openShop,
  prepare,
  problemOf,
  receiptOf,
  write,
  type Options,
} from './shop.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())
const captured = countCaptures(() => local)

describe('what is asked for', () => {
  test('is the draft’s request [card-charge-002] [card-charge-003] [card-charge-004] [card-charge-005] [card-charge-006] [card-charge-007] [card-charge-013]', async () => {
    const shop = openShop(local, {
      recipient: local.recipient,
      acceptedNetworks: ['visa', 'amex'],
      route: { externalId: 'order-7' },
    })
    const challenge = challengeIn(await shop.ask())
    expect([challenge.method, challenge.intent]).toEqual(['card', 'charge'])
    expect(challenge.request).toEqual({
      amount: '50',
      currency: 'usd',
      recipient: local.recipient,
      externalId: 'order-7',
      methodDetails: {
        acceptedNetworks: ['visa', 'amex'],
        merchantName: 'Shop',
        encryptionJwk: local.key,
      },
    })
    expect(charge.intent).toBe('charge')
  })

  test('with the billing address when that is needed, by the rail or by a route', async () => {
    const asks = async (options: Options) =>
      challengeIn(await openShop(local, options).ask()).request.methodDetails.billingRequired
    expect(await asks({})).toBeUndefined()
    expect(await asks({ billingRequired: true })).toBe(true)
    expect(await asks({ route: { billingRequired: true } })).toBe(true)
    expect(await asks({ billingRequired: true, route: { billingRequired: false } })).toBeUndefined()
  })

  test('is bound: amount, currency, networks, recipient, realm, end and key [card-charge-067] [card-charge-068]', async () => {
    const shop = openShop(local, { recipient: local.recipient })
    const { challenge, payload } = await prepare(local, shop)
    const { wire, request } = challenge
    const details = request.methodDetails
    const changes: object[] = [
      { request: { ...request, amount: '1' } },
      { request: { ...request, currency: 'jpy' } },
      { request: { ...request, recipient: 'merch_other' } },
      { request: { ...request, methodDetails: { ...details, acceptedNetworks: ['amex'] } } },
      {
        request: { ...request, methodDetails: { ...details, encryptionJwk: makePair().publicKey } },
      },
      {
        request: {
          ...request,
          methodDetails: { ...details, encryptionJwk: { ...local.key, kid: 'x' } },
        },
      },
      { realm: 'other.example' },
      { expires: new Date(Date.now() + 86_400_000).toISOString() },
      { id: 'a-challenge-that-nobody-issued' },
    ]
    for (const change of changes) {
      const { description: _, opaque, ...rest } = wire
      const forged = Challenge.from({ ...rest, request, ...change } as Parameters<
        typeof Challenge.from
      >[0])
      const text = write(
        { ...forged, wire: { ...forged.wire, ...(opaque !== undefined && { opaque }) } },
        payload,
      )
      const answer = await shop.ask(text)
      expect([change, answer.status]).toEqual([change, 402])
    }
    expect(captured()).toBe(0)
    expect((await shop.ask(write(challenge, payload))).status).toBe(200)
  })

  test('has an id of 256 bits that no two visitors share [card-charge-075]', async () => {
    const shop = openShop(local)
    const ids = await Promise.all(
      Array.from({ length: 200 }, async () => challengeIn(await shop.ask()).id),
    )
    expect(new Set(ids).size).toBe(200)
    for (const id of ids) expect(Buffer.from(id, 'base64url')).toHaveLength(32)
  })

  const prices: [string, string | undefined, string][] = [
    ['0.50', undefined, '50'],
    ['1', 'USD', '100'],
    ['50', 'jpy', '50'],
    ['1.234', 'kwd', '1234'],
    ['1.5', 'kwd', '1500'],
    ['0.0001', 'clf', '1'],
    ['9999999999.99', 'eur', '999999999999'],
  ]
  test.each(prices)('%s of %s is %s in the minor unit', async (amount, currency, minor) => {
    const shop = openShop(local, { route: { amount, currency } })
    const { request } = challengeIn(await shop.ask())
    expect(request.amount).toBe(minor)
    expect(request.currency).toBe((currency ?? 'usd').toLowerCase())
    expect(charge.price?.(request)).toEqual({
      amount: BigInt(minor),
      currency: request.currency,
      decimals: decimalsOf(request.currency),
    })
  })

  const impossible: [string, object, RegExp][] = [
    ['nothing', { amount: '0' }, /from 1/],
    ['less than the minor unit', { amount: '0.005' }, /more than 2 decimals/],
    ['a part of a yen', { amount: '0.5', currency: 'jpy' }, /no smaller unit/],
    ['below zero', { amount: '-1' }, /not a decimal string/],
    ['a number in words', { amount: '1e3' }, /not a decimal string/],
    ['a plus sign', { amount: '+1' }, /not a decimal string/],
    ['a number that is none', { amount: 'NaN' }, /not a decimal string/],
    ['a number and no text', { amount: 0.5 }, /not a decimal string/],
    ['more than twelve digits', { amount: '99999999999.99' }, /from 1 to/],
    ['a currency that is none', { amount: '1', currency: 'usa' }, /no currency/],
    ['a token', { amount: '1', currency: 'usdc' }, /no currency/],
    ['a reference without end', { amount: '1', externalId: 'x'.repeat(201) }, /200 characters/],
  ]
  test.each(impossible)('%s is refused when the route is made', (_, route, message) => {
    expect(() => openShop(local, { route: route as Partial<card.charge.Route> })).toThrow(message)
  })
})

describe('a server cannot be made [card-charge-010] [card-charge-016] [card-charge-028]', () => {
  const enabler = httpEnabler({ url: 'https://psp.example/v1', apiKey: 'k' })
  const rest = { enabler, merchantName: 'Shop', key: makePair().publicKey }
  const cases: [string, () => unknown, RegExp][] = [
    [
      'without an enabler',
      () => card.charge({ ...rest, enabler: undefined as unknown as typeof enabler }),
      /enabler must have/,
    ],
    [
      'with an enabler that cannot look up',
      () =>
        card.charge({ ...rest, enabler: { name: 'a', charge: enabler.charge } as typeof enabler }),
      /lookup/,
    ],
    [
      'with an enabler without a name',
      () => card.charge({ ...rest, enabler: { ...enabler, name: '' } }),
      /name/,
    ],
    [
      'with an enabler over http',
      () => httpEnabler({ url: 'http://psp.example', apiKey: 'k' }),
      /https/,
    ],
    [
      'with an enabler that nobody says where to find',
      () => httpEnabler({ url: undefined as unknown as string, apiKey: 'k' }),
      /url must be https/,
    ],
    [
      'with an enabler whose paths would end up in a query',
      () => httpEnabler({ url: 'https://psp.example/v1?tenant=1', apiKey: 'k' }),
      /no query/,
    ],
    [
      'without a name for its payers',
      () => card.charge({ ...rest, merchantName: '' }),
      /merchantName/,
    ],
    [
      'with a name that breaks lines',
      () => card.charge({ ...rest, merchantName: 'a\r\nb' }),
      /merchantName/,
    ],
    ['without networks', () => card.charge({ ...rest, acceptedNetworks: [] }), /acceptedNetworks/],
    [
      'with a network that is none',
      () => card.charge({ ...rest, acceptedNetworks: ['shell' as 'visa'] }),
      /among visa/,
    ],
    ['with an empty recipient', () => card.charge({ ...rest, recipient: '' }), /recipient/],
    [
      'with a currency that is none',
      () => card.charge({ ...rest, currency: 'zzz' }),
      /no currency/,
    ],
    [
      'without a key',
      () => card.charge({ enabler, merchantName: 'Shop' } as unknown as card.Options),
      /give either key, or jwksUri/,
    ],
    [
      'with two ways to the key',
      () =>
        card.charge({
          ...rest,
          jwksUri: 'https://a.example/jwks',
          kid: 'a',
        } as unknown as card.Options),
      /give either/,
    ],
    [
      'with a private key',
      () => card.charge({ ...rest, key: makePair().privateKey }),
      /private parts/,
    ],
    ['with a weak key', () => card.charge({ ...rest, key: makePair('a', 1024).publicKey }), /weak/],
    [
      'with a kid beside a key',
      () => card.charge({ ...rest, kid: 'a' } as unknown as card.Options),
      /kid goes with jwksUri/,
    ],
    [
      'with a key set over http',
      () =>
        card.charge({ enabler, merchantName: 'Shop', jwksUri: 'http://a.example/jwks', kid: 'a' }),
      /https/,
    ],
    [
      'with a key set without a kid',
      () =>
        card.charge({ enabler, merchantName: 'Shop', jwksUri: 'https://a.example/jwks', kid: '' }),
      /kid must name/,
    ],
  ]
  test.each(cases)('%s', (_, make, message) => {
    expect(make).toThrow(message)
  })
})

describe('what is taken', () => {
  test('is charged once, to the cent, under the challenge’s id, and the page goes out at once [card-charge-065] [card-charge-066] [card-charge-071] [card-charge-078]', async () => {
    const shop = openShop(local, { recipient: local.recipient, route: { externalId: 'order-7' } })
    const { answer, challenge, payload } = await buy(local, shop)
    expect([answer.status, await answer.json(), captured()]).toEqual([200, { page: 1 }, 1])
    const call = local.calls.at(-1)
    expect(call?.idempotencyKey).toBe(challenge.id)
    expect(JSON.parse(call?.body ?? '')).toEqual({
      amount: '50',
      currency: 'usd',
      recipient: local.recipient,
      externalId: 'order-7',
      merchantName: 'Shop',
      acceptedNetworks: ['visa', 'mastercard', 'amex', 'discover'],
      attempt: local.charges.at(-1)?.attempt,
      kid: local.key.kid,
      payload,
    })
    expect(local.charges.at(-1)).toMatchObject({ key: challenge.id, amount: 50n, captured: 50n })
  })

  test('has a receipt of the draft’s shape [card-charge-080] [card-charge-082] [card-charge-083] [card-charge-084] [card-charge-085] [card-charge-086]', async () => {
    const shop = openShop(local, { route: { externalId: 'order-7' } })
    const { answer, challenge } = await buy(local, shop)
    const booked = local.charges.at(-1)
    expect(receiptOf(answer)).toEqual({
      challengeId: challenge.id,
      method: 'card',
      status: 'success',
      reference: booked?.reference,
      timestamp: booked?.timestamp,
      externalId: 'order-7',
    })
    const plain = await buy(local, openShop(local))
    expect(receiptOf(plain.answer)).not.toHaveProperty('externalId')
  })

  const shapes: [string, (payload: ChargePayload) => object][] = [
    ['no token', (payload) => ({ ...payload, encryptedPayload: undefined })],
    ['no network', (payload) => ({ ...payload, network: undefined })],
    ['a network that nobody knows', (payload) => ({ ...payload, network: 'jcb' })],
    ['a network in capitals', (payload) => ({ ...payload, network: 'VISA' })],
    ['no last four', (payload) => ({ ...payload, panLastFour: undefined })],
    ['five last four', (payload) => ({ ...payload, panLastFour: '14242' })],
    ['a whole card number', (payload) => ({ ...payload, panLastFour: '4242424242424242' })],
    ['a last four that is a number', (payload) => ({ ...payload, panLastFour: 4242 })],
    ['no month', (payload) => ({ ...payload, panExpirationMonth: undefined })],
    ['the month 13', (payload) => ({ ...payload, panExpirationMonth: '13' })],
    ['no year', (payload) => ({ ...payload, panExpirationYear: undefined })],
    ['a year of two digits', (payload) => ({ ...payload, panExpirationYear: '34' })],
    ['an address that is a text', (payload) => ({ ...payload, billingAddress: 'here' })],
    ['a country in words', (payload) => ({ ...payload, billingAddress: { countryCode: 'USA' } })],
    [
      'a street without end',
      (payload) => ({ ...payload, billingAddress: { line1: 'x'.repeat(201) } }),
    ],
    ['a name that is a list', (payload) => ({ ...payload, cardholderFullName: ['Jane'] })],
    ['a name without end', (payload) => ({ ...payload, cardholderFullName: 'x'.repeat(201) })],
    [
      'an account reference with spaces',
      (payload) => ({ ...payload, paymentAccountReference: 'P A R' }),
    ],
    [
      'a token without end',
      (payload) => ({
        ...payload,
        encryptedPayload: `${payload.encryptedPayload}${'A'.repeat(8192)}`,
      }),
    ],
  ]
  test.each(shapes)(
    'with %s is not a payload [card-charge-032] [card-charge-034] [card-charge-035] [card-charge-036] [card-charge-037] [card-charge-038]',
    async (_, spoil) => {
      const shop = openShop(local)
      const { challenge, payload } = await prepare(local, shop)
      const before = local.calls.length
      const refused = await shop.ask(write(challenge, spoil(payload)))
      expect([refused.status, (await problemOf(refused)).code]).toEqual([
        402,
        'malformed-credential',
      ])
      expect(local.calls).toHaveLength(before)
      expect((await shop.ask(write(challenge, payload))).status).toBe(200)
    },
  )

  test('must be of a network that is accepted, before the acquirer is asked', async () => {
    const shop = openShop(local, { acceptedNetworks: ['visa', 'discover'] })
    const { challenge } = await prepare(local, shop)
    const before = local.calls.length
    const payload = local.issue({ amount: '50', cardId: 'card_amex' })
    const refused = await shop.ask(write(challenge, payload))
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      402,
      'This merchant takes visa, discover.',
    ])
    expect(local.calls).toHaveLength(before)
  })

  describe('with the billing address', () => {
    const without = { billingRequired: false }
    test('that is asked for', async () => {
      const shop = openShop(local, { billingRequired: true })
      expect((await buy(local, shop)).answer.status).toBe(200)
    })

    test.each([
      ['missing', undefined],
      ['empty', {}],
      ['blank', { zip: ' ', city: '' }],
    ])('%s: refused before the acquirer is asked', async (_, billingAddress) => {
      const shop = openShop(local, { billingRequired: true })
      const { challenge, payload } = await prepare(local, shop, without)
      const before = local.calls.length
      const refused = await shop.ask(write(challenge, { ...payload, billingAddress }))
      expect([refused.status, (await problemOf(refused)).detail]).toEqual([
        402,
        'This merchant needs the billing address of the card.',
      ])
      expect(local.calls).toHaveLength(before)
    })

    test('missing, where the merchant goes on all the same', async () => {
      const shop = openShop(local, { billingRequired: true, onMissingBilling: 'proceed' })
      expect((await buy(local, shop, without)).answer.status).toBe(200)
    })

    test('that is not the card’s: declined', async () => {
      const shop = openShop(local, { billingRequired: true })
      const { challenge, payload } = await prepare(local, shop)
      const billingAddress = { ...payload.billingAddress, zip: '10001' }
      const refused = await shop.ask(write(challenge, { ...payload, billingAddress }))
      expect((await problemOf(refused)).detail).toMatch(/billing address is not the card’s/)
    })

    test('that nobody asked for: it goes no further', async () => {
      const shop = openShop(local)
      const { challenge, payload } = await prepare(local, shop)
      const billingAddress = { zip: '10001', countryCode: 'US' }
      const answer = await shop.ask(write(challenge, { ...payload, billingAddress }))
      expect(answer.status).toBe(200)
      expect(local.calls.at(-1)?.body).not.toContain('10001')
    })
  })
})

describe('a decline is a 402 with a fresh challenge and a reason for the public [card-charge-079]', () => {
  const declines: [string, RegExp][] = [
    ['card_insufficient_funds', /not enough money/],
    ['card_limit_exceeded', /limit is exceeded/],
    ['card_expired', /card has expired/],
    ['card_authentication_required', /cardholder to authenticate/],
    ['card_do_not_honor', /ask the issuer/],
    ['card_lost', /ask the issuer/],
  ]
  test.each(declines)('%s', async (cardId, reason) => {
    const shop = openShop(local)
    const { answer, challenge } = await buy(local, shop, { cardId })
    const problem = await problemOf(answer)
    expect([answer.status, problem.code]).toEqual([402, 'verification-failed'])
    expect(problem.detail).toMatch(reason)
    expect(answer.headers.has('payment-receipt')).toBe(false)
    expect(challengeIn(answer).id).not.toBe(challenge.id)
    expect([shop.served(), captured()]).toEqual([0, 0])
    const again = local.issue({ amount: '50' })
    expect((await shop.ask(write(challengeIn(answer), again))).status).toBe(200)
  })

  const spoiled: [string, Partial<LocalCards.IssueOptions>, RegExp][] = [
    ['a cryptogram that has expired', { cryptogramExpires: 1 }, /cryptogram has expired/],
    ['a token that has expired', { tokenExpirationYear: '2020' }, /network token has expired/],
    ['a token for less', { amount: '49' }, /another amount/],
    ['a token for another currency', { currency: 'eur' }, /another amount/],
    ['what the acquirer cannot open', { header: { kid: 'x' } }, /can open/],
  ]
  test.each(spoiled)('%s', async (_, more, reason) => {
    const shop = openShop(local)
    const { answer } = await buy(local, shop, more)
    expect(answer.status).toBe(402)
    expect((await problemOf(answer)).detail).toMatch(reason)
    expect([shop.served(), captured()]).toEqual([0, 0])
  })
})

describe('an enabler’s answer counts only if it is of this payment', () => {
  const order = { amount: '50', currency: 'usd', reference: 'ref_1' }
  /** A shop whose enabler answers just this. */
  const shopOf = (answer: (key: string) => unknown) => {
    let attempt = ''
    const say = async (key: string) => {
      const said = answer(key)
      return (typeof said === 'object' ? { attempt, ...said } : said) as Result
    }
    return openShop(local, {
      enabler: {
        name: 'own',
        charge: (order: Order, { idempotencyKey }) => {
          attempt = order.attempt
          return say(idempotencyKey)
        },
        lookup: say,
      },
    })
  }
  const approved = (idempotencyKey: string, more: object = {}) => ({
    status: 'approved',
    idempotencyKey,
    ...order,
    ...more,
  })

  const unclear: [string, (key: string) => unknown][] = [
    ['nothing', () => undefined],
    ['a text', () => 'approved'],
    ['no status', (idempotencyKey) => ({ idempotencyKey, ...order })],
    ['a status that nobody knows', (key) => approved(key, { status: 'authorised' })],
    ['the approval of another payment', () => approved('other')],
    ['an approval of nobody’s', () => ({ ...approved(''), idempotencyKey: undefined })],
    ['the decline of another payment', () => ({ status: 'declined', idempotencyKey: 'other' })],
    ['an approval of no attempt', (key) => approved(key, { attempt: undefined })],
    ['an approval of less', (key) => approved(key, { amount: '49' })],
    ['an approval of more', (key) => approved(key, { amount: '51' })],
    ['an approval of a number', (key) => approved(key, { amount: 50 })],
    ['an approval in another currency', (key) => approved(key, { currency: 'jpy' })],
    ['an approval without a reference', (key) => approved(key, { reference: undefined })],
    ['a reference that breaks lines', (key) => approved(key, { reference: 'a\r\nb' })],
    ['a reference without end', (key) => approved(key, { reference: 'x'.repeat(201) })],
    ['pending', (idempotencyKey) => ({ status: 'pending', idempotencyKey })],
  ]
  test.each(unclear)('%s is neither a page nor a fresh challenge', async (_, answer) => {
    const shop = shopOf(answer)
    const { answer: first, authorization } = await buy(local, shop)
    for (const one of [first, await shop.ask(authorization)]) {
      expect([one.status, (await problemOf(one)).code]).toEqual([503, 'payment-indeterminate'])
      expect(one.headers.has('www-authenticate')).toBe(false)
    }
    expect(shop.served()).toBe(0)
  })

  test('a time that is none is left out', async () => {
    const shop = shopOf((key) => approved(key, { timestamp: 'yesterday' }))
    const { answer } = await buy(local, shop)
    expect(answer.status).toBe(200)
    expect(Date.parse(String(receiptOf(answer)?.['timestamp']))).toBeGreaterThan(
      Date.now() - 60_000,
    )
  })

  test.each(['Card 4242424242424242 declined', 'constructor', '', 7, null, 'x'.repeat(50)])(
    'a reason like %j is not repeated to anybody',
    async (reason) => {
      const shop = shopOf((idempotencyKey) => ({ status: 'declined', idempotencyKey, reason }))
      const { answer } = await buy(local, shop)
      expect(await problemOf(answer)).toMatchObject({
        status: 402,
        detail: 'The payment was declined: ask the issuer of the card.',
      })
      expect(shop.told.map(({ cause }) => String(cause)).join()).not.toMatch(/4242|xxx/)
    },
  )

  test('what it throws on purpose did nothing, and anything else may have', async () => {
    const thrown = {
      refused: new EnablerError('refused', { status: 401 }),
      lost: new Error('?'),
      // Some PSPs' own clients have errors of this name.
      foreign: Object.assign(new Error('?'), { name: 'CardError', code: 'processing_error' }),
    }
    for (const [kind, code] of [
      ['refused', 'settlement-unavailable'],
      ['lost', 'payment-indeterminate'],
      ['foreign', 'payment-indeterminate'],
    ] as const) {
      const shop = openShop(local, {
        enabler: {
          name: 'own',
          charge: () => Promise.reject(thrown[kind]),
          lookup: () => Promise.reject(thrown[kind]),
        },
      })
      const { answer } = await buy(local, shop)
      expect([answer.status, (await problemOf(answer)).code]).toEqual([503, code])
    }
  })
})

describe('an enabler that opens payloads in this process', () => {
  const { publicKey, privateKey } = makePair('enc-1')
  const enabler = (keys: readonly Jwk[]) => ({
    name: 'own',
    async charge(
      { payload, kid, ...order }: Order,
      { idempotencyKey }: { idempotencyKey: string },
    ) {
      await decrypt(payload.encryptedPayload, { keys, kid })
      const { amount, currency, attempt } = order
      return {
        status: 'approved',
        idempotencyKey,
        attempt,
        reference: 'r',
        amount,
        currency,
      } as const
    },
    lookup: async () => undefined,
  })
  const payBy = async (forgery: Forgery, keys: readonly Jwk[] = [privateKey]) => {
    const shop = openShop(local, { key: publicKey, enabler: enabler(keys) })
    const challenge = challengeIn(await shop.ask())
    const payload = {
      ...local.issue({ amount: '50' }),
      encryptedPayload: forge(publicKey, forgery),
    }
    const authorization = write(challenge, payload)
    const answers = [await shop.ask(authorization), await shop.ask(authorization)]
    const { detail } = answers[0]?.status === 200 ? {} : await problemOf(answers[0] as Response)
    return { statuses: answers.map(({ status }) => status), detail, told: shop.told }
  }
  const expired = plaintext()
  expired.dynamicData.dynamicDataExpiration = 1

  test.each<[string, Forgery, RegExp]>([
    ['is compressed', { header: { zip: 'DEF' } }, /can open/],
    ['is for another kid', { header: { kid: 'enc-2' } }, /can open/],
    ['is none', { plaintext: '{}' }, /can open/],
    ['has expired', { plaintext: JSON.stringify(expired) }, /cryptogram has expired/],
  ])('declines what %s', async (_, forgery, detail) => {
    const { statuses, ...said } = await payBy(forgery)
    expect(statuses).toEqual([402, 409])
    expect(said.detail).toMatch(detail)
    expect(said.told.map(({ cause }) => (cause as { name?: string } | undefined)?.name)).toContain(
      'CardError',
    )
  })

  test('takes the rest, and declines nothing for a key of its own that is wrong', async () => {
    expect((await payBy({})).statuses).toEqual([200, 200])
    expect((await payBy({}, [publicKey])).statuses).toEqual([503, 503])
  })
})

function circle(message: string): Error {
  const error = new Error(message)
  return Object.assign(error, { cause: error })
}

describe('personal data [card-charge-090] [card-charge-091] [card-charge-092] [card-charge-093]', () => {
  const SECRETS = [/Jane Smith/, /PAR4242/, /94102/, /Main St/, /\b4242\b/, /(?:4242){4}/]
  const show = (seen: unknown) => inspect(seen, { depth: 20, maxStringLength: null })

  /** A store that shows all that is written into it. */
  function watched() {
    const store = Store.memory()
    const written: unknown[] = []
    const shown: Store.Store = {
      ...store,
      set: (key, value, options) => (written.push([key, value]), store.set(key, value, options)),
      claim: (entries) => (written.push(entries), store.claim(entries)),
      update: (key, change, options) =>
        store.update(
          key,
          (current) => {
            const next = change(current)
            written.push([key, next])
            return next
          },
          options,
        ),
    }
    return { store: shown, written }
  }

  const visits: [string, Partial<LocalCards.IssueOptions>, LocalCards.CardFault | undefined][] = [
    ['that are paid', {}, undefined],
    ['that are declined', { cardId: 'card_insufficient_funds' }, undefined],
    ['whose answer is lost', {}, { call: CHARGE, fail: 'drop', executed: true, times: 1 }],
    [
      'whose acquirer repeats it all',
      {},
      {
        call: CHARGE,
        fail: { status: 500, body: { message: 'Jane Smith, PAR4242, 4242' } },
        times: 1,
      },
    ],
  ]
  test.each(visits)(
    'of visits %s is in no event, no log, no answer, no receipt and no store',
    async (_, more, fault) => {
      const logs = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
        vi.spyOn(console, name).mockImplementation(() => undefined),
      )
      using _fault = fault && local.fault(fault)
      const { store, written } = watched()
      const shop = openShop(local, { store, billingRequired: true })
      const { answer, authorization, payload } = await buy(local, shop, more)
      const again = await shop.ask(authorization)
      const seen = [
        shop.told.map((event) => [event, String(event.cause), (event.cause as Error)?.stack]),
        written,
        logs.map((log) => log.mock.calls),
        [answer, again].map(({ headers }) => [...headers]),
        [answer, again].map(receiptOf),
        await answer.text(),
        await again.text(),
      ]
      for (const log of logs) log.mockRestore()
      const text = show(seen)
      expect(SECRETS.filter((secret) => secret.test(text))).toEqual([])
      expect(text).not.toContain(payload.encryptedPayload)
      expect(shop.told.length).toBeGreaterThan(1)
    },
  )

  test.each<[string, (order: Order) => unknown]>([
    [
      'with what it sent, as HTTP clients do',
      (order) => Object.assign(new Error('status 500'), { config: { data: order } }),
    ],
    ['in a message', ({ payload }) => new TypeError(`\n    at ${payload.cardholderFullName}:1:1`)],
    [
      'in a name',
      ({ payload }) =>
        Object.assign(new Error('?'), { name: payload.cardholderFullName, code: 'Jane Smith' }),
    ],
    [
      'in the cause of a cause',
      ({ payload }) =>
        new EnablerError('unknown', {
          cause: new Error('?', { cause: new Error(JSON.stringify(payload)) }),
        }),
    ],
    ['as a refusal', (order) => new EnablerError('refused', { status: 400, cause: order })],
    ['as a code of digits', () => Object.assign(new Error('?'), { code: 4242424242424242 })],
    [
      'as a code with digits',
      () => Object.assign(new Error('?'), { code: 'card-4242424242424242' }),
    ],
    [
      'by a getter that throws',
      ({ payload }) =>
        Object.defineProperty(new Error('?'), 'status', {
          get() {
            throw new Error(payload.cardholderFullName)
          },
        }),
    ],
    ['as it is', (order) => order],
    ['in a text', (order) => JSON.stringify(order)],
    ['in a circle', (order) => circle(JSON.stringify(order))],
  ])('that an enabler of one’s own throws %s is in no event', async (_, spill) => {
    let asked: Order | undefined
    const shop = openShop(local, {
      billingRequired: true,
      enabler: {
        name: 'own',
        charge: (order) => {
          asked = order
          return Promise.reject(spill(order) as Error)
        },
        lookup: () => Promise.reject(spill(asked as Order) as Error),
      },
    })
    const { answer, authorization, payload } = await buy(local, shop)
    const again = await shop.ask(authorization)
    expect([answer.status, again.status]).toEqual([503, 503])
    const text = show([shop.told, await answer.text(), await again.text()])
    expect(SECRETS.filter((secret) => secret.test(text))).toEqual([])
    expect(text).not.toContain(payload.encryptedPayload)
    expect(text).toMatch(/Server Enabler/)
  })

  test('is not in the way of finding out what an enabler of one’s own did wrong', async () => {
    const fail = async () => Promise.reject(Object.assign(new RangeError('?'), { code: 'EX' }))
    const shop = openShop(local, { enabler: { name: 'own', charge: fail, lookup: fail } })
    await buy(local, shop)
    const { cause } = shop.told.find(({ name }) => name === 'indeterminate') ?? {}
    expect(cause).toMatchObject({ name: 'RangeError', code: 'EX' })
    expect((cause as Error).stack).toMatch(/server\.test\.ts:\d+/)
  })

  test('is told to the application that asks for it, as far as it asks', async () => {
    const shop = openShop(local, {
      billingRequired: true,
      reveal: ['panLastFour', 'billingAddress'],
    })
    const handler = shop.mpp.charge({ amount: '0.50' })
    const ask = (authorization?: string) =>
      handler(
        new Request('https://shop.example/tax', {
          headers: authorization === undefined ? {} : { authorization },
        }),
      )
    const unpaid = await ask()
    if (unpaid.status !== 402) throw new Error('not asked to pay')
    const challenge = challengeIn(unpaid.challenge)
    const payload = local.issue({ amount: '50', billingRequired: true })
    const paid = await ask(write(challenge, payload))
    expect(paid).toMatchObject({ status: 200 })
    expect('settlement' in paid && paid.settlement).toEqual({
      panLastFour: '4242',
      billingAddress: payload.billingAddress,
    })
    expect(inspect(shop.told, { depth: 20 })).toMatch(/94102/)
  })
})

test('an enabler’s key is sent to the enabler alone, and stands in no error', async () => {
  const shop = openShop(local, {
    enabler: httpEnabler({ url: local.acquirer.url, apiKey: 'a-key-that-is-not-known' }),
  })
  const { answer } = await buy(local, shop)
  expect([answer.status, (await problemOf(answer)).code]).toEqual([503, 'settlement-unavailable'])
  expect(inspect(shop.told, { depth: 20 })).not.toContain('a-key-that')
  expect(acquirer(local).name).toBe(local.acquirer.url)
  const named = httpEnabler({ url: 'https://psp.example/v1/', apiKey: 'k', account: 'acme' })
  expect(named.name).toBe('https://psp.example/v1#acme')
})

test('over plain http nothing is offered, but on this machine [card-charge-088]', async () => {
  const { page } = openShop(local)
  const refused = await page(new Request('http://shop.example/page'))
  expect([refused.status, (await problemOf(refused)).code]).toEqual([403, 'insecure-transport'])
  expect(refused.headers.has('www-authenticate')).toBe(false)
  expect((await page(new Request('http://127.0.0.1/page'))).status).toBe(402)
})

test('an enabler has one name, however its url is spelt: what was begun at it is found again', () => {
  const names = [
    'https://psp.example/v1',
    'https://PSP.example:443/v1/',
    ' https://psp.example/v1\n',
  ]
  for (const url of names) expect(httpEnabler({ url, apiKey: 'k' }).name).toBe(names[0])
  const account = httpEnabler({ url: 'https://psp.example', apiKey: 'k', account: 'shop' }).name
  expect(account).toBe('https://psp.example#shop')
})
