/**
 * Where the deployed SDK and the core draft differ on the wire: each difference by name.
 *
 * @module
 */
import { Challenge as OurChallenge } from '@polyrail/core'
import { BodyDigest, Challenge, Receipt } from 'mppx'
import { Mppx } from 'mppx/server'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { decode, open, present, realm, secretKey, type Guard } from './page.js'
import { createBank, deployed, deployedMethods, ours, type Prices } from './points.js'

const prices: Prices = { points: '10' }
const headerOf = (response: Response) => response.headers.get('www-authenticate') ?? ''

describe.each([
  ['beyond Latin-1', '— 5 € ☕ 𝄞 "fresh" \\u0041 \\\\'],
  ['in Latin-1', 'Crème brûlée'],
])('a description %s', (_, description) => {
  test('of the deployed server is read by our client', async () => {
    const bank = createBank()
    await using page = await open(deployed.guard(prices, bank, { description }))
    const { headers } = await fetch(page.url)
    expect(OurChallenge.parse(headers)).toMatchObject([{ description }])
    expect((await ours.wallet(['points'], bank).fetch(page.url)).status).toBe(200)
  })

  test('of our server is read by the deployed client', async () => {
    const bank = createBank()
    await using page = await open(ours.guard(prices, bank, { description }))
    expect(Challenge.fromResponse(await fetch(page.url)).description).toBe(description)
    expect((await deployed.wallet(['points'], bank).fetch(page.url)).status).toBe(200)
  })
})

test('a character beyond Latin-1 is written \\uXXXX on both sides, for no header could carry it', async () => {
  for (const { guard } of [deployed, ours]) {
    await using page = await open(guard(prices, createBank(), { description: '☕ 𝄞' }))
    expect(headerOf(await fetch(page.url))).toContain('description="\\u2615 \\ud834\\udd1e"')
  }
})

describe('an expiry', () => {
  const at = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString()
  /** The same moment, by a clock two hours ahead. */
  const ahead = (milliseconds: number) => at(milliseconds + 7_200_000).replace('Z', '+02:00')

  test.each([
    ['milliseconds', at],
    ['nanoseconds', (ms: number) => at(ms).replace('Z', '000000Z')],
    ['an offset', ahead],
  ])('with %s, as deployed servers write it, is heeded by our client', async (_, time) => {
    const bank = createBank()
    const wallet = ours.wallet(['points'], bank)
    await using fresh = await open(deployed.guard(prices, bank, { expires: time(60_000) }))
    expect((await wallet.fetch(fresh.url)).status).toBe(200)
    await using stale = await open(deployed.guard(prices, bank, { expires: time(-1000) }))
    expect((await wallet.fetch(stale.url)).status).toBe(402)
    expect(stale.presented).toEqual([])
    expect(bank.taken).toHaveLength(1)
  })

  test('in whole seconds, as our server writes it, is taken by the deployed client', async () => {
    const bank = createBank()
    await using page = await open(ours.guard(prices, bank, { expires: 60 }))
    const { expires } = Challenge.fromResponse(await fetch(page.url))
    expect(expires).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    expect((await deployed.wallet(['points'], bank).fetch(page.url)).status).toBe(200)
  })
})

describe('a digest without the colons of RFC 9530', () => {
  const init = { method: 'POST', body: '{"order":7}' }
  const bank = createBank()
  const mpp = Mppx.create({ methods: deployedMethods(prices, bank), realm, secretKey })

  /** The deployed server has no option for it: whoever wants a digest there issues the challenge by hand. */
  const guard =
    (digestOf: (body: string) => string): Guard =>
    async (request, response) => {
      const digest = digestOf(await text(request))
      const { authorization } = request.headers
      if (authorization !== undefined) {
        const receipt = await mpp.verifyCredential(authorization)
        response.setHeader('payment-receipt', Receipt.serialize(receipt))
        return { status: 200 }
      }
      const challenge = Challenge.from({
        realm,
        secretKey,
        method: 'points',
        intent: 'charge',
        request: { amount: '10', currency: 'points' },
        expires: new Date(Date.now() + 60_000),
        digest,
      })
      response.writeHead(402, { 'www-authenticate': Challenge.serialize(challenge) }).end()
      return { status: 402 }
    }

  test('is paid by our client when it is that of its body', async () => {
    await using page = await open(guard(BodyDigest.compute))
    const response = await ours.wallet(['points'], bank).fetch(page.url, init)
    expect(response.status).toBe(200)
    expect(decode(page.presented[0] ?? '').challenge.digest).toMatch(/^sha-256=[\w+/]{43}=$/)
    expect(bank.taken).toHaveLength(1)
  })

  test('is not paid by our client when it is that of another body', async () => {
    await using page = await open(guard(() => BodyDigest.compute('{"order":8}')))
    const response = await ours.wallet(['points'], bank).fetch(page.url, init)
    expect(response.status).toBe(402)
    expect(page.presented).toEqual([])
  })
})

describe('what the server keeps in `opaque`', () => {
  test.each([
    ['the deployed client', 'our server', deployed, ours],
    ['our client', 'the deployed server', ours, deployed],
  ])('goes from %s back to %s as it came', async (_, __, payer, paid) => {
    const bank = createBank()
    const terms = { meta: { order: 'Nº 7', zone: 'b' }, scope: 'GET /page' }
    await using page = await open(paid.guard(prices, bank, terms))
    const response = await fetch(page.url)
    const wallet = payer.wallet(['points'], bank)
    const authorization = await wallet.sign(response, page.url)
    const [sent] = OurChallenge.scan(headerOf(response))
    expect(decode(authorization).challenge).toMatchObject({ opaque: sent?.opaque })
    expect((await present(page.url, authorization)).status).toBe(200)
  })
})

describe('a refusal', () => {
  test('of our server makes the deployed client try again with new credentials, and takes none', async () => {
    const bank = createBank()
    await using page = await open(ours.guard(prices, createBank()))
    const response = await deployed.wallet(['points'], bank).fetch(page.url)
    expect(response.status).toBe(402)
    expect(page.presented).toHaveLength(3)
    expect(new Set(page.presented.map((text) => decode(text).challenge.id)).size).toBe(3)
  })

  test('of the deployed server is the end for our client', async () => {
    await using page = await open(deployed.guard(prices, createBank()))
    const response = await ours.wallet(['points'], createBank()).fetch(page.url)
    expect(response.status).toBe(402)
    expect(page.presented).toHaveLength(1)
  })
})
