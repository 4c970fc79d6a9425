import { Receipt } from '@polyrail/core'
import { describe, expect, test } from 'vitest'
import { inFront, nginx } from './nginx.js'
import { elysia } from './servers/elysia.js'
import { express5 } from './servers/express.js'
import { fastify } from './servers/fastify.js'
import { hono } from './servers/hono.js'
import { node } from './servers/node.js'
import { missing } from './service.js'
import { createShop } from './shop.js'
import { ask, pay } from './visit.js'

const why = missing('nginx', nginx)

describe.skipIf(why)(`behind nginx with its own 4 kB of header buffer ${why ?? ''}`, () => {
  describe.each([hono, express5, fastify, elysia, node])('$name', (framework) => {
    test.each(['HTTP/1.1', 'HTTP/2'] as const)(
      'the 402 of several rails arrives, is paid, and its answer is given again, over %s (threat 25)',
      async (protocol) => {
        const shop = createShop()
        const opened = await framework.open(shop)
        const front = await inFront(opened.origin)
        try {
          const url = `${protocol === 'HTTP/2' ? front.http2 : front.origin}/around/rails`
          const unpaid = await ask[protocol](url)
          expect([unpaid.status, unpaid.challenges.length]).toEqual([402, 3])
          const headers = { authorization: pay(unpaid, 1) }
          for (const visit of ['first', 'again']) {
            const answer = await ask[protocol](url, { headers })
            expect([visit, answer.status, answer.text]).toEqual([visit, 200, 'the page'])
            const [receipt] = answer.headers['payment-receipt'] ?? []
            expect(Receipt.deserialize(receipt as string)?.method).toBe('gold')
          }
          expect(shop.settled).toHaveLength(1)
        } finally {
          await front.close()
          await opened.close()
        }
      },
    )
  })
})
