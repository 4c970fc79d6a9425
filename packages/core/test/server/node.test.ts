import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Challenge, Receipt } from '@polyrail/core'
import { Mpp } from '@polyrail/core/server'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { challengeAt, pay, raw, serve, servers, type Listener } from './listen.js'
import { createTill, credential, newToken, price } from './till.js'

afterEach(() => vi.restoreAllMocks())

/** Rejections that nobody handles end a Node process: there must be none. */
function watchRejections() {
  const seen: unknown[] = []
  const note = (cause: unknown) => seen.push(cause)
  process.on('unhandledRejection', note)
  return async () => {
    await pause(20)
    process.off('unhandledRejection', note)
    return seen
  }
}

/** The three forms, each serving the same page. */
const forms = (): [string, ReturnType<typeof createTill>, Listener][] => {
  const make = (): ReturnType<typeof createTill> => createTill()
  const [one, two, three] = [make(), make(), make()]
  const listener = Mpp.toNodeListener(one.mpp.charge(price))
  const handler = three.mpp.charge(price)
  return [
    [
      'a handler',
      one,
      async (request, response) => {
        const payment = await listener(request, response)
        if (payment.status === 200) response.end('the page')
      },
    ],
    [
      'a wrapped route',
      two,
      Mpp.toNodeListener(two.mpp.charge(price)(() => new Response('the page'))),
    ],
    [
      'a fetch-style function',
      three,
      Mpp.toNodeListener(async (request) => {
        const payment = await handler(request)
        return payment.status === 402
          ? payment.challenge
          : payment.withReceipt(new Response('the page'))
      }),
    ],
  ]
}

describe.each(forms())('%s', (_, till, listener) => {
  test('asks for the payment, takes it, and serves with a receipt', async () => {
    const origin = await serve(listener)
    const unpaid = await fetch(`${origin}/paid`)
    expect([
      unpaid.status,
      unpaid.headers.get('content-type'),
      unpaid.headers.get('cache-control'),
    ]).toEqual([402, 'application/problem+json', 'no-store'])
    const paid = await pay(`${origin}/paid`)
    expect([paid.status, await paid.text(), paid.headers.get('cache-control')]).toEqual([
      200,
      'the page',
      'private',
    ])
    expect(Receipt.fromResponse(paid)).toMatchObject({ status: 'success', method: 'points' })
  })

  test('charges HEAD, OPTIONS and every other method by itself (threat 6)', async () => {
    const origin = await serve(listener)
    const authorization = credential(await challengeAt(`${origin}/paid`))
    for (const method of ['HEAD', 'OPTIONS', 'DELETE', 'PATCH']) {
      expect((await fetch(`${origin}/paid`, { method })).status).toBe(402)
      expect((await pay(`${origin}/paid`, { method }, authorization)).status).toBe(402)
      expect((await pay(`${origin}/paid`, { method })).status).toBe(200)
    }
  })

  test('binds the body, and refuses another (threat 5)', async () => {
    const origin = await serve(listener)
    const init = { method: 'POST', body: 'the order' }
    const authorization = credential(await challengeAt(`${origin}/paid`, init))
    expect((await pay(`${origin}/paid`, { ...init, body: 'another' }, authorization)).status).toBe(
      402,
    )
    expect((await pay(`${origin}/paid`, { method: 'POST' }, authorization)).status).toBe(402)
    expect((await pay(`${origin}/paid`, init, authorization)).status).toBe(200)
  })

  test('several payments share a connection', async () => {
    const origin = await serve(listener)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    let sockets = 0
    servers[0]?.on('connection', () => sockets++)
    const ask = (headers: http.OutgoingHttpHeaders, body?: string) =>
      new Promise<IncomingMessage>((answered) => {
        const request = http.request(
          `${origin}/paid`,
          { agent, headers, method: body === undefined ? 'GET' : 'POST' },
          (response) => {
            response.resume()
            response.on('end', () => answered(response))
          },
        )
        request.end(body)
      })
    for (const body of [undefined, 'a body', 'another', undefined]) {
      const unpaid = await ask({}, body)
      const [challenge] = Challenge.parse(unpaid.headers['www-authenticate'] ?? '')
      expect(
        (await ask({ authorization: credential(challenge as Challenge.Challenge) }, body))
          .statusCode,
      ).toBe(200)
    }
    expect(sockets).toBe(1)
    agent.destroy()
  })

  test.each([
    ['a host with a path', 'GET /paid HTTP/1.1\r\nHost: example.com/evil\r\n\r\n'],
    ['a host with a user', 'GET /paid HTTP/1.1\r\nHost: user@localhost\r\n\r\n'],
    ['an empty host', 'GET /paid HTTP/1.1\r\nHost:\r\n\r\n'],
    ['a host that is no host', 'GET /paid HTTP/1.1\r\nHost: [::z]\r\n\r\n'],
    ['a port that is none', 'GET /paid HTTP/1.1\r\nHost: localhost:99999\r\n\r\n'],
    ['TRACE', 'TRACE /paid HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('%s: 400 problem JSON (threat 7)', async (__, text) => {
    const rejections = watchRejections()
    const answer = await raw(
      await serve(listener),
      text.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('application/problem+json')
    expect(await rejections()).toEqual([])
  })

  test.each([
    ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    [
      'an absolute request line',
      'GET http://elsewhere.example/paid HTTP/1.1\r\nHost: localhost\r\n\r\n',
    ],
    [
      'a request line of two slashes',
      'GET //elsewhere.example/paid HTTP/1.1\r\nHost: localhost\r\n\r\n',
    ],
    ['escapes that are none', 'GET /%zz%00 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['HTTP/1.0', 'GET /paid HTTP/1.0\r\nHost: localhost\r\n\r\n'],
    ['a lower-case method of its own', 'PURGE /paid HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ])('%s is paid for (threat 6)', async (__, text) => {
    const answer = await raw(
      await serve(listener),
      text.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 402 /)
    expect(answer).toMatch(/^www-authenticate: Payment id="/im)
  })

  test('an absolute request line is the route of its path on our own host', async () => {
    const origin = await serve(listener)
    const { host } = new URL(origin)
    const authorization = credential(await challengeAt(`${origin}/paid`))
    const answer = await raw(
      origin,
      `GET http://elsewhere.example/paid HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('two Authorization headers: 400, and no money moves', async () => {
    const origin = await serve(listener)
    const before = till.settled.length
    const [one, two] = [
      credential(await challengeAt(`${origin}/paid`)),
      credential(await challengeAt(`${origin}/paid`)),
    ]
    const { host } = new URL(origin)
    const answer = await raw(
      origin,
      `GET /paid HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${one}\r\nAuthorization: ${two}\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(till.settled).toHaveLength(before)
  })

  test('a visitor who breaks off in the body harms nobody (threat 7)', async () => {
    const rejections = watchRejections()
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const origin = await serve(listener)
    for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
      const socket = net.connect(Number(new URL(origin).port), '127.0.0.1')
      socket.write(`POST /paid HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n5\r\nhello`)
      await pause(20)
      socket.resetAndDestroy()
      await pause(20)
    }
    expect(await rejections()).toEqual([])
    expect(logged).not.toHaveBeenCalled()
    expect((await fetch(`${origin}/paid`)).status).toBe(402)
  })
})

test('who names its clients is told the end of the connection, not what a header says of it', async () => {
  const seen: unknown[] = []
  const till = createTill(
    { issued: { fields: [], create: () => ({}), bounds } },
    { client: ({ address, header }) => void seen.push([address, header('x-forwarded-for')]) },
  )
  const origin = await serve(Mpp.toNodeListener(till.mpp.charge(price)(() => new Response('page'))))
  await fetch(origin, { headers: { 'x-forwarded-for': '203.0.113.9' } })
  expect(seen).toEqual([['127.0.0.1', '203.0.113.9']])
})
const bounds = { total: 9, perClient: 9, period: 60, reuse: 0 }

test('a body beyond the limit: 413 reaches the visitor', async () => {
  const { mpp } = createTill({}, { maxBodyBytes: 1000 })
  const origin = await serve(Mpp.toNodeListener(mpp.charge(price)(() => new Response('x'))))
  const response = await fetch(origin, { method: 'POST', body: 'x'.repeat(200_000) })
  expect([response.status, response.headers.get('content-type')]).toEqual([
    413,
    'application/problem+json',
  ])
  expect((await fetch(origin)).status).toBe(402)
})

test.each([
  ['of a length that is told', { 'content-length': '300000' }],
  ['in chunks', { 'transfer-encoding': 'chunked' }],
])(
  'a body beyond the limit, %s, leaves its connection good for the next request',
  async (_, headers) => {
    const { mpp } = createTill({}, { maxBodyBytes: 1000 })
    const origin = await serve(Mpp.toNodeListener(mpp.charge(price)(() => new Response('x'))))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const visit = (options: http.RequestOptions, body?: string) =>
      new Promise<unknown>((answered, failed) => {
        http
          .request(origin, { ...options, agent, timeout: 2000 }, (answer) => {
            const { statusCode, socket } = answer
            const { localPort } = socket
            answer.resume().once('end', () => answered([statusCode, localPort]))
          })
          .on('timeout', () => failed(new Error('The connection is stuck.')))
          .on('error', failed)
          .end(body)
      })
    const [status, port] = (await visit(
      { method: 'POST', headers },
      'x'.repeat(300_000),
    )) as number[]
    expect([status, await visit({})]).toEqual([413, [402, port]])
    agent.destroy()
  },
)

describe('the wrapped route', () => {
  test('reads the body again, as it was sent', async () => {
    const { mpp } = createTill()
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(async (request) =>
          Response.json({
            body: await request.text(),
            method: request.method,
            type: request.headers.get('content-type'),
          }),
        ),
      ),
    )
    const answer = await pay(origin, {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json' },
    })
    expect(await answer.json()).toEqual({
      body: '{"a":1}',
      method: 'POST',
      type: 'application/json',
    })
  })

  test('streams a body that is not bound, unread', async () => {
    const { mpp } = createTill({}, { maxBodyBytes: 1 })
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge({ ...price, bind: { body: false } })(
          async (request) => new Response(await request.text()),
        ),
      ),
    )
    expect(await (await pay(origin, { method: 'POST', body: 'longer than one byte' })).text()).toBe(
      'longer than one byte',
    )
  })

  test('sends every cookie, and gives them again', async () => {
    const { mpp } = createTill()
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(
          () =>
            new Response('x', {
              headers: [
                ['set-cookie', 'a=1'],
                ['set-cookie', 'b=2; Path=/'],
              ],
            }),
        ),
      ),
    )
    const authorization = credential(await challengeAt(origin))
    for (let visit = 0; visit < 2; visit++)
      expect((await pay(origin, {}, authorization)).headers.getSetCookie()).toEqual([
        'a=1',
        'b=2; Path=/',
      ])
  })

  test('several challenges are several headers, and each pays', async () => {
    const { mpp } = createTill()
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.compose(
          ['points/charge', price],
          ['points/charge', { ...price, amount: '20' }],
        )(() => new Response('x')),
      ),
    )
    const answer = await raw(
      origin,
      'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    )
    expect(answer.match(/^www-authenticate: Payment /gim)).toHaveLength(2)
  })

  test('that throws: 500 without a receipt, the cause on the console and nowhere else; the same credential runs it again', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const { mpp, settled } = createTill()
    let runs = 0
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(() => {
          if (++runs === 1) throw new Error('inner workings')
          return new Response('mended')
        }),
      ),
    )
    const authorization = credential(await challengeAt(origin))
    const broken = await pay(origin, {}, authorization)
    expect([broken.status, broken.headers.has('payment-receipt')]).toEqual([500, false])
    expect(await broken.text()).not.toContain('inner')
    expect(logged).toHaveBeenCalledOnce()
    expect(await (await pay(origin, {}, authorization)).text()).toBe('mended')
    expect(settled).toHaveLength(1)
  })

  test('whose stream breaks before its first byte: 500 without a receipt (threat 11)', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const { mpp } = createTill()
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(
          () =>
            new Response(
              new ReadableStream({
                async pull(controller) {
                  await pause(20)
                  controller.error(new Error('upstream broke'))
                },
              }),
              { headers: { 'set-cookie': 'a=1', etag: '"x"' } },
            ),
        ),
      ),
    )
    const answer = await pay(origin)
    expect([
      answer.status,
      answer.headers.has('payment-receipt'),
      answer.headers.has('etag'),
    ]).toEqual([500, false, false])
  })

  test('whose stream breaks midway breaks off, so that nobody takes a part for the whole', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const { mpp } = createTill()
    let turn = 0
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(
          () =>
            new Response(
              new ReadableStream({
                async pull(controller) {
                  await pause(10)
                  if (turn++ > 0) return controller.error(new Error('upstream broke'))
                  controller.enqueue(new TextEncoder().encode('a part'))
                },
              }),
              { headers: { 'content-type': 'text/event-stream' } },
            ),
        ),
      ),
    )
    const answer = await pay(origin)
    expect(answer.status).toBe(200)
    await expect(answer.text()).rejects.toThrow(TypeError)
  })

  test.each([
    ['while the source is idle', 60_000],
    ['while the source is busy', 1],
  ])(
    'whose visitor leaves mid-answer, %s, ends the stream at its source (threat 34)',
    async (_, gap) => {
      const { mpp } = createTill()
      let cancelled = false
      let first = true
      const origin = await serve(
        Mpp.toNodeListener(
          mpp.charge(price)(
            () =>
              new Response(
                new ReadableStream({
                  async pull(controller) {
                    if (!first)
                      await Promise.race([
                        pause(gap),
                        new Promise((left) =>
                          setInterval(() => cancelled && left(undefined), 5).unref(),
                        ),
                      ])
                    first = false
                    if (!cancelled) controller.enqueue(new Uint8Array(100_000))
                  },
                  cancel: () => void (cancelled = true),
                }),
                { headers: { 'content-type': 'text/event-stream' } },
              ),
          ),
        ),
      )
      const leaving = new AbortController()
      const answer = await fetch(origin, {
        headers: { authorization: credential(await challengeAt(origin)) },
        signal: leaving.signal,
      })
      await answer.body?.getReader().read()
      leaving.abort()
      for (let wait = 0; wait < 100 && !cancelled; wait++) await pause(10)
      expect(cancelled).toBe(true)
    },
  )

  test('writes as fast as the visitor reads, and no faster', async () => {
    const { mpp } = createTill()
    let produced = 0
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(
          () =>
            new Response(
              new ReadableStream({
                async pull(controller) {
                  await pause(0)
                  produced += 1_000_000
                  if (produced > 60_000_000) controller.close()
                  else controller.enqueue(new Uint8Array(1_000_000))
                },
              }),
            ),
        ),
      ),
    )
    const answer = await pay(origin)
    await pause(400)
    expect(produced).toBeLessThan(40_000_000)
    let size = 0
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>)
      size += chunk.length
    expect(size).toBe(60_000_000)
  })
})

describe('the handler form', () => {
  const listen = async (
    application: (response: ServerResponse, request: IncomingMessage) => unknown,
  ) => {
    const till = createTill()
    const listener = Mpp.toNodeListener(till.mpp.charge(price))
    const origin = await serve(async (request, response) => {
      const payment = await listener(request, response)
      if (payment.status === 200) await application(response, request)
    })
    return { origin, ...till }
  }

  test.each([
    ['end alone', (response: ServerResponse) => response.end('x'), 200],
    ['writeHead', (response: ServerResponse) => response.writeHead(201).end('x'), 201],
    [
      'writeHead with a reason',
      (response: ServerResponse) => response.writeHead(202, 'Fine').end('x'),
      202,
    ],
    [
      'statusCode',
      (response: ServerResponse) => ((response.statusCode = 203), response.end('x')),
      203,
    ],
    ['write and end', (response: ServerResponse) => (response.write('x'), response.end()), 200],
    [
      'flushHeaders',
      (response: ServerResponse) => (response.flushHeaders(), response.end('x')),
      200,
    ],
    ['no content', (response: ServerResponse) => response.writeHead(204).end(), 204],
    [
      'a redirect',
      (response: ServerResponse) => response.writeHead(302, { location: '/x' }).end(),
      302,
    ],
  ])('the receipt rides on %s', async (_, application, status) => {
    const { origin } = await listen(application)
    const answer = await fetch(origin, {
      headers: { authorization: credential(await challengeAt(origin)) },
      redirect: 'manual',
    })
    expect(answer.status).toBe(status)
    expect(Receipt.fromResponse(answer)).toBeDefined()
    expect(answer.headers.get('cache-control')).toBe('private')
  })

  test.each([
    ['writeHead', (response: ServerResponse) => response.writeHead(404).end('x')],
    ['statusCode', (response: ServerResponse) => ((response.statusCode = 500), response.end('x'))],
  ])(
    'no receipt rides on an error by %s, and the payment stays owed (threat 11)',
    async (_, fail) => {
      let runs = 0
      const { origin, settled } = await listen((response) =>
        ++runs === 1 ? fail(response) : response.end('mended'),
      )
      const authorization = credential(await challengeAt(origin))
      const broken = await pay(origin, {}, authorization)
      expect([broken.status >= 400, broken.headers.has('payment-receipt')]).toEqual([true, false])
      expect(await (await pay(origin, {}, authorization)).text()).toBe('mended')
      expect(settled).toHaveLength(1)
    },
  )

  test.each([
    [
      'an object',
      (response: ServerResponse) =>
        response
          .writeHead(200, { 'Cache-Control': 'public, max-age=60', Vary: 'Accept', 'X-A': '1' })
          .end('x'),
    ],
    [
      'a reason and an object',
      (response: ServerResponse) =>
        response
          .writeHead(200, 'OK', {
            'cache-control': 'public, max-age=60',
            vary: 'Accept',
            'x-a': '1',
          })
          .end('x'),
    ],
    [
      'a list',
      (response: ServerResponse) =>
        response
          .writeHead(200, ['Cache-Control', 'public, max-age=60', 'Vary', 'Accept', 'X-A', '1'])
          .end('x'),
    ],
    [
      'setHeader',
      (response: ServerResponse) => {
        response.setHeader('Cache-Control', 'public, max-age=60')
        response.setHeader('Vary', ['Accept'])
        response.setHeader('X-A', '1')
        response.end('x')
      },
    ],
  ])('caching is private whatever %s says [core-084] (threat 26)', async (_, application) => {
    const { origin } = await listen(application)
    const { headers } = await pay(origin)
    expect(headers.get('cache-control')).toBe('private, max-age=60')
    expect(headers.get('vary')).toMatch(/^Accept, .*Authorization/)
    expect(headers.get('x-a')).toBe('1')
    expect(headers.has('payment-receipt')).toBe(true)
  })

  test('cookies of writeHead stay several', async () => {
    const { origin } = await listen((response) =>
      response.writeHead(200, { 'set-cookie': ['a=1', 'b=2'] }).end(),
    )
    expect((await pay(origin)).headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  })

  test('resolves with what happened, and has answered what is not paid', async () => {
    const { mpp } = createTill()
    const listener = Mpp.toNodeListener(mpp.charge(price))
    const seen: unknown[] = []
    const origin = await serve(async (request, response) => {
      const payment = await listener(request, response)
      seen.push(payment.status, response.writableEnded)
      if (payment.status === 200) response.end(payment.receipt?.reference)
    })
    const authorization = credential(await challengeAt(origin), 'mine')
    expect(await (await pay(origin, {}, authorization)).text()).toBe('ref-mine')
    expect(seen).toEqual([402, true, 200, false])
  })

  test('every byte of an answer arrives as it is, at once and given again', async () => {
    const bytes = Uint8Array.from({ length: 1024 }, (_, at) => at % 256)
    const route = createTill().mpp.charge(price)(() => new Response(bytes))
    const at = await serve(Mpp.toNodeListener(route))
    const authorization = credential(await challengeAt(at))
    for (const visit of ['first', 'again']) {
      const answer = await pay(at, {}, authorization)
      expect([visit, answer.status, answer.headers.get('content-length')]).toEqual([
        visit,
        200,
        '1024',
      ])
      expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes)
    }
  })

  test('a body parser that ran first hands its bytes on as rawBody', async () => {
    const { mpp } = createTill()
    const listener = Mpp.toNodeListener(mpp.charge(price))
    const origin = await serve(async (request, response) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of request) chunks.push(chunk as Uint8Array)
      const payment = await listener(
        Object.assign(request, { rawBody: Buffer.concat(chunks) }),
        response,
      )
      if (payment.status === 200) response.end('paid')
    })
    const init = { method: 'POST', body: 'the order' }
    const authorization = credential(await challengeAt(origin, init))
    expect((await pay(origin, { ...init, body: 'another' }, authorization)).status).toBe(402)
    expect(await (await pay(origin, init, authorization)).text()).toBe('paid')
  })

  test('a body that was read and not handed on fails loudly: unbound, it could be swapped after payment (threat 5)', async () => {
    const { mpp } = createTill()
    const listener = Mpp.toNodeListener(mpp.charge(price))
    const failures: unknown[] = []
    const origin = await serve(async (request, response) => {
      for await (const _ of request);
      await listener(request, response).catch((cause: unknown) => {
        failures.push(cause)
        response.writeHead(500).end()
      })
    })
    expect((await fetch(origin, { method: 'POST', body: 'the order' })).status).toBe(500)
    expect(String(failures[0])).toMatch(/read before the payment check/)
  })

  test('the application reads the body that it is given, where it is not bound', async () => {
    const { mpp } = createTill()
    const listener = Mpp.toNodeListener(mpp.charge({ ...price, bind: { body: false } }))
    const origin = await serve(async (request, response) => {
      const payment = await listener(request, response)
      if (payment.status !== 200) return
      let text = ''
      for await (const chunk of request) text += String(chunk)
      response.end(text)
    })
    expect(await (await pay(origin, { method: 'POST', body: 'mine to read' })).text()).toBe(
      'mine to read',
    )
  })
})

test('1,000 copies over real connections: one settlement, one delivery (threat 2)', async () => {
  let runs = 0
  const { mpp, settled } = createTill({}, { deadlines: { wait: 9000 } })
  const origin = await serve(
    Mpp.toNodeListener(
      mpp.charge(price)(async () => (runs++, await pause(50), new Response('the page'))),
    ),
  )
  const authorization = credential(await challengeAt(origin), newToken())
  const agent = new http.Agent({ maxSockets: 200, keepAlive: true })
  const answers = await Promise.all(
    Array.from(
      { length: 1000 },
      () =>
        new Promise<string>((answered, failed) => {
          http
            .get(origin, { agent, headers: { authorization } }, async (response) => {
              let text = `${response.statusCode} `
              for await (const chunk of response) text += String(chunk)
              answered(text)
            })
            .on('error', failed)
        }),
    ),
  )
  agent.destroy()
  expect(new Set(answers)).toEqual(new Set(['200 the page']))
  expect([runs, settled.length]).toEqual([1, 1])
}, 30_000)

test('a server that closes leaves no handle open', async () => {
  const { mpp } = createTill()
  const origin = await serve(Mpp.toNodeListener(mpp.charge(price)(() => new Response('x'))))
  await pay(origin)
  const [server] = servers
  server?.closeIdleConnections()
  server?.close()
  await Promise.race([
    once(server as http.Server, 'close'),
    pause(1000).then(() => Promise.reject(new Error('still open'))),
  ])
  servers.length = 0
})
