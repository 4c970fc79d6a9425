/** The same shop in Elysia. */
import { Mpp, payments } from '@polyrail/adapters/elysia'
import { Elysia } from 'elysia'
import { audit, config, goods, price } from './shop.js'

const charge = Mpp.create(config).charge(price)
const app = new Elysia().use(payments).onError(({ status }) => status(500, 'a page of errors'))
for (const [path, good] of Object.entries(goods))
  app.all(
    path,
    async ({ body }) => {
      const request = new Request('http://localhost/', {
        method: 'POST',
        body: body ? String(body) : '',
      })
      return good(request)
    },
    { beforeHandle: charge },
  )
app.get('/audit', () => audit())

/** @param {Request} request */
export const serve = (request) => app.fetch(request)
