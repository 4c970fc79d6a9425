import type { Server } from 'node:http'
import { Readable } from 'node:stream'
import { Mpp, payments } from '@polyrail/adapters/fastify'
import createFastify, { type FastifyInstance, type RouteHandlerMethod } from 'fastify'
import { events, page, price, slowly, type Framework, type Shop } from '../shop.js'

const all = ['GET', 'POST', 'DELETE', 'PATCH', 'OPTIONS']

function build(app: FastifyInstance, shop: Shop): FastifyInstance {
  const mpp = Mpp.create(shop.config)
  const charge = mpp.points.charge(price)
  const put = (method: string[], url: string, handler: RouteHandlerMethod, guard = charge) => {
    app.route({ method, url: `/before${url}`, preHandler: guard, handler })
    app.route({ method, url: `/around${url}`, handler: guard(handler) })
  }
  app.register(payments)
  app.addHook('onRequest', async (_, reply) => {
    reply.header('access-control-allow-origin', 'https://shop.example')
    reply.header('vary', 'Origin, Accept').header('access-control-expose-headers', 'X-Own')
  })
  app.setErrorHandler((_, __, reply) => reply.code(500).send('a page of errors'))
  app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_, body, done) => done(null, body))
  put(all, '/page', () => page(shop, '/page'))
  for (const path of ['/throws', '/slow']) put(['GET'], path, () => page(shop, path))
  put(['GET'], '/users/:id', ({ params }) => shop.user((params as { id: string }).id))
  put(['GET'], '/missing', async (_, reply) => reply.code(404).send(await page(shop, '/missing')))
  put(['GET'], '/empty', async (_, reply) => reply.code(204).send(''))
  put(['POST'], '/json', async ({ body }) => ({ got: body }))
  put(['POST'], '/text', async ({ body }) => body)
  put(['GET'], '/stream', (_, reply) => reply.send(Readable.from(slowly())))
  put(['GET'], '/events', (_, reply) =>
    reply.type('text/event-stream').send(Readable.from(events())),
  )
  put(['GET'], '/cookies', (_, reply) =>
    reply.header('set-cookie', ['a=1', 'b=2']).send('the page'),
  )
  const rails = mpp.compose(
    mpp.points.charge(price),
    ['gold/charge', price],
    mpp.silver.charge(price),
  )
  put(['GET'], '/rails', async () => 'the page', rails)
  for (const prefix of ['/one', '/two'])
    app.register(
      async (part) => {
        part.addHook('preHandler', charge)
        part.get('/report', () => page(shop, '/report'))
      },
      { prefix },
    )
  return app
}

export const fastify: Framework = {
  name: 'Fastify',
  hasPatterns: true,
  hasMiddleware: true,
  forms: ['before', 'around'],
  recordsBefore: true,
  protocols: ['HTTP/1.1', 'HTTP/2'],
  async open(shop, protocol) {
    const plain = protocol === 'HTTP/2' ? createFastify({ http2: true }) : createFastify()
    const app = build(plain as FastifyInstance, shop)
    const origin = await app.listen({ port: 0, host: '127.0.0.1' })
    return {
      origin,
      close: () => {
        ;(app.server as Partial<Server>).closeAllConnections?.()
        return app.close()
      },
    }
  },
}
