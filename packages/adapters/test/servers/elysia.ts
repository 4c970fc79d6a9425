import { node } from '@elysiajs/node'
import { Mpp, payments } from '@polyrail/adapters/elysia'
import { Elysia, type Context } from 'elysia'
import {
  events,
  page,
  price,
  slowly,
  stream,
  type Framework,
  type Opened,
  type Shop,
} from '../shop.js'

type Handler = (context: Context & { route: string }) => unknown

type Raw = { url: string; ready(): Promise<unknown>; close(now: boolean): Promise<void> }

const sse = { 'content-type': 'text/event-stream' }

function app(shop: Shop) {
  const mpp = Mpp.create(shop.config)
  const charge = mpp.points.charge(price)
  const app = new Elysia({ adapter: node() })
    .use(payments)
    .onRequest(({ set }) => {
      set.headers['access-control-allow-origin'] = 'https://shop.example'
      set.headers['vary'] = 'Origin, Accept'
      set.headers['access-control-expose-headers'] = 'X-Own'
    })
    .onError(({ code, status }) =>
      code === 'NOT_FOUND' || code === 'PARSE' ? undefined : status(500, 'a page of errors'),
    )
  const put = (method: string, path: string, handler: Handler, guard = charge) => {
    app.route(method, `/before${path}`, handler, { beforeHandle: guard })
    app.route(method, `/around${path}`, guard(handler))
  }
  put('ALL', '/page', () => page(shop, '/page'))
  for (const path of ['/throws', '/slow']) put('GET', path, () => page(shop, path))
  put('GET', '/users/:id', ({ params }) => shop.user(params['id'] ?? ''))
  put('GET', '/missing', async ({ status }) => status(404, await page(shop, '/missing')))
  put('GET', '/empty', ({ set }) => void (set.status = 204))
  put('POST', '/json', ({ body }) => ({ got: body }))
  put('POST', '/text', ({ body }) => body)
  put('GET', '/stream', () => new Response(stream(slowly())))
  put('GET', '/events', () => new Response(stream(events()), { headers: sse }))
  put('GET', '/cookies', ({ cookie }) => {
    cookie['a']?.set({ value: '1' })
    cookie['b']?.set({ value: '2' })
    return 'the page'
  })
  const rails = mpp.compose(
    mpp.points.charge(price),
    ['gold/charge', price],
    mpp.silver.charge(price),
  )
  put('GET', '/rails', () => 'the page', rails)
  for (const prefix of ['/one', '/two'])
    app.use(
      new Elysia({ prefix }).guard({ beforeHandle: charge }, (part) =>
        part.get('/report', () => page(shop, '/report')),
      ),
    )
  return app
}

type Listening = {
  listen(options: object, listening: (server: unknown) => Promise<void>): unknown
}

/** Opens an app of the Node adapter. */
export const openElysia = (app: Listening): Promise<Opened> =>
  new Promise((opened) => {
    // What the Node adapter tells of its server does not know the port.
    app.listen({ port: 0, hostname: '127.0.0.1' }, async (server) => {
      const { raw } = server as { raw: Raw }
      await raw.ready()
      opened({ origin: String(raw.url).replace(/\/$/, ''), close: () => raw.close(true) })
    })
  })

export const elysia: Framework = {
  name: 'Elysia',
  hasPatterns: true,
  hasMiddleware: true,
  forms: ['before', 'around'],
  recordsBefore: true,
  protocols: ['HTTP/1.1'],
  open: (shop) => openElysia(app(shop)),
}
