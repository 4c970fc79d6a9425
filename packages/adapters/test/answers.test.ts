/** The ways of a framework's own in which an application answers, and what each comes to for who has paid. */
import http from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { createGzip, gunzipSync, type Gzip } from 'node:zlib'
import { node } from '@elysiajs/node'
import { createAdaptorServer } from '@hono/node-server'
import { Mpp as Elysian, payments as elysianPayments } from '@polyrail/adapters/elysia'
import { Mpp as Expressive } from '@polyrail/adapters/express'
import { Mpp as Fast, payments } from '@polyrail/adapters/fastify'
import { Mpp as Honoed } from '@polyrail/adapters/hono'
import { Elysia, sse } from 'elysia'
import express, { type Handler, type Response } from 'express'
import createFastify, { type FastifyInstance } from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openElysia } from './servers/elysia.js'
import { createShop, listen, price, type Opened, type Shop } from './shop.js'
import { ask as asks, pay, type Visit } from './visit.js'

const ask = asks['HTTP/1.1']

let shop: Shop
let opened: Opened | undefined
beforeEach(() => {
  shop = createShop()
  vi.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(async () => {
  vi.restoreAllMocks()
  await opened?.close()
  opened = undefined
})

/** Buys at a path of what was opened, and presents the credential once more. */
async function buy(path: string, visit: Visit = {}) {
  const url = `${opened?.origin}${path}`
  const authorization = pay(await ask(url, visit))
  const again = () => ask(url, { ...visit, headers: { ...visit.headers, authorization } })
  const answer = await again()
  const hasReceipt = 'payment-receipt' in answer.headers
  return { answer, hasReceipt, status: answer.status, text: answer.text, again }
}

describe('Express', () => {
  const serve = async (...handlers: Handler[]) => {
    const app = express()
    const charge = Expressive.create(shop.config).points.charge(price)
    const last = handlers.pop() as Handler
    app.use(express.text(), ...handlers)
    app.get('/', charge, last)
    opened = await listen(http.createServer(app))
  }

  test('a reason that `writeHead` is given is no header', async () => {
    await serve((_, response) => void response.writeHead(200, 'Fine', { 'x-own': '1' }).end('page'))
    const { answer } = await buy('/')
    expect([answer.status, answer.text, answer.headers['x-own']]).toEqual([200, 'page', ['1']])
    await opened?.close()
    await serve((_, response) => void response.writeHead(200, 'OK').end('page'))
    expect(Object.keys((await buy('/')).answer.headers).filter((name) => /^\d/.test(name))).toEqual(
      [],
    )
  })

  test.each([
    ['a status that no Response has', (response: Response) => response.status(999).send('page')],
    ['what is neither text nor bytes', (response: Response) => response.write(5)],
  ])('%s is an error of the application, and leaves the payment good', async (_, answer) => {
    let isMended = false
    await serve((_, response) => void (isMended ? response.send('page') : answer(response)))
    const { status, hasReceipt, again } = await buy('/')
    expect([status, hasReceipt]).toEqual([500, false])
    isMended = true
    expect((await again()).text).toBe('page')
    expect(shop.settled).toHaveLength(1)
  })

  test('an application may use a buffer again as soon as it is told that it was written', async () => {
    await serve(async (_, response) => {
      const buffer = Buffer.alloc(1)
      for (const letter of 'page') {
        buffer.write(letter)
        await new Promise((written) => response.write(buffer, written))
      }
      response.end()
    })
    expect((await buy('/')).text).toBe('page')
  })

  /** As the middleware `compression` does it: from the headers on, what is written goes by way of a stream. */
  const compression: Handler = (_, response, next) => {
    const { write, end, on, writeHead } = response
    const waiting: (() => void)[] = []
    let gzip: Gzip | undefined
    const compress = () => {
      const made = (gzip = createGzip())
      made.on('data', (part) => Reflect.apply(write, response, [part]) || made.pause())
      made.on('end', () => Reflect.apply(end, response, []))
      for (const listener of waiting) made.on('drain', listener)
      Reflect.apply(on, response, ['drain', () => made.resume()])
      response.removeHeader('content-length')
      response.setHeader('content-encoding', 'gzip')
    }
    const start = () => response.headersSent || response.writeHead(response.statusCode)
    Object.assign(response, {
      writeHead(...parameters: unknown[]) {
        if (!gzip) compress()
        return Reflect.apply(writeHead, response, parameters)
      },
      write: (part: Buffer) => start() && (gzip?.write(part) ?? write.call(response, part, 'utf8')),
      end: (part: Buffer | string = '', encoding: BufferEncoding = 'utf8') =>
        start() && (gzip?.end(part, encoding) ?? end.call(response, part, encoding)),
      on(event: string, listener: () => void) {
        if (event !== 'drain') return Reflect.apply(on, response, [event, listener])
        if (gzip) gzip.on('drain', listener)
        else waiting.push(listener)
        return response
      },
    })
    next()
  }

  const unzip = (text: string) => gunzipSync(Buffer.from(text, 'latin1')).toString()

  test('compression before the price compresses what is paid for, at once and again', async () => {
    await serve(compression, (_, response) => void response.send('page '.repeat(1000)))
    const { answer, again } = await buy('/', { encoding: 'latin1' })
    for (const { headers, text } of [answer, await again()]) {
      expect(headers['content-encoding']).toEqual(['gzip'])
      expect(unzip(text)).toBe('page '.repeat(1000))
    }
  })

  test('compression before the price holds up nobody who waits to write on', async () => {
    const part = 'page '.repeat(10_000)
    await serve(compression, async (_, response) => {
      for (let sent = 0; sent < 100; sent++)
        if (!response.write(Buffer.from(part)))
          await new Promise((drained) => response.once('drain', () => drained(undefined)))
      response.end()
    })
    const { status, text } = await buy('/', { encoding: 'latin1' })
    expect([status, unzip(text) === part.repeat(100)]).toEqual([200, true])
  })
})

describe('Fastify', () => {
  const serve = async (build: (app: FastifyInstance) => unknown) => {
    const app = createFastify()
    await app.register(payments)
    await build(app)
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    opened = { origin, close: () => app.close() }
    return opened
  }
  const charge = () => Fast.create(shop.config).points.charge(price)

  test('what is written to `reply.raw` is had once for one payment (threat 34)', async () => {
    await serve((app) => {
      app.get('/raw', { preHandler: charge() }, (_, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: 1\n\n')
      })
      app.get(
        '/around',
        charge()((_, reply) => void reply.raw.end('page')),
      )
    })
    for (const [path, page] of [
      ['/raw', 'data: 1\n\n'],
      ['/around', 'page'],
    ] as const) {
      const { status, text, again } = await buy(path)
      expect([path, status, text]).toEqual([path, 200, page])
      await pause(50)
      expect([path, (await again()).status]).toEqual([path, 402])
    }
  })

  test('a page of errors on `reply.raw` leaves the payment good', async () => {
    await serve((app) =>
      app.get('/', { preHandler: charge() }, (_, reply) => {
        shop.runs.push('/')
        reply.hijack()
        reply.raw.writeHead(500).end()
      }),
    )
    const { again } = await buy('/')
    await pause(50)
    expect([(await again()).status, shop.runs.length]).toEqual([500, 2])
  })

  test('a handler that sends by and by is waited for', async () => {
    await serve((app) =>
      app.get(
        '/',
        charge()((_, reply) => void setTimeout(() => reply.send('page'), 20)),
      ),
    )
    const { text, hasReceipt, again } = await buy('/')
    expect([text, hasReceipt, (await again()).text]).toEqual(['page', true, 'page'])
  })

  test('a 304 that a hook makes of the page is an answer', async () => {
    await serve((app) => {
      app.get('/', {
        preHandler: charge(),
        preSerialization: async (_, reply) => (reply.code(304), ''),
        handler: async () => ({ page: 1 }),
      })
    })
    const { status, hasReceipt, again } = await buy('/')
    expect([status, hasReceipt, (await again()).status]).toEqual([304, true, 304])
  })

  test('a hook that fails after the answer takes the receipt along (threat 11)', async () => {
    await serve((app) => {
      app.get('/', {
        preHandler: charge(),
        onSend: async () => {
          throw new Error('inner workings')
        },
        handler: async () => 'page',
      })
    })
    const { status, hasReceipt, again } = await buy('/')
    expect([status, hasReceipt]).toEqual([500, false])
    expect((await again()).headers['payment-receipt']).toBeUndefined()
  })
})

test.each(['before', 'around'])(
  'Hono: a handler that answers nothing is an error of the application, %s as elsewhere',
  async (form) => {
    const charge = Honoed.create(shop.config).points.charge(price)
    const nothing = async () => undefined
    const app = new Hono()
    if (form === 'before') app.get('/', charge, nothing)
    else app.get('/', charge(nothing))
    opened = await listen(createAdaptorServer({ fetch: app.fetch }) as http.Server)
    const { status, hasReceipt } = await buy('/')
    expect([status, hasReceipt]).toEqual([500, false])
  },
)

test('Elysia: what generators yield arrives as it would unpaid, with a receipt', async () => {
  const charge = Elysian.create(shop.config).points.charge(price)
  const app = new Elysia({ adapter: node() })
    .use(elysianPayments)
    .get(
      '/whole',
      function* () {
        yield 'one '
        yield 'two'
      },
      { beforeHandle: charge },
    )
    .get(
      '/slow',
      async function* () {
        yield 'one '
        await pause(100)
        yield 'two'
      },
      { beforeHandle: charge },
    )
    .get(
      '/events',
      async function* () {
        yield sse('one')
        await pause(100)
        yield sse('two')
      },
      { beforeHandle: charge },
    )
  opened = await openElysia(app)
  for (const path of ['/whole', '/slow']) {
    const { text, hasReceipt } = await buy(path)
    expect([path, text, hasReceipt]).toEqual([path, 'one two', true])
  }
  const { answer, text } = await buy('/events')
  expect([text, answer.headers['content-type']]).toEqual([
    'data: one\n\ndata: two\n\n',
    ['text/event-stream'],
  ])
})
