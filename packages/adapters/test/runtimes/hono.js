/** The same shop in Hono. */
import { Mpp } from '@polyrail/adapters/hono'
import { Hono } from 'hono'
import { audit, config, goods, price } from './shop.js'

/** @type {Hono | undefined} */
let app

function open() {
  const charge = Mpp.create(config).charge(price)
  const app = new Hono()
  app.onError((_, c) => c.text('a page of errors', 500))
  for (const [path, good] of Object.entries(goods)) app.all(path, charge, (c) => good(c.req.raw))
  return app.get('/audit', () => audit())
}

/** @param {Request} request */
export const serve = (request) => (app ??= open()).fetch(request)
