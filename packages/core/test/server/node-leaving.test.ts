import { setTimeout as pause } from 'node:timers/promises'
import { Challenge } from '@polyrail/core'
import { Mpp } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import { protocols, type Listener } from './listen.js'
import { createTill, credential, gate, price } from './till.js'

type Answer = (response: Parameters<Listener>[1]) => unknown

/** Long enough for the server to see that a visitor is gone. */
const NOTICE = 100

/** A payment that is held answers a copy with 409 after `wait`, and is freed by itself after `lease`. */
const deadlines = { settle: 1000, wait: 1200, lease: 30_000 }

describe.each(protocols)('over %s', (_, { ask, leave, serve }) => {
  const paying = async (origin: string) => {
    const { challenge } = await ask(origin, {})
    return { authorization: credential(challenge as Challenge.Challenge) }
  }

  test.each<[string, Answer]>([
    ['end', (response) => response.end('late')],
    ['end without a body', (response) => response.end()],
    ['writeHead', (response) => response.writeHead(200).end('late')],
    ['nothing at all', () => undefined],
  ])(
    'who leaves while the application works is served at the next visit, whatever it calls too late: %s',
    async (__, answer) => {
      const { mpp, settled } = createTill({}, { deadlines })
      const listener = Mpp.toNodeListener(mpp.charge(price))
      const [working, left] = [gate(), gate()]
      let visits = 0
      const origin = await serve(async (request, response) => {
        const payment = await listener(request, response)
        if (payment.status !== 200) return
        if (++visits > 1) return response.end('the page')
        working.open()
        await left.passed
        return answer(response)
      })
      const visit = await paying(origin)
      await leave(origin, visit, working.passed)
      await pause(NOTICE)
      left.open()
      await pause(NOTICE)
      expect(await ask(origin, visit)).toMatchObject({ status: 200, text: 'the page' })
      expect([settled.length, visits]).toEqual([1, 2])
      // Now it is delivered, and the plain form keeps no answer.
      expect((await ask(origin, visit)).status).toBe(402)
    },
  )

  test('who leaves while the payment settles is served at the next visit', async () => {
    const [settling, left] = [gate(), gate()]
    let settlements = 0
    const { mpp } = createTill(
      {
        settle: async () => {
          settlements++
          settling.open()
          await left.passed
          return { reference: 'x' }
        },
      },
      { deadlines },
    )
    const listener = Mpp.toNodeListener(mpp.charge(price))
    const origin = await serve(async (request, response) => {
      const payment = await listener(request, response)
      if (payment.status === 200) response.end('the page')
    })
    const visit = await paying(origin)
    await leave(origin, visit, settling.passed)
    await pause(NOTICE)
    left.open()
    await pause(NOTICE)
    expect(await ask(origin, visit)).toMatchObject({ status: 200, text: 'the page' })
    expect(settlements).toBe(1)
  })

  test('a stream whose visitor left before it began ends at its source (threat 34)', async () => {
    const { mpp } = createTill()
    const [working, left, cancelled] = [gate(), gate(), gate<string>()]
    const origin = await serve(
      Mpp.toNodeListener(
        mpp.charge(price)(async () => {
          working.open()
          await left.passed
          const endless = new ReadableStream({
            pull: (controller) => controller.enqueue(new Uint8Array(100_000)),
            cancel: () => cancelled.open('cancelled'),
          })
          return new Response(endless, { headers: { 'content-type': 'text/event-stream' } })
        }),
      ),
    )
    await leave(origin, await paying(origin), working.passed)
    await pause(NOTICE)
    left.open()
    expect(await Promise.race([cancelled.passed, pause(1000, 'still read')])).toBe('cancelled')
  })
})
