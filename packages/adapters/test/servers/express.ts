import http from 'node:http'
import { Readable } from 'node:stream'
import { keepBody, Mpp } from '@polyrail/adapters/express'
import express, { type Handler } from 'express'
import { events, listen, page, price, slowly, type Framework, type Shop } from '../shop.js'

function app(shop: Shop): express.Express {
  const mpp = Mpp.create(shop.config)
  const charge = mpp.points.charge(price)
  const app = express()
  const put = (method: 'all' | 'get' | 'post', path: string, handler: Handler, guard = charge) => {
    app[method](`/before${path}`, guard, handler)
    app[method](`/around${path}`, guard(handler))
  }
  app.use((_, response, next) => {
    response.set('access-control-allow-origin', 'https://shop.example')
    response.set('vary', 'Origin, Accept').set('access-control-expose-headers', 'X-Own')
    next()
  })
  app.use(express.json({ verify: keepBody }))
  put('all', '/page', async (_, response) => void response.send(await page(shop, '/page')))
  for (const path of ['/throws', '/slow'])
    put('get', path, async (_, response) => void response.send(await page(shop, path)))
  put('get', '/users/:id', async ({ params }, response) => {
    response.send(await shop.user(String(params['id'])))
  })
  put('get', '/missing', async (_, response) => {
    response.status(404).send(await page(shop, '/missing'))
  })
  put('get', '/empty', (_, response) => void response.sendStatus(204))
  put('post', '/json', ({ body }, response) => void response.json({ got: body }))
  const text = express.text()
  put('post', '/text', (request, response) =>
    text(request, response, () => void response.send(request.body)),
  )
  put('get', '/stream', (_, response) => void Readable.from(slowly()).pipe(response))
  put('get', '/events', async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    for await (const event of events()) response.write(event)
    response.end()
  })
  put('get', '/cookies', (_, response) => {
    response.cookie('a', '1').cookie('b', '2').send('the page')
  })
  const rails = mpp.compose(
    mpp.points.charge(price),
    ['gold/charge', price],
    mpp.silver.charge(price),
  )
  put('get', '/rails', (_, response) => void response.send('the page'), rails)
  const part = express.Router()
  part.use(charge)
  part.get('/report', async (_, response) => void response.send(await page(shop, '/report')))
  app.use('/one', part)
  app.use('/two', part)
  app.use((_cause: unknown, _request: unknown, response: express.Response, _next: unknown) => {
    response.status(500).send('a page of errors')
  })
  return app
}

export const express5: Framework = {
  name: 'Express',
  hasPatterns: true,
  hasMiddleware: true,
  forms: ['before', 'around'],
  recordsBefore: true,
  protocols: ['HTTP/1.1'],
  open: (shop) => listen(http.createServer(app(shop))),
}
