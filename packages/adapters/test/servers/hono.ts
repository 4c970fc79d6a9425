import http from 'node:http'
import http2 from 'node:http2'
import { createAdaptorServer } from '@hono/node-server'
import { createAdaptorServer as createFirst } from 'hono-node-server-1'
import { Mpp } from '@polyrail/adapters/hono'
import { Hono, type Handler } from 'hono'
import { setCookie } from 'hono/cookie'
import { events, listen, page, price, slowly, stream, type Framework, type Shop } from '../shop.js'

const sse = { 'content-type': 'text/event-stream' }

function app(shop: Shop): Hono {
  const mpp = Mpp.create(shop.config)
  const charge = mpp.points.charge(price)
  const app = new Hono()
  const put = (method: string, path: string, handler: Handler, guard = charge) => {
    if (method === 'ALL') {
      app.all(`/before${path}`, guard, handler)
      app.all(`/around${path}`, guard(handler))
    } else {
      app.on(method, `/before${path}`, guard, handler)
      app.on(method, `/around${path}`, guard(handler))
    }
  }
  app.use((c, next) => {
    c.header('access-control-allow-origin', 'https://shop.example')
    c.header('vary', 'Origin, Accept')
    c.header('access-control-expose-headers', 'X-Own')
    return next()
  })
  app.onError((_, c) => c.text('a page of errors', 500))
  put('ALL', '/page', async (c) => c.text(await page(shop, '/page')))
  for (const path of ['/throws', '/slow'])
    put('GET', path, async (c) => c.text(await page(shop, path)))
  put('GET', '/users/:id', async (c) => c.text(await shop.user(c.req.param('id') ?? '')))
  put('GET', '/missing', async (c) => c.text(await page(shop, '/missing'), 404))
  put('GET', '/empty', (c) => c.body(null, 204))
  put('POST', '/json', async (c) => c.json({ got: await c.req.json() }))
  put('POST', '/text', async (c) => c.text(await c.req.text()))
  put('GET', '/stream', (c) => c.body(stream(slowly())))
  put('GET', '/events', (c) => c.body(stream(events()), { headers: sse }))
  put('GET', '/cookies', (c) => {
    setCookie(c, 'a', '1')
    setCookie(c, 'b', '2')
    return c.text('the page')
  })
  const rails = mpp.compose(
    mpp.points.charge(price),
    ['gold/charge', price],
    mpp.silver.charge(price),
  )
  put('GET', '/rails', (c) => c.text('the page'), rails)
  const part = new Hono()
  part.use(charge)
  part.get('/report', async (c) => c.text(await page(shop, '/report')))
  app.route('/one', part).route('/two', part)
  return app
}

const framework = (name: string, createServer: typeof createAdaptorServer): Framework => ({
  name,
  hasPatterns: true,
  hasMiddleware: true,
  forms: ['before', 'around'],
  recordsBefore: true,
  protocols: ['HTTP/1.1', 'HTTP/2'],
  async open(shop, protocol) {
    const { fetch } = app(shop)
    const { Request, Response } = globalThis
    const plain = (protocol === 'HTTP/2' ? http2 : http).createServer as typeof http.createServer
    const server = createServer({ fetch, createServer: plain }) as http.Server
    const { origin, close } = await listen(server)
    // The adapter puts its own in their place, for the whole process.
    return {
      origin,
      close: () => close().then(() => Object.assign(globalThis, { Request, Response })),
    }
  },
})

export const hono = framework('Hono', createAdaptorServer)

/** Its responses are of another making. */
export const hono1 = framework('Hono on the first @hono/node-server', createFirst)
