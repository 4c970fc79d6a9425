/** What handlers know of their context inside a price: the compiler tests it. */
import http from 'node:http'
import { Mpp as Elysian, payments } from '@polyrail/adapters/elysia'
import { Mpp as Expressive } from '@polyrail/adapters/express'
import { Mpp as Fast } from '@polyrail/adapters/fastify'
import { Mpp as Honoed } from '@polyrail/adapters/hono'
import { Mpp as Nexting } from '@polyrail/adapters/next'
import { Mpp as Noding } from '@polyrail/adapters/node'
import { Elysia, t } from 'elysia'
import express from 'express'
import createFastify from 'fastify'
import { Hono } from 'hono'
import { hc } from 'hono/client'
import { expectTypeOf, test } from 'vitest'
import { createShop, price } from './shop.js'

const { config } = createShop()

test('Express: parameters, body and the response', () => {
  const charge = Expressive.create(config).points.charge(price)
  const app = express()
  app.get(
    '/users/:id',
    charge((request, response) => {
      expectTypeOf(request.params.id).toEqualTypeOf<string>()
      response.status(201).json(request.body)
    }),
  )
  app.get('/users/:id', charge, ({ params }) => {
    expectTypeOf(params.id).toEqualTypeOf<string>()
  })
})

test('Fastify: generics, the instance and the reply', () => {
  const charge = Fast.create(config).points.charge(price)
  const app = createFastify()
  app.get<{ Params: { id: string } }>(
    '/around/:id',
    charge(function (request, reply) {
      expectTypeOf(request.params.id).toEqualTypeOf<string>()
      this.log.info('a sale')
      return reply.type('text/plain').send(request.query)
    }),
  )
  app.get<{ Params: { id: string } }>('/before/:id', { preHandler: charge }, ({ params }) => {
    expectTypeOf(params.id).toEqualTypeOf<string>()
  })
})

test('Hono: variables, parameters and the types of RPC', () => {
  const charge = Honoed.create(config).points.charge(price)
  type Env = { Variables: { user: string } }
  const app = new Hono<Env>()
    .get('/before/:id', charge, (c) => c.json({ id: c.req.param('id'), user: c.var.user }))
    .get(
      '/around',
      charge((c) => c.json({ user: c.var.user })),
    )
  const client = hc<typeof app>('http://localhost')
  const before = client.before[':id'].$get
  type Before = Awaited<ReturnType<Awaited<ReturnType<typeof before>>['json']>>
  expectTypeOf<Before>().toEqualTypeOf<{ id: string; user: string }>()
  type Around = Awaited<ReturnType<Awaited<ReturnType<typeof client.around.$get>>['json']>>
  expectTypeOf<Around>().toEqualTypeOf<{ user: string }>()
})

test('Elysia: before, all that it has inferred; around, its own context', () => {
  const charge = Elysian.create(config).points.charge(price)
  new Elysia()
    .use(payments)
    .derive(() => ({ user: 'x' }))
    .post('/before/:id', ({ params, body, user }) => params.id + String(body.a) + user, {
      beforeHandle: charge,
      body: t.Object({ a: t.Number() }),
    })
    .get(
      '/around/:id',
      charge(({ params, query }) => `${params['id']}${query['page']}`),
    )
})

test('Next.js and Node: requests of their own', () => {
  const route = Nexting.create(config).points.charge(price)
  type Context = { params: Promise<{ id: string }> }
  const GET = route(async (request, { params }: Context) =>
    Response.json({ url: request.url, id: (await params).id }),
  )
  expectTypeOf(GET).toEqualTypeOf<(request: Request, context: Context) => Promise<Response>>()
  const charge = Noding.create(config).points.charge(price)
  http.createServer(
    charge((request, response) => {
      response.setHeader('x-for', request.url ?? '')
      response.end()
    }),
  )
})
