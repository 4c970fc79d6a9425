import { test } from 'vitest'
import { elysia, app } from './servers/elysia.js'
import { createShop } from './shop.js'
import { ask, pay } from './visit.js'
test('x', async () => {
  const shop = createShop()
  const opened = await elysia.open(shop)
  const e = console.log
  app
  const a = await ask['HTTP/1.1'](opened.origin + '/before/page')
  e(a.status, a.text)
  const b = await ask['HTTP/1.1'](opened.origin + '/before/cookies')
  const c = await ask['HTTP/1.1'](opened.origin + '/before/cookies', { headers: { authorization: pay(b) } })
  e(c)
  await opened.close()
})
