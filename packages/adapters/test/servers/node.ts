import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Mpp } from '@polyrail/adapters/node'
import { events, listen, page, price, slowly, type Framework, type Shop } from '../shop.js'

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

function listener(shop: Shop): Listener {
  const mpp = Mpp.create(shop.config)
  const charge = mpp.points.charge(price)
  const routes = new Map<string, Listener>()
  const put = (path: string, handler: Listener, guard = charge) => {
    routes.set(`/before${path}`, async (request, response) => {
      const payment = await guard(request, response)
      if (payment.status !== 200) return
      try {
        await handler(request, response)
      } catch {
        response.writeHead(500).end('a page of errors')
      }
    })
    routes.set(`/around${path}`, guard(handler))
  }
  const bodyOf = (request: IncomingMessage & { rawBody?: unknown }) =>
    request.readableEnded ? Promise.resolve(String(request.rawBody)) : text(request)
  put('/page', async (_, response) => response.end(await page(shop, '/page')))
  for (const path of ['/throws', '/slow'])
    put(path, async (_, response) => response.end(await page(shop, path)))
  put('/users', async ({ url = '' }, response) =>
    response.end(await shop.user(url.slice(url.lastIndexOf('/') + 1))),
  )
  put('/missing', async (_, response) => {
    response.statusCode = 404
    response.end(await page(shop, '/missing'))
  })
  put('/empty', (_, response) => response.writeHead(204).end())
  put('/json', async (request, response) => {
    response.end(JSON.stringify({ got: JSON.parse(await bodyOf(request)) }))
  })
  put('/text', async (request, response) => response.end(await bodyOf(request)))
  put('/stream', (_, response) => Readable.from(slowly()).pipe(response))
  put('/events', async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for await (const event of events()) response.write(event)
    response.end()
  })
  put('/cookies', (_, response) =>
    response.writeHead(200, { 'set-cookie': ['a=1', 'b=2'] }).end('the page'),
  )
  const rails = mpp.compose(
    mpp.points.charge(price),
    ['gold/charge', price],
    mpp.silver.charge(price),
  )
  put('/rails', (_, response) => response.end('the page'), rails)
  const report = charge(async (_, response) => response.end(await page(shop, '/report')))
  routes.set('/one/report', report).set('/two/report', report)
  return (request, response) => {
    response.setHeader('access-control-allow-origin', 'https://shop.example')
    const [path = ''] = (request.url ?? '').split('?', 1)
    const route = routes.get(path.replace(/(?<=\/users)\/[^/]+$/, ''))
    return route ? route(request, response) : response.writeHead(404).end()
  }
}

export const node: Framework = {
  name: 'node:http',
  hasPatterns: false,
  hasMiddleware: false,
  forms: ['before', 'around'],
  recordsBefore: false,
  protocols: ['HTTP/1.1', 'HTTP/2'],
  open(shop, protocol) {
    const serve = listener(shop)
    return listen(
      protocol === 'HTTP/2'
        ? http2.createServer(serve as unknown as Parameters<typeof http2.createServer>[1])
        : http.createServer((request, response) => void serve(request, response)),
    )
  },
}
