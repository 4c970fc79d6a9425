/**
 * Key sets: how a shop serves them and changes its key, how a client fetches, keeps and distrusts them. Over real HTTP.
 *
 * @module
 */
import { card } from '@polyrail/card/server'
import { createResolver, isCardError, type PublicKey } from '@polyrail/card/enabler'
import { LocalCards } from '@polyrail/sandbox/card'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { makePair, type Jwk } from './forge.js'
import {
  challengeIn,
  countCaptures,
  createClient,
  openShop,
  problemOf,
  write,
  type Options,
} from './shop.js'

const realm = '127.0.0.1'
const page = `http://${realm}/page`
const [one, two] = [makePair('enc-1'), makePair('enc-2')]
const KID = 'enc-1'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())
const captured = countCaptures(() => local)

const open: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of open.splice(0)) close()
})

/** A server on this machine, and how often it was asked. */
async function serve(listener: RequestListener) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, realm, resolve))
  open.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { jwksUri: `http://${realm}:${port}/jwks.json`, asked }
}

/** A key set as `card.jwks` serves it. */
const serveSet = (handler: (request: Request) => Promise<Response>) =>
  serve(async ({ method = 'GET' }, response) => {
    const answer = await handler(new Request(page, { method }))
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(Buffer.from(await answer.arrayBuffer()))
  })

const serveText = (body: string, status = 200, headers: Record<string, string> = {}) =>
  serve((_, response) => void response.writeHead(status, headers).end(body))

const serveKeys = (keys: unknown, headers: Record<string, string> = {}) =>
  serveText(JSON.stringify({ keys }), 200, headers)

async function codeOf(asking: Promise<unknown>): Promise<string> {
  const thrown = await asking.then(
    () => 'found',
    (cause: unknown) => cause,
  )
  return isCardError(thrown) ? thrown.code : String(thrown)
}

const shopOf = (options: Options) =>
  openShop(local, { config: { realm, expires: 300, ...options.config }, ...options })
const payAt = (shop: ReturnType<typeof shopOf>) => createClient(local, shop.page).fetch(page)
const askAt = (shop: ReturnType<typeof shopOf>, authorization?: string) =>
  shop.page(new Request(page, authorization === undefined ? {} : { headers: { authorization } }))

describe('a shop with a key set', () => {
  test('names it with a kid, and is paid [card-charge-015] [card-charge-023]', async () => {
    const { jwksUri, asked } = await serveSet(card.jwks(() => local.keys))
    const shop = shopOf({ keySet: { jwksUri, kid: () => local.key.kid } })
    const { methodDetails } = challengeIn(await askAt(shop)).request
    expect(methodDetails).toMatchObject({ jwksUri, kid: local.key.kid })
    expect(methodDetails).not.toHaveProperty('encryptionJwk')
    expect([(await payAt(shop)).status, captured()]).toEqual([200, 1])
    // Once the client, once the vault.
    expect(asked).toHaveLength(2)
  })

  test('changes its key while challenges are out: both are paid', async () => {
    const { jwksUri } = await serveSet(card.jwks(() => local.keys))
    const shop = shopOf({ keySet: { jwksUri, kid: () => local.key.kid } })
    const before = challengeIn(await askAt(shop))
    const key = local.keys.find(({ kid }) => kid === before.request.methodDetails.kid)
    local.rotate()
    const after = challengeIn(await askAt(shop))
    expect(after.request.methodDetails.kid).not.toBe(before.request.methodDetails.kid)
    const old = local.issue({ amount: '50', ...(key && { key }) })
    expect((await askAt(shop, write(before, old))).status).toBe(200)
    expect((await payAt(shop)).status).toBe(200)
    expect(captured()).toBe(2)
  })

  test('of another origin is not offered, and its operator is told [card-charge-009]', async () => {
    const shop = shopOf({ keySet: { jwksUri: 'https://keys.example/jwks', kid: KID } })
    const answer = await askAt(shop)
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, 'offer-unavailable'])
    expect(String(shop.told.map(({ cause }) => cause).join())).toMatch(/on the origin of the realm/)
  })

  test('changes its key twice in a moment, and is paid by the client that paid before', async () => {
    const { jwksUri } = await serveSet(card.jwks(() => local.keys))
    const shop = shopOf({ keySet: { jwksUri, kid: () => local.key.kid } })
    const client = createClient(local, shop.page)
    for (const paid of [1, 2, 3]) {
      expect([(await client.fetch(page)).status, captured()]).toEqual([200, paid])
      local.rotate()
    }
  })
})

describe('a shop with a key in its challenges', () => {
  test('changes it while challenges are out: both are paid, each under its own', async () => {
    const shop = shopOf({})
    const before = challengeIn(await askAt(shop))
    const old = local.issue({ amount: '50' })
    local.rotate()
    expect((await askAt(shop, write(before, old))).status).toBe(200)
    const fresh = challengeIn(await askAt(shop))
    // A payload for the old key under a challenge that named the new one.
    const late = local.issue({
      amount: '50',
      key: before.request.methodDetails.encryptionJwk ?? {},
    })
    expect((await askAt(shop, write(fresh, late))).status).toBe(402)
    expect((await payAt(shop)).status).toBe(200)
    expect(captured()).toBe(2)
  })

  test('that its acquirer has lost meanwhile: the payment is refused, and the next is made', async () => {
    const shop = shopOf({})
    const before = challengeIn(await askAt(shop))
    const old = local.issue({ amount: '50' })
    local.forget(local.key.kid)
    local.rotate()
    const refused = await askAt(shop, write(before, old))
    expect([refused.status, (await problemOf(refused)).detail]).toMatchObject([
      402,
      /cannot open|can open/,
    ])
    expect((await payAt(shop)).status).toBe(200)
    expect(captured()).toBe(1)
  })

  test('that cannot be had drops out of the offer, and its operator is told', async () => {
    const shop = shopOf({
      key: async () => {
        throw new Error('the key store is down')
      },
    })
    expect((await askAt(shop)).status).toBe(503)
    expect(String(shop.told.map(({ cause }) => cause).join())).toMatch(/the key store is down/)
  })

  test('that must not be used is not offered', async () => {
    const shop = shopOf({ key: () => one.privateKey })
    expect((await askAt(shop)).status).toBe(503)
    expect(JSON.stringify(shop.told)).not.toContain(String(one.privateKey['d']))
  })
})

describe('the handler of a key set', () => {
  const get = new Request('https://shop.example/jwks.json')

  test('serves what is public, and says for how long', async () => {
    const handler = card.jwks([one.publicKey, two.publicKey], { maxAge: 60 })
    const answer = await handler(get)
    expect(answer.headers.get('content-type')).toBe('application/jwk-set+json')
    expect(answer.headers.get('cache-control')).toBe('public, max-age=60')
    const { keys } = (await answer.json()) as { keys: PublicKey[] }
    expect(keys.map(({ kid }) => kid)).toEqual(['enc-1', 'enc-2'])
    const head = await handler(new Request(get, { method: 'HEAD' }))
    expect([head.status, await head.text()]).toEqual([200, ''])
    const posted = await handler(new Request(get, { method: 'POST' }))
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test.each<[string, Jwk[], RegExp]>([
    ['no key', [], /one public key at least/],
    ['a private key', [one.publicKey, two.privateKey], /private parts/],
    ['a weak key', [makePair('a', 1024).publicKey], /weak/],
    ['two keys of one kid', [one.publicKey, { ...two.publicKey, kid: 'enc-1' }], /the same kid/],
  ])('does not serve %s', async (_, keys, message) => {
    expect(() => card.jwks(keys)).toThrow(message)
    const answer = await card.jwks(() => keys)(get)
    expect([answer.status, await answer.text()]).toEqual([503, ''])
    expect(answer.headers.get('cache-control')).toBe('no-store')
  })

  test('is down while its keys cannot be had', async () => {
    const answer = await card.jwks(() => Promise.reject(new Error('secret')))(get)
    expect([answer.status, await answer.text()]).toEqual([503, ''])
  })
})

describe('a key set is not trusted [card-charge-024] [card-charge-027]', () => {
  const finding = (jwksUri: string, kid: unknown = KID, timeout = 1000) =>
    codeOf(createResolver({ loopback: true, timeout })({ jwksUri, kid }, { realm }))

  const bad: [string, string, () => Promise<{ jwksUri: string }>][] = [
    ['that is not there', 'key-unreachable', () => serveText('', 404)],
    [
      'that fails',
      'key-unreachable',
      () => serveText(JSON.stringify({ keys: [one.publicKey] }), 500),
    ],
    [
      'that is elsewhere',
      'key-unreachable',
      async () => serveText('', 302, { location: (await serveKeys([one.publicKey])).jwksUri }),
    ],
    [
      'that is moved for good',
      'key-unreachable',
      async () => serveText('', 308, { location: (await serveKeys([one.publicKey])).jwksUri }),
    ],
    ['that is a page', 'key-unreachable', () => serveText('<html>')],
    ['that is empty', 'key-unreachable', () => serveText('')],
    ['that is null', 'key-unreachable', () => serveText('null')],
    ['that is a list', 'key-unreachable', () => serveText(JSON.stringify([one.publicKey]))],
    ['that is a single key', 'key-unreachable', () => serveText(JSON.stringify(one.publicKey))],
    ['whose keys are an object', 'key-unreachable', () => serveKeys({ [KID]: one.publicKey })],
    [
      'of more keys than anybody has',
      'key-unreachable',
      () => serveKeys(Array.from({ length: 101 }, () => ({ kid: KID }))),
    ],
    [
      'that is too large',
      'key-unreachable',
      () => serveKeys([one.publicKey, { kid: 'x'.repeat(70_000) }]),
    ],
    [
      'that says more than it is',
      'key-unreachable',
      () =>
        serveText(JSON.stringify({ keys: [one.publicKey] }), 200, { 'content-length': '100000' }),
    ],
    ['that never answers', 'key-unreachable', () => serve(() => undefined)],
    [
      'that never ends',
      'key-unreachable',
      () => serve((_, response) => void response.write('{"keys":[')),
    ],
    [
      'that trickles',
      'key-unreachable',
      () =>
        serve((_, response) => {
          const timer = setInterval(() => response.write(' '), 20)
          response.on('close', () => clearInterval(timer))
        }),
    ],
    ['that hangs up', 'key-unreachable', () => serve((request) => void request.socket.destroy())],
    ['that has no key', 'key-unknown', () => serveKeys([])],
    ['that has another key', 'key-unknown', () => serveKeys([two.publicKey])],
    [
      'that has the kid twice',
      'key-unknown',
      () => serveKeys([one.publicKey, { ...two.publicKey, kid: KID }]),
    ],
    ['that has null for a key', 'key-unknown', () => serveKeys([null, 'enc-1', [KID]])],
    ['whose key is private', 'key-private', () => serveKeys([one.privateKey])],
    ['whose key is weak', 'key-weak', () => serveKeys([makePair(KID, 1024).publicKey])],
    ['whose key signs', 'key-use', () => serveKeys([{ ...one.publicKey, use: 'sig' }])],
    [
      'whose key says no algorithm',
      'key-algorithm',
      () => serveKeys([{ ...one.publicKey, alg: undefined }]),
    ],
  ]
  test.each(bad)('%s: %s', async (_, code, start) => {
    const { jwksUri } = await start()
    expect(await finding(jwksUri)).toBe(code)
  })

  test('whose server is gone', async () => {
    const { jwksUri } = await serveKeys([])
    for (const close of open.splice(0)) close()
    expect(await finding(jwksUri)).toBe('key-unreachable')
  })

  test('with a key of another type under the kid: the RSA key counts', async () => {
    const curve = { kty: 'EC', crv: 'P-256', kid: KID, x: 'AA', y: 'AA' }
    const { jwksUri } = await serveKeys([curve, one.publicKey])
    expect(await finding(jwksUri)).toBe('found')
  })

  test('with good keys beside bad ones: the one that is named counts', async () => {
    const { jwksUri } = await serveKeys([null, two.privateKey, { kty: 'EC' }, one.publicKey])
    expect(await finding(jwksUri)).toBe('found')
  })
})

describe('a key set is kept', () => {
  const details = (jwksUri: string, kid = KID) => ({ jwksUri, kid })
  const start = () => createResolver({ loopback: true })

  test('for five minutes when it does not say, and asked for once by many at once', async () => {
    const { jwksUri, asked } = await serveKeys([one.publicKey])
    const resolve = start()
    const find = () => resolve(details(jwksUri), { realm })
    await Promise.all(Array.from({ length: 50 }, find))
    await find()
    expect(asked).toHaveLength(1)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 301_000 })
    await find()
    expect(asked).toHaveLength(2)
  })

  test.each([
    ['no-store', 1, 2],
    ['no-cache', 1, 2],
    ['public, max-age=0', 1, 2],
    ['max-age=60', 59, 1],
    ['max-age=60', 61, 2],
    ['max-age=999999999', 3599, 1],
    ['max-age=999999999', 3601, 2],
  ])('as %s says: after %i seconds it was asked for %i times', async (control, seconds, times) => {
    const { jwksUri, asked } = await serveKeys([one.publicKey], { 'cache-control': control })
    const resolve = start()
    await resolve(details(jwksUri), { realm })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
    await resolve(details(jwksUri), { realm })
    expect(asked).toHaveLength(times)
  })

  test('and asked for again as soon as a kid is named that it lacks, once by many at once', async () => {
    const keys = [one.publicKey]
    const { jwksUri, asked } = await serve(
      (_, response) => void response.end(JSON.stringify({ keys })),
    )
    const resolve = start()
    await resolve(details(jwksUri), { realm })
    keys.push(two.publicKey)
    const find = (kid: string) => codeOf(resolve(details(jwksUri, kid), { realm }))
    expect(await Promise.all(['enc-2', 'enc-2', 'enc-1'].map(find))).toEqual(
      Array.from({ length: 3 }, () => 'found'),
    )
    expect(asked).toHaveLength(2)
    // The set that was just fetched is looked into no second time.
    expect(await find('enc-3')).toBe('key-unknown')
    expect(asked).toHaveLength(3)
  })

  test('unless it failed', async () => {
    let isDown = true
    const { jwksUri, asked } = await serve((_, response) => {
      response.writeHead(isDown ? 503 : 200).end(JSON.stringify({ keys: [one.publicKey] }))
    })
    const resolve = start()
    expect(await codeOf(resolve(details(jwksUri), { realm }))).toBe('key-unreachable')
    isDown = false
    expect(await codeOf(resolve(details(jwksUri), { realm }))).toBe('found')
    expect(asked).toHaveLength(2)
  })

  test('among a hundred at most', async () => {
    const { jwksUri, asked } = await serveKeys([one.publicKey])
    const resolve = start()
    const find = (at: number) => resolve(details(`${jwksUri}?${at}`), { realm })
    for (let at = 0; at < 101; at++) await find(at)
    await find(100)
    expect(asked).toHaveLength(101)
    await find(0)
    expect(asked).toHaveLength(102)
  })

  test('and one who leaves does not spoil it for the others', async () => {
    const { jwksUri } = await serve((_, response) => {
      setTimeout(() => response.end(JSON.stringify({ keys: [one.publicKey] })), 100)
    })
    const resolve = start()
    const leaving = codeOf(resolve(details(jwksUri), { realm, signal: AbortSignal.timeout(10) }))
    expect(await codeOf(resolve(details(jwksUri), { realm }))).toBe('found')
    expect(await leaving).toMatch(/^TimeoutError/)
  })
  test('and one who had left before is told so, and the failure of the set is nobody’s surprise', async () => {
    const unheard: unknown[] = []
    const hear = (cause: unknown) => void unheard.push(cause)
    process.on('unhandledRejection', hear)
    const { jwksUri } = await serveText('', 500)
    const left = AbortSignal.abort(new Error('left'))
    const asking = start()(details(jwksUri), { realm, signal: left })
    expect(await codeOf(asking)).toBe('Error: left')
    await new Promise((resolve) => setTimeout(resolve, 100))
    process.off('unhandledRejection', hear)
    expect(unheard).toEqual([])
  })
})
