/**
 * The server's side of a Lightning charge: what it asks for, what it takes, and what it says no to.
 *
 * @module
 */
import { Mpp, Store } from '@polyrail/core/server'
import type { Wallet } from '@polyrail/lightning'
import { lightning } from '@polyrail/lightning/server'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createSecret, hashOf, start } from './rail.js'
import {
  challengeIn,
  detailsOf,
  openShop,
  problemOf,
  realm,
  secretKey,
  settle,
  url,
  write,
} from './shop.js'

let local: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  local = await start()
})
afterAll(() => local.nodes.stop())

/** Buys the page, and keeps what was shown for it. */
async function buy(shop: ReturnType<typeof openShop>) {
  const challenge = challengeIn(await shop.ask())
  const preimage = await settle(local.payer, challenge)
  const authorization = write(challenge, preimage)
  return { challenge, preimage, authorization, answer: await shop.ask(authorization) }
}

describe('a charge', () => {
  test('asks for an invoice of the price and brings the page for its preimage [lightning-charge-001 lightning-charge-002 lightning-charge-003 lightning-charge-005 lightning-charge-007 lightning-charge-008 lightning-charge-012 lightning-charge-013 lightning-charge-014 lightning-charge-015 lightning-charge-020]', async () => {
    const shop = openShop(local.shop, { route: { memo: 'Weather for 94107', externalId: 'o-1' } })
    const before = local.shop.income.count
    const { challenge, preimage, answer } = await buy(shop)
    expect(challenge).toMatchObject({
      method: 'lightning',
      intent: 'charge',
      request: {
        amount: '10',
        currency: 'sat',
        description: 'Weather for 94107',
        externalId: 'o-1',
        methodDetails: { network: 'regtest', paymentHash: hashOf(preimage) },
      },
    })
    expect(detailsOf(challenge).invoice).toMatch(/^lnbcrt/)
    expect([answer.status, await answer.json()]).toEqual([200, { page: 1 }])
    expect(local.shop.income.count).toBe(before + 1)
    expect(local.shop.received(hashOf(preimage))?.amountMsat).toBe(10_000n)
  })

  test('has a receipt with the challenge and the hash, never the preimage [lightning-charge-033 lightning-charge-034 lightning-charge-035 lightning-charge-036 lightning-charge-037 lightning-charge-038 lightning-charge-039]', async () => {
    const { challenge, preimage, answer } = await buy(openShop(local.shop))
    const header = answer.headers.get('payment-receipt') ?? ''
    const receipt = JSON.parse(Buffer.from(header, 'base64url').toString()) as unknown
    expect(receipt).toEqual({
      method: 'lightning',
      challengeId: challenge.id,
      reference: hashOf(preimage),
      status: 'success',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    })
  })

  test('reads credentials with or without padding, and needs no source [lightning-charge-004 lightning-charge-017 lightning-charge-018 lightning-charge-019]', async () => {
    const shop = openShop(local.shop)
    const challenge = challengeIn(await shop.ask())
    const preimage = await settle(local.payer, challenge)
    const json = JSON.stringify({ challenge: challenge.wire, payload: { preimage } })
    const token = Buffer.from(json.padEnd(Math.ceil(json.length / 3) * 3 + 1)).toString('base64')
    expect(token).toMatch(/=$/)
    const padded = token.replaceAll('+', '-').replaceAll('/', '_')
    const answer = await shop.ask(`Payment ${padded}`)
    expect(answer.status).toBe(200)
  })

  test('ends when its invoice ends, or before [lightning-charge-030]', async () => {
    const shop = openShop(local.shop, { route: { expires: 77 } })
    const challenge = challengeIn(await shop.ask())
    const made = local.shop.ledger.invoice(detailsOf(challenge).paymentHash)
    const ends = (made?.createdAt ?? 0) + (made?.expirySeconds ?? 0)
    const expires = Date.parse(challenge.expires ?? '') / 1000
    expect(ends).toBeGreaterThanOrEqual(expires)
    expect(ends).toBeLessThanOrEqual(expires + 70)
  })

  test('has a fresh payment hash each time [lightning-charge-046]', async () => {
    const shop = openShop(local.shop)
    const hashes = new Set<string>()
    for (let visit = 0; visit < 25; visit++)
      hashes.add(detailsOf(challengeIn(await shop.ask())).paymentHash)
    expect(hashes.size).toBe(25)
  })
})

describe('a price', () => {
  const shop = () => Mpp.create({ realm, secretKey, methods: [lightning.charge({ wallet })] })
  const wallet = { createInvoice: async () => '' }
  test.each([
    ['0.5', /a satoshi is the least/],
    ['0', /above zero/],
    ['007', /leading zeros/],
    ['', /decimal string of satoshis/],
    ['-1', /decimal string of satoshis/],
    ['1e3', /decimal string of satoshis/],
    ['+5', /decimal string of satoshis/],
    ['9007199254740993', /more bitcoin than there can be/],
    ['2100000000000001', /more bitcoin than there can be/],
  ])('of %j cannot be charged, and says why [lightning-charge-006]', (amount, message) => {
    expect(() => shop().charge({ amount })).toThrow(message)
  })

  test('of a number is no price', () => {
    expect(() => shop().charge({ amount: 10 as unknown as string })).toThrow(/decimal string/)
  })

  test('of all bitcoin can be charged to the satoshi', async () => {
    const asked: bigint[] = []
    const counted = {
      createInvoice: async ({ amountMsat = 0n }: Wallet.Terms) => {
        asked.push(amountMsat)
        return ''
      },
    }
    const open = openShop(counted, { route: { amount: '2100000000000000' } })
    await open.ask()
    expect(asked).toEqual([2_100_000_000_000_000_000n])
  })

  test('may be said in BTC, as deployed software says it, and is asked for in sat', async () => {
    const open = openShop(local.shop, { route: { currency: 'BTC' } })
    expect(challengeIn(await open.ask()).request['currency']).toBe('sat')
  })

  test('cannot have a memo that no invoice holds', () => {
    expect(() => openShop(wallet, { route: { memo: 'é'.repeat(320) } })).toThrow(/639 bytes/)
  })
})

describe('a wallet that does not do as it is asked makes no offer [lightning-charge-009 lightning-charge-010 lightning-charge-047]', () => {
  const make = (terms: Partial<Wallet.Terms>) => (asked: Wallet.Terms) =>
    local.shop.createInvoice({ ...asked, ...terms })
  const cases: [string, (asked: Wallet.Terms) => Promise<string>, RegExp][] = [
    ['less', make({ amountMsat: 9999n }), /9999 msat, and not for 10 sat/],
    ['more', make({ amountMsat: 11_000n }), /11 sat/],
    ['any amount', make({ amountMsat: undefined }), /any amount/],
    ['another memo', make({ description: 'something else' }), /description/],
    ['an end too soon', make({ expirySeconds: 100 }), /ends before its challenge/],
    ['no invoice', async () => 'lnbcrt1nonsense', /no BOLT11 invoice/],
    [
      'a signature of nobody',
      async (asked) => {
        const made = await local.shop.createInvoice(asked)
        return made.slice(0, -7) + (made.at(-7) === 'q' ? 'p' : 'q') + made.slice(-6)
      },
      /no BOLT11 invoice/,
    ],
  ]
  test.each(cases)('%s', async (_, createInvoice, message) => {
    const shop = openShop({ createInvoice }, { route: { memo: 'ten of them' } })
    const answer = await shop.ask()
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, 'offer-unavailable'])
    const [failed] = shop.told as { cause: Error }[]
    expect(failed?.cause.message).toMatch(message)
  })

  test('the same invoice twice', async () => {
    const terms = { amountMsat: 10_000n, expirySeconds: 600 }
    const invoice = await local.shop.createInvoice(terms)
    const shop = openShop({ createInvoice: async () => invoice })
    expect((await shop.ask()).status).toBe(402)
    expect((await shop.ask()).status).toBe(503)
  })

  test('an invoice of another network', async () => {
    const shop = openShop(local.shop, { network: 'mainnet' })
    expect((await shop.ask()).status).toBe(503)
    expect((shop.told as { cause: Error }[])[0]?.cause.message).toMatch(
      /regtest, and not for mainnet/,
    )
  })

  test('and one that does not answer costs the rail its place, not the route', async () => {
    using _ = local.shop.fault({ call: 'createInvoice', fail: 'hang', times: 1 })
    const shop = openShop(local.shop, { config: { deadlines: { offer: 50 } } })
    expect((await shop.ask()).status).toBe(503)
    expect((await shop.ask()).status).toBe(402)
  })
})

describe('what is refused gets a 402 with a fresh invoice and the draft’s problem type [lightning-charge-021 lightning-charge-023 lightning-charge-040 lightning-charge-041]', () => {
  const base = 'https://paymentauth.org/problems/lightning'

  async function refused(shop: ReturnType<typeof openShop>, authorization: string) {
    const answer = await shop.ask(authorization)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      402,
      'application/problem+json',
    ])
    expect(answer.headers.get('cache-control')).toBe('no-store')
    return { fresh: detailsOf(challengeIn(answer)).paymentHash, ...(await problemOf(answer)) }
  }

  test('an unreadable credential, or a payload without a preimage [lightning-charge-042]', async () => {
    const shop = openShop(local.shop)
    const challenge = challengeIn(await shop.ask())
    const { preimage } = createSecret()
    for (const bad of [
      'Payment !!!',
      'Payment e30',
      write(challenge, undefined),
      write(challenge, 7),
      write(challenge, preimage.toUpperCase().replace(/^\d+$/, 'A')),
      write(challenge, preimage.slice(1)),
    ]) {
      const { type, fresh } = await refused(shop, bad)
      expect(type).toBe(`${base}/malformed-credential`)
      expect(fresh).not.toBe(detailsOf(challenge).paymentHash)
    }
  })

  test('a challenge that was not issued here, is altered or is used [lightning-charge-022 lightning-charge-043]', async () => {
    const shop = openShop(local.shop)
    const { challenge, preimage, authorization } = await buy(shop)
    const altered = { ...challenge.wire, expires: '2099-01-01T00:00:00Z' }
    const elsewhere = { ...challenge.wire, id: 'nobody-knows-it' }
    for (const wire of [altered, elsewhere]) {
      const { type } = await refused(shop, write({ ...challenge, wire }, preimage))
      expect(type).toBe(`${base}/unknown-challenge`)
    }
    // Used, and shown again by another credential.
    const again = authorization.slice('Payment '.length)
    const other = JSON.stringify({
      ...JSON.parse(Buffer.from(again, 'base64url').toString()),
      source: 'did:example:another',
    })
    const { type } = await refused(shop, `Payment ${Buffer.from(other).toString('base64url')}`)
    expect(type).toBe(`${base}/unknown-challenge`)
  })

  test('a preimage that is not the invoice’s, also one that pays another challenge [lightning-charge-024 lightning-charge-044]', async () => {
    const shop = openShop(local.shop)
    const { preimage } = await buy(shop)
    const other = challengeIn(await shop.ask())
    for (const wrong of [preimage, createSecret().preimage, detailsOf(other).paymentHash]) {
      const { type, title, status, fresh } = await refused(shop, write(other, wrong))
      expect([type, title, status]).toEqual([`${base}/invalid-preimage`, 'Invalid Preimage', 402])
      expect(fresh).not.toBe(detailsOf(other).paymentHash)
    }
    expect(shop.served()).toBe(1)
  })

  test('a payment for a challenge that is over [lightning-charge-032 lightning-charge-045 lightning-charge-049]', async () => {
    const shop = openShop(local.shop)
    const challenge = challengeIn(await shop.ask())
    const preimage = await settle(local.payer, challenge)
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      vi.advanceTimersByTime(301_000)
      const answer = await shop.ask(write(challenge, preimage))
      expect([answer.status, (await problemOf(answer)).type]).toEqual([
        402,
        `${base}/expired-invoice`,
      ])
    } finally {
      vi.useRealTimers()
    }
    expect(shop.served()).toBe(0)
  })
})

describe('a preimage opens one page, once [lightning-charge-025 lightning-charge-026 lightning-charge-052 lightning-charge-053]', () => {
  test('on two servers with one store, however many copies come at once', async () => {
    const store = Store.memory()
    const [one, two] = [openShop(local.shop, { store }), openShop(local.shop, { store })]
    const challenge = challengeIn(await one.ask())
    const authorization = write(challenge, await settle(local.payer, challenge))
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, copy) => (copy % 2 ? one : two).ask(authorization)),
    )
    const pages = new Set(await Promise.all(answers.map((answer) => answer.text())))
    expect([one.served() + two.served(), pages.size]).toEqual([1, 1])
    const shown = new Request(url, { headers: { authorization } })
    const plain = await two.plain(shown)
    expect([plain.status, one.served() + two.served()]).not.toEqual([200, 2])
  })

  test('in the plain form: 402 for every copy but one, never the old invoice', async () => {
    const shop = openShop(local.shop)
    const challenge = challengeIn(await shop.plain(new Request(url)))
    const authorization = write(challenge, await settle(local.payer, challenge))
    const show = () => shop.plain(new Request(url, { headers: { authorization } }))
    const answers = await Promise.all(Array.from({ length: 50 }, show))
    expect(answers.filter(({ status }) => status === 200).length).toBe(1)
    const late = await show()
    expect([late.status, (await problemOf(late)).type]).toEqual([
      402,
      'https://paymentauth.org/problems/lightning/unknown-challenge',
    ])
    expect(detailsOf(challengeIn(late)).paymentHash).not.toBe(detailsOf(challenge).paymentHash)
    expect(shop.served()).toBe(1)
  })

  test('a handler that fails gives no receipt and no challenge, and the same preimage still has its page [lightning-charge-027]', async () => {
    const method = lightning.charge({ wallet: local.shop, network: 'regtest' })
    const mpp = Mpp.create({ realm, secretKey, methods: [method] })
    mpp.on('error', () => undefined)
    let fails = true
    const page = mpp.charge({ amount: '10' })(() =>
      fails ? new Response('broken', { status: 500 }) : new Response('the page'),
    )
    const challenge = challengeIn(await page(new Request(url)))
    const authorization = write(challenge, await settle(local.payer, challenge))
    const show = () => page(new Request(url, { headers: { authorization } }))
    const broken = await show()
    expect([
      broken.status,
      broken.headers.has('payment-receipt'),
      broken.headers.has('www-authenticate'),
    ]).toEqual([500, false, false])
    fails = false
    const answer = await show()
    expect([answer.status, await answer.text()]).toEqual([200, 'the page'])
  })
})

describe('the preimage', () => {
  test('appears in no event, log, error, answer or store [lightning-charge-051]', async () => {
    const values: unknown[] = []
    const memory = Store.memory()
    const store: Store.Store = {
      ...memory,
      set: (key, value, options) => (values.push(key, value), memory.set(key, value, options)),
      claim: (entries) => (values.push(entries), memory.claim(entries)),
      update: (key, change, options) =>
        memory.update(
          key,
          (current) => {
            const next = change(current)
            values.push(key, next)
            return next
          },
          options,
        ),
    }
    const logs = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation((...said) => void values.push(said)),
    )
    try {
      const shop = openShop(local.shop, { store })
      const { challenge, preimage, authorization, answer } = await buy(shop)
      const others = [
        await shop.ask(authorization),
        await shop.ask(write(challenge, createSecret().preimage)),
        await shop.ask(write({ ...challenge, wire: { ...challenge.wire, id: 'x' } }, preimage)),
        await shop.plain(new Request(url, { headers: { authorization } })),
      ]
      for (const response of [answer, ...others])
        values.push([...response.headers], await response.text())
      values.push(shop.told)
      const everything = JSON.stringify(values, (_, value: unknown) =>
        value instanceof Error
          ? [value.message, value.stack, value.cause, { ...value }]
          : typeof value === 'bigint'
            ? String(value)
            : value,
      )
      expect(everything).toContain(hashOf(preimage))
      expect(everything).not.toContain(preimage)
      expect(everything).not.toContain(Buffer.from(preimage, 'hex').toString('base64url'))
    } finally {
      for (const log of logs) log.mockRestore()
    }
  })
})

describe('an unpaid visitor', () => {
  test('cannot have the node make invoices without end: 429 with Retry-After (threat 27)', async () => {
    let made = 0
    const counted = {
      createInvoice: (terms: Wallet.Terms) => (made++, local.shop.createInvoice(terms)),
    }
    const shop = openShop(counted, { unpaid: { total: 5 } })
    const answers = []
    for (let visit = 0; visit < 20; visit++) answers.push(await shop.ask())
    expect(answers.map(({ status }) => status).filter((status) => status === 402).length).toBe(5)
    expect(made).toBe(5)
    const last = answers.at(-1)
    expect([last?.status, last?.headers.has('retry-after')]).toEqual([429, true])
  })

  test('who has a name gets the same invoice until it is answered', async () => {
    const shop = openShop(local.shop, { config: { client: () => 'ann' } })
    const first = challengeIn(await shop.ask())
    expect(challengeIn(await shop.ask()).wire).toEqual(first.wire)
    const bad = challengeIn(await shop.ask(write(first, createSecret().preimage)))
    expect(detailsOf(bad).paymentHash).not.toBe(detailsOf(first).paymentHash)
    const preimage = await settle(local.payer, bad)
    expect((await shop.ask(write(bad, preimage))).status).toBe(200)
    expect(detailsOf(challengeIn(await shop.ask())).paymentHash).not.toBe(hashOf(preimage))
  })
})

test('the 402 is never kept by a cache [lightning-charge-029]', async () => {
  expect((await openShop(local.shop).ask()).headers.get('cache-control')).toBe('no-store')
})

test('no challenge and no credential over plain http [lightning-charge-050]', async () => {
  const shop = openShop(local.shop)
  const answer = await shop.page(new Request('http://shop.example/page'))
  expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([403, false])
})

test('options that are none say what to do', () => {
  expect(() => lightning.charge({} as lightning.charge.Options)).toThrow(
    /wallet must be able to make invoices/,
  )
  expect(() => lightning.charge({ wallet: local.shop, unpaid: { total: 0 } })).toThrow(
    /unpaid.total/,
  )
  const testnet = { wallet: local.shop, network: 'testnet' } as unknown as lightning.charge.Options
  expect(() => lightning.charge(testnet)).toThrow(/mainnet, regtest, signet/)
})
