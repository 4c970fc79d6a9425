/**
 * In every framework a page may be paid for after it is made: who gets none pays nothing, and who cannot pay gets none.
 *
 * @module
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Outcome } from '@polyrail/core/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { elysia } from './servers/elysia.js'
import { express5 } from './servers/express.js'
import { fastify } from './servers/fastify.js'
import { hono } from './servers/hono.js'
import { next } from './servers/next.js'
import { node } from './servers/node.js'
import { createShop, type Opened, type Shop } from './shop.js'
import { ask as asks, leave, pay } from './visit.js'

const ask = asks['HTTP/1.1']

/** What the rail was asked for, in turn. */
let asked: string[]
/** What a capture comes to. */
let outcome: Outcome.Outcome
let shop: Shop
let opened: Opened

const note = async <answer>(what: string, answer: answer): Promise<answer> => {
  asked.push(what)
  return answer
}

const open = () =>
  createShop({
    hooks: {
      defaults: { capture: 'after' },
      replayKey: ({ credential }) => credential.payload.token,
      settle: () => note('authorize', Outcome.authorized()),
      capture: () => note('capture', outcome),
      cancel: () => note('cancel', Outcome.rejected('verification-failed')),
    },
  })

describe.each([hono, express5, fastify, elysia, next, node])('$name', (framework) => {
  beforeEach(async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    asked = []
    outcome = Outcome.settled({ reference: 'taken' })
    shop = open()
    opened = await framework.open(shop)
  }, 180_000)
  afterEach(async () => {
    vi.restoreAllMocks()
    await opened.close()
  })

  const buy = async (path: string) => {
    const url = opened.origin + path
    const authorization = pay(await ask(url))
    const again = () => ask(url, { headers: { authorization } })
    return { answer: await again(), again }
  }

  const forms = framework.forms.filter((form) => form === 'around' || framework.recordsBefore)
  describe.each(forms)('%s', (form) => {
    test('the page is made, then the money is taken, then the page goes out', async () => {
      const { answer, again } = await buy(`/${form}/page`)
      expect([answer.status, answer.text]).toEqual([200, 'the page'])
      expect(answer.headers['payment-receipt']).toHaveLength(1)
      expect((await again()).text).toBe('the page')
      expect([asked, shop.runs]).toEqual([['authorize', 'capture'], ['/page']])
    })

    test.each(['missing', 'throws'])('a page that is not there costs nothing: %s', async (path) => {
      const { answer } = await buy(`/${form}/${path}`)
      expect([answer.status >= 400, asked]).toEqual([true, ['authorize', 'cancel']])
      expect(answer.headers['payment-receipt']).toBeUndefined()
    })

    test('who cannot pay in the end gets no page, and is asked anew', async () => {
      outcome = Outcome.rejected('payment-expired')
      const { answer } = await buy(`/${form}/page`)
      expect([answer.status, answer.headers['www-authenticate']?.length]).toEqual([402, 1])
      expect([answer.text.includes('the page'), shop.runs]).toEqual([false, ['/page']])
      expect(answer.headers['payment-receipt']).toBeUndefined()
      const { headers } = (await buy(`/${form}/cookies`)).answer
      expect(headers['set-cookie']).toBeUndefined()
    })

    test('of whom it is not known whether they paid, the page waits', async () => {
      outcome = Outcome.indeterminate()
      const { answer, again } = await buy(`/${form}/page`)
      expect([answer.status, answer.text.includes('the page')]).toEqual([503, false])
      outcome = Outcome.settled({ reference: 'taken' })
      expect((await again()).text).toBe('the page')
      expect(shop.runs).toEqual(['/page'])
    })

    test('who leaves while it is made pays for what they can still have, or nothing', async () => {
      const url = `${opened.origin}/${form}/slow`
      const authorization = pay(await ask(url))
      const working = new Promise<void>((works) => {
        shop.works = works
      })
      let goOn = (): void => undefined
      shop.goesOn = new Promise<void>((resolve) => {
        goOn = resolve
      })
      await leave(url, authorization, working)
      await pause(50)
      goOn()
      await vi.waitFor(() => expect(asked).toHaveLength(2))
      const answer = await ask(url, { headers: { authorization } })
      expect([asked[1], answer.status]).toEqual(
        asked[1] === 'capture' ? ['capture', 200] : ['cancel', 402],
      )
    })
  })
})
