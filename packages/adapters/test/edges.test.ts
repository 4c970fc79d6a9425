import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { Mpp as Elysian, payments as elysianPayments } from '@polyrail/adapters/elysia'
import { keepBody, Mpp as Expressive } from '@polyrail/adapters/express'
import { Mpp as Fast } from '@polyrail/adapters/fastify'
import { Mpp as Honoed } from '@polyrail/adapters/hono'
import { Mpp as Nexting } from '@polyrail/adapters/next'
import { Mpp as Noding } from '@polyrail/adapters/node'
import { Challenge, Receipt, type Refund } from '@polyrail/core'
import { Mpp as Core } from '@polyrail/core/server'
import { Elysia } from 'elysia'
import express from 'express'
import createFastify from 'fastify'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { validator } from 'hono/validator'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createShop, listen, price, type Opened } from './shop.js'
import { ask as asks, leave, pay } from './visit.js'

/** Answers that break off in the middle. */
async function throwHalfway(response: Writable): Promise<void> {
  response.write('half')
  await pause(100)
  throw new Error('out of paper')
}
async function pipeHalf(response: Writable): Promise<void> {
  const source = async function* () {
    yield 'half'
    await pause(100)
    throw new Error('out of paper')
  }
  await pipeline(source, response).catch(() => undefined)
}

const ask = asks['HTTP/1.1']

let opened: Opened | undefined
beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await opened?.close()
  opened = undefined
})

/** Opens a server of Node, and buys at a path. */
async function serve(listener: http.RequestListener) {
  opened = await listen(http.createServer(listener))
  const { origin } = opened
  return {
    origin,
    async buy(path: string, visit = {}) {
      const authorization = pay(await ask(origin + path, visit))
      const again = () => ask(origin + path, { ...visit, headers: { authorization } })
      return { answer: await again(), again, authorization }
    },
  }
}

describe.each([
  ['Hono', Honoed],
  ['Express', Expressive],
  ['Fastify', Fast],
  ['Elysia', Elysian],
  ['Next.js', Nexting],
  ['node:http', Noding],
])('%s', (_, { create }) => {
  test('a price that the rail refuses fails where the route is defined', () => {
    const mpp = create(createShop().config)
    expect(() => mpp.points.charge({ amount: '-1', currency: 'pts' })).toThrow(TypeError)
    expect(() => mpp.compose(['gold/charge', { amount: '1.5', currency: 'pts' }])).toThrow(
      TypeError,
    )
  })

  test('has the realm and the events of the server', () => {
    const mpp = create(createShop().config)
    expect(mpp.realm).toBe('api.example.com')
    expect(mpp.on('settled', () => undefined)).toBeTypeOf('function')
  })

  test('gives money back as the server does', async () => {
    const hooks = {
      replayKey: () => 'proof',
      settle: async () => ({ reference: 'paid' }),
      refund: async ({ amount = 10n }: Refund.Asked) => ({
        reference: 'back',
        amount,
        left: 10n - amount,
      }),
    }
    const mpp = create(createShop({ hooks }).config)
    const payment = { method: 'points', reference: 'paid', challengeId: 'c1' }
    expect(await mpp.refund(payment, { amount: 4n })).toMatchObject({ amount: 4n, left: 6n })
    await expect(mpp.refund('no receipt')).rejects.toThrow(TypeError)
  })
})

test('compose takes the prices of another server, and plain handlers of core', async () => {
  const [one, two, three] = [createShop(), createShop(), createShop()]
  const app = new Hono()
  const other = Honoed.create(two.config).gold.charge(price)
  const plain = Core.create(three.config).silver.charge(price)
  const guard = Honoed.create(one.config).compose(['points/charge', price], other, plain)
  app.get('/', guard, (c) => c.text('x'))
  for (const [which, shop] of [one, two, three].entries()) {
    const challenges = Challenge.parse((await app.request('http://localhost/')).headers)
    const authorization = pay({ status: 402, headers: {}, text: '', challenges }, which)
    const answer = await app.request('http://localhost/', { headers: { authorization } })
    expect([answer.status, shop.settled.length]).toEqual([200, 1])
  }
})

describe('Hono', () => {
  const buy = async (app: Hono, init: RequestInit = {}) => {
    const url = 'http://localhost/page'
    const challenges = Challenge.parse((await app.request(url, init)).headers)
    const headers = new Headers(init.headers)
    headers.set('authorization', pay({ status: 402, headers: {}, text: '', challenges }))
    return app.request(url, { ...init, headers })
  }

  test('CORS answers preflights, and lets browsers see the challenge beside what it exposes itself', async () => {
    const app = new Hono()
    const mpp = Honoed.create(createShop().config)
    app.use(cors({ origin: 'https://shop.example', exposeHeaders: ['X-Own'] }))
    app.get('/page', mpp.points.charge(price), (c) => c.text('x'))
    const headers = { origin: 'https://shop.example', 'access-control-request-method': 'GET' }
    const preflight = await app.request('http://localhost/page', { method: 'OPTIONS', headers })
    expect([preflight.status, await preflight.text()]).toEqual([204, ''])
    const unpaid = await app.request('http://localhost/page', { headers })
    const exposed = unpaid.headers.get('access-control-expose-headers')
    expect([unpaid.status, exposed]).toEqual([
      402,
      expect.stringMatching(/X-Own.*WWW-Authenticate/),
    ])
  })

  test('a validator may read the body first: it is bound all the same', async () => {
    const app = new Hono()
    const charge = Honoed.create(createShop().config).points.charge(price)
    app.post(
      '/page',
      validator('json', (value) => value),
      charge,
      (c) => c.json(c.req.valid('json')),
    )
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    }
    const unpaid = await app.request('http://localhost/page', init)
    const [challenge] = Challenge.parse(unpaid.headers)
    expect(challenge?.digest).toMatch(/^sha-256=/)
    const answer = await buy(app, init)
    expect([answer.status, await answer.json()]).toEqual([200, { a: 1 }])
  })

  test('what was thrown is no answer, even where a page of status 200 is made of it (threat 11)', async () => {
    const shop = createShop()
    const app = new Hono()
    app.onError((_, c) => c.text('sorry', 200))
    app.get('/page', Honoed.create(shop.config).points.charge(price), () => {
      throw new Error('inner workings')
    })
    const answer = await buy(app)
    expect([answer.status, await answer.text(), Receipt.fromResponse(answer)]).toEqual([
      200,
      'sorry',
      undefined,
    ])
    expect(shop.settled).toHaveLength(1)
  })

  test('a wildcard is no route: what is below it is charged path by path', async () => {
    const shop = createShop()
    const app = new Hono()
    app.use('/*', Honoed.create(shop.config).points.charge(price))
    app.get('/page', (c) => c.text('x')).get('/other', (c) => c.text('y'))
    const challenges = Challenge.parse((await app.request('http://localhost/other')).headers)
    const authorization = pay({ status: 402, headers: {}, text: '', challenges })
    const answer = await app.request('http://localhost/page', { headers: { authorization } })
    expect([answer.status, shop.settled]).toEqual([402, []])
    expect((await buy(app)).status).toBe(200)
  })
})

describe('Express', () => {
  const mpp = () => {
    const shop = createShop()
    return { shop, charge: Expressive.create(shop.config).points.charge(price) }
  }

  test('a body that a parser read and did not keep fails loudly: unbound, it could be swapped (threat 5)', async () => {
    const { shop, charge } = mpp()
    const app = express().use(express.json())
    app.post('/', charge, (_, response) => void response.send('x'))
    const { origin } = await serve(app)
    const visit = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
    const answer = await ask(`${origin}/`, visit)
    expect([answer.status, shop.settled]).toEqual([500, []])
    expect(String(vi.mocked(console.error).mock.calls[0]?.[1])).toContain('rawBody')
  })

  test('routers within routers: their whole pattern is the route', async () => {
    const { charge } = mpp()
    const inner = express.Router().get('/report', charge, (_, response) => void response.send('x'))
    const app = express().use('/a', express.Router().use('/b', inner)).use('/c', inner)
    const { origin } = await serve(app)
    const other = await ask(`${origin}/c/report`)
    const authorization = pay(other)
    expect((await ask(`${origin}/a/b/report`, { headers: { authorization } })).status).toBe(402)
    expect((await ask(`${origin}/c/report`, { headers: { authorization } })).status).toBe(200)
  })

  test('a route that the request has passed through is not the route of a price that comes after', async () => {
    const { shop, charge } = mpp()
    const app = express()
    app.all('/:page', (_request, _response, next) => next())
    app.use(charge)
    app.get('/:page', ({ params }, response) => void response.send(params.page))
    const { origin, buy } = await serve(app)
    const headers = { authorization: pay(await ask(`${origin}/one`)) }
    expect([(await ask(`${origin}/two`, { headers })).status, shop.settled]).toEqual([402, []])
    expect((await buy('/two')).answer.text).toBe('two')
  })

  test('files, redirects and pages of other middleware are answers too', async () => {
    const { charge } = mpp()
    const folder = mkdtempSync(join(tmpdir(), 'polyrail-files-'))
    const file = 'x'.repeat(3_000_000)
    writeFileSync(join(folder, 'long.txt'), file)
    const app = express().use('/files', charge, express.static(folder))
    app.get('/moved', charge, (_, response) => response.redirect('/files/long.txt'))
    const { buy } = await serve(app)
    const long = (await buy('/files/long.txt')).answer
    expect([long.status, long.text === file, long.headers['content-length']]).toEqual([
      200,
      true,
      ['3000000'],
    ])
    const moved = (await buy('/moved')).answer
    expect([moved.status, moved.headers['location']]).toEqual([302, ['/files/long.txt']])
    expect(moved.headers['payment-receipt']).toHaveLength(1)
    const none = (await buy('/files/none.txt')).answer
    expect([none.status, none.headers['payment-receipt']]).toEqual([404, undefined])
    rmSync(folder, { recursive: true })
  })

  test('a long body is written as fast as it is read, and no byte is lost', async () => {
    const { charge } = mpp()
    let waits = 0
    const part = Buffer.alloc(100_000, 'y')
    const app = express().get('/', charge, async (_, response) => {
      for (let sent = 0; sent < 80; sent++)
        if (!response.write(part)) {
          waits++
          await new Promise((drained) => response.once('drain', () => drained(undefined)))
        }
      response.end()
    })
    const { answer } = await (await serve(app)).buy('/')
    expect([answer.status, answer.text.length, answer.text.replaceAll('y', '')]).toEqual([
      200,
      8_000_000,
      '',
    ])
    expect(waits).toBeGreaterThan(10)
  })

  test('an application that stops when its visitor leaves does not keep the payment', async () => {
    const { shop, charge } = mpp()
    let visits = 0
    let working = (): void => undefined
    const atWork = new Promise<void>((resolve) => {
      working = resolve
    })
    const app = express().get('/', charge, (_, response) => {
      if (++visits > 1) response.send('the page')
      else working()
    })
    const { origin } = await serve(app)
    const authorization = pay(await ask(`${origin}/`))
    await leave(`${origin}/`, authorization, atWork)
    await pause(50)
    const answer = await ask(`${origin}/`, { headers: { authorization } })
    expect([answer.status, answer.text, shop.settled.length]).toEqual([200, 'the page', 1])
  })

  test('who leaves in the middle of an answer does not get it twice for one payment (threat 34)', async () => {
    const { charge } = mpp()
    let left = (): void => undefined
    const gone = new Promise<void>((resolve) => {
      left = resolve
    })
    const app = express().get('/', charge, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      const more = setInterval(() => response.write('data: 2\n\n'), 10)
      response.once('close', () => {
        clearInterval(more)
        left()
      })
    })
    const { origin } = await serve(app)
    const authorization = pay(await ask(`${origin}/`))
    await leave(`${origin}/`, authorization, pause(100))
    await gone
    await pause(50)
    expect((await ask(`${origin}/`, { headers: { authorization } })).status).toBe(402)
  })

  test.each([
    ['a handler that throws', throwHalfway],
    ['a source that fails', pipeHalf],
    [
      'a handler that passes on what went wrong',
      async (response: express.Response, next: express.NextFunction) => {
        response.write('half')
        await pause(100)
        next(new Error('out of paper'))
      },
    ],
  ])('an answer that breaks off is owed, in the price and behind it: %s', async (_, breakOff) => {
    const { shop, charge } = mpp()
    const visits = new Set<string>()
    const handler: express.RequestHandler = async ({ path }, response, next) => {
      if (visits.has(path)) return void response.send('the page')
      visits.add(path)
      return breakOff(response, next)
    }
    const app = express().get('/around', charge(handler)).get('/before', charge, handler)
    app.set('env', 'test')
    const { origin } = await serve(app)
    for (const path of ['/around', '/before']) {
      const headers = { authorization: pay(await ask(origin + path)) }
      await expect(ask(origin + path, { headers })).rejects.toThrow()
      const answer = await ask(origin + path, { headers })
      expect([path, answer.status, answer.text]).toEqual([path, 200, 'the page'])
    }
    expect(shop.settled).toHaveLength(2)
  })

  test('a visitor who has the connection cut by what they send has had the answer (threat 1)', async () => {
    const { charge } = mpp()
    const app = express().get('/', charge, (_, response) => void response.write('half'))
    const { origin } = await serve(app)
    const authorization = pay(await ask(`${origin}/`))
    const { host, hostname, port } = new URL(origin)
    let heard = ''
    await new Promise<void>((closed) => {
      const socket = net.connect(Number(port), hostname)
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\n\r\n`)
      socket.once('data', () => socket.write('no request\r\n\r\n'))
      socket.on('data', (data) => void (heard += data)).on('error', () => undefined)
      socket.once('close', () => closed())
    })
    expect(heard).toMatch(/^HTTP\/1\.1 200 /)
    await pause(50)
    expect((await ask(`${origin}/`, { headers: { authorization } })).status).toBe(402)
  })

  test('a visitor who stops reading, and is cut off, has had the answer (threat 1)', async () => {
    const { charge } = mpp()
    const app = express().get('/', charge, (_, response) => {
      response.write('x'.repeat(20_000_000))
      setTimeout(() => response.socket?.destroy(), 200)
    })
    const { origin } = await serve(app)
    const authorization = pay(await ask(`${origin}/`))
    await new Promise<void>((closed) => {
      http
        .get(origin, { headers: { authorization }, agent: false }, (answer) => {
          answer.once('data', () => answer.pause()).on('error', () => undefined)
          setTimeout(() => answer.resume().once('close', closed), 400)
        })
        .on('error', () => undefined)
    })
    expect((await ask(`${origin}/`, { headers: { authorization } })).status).toBe(402)
  })

  test('keepBody counts for any parser of bytes', async () => {
    const { charge } = mpp()
    const app = express().use(express.urlencoded({ extended: false, verify: keepBody }))
    app.post('/', charge, ({ body }, response) => void response.json(body))
    const { origin } = await serve(app)
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const visit = { method: 'POST', headers: type, body: 'a=1' }
    const authorization = pay(await ask(`${origin}/`, visit))
    const paid = { ...visit, headers: { ...type, authorization } }
    expect((await ask(`${origin}/`, { ...paid, body: 'a=2' })).status).toBe(402)
    expect((await ask(`${origin}/`, paid)).text).toBe('{"a":"1"}')
  })
})

test('Fastify without its plugin serves nothing, and says why', async () => {
  const shop = createShop()
  const app = createFastify()
  const charge = Fast.create(shop.config).points.charge(price)
  app.get('/before', { preHandler: charge }, async () => 'the page')
  app.get(
    '/around',
    charge(async () => 'the page'),
  )
  for (const url of ['/before', '/around']) {
    const answer = await app.inject({ url })
    expect([answer.statusCode, answer.body]).toEqual([
      500,
      expect.stringContaining('app.register(payments)'),
    ])
  }
})

test('Elysia without its plugin serves nothing, and says why', async () => {
  const charge = Elysian.create(createShop().config).points.charge(price)
  const causes: unknown[] = []
  const app = new Elysia()
    .onError(({ error }) => void causes.push(error))
    .get('/before', () => 'the page', { beforeHandle: charge })
    .get(
      '/around',
      charge(() => 'the page'),
    )
  for (const path of ['/before', '/around'])
    expect((await app.handle(new Request(`http://localhost${path}`))).status).toBe(500)
  expect(causes.map(String)).toEqual([
    expect.stringContaining('app.use(payments)'),
    expect.stringContaining('app.use(payments)'),
  ])
})

test('Elysia: what a handler returns is recorded as Elysia would send it', async () => {
  const charge = Elysian.create(createShop().config).points.charge(price)
  const app = new Elysia()
    .use(elysianPayments)
    .get('/page', ({ set }) => ((set.headers['x-own'] = '1'), { a: [1] }), { beforeHandle: charge })
  const url = 'http://localhost/page'
  const challenges = Challenge.parse((await app.handle(new Request(url))).headers)
  const authorization = pay({ status: 402, headers: {}, text: '', challenges })
  for (const visit of ['first', 'again']) {
    const answer = await app.handle(new Request(url, { headers: { authorization } }))
    expect([visit, answer.status, await answer.json(), answer.headers.get('x-own')]).toEqual([
      visit,
      200,
      { a: [1] },
      '1',
    ])
  }
})

test.each([
  ['a listener that throws', throwHalfway],
  ['a source that fails', pipeHalf],
])('over HTTP/2 what breaks off is owed, and never looks whole: %s', async (_, breakOff) => {
  const shop = createShop()
  let visits = 0
  const listener = Noding.create(shop.config).points.charge(price)(
    (_request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) =>
      ++visits === 1 ? breakOff(response) : response.end('the page'),
  )
  opened = await listen(http2.createServer((request, response) => void listener(request, response)))
  const visit = asks['HTTP/2']
  const headers = { authorization: pay(await visit(opened.origin)) }
  await expect(visit(opened.origin, { headers })).rejects.toThrow('NGHTTP2_INTERNAL_ERROR')
  const answer = await visit(opened.origin, { headers })
  expect([answer.status, answer.text, shop.settled.length]).toEqual([200, 'the page', 1])
})

describe('Next.js, whose server puts its own name into the URL of a request', () => {
  const shop = () => {
    const made = createShop()
    const page = async (request: Request) => new Response(`${request.url} ${await request.text()}`)
    return { ...made, route: Nexting.create(made.config).points.charge(price)(page) }
  }
  /** As `next start` shows a visit to a host, on a port of its own. */
  const visit = (port: number, host: string, more: Record<string, string> = {}) =>
    new Request(`https://localhost:${port}/page`, {
      method: 'POST',
      headers: { host, 'x-forwarded-proto': 'https', ...more },
      body: 'an order',
    })
  const payFor = (answer: Response) => {
    const challenges = Challenge.parse(answer.headers)
    return pay({ status: answer.status, headers: {}, text: '', challenges })
  }

  test('a payment is good at every server of the host, whichever port it has, and at no other host (threat 6)', async () => {
    const { route, settled } = shop()
    const authorization = payFor(await route(visit(3000, 'api.example.com')))
    const elsewhere = await route(visit(3000, 'other.example.com', { authorization }))
    expect([elsewhere.status, settled.length]).toEqual([402, 0])
    const answer = await route(visit(3001, 'api.example.com', { authorization }))
    // The application sees the request as it came.
    expect([answer.status, await answer.text()]).toEqual([
      200,
      'https://localhost:3001/page an order',
    ])
    const again = await route(visit(3002, 'api.example.com', { authorization }))
    expect([again.status, settled.length]).toEqual([200, 1])
  })

  test('plain http is refused to all but this machine', async () => {
    const { route } = shop()
    const statusOf = async (host: string) => {
      const headers = { host, 'x-forwarded-proto': 'http' }
      return (await route(new Request('http://localhost:3000/page', { headers }))).status
    }
    expect(await statusOf('api.example.com')).toBe(403)
    expect([await statusOf('localhost:3000'), await statusOf('127.0.0.1:3000')]).toEqual([402, 402])
  })

  test('a host that makes no URL is not taken for one', async () => {
    const { route } = shop()
    for (const host of ['a b', 'x/y?z', '[', 'host:99999'])
      expect((await route(visit(3000, host))).status).toBe(402)
  })
})
