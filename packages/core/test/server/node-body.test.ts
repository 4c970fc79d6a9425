import { Challenge } from '@polyrail/core'
import { Mpp } from '@polyrail/core/server'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { pay, protocols, serve, type Listener, type Visit } from './listen.js'
import { createTill, credential, price } from './till.js'

afterEach(() => vi.restoreAllMocks())

describe.each(protocols)('over %s', (_, { ask, serve: serveOver }) => {
  const paying = async (origin: string, visit: Visit): Promise<Visit> => {
    const { challenge } = await ask(origin, visit)
    return { ...visit, authorization: credential(challenge as Challenge.Challenge) }
  }

  test.each(['GET', 'HEAD', 'POST', 'DELETE'])(
    'a body of %s is bound, and the application finds it on `rawBody` (threat 5)',
    async (method) => {
      const { mpp, settled } = createTill()
      const listener = Mpp.toNodeListener(mpp.charge(price))
      const served: string[] = []
      const origin = await serveOver(async (request, response) => {
        const payment = await listener(request, response)
        if (payment.status !== 200) return
        served.push(String((request as { rawBody?: Buffer }).rawBody))
        response.end()
      })
      const visit = await paying(origin, { method, body: 'cheap' })
      expect((await ask(origin, { ...visit, body: 'dear!' })).status).toBe(402)
      const { body: __, ...bodyless } = visit
      expect((await ask(origin, bodyless)).status).toBe(402)
      expect([settled, served]).toEqual([[], []])
      expect((await ask(origin, visit)).status).toBe(200)
      expect(served).toEqual(['cheap'])
    },
  )

  test('no body is bound too: none may join a GET after payment (threat 5)', async () => {
    const { mpp, settled } = createTill()
    const origin = await serveOver(Mpp.toNodeListener(mpp.charge(price)(() => new Response('x'))))
    const visit = await paying(origin, {})
    expect((await ask(origin, { ...visit, body: 'dear!' })).status).toBe(402)
    expect(settled).toEqual([])
    expect((await ask(origin, visit)).text).toBe('x')
  })

  test('a wrapped route serves a GET with a body, which no Request can have', async () => {
    const { mpp } = createTill()
    const origin = await serveOver(
      Mpp.toNodeListener(mpp.charge(price)((request) => new Response(`body: ${request.body}`))),
    )
    const answer = await ask(origin, await paying(origin, { body: 'an order' }))
    expect([answer.status, answer.text]).toEqual([200, 'body: null'])
  })
})

describe('after a body parser', () => {
  const echo = async (request: Request) => new Response(`sees: ${await request.text()}`)
  const routes: [string, () => ReturnType<typeof Mpp.toNodeListener>][] = [
    ['bound', () => Mpp.toNodeListener(createTill().mpp.charge(price)(echo))],
    [
      'not bound',
      () => Mpp.toNodeListener(createTill().mpp.charge({ ...price, bind: { body: false } })(echo)),
    ],
    ['free', () => Mpp.toNodeListener(createTill({}, { free: ['POST'] }).mpp.charge(price)(echo))],
    ['fetch-style', () => Mpp.toNodeListener(echo) as ReturnType<typeof Mpp.toNodeListener>],
  ]
  const parsing =
    (listener: Listener, keep: (bytes: Buffer) => object): Listener =>
    async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      await listener(Object.assign(request, keep(Buffer.concat(chunks))), response)
    }
  const sent = async (origin: string, body: string) => {
    const init = { method: 'POST', body }
    const first = await fetch(origin, init)
    if (first.status !== 402) return first
    const [challenge] = Challenge.parse(first.headers)
    return pay(origin, init, credential(challenge as Challenge.Challenge))
  }

  test.each(routes)('a %s route reads the kept bytes or text', async (_, route) => {
    for (const rawBody of [(bytes: Buffer) => bytes, (bytes: Buffer) => bytes.toString()]) {
      const origin = await serve(parsing(route(), (bytes) => ({ rawBody: rawBody(bytes) })))
      expect(await (await sent(origin, 'hello ü')).text()).toBe('sees: hello ü')
      expect(await (await sent(origin, '')).text()).toBe('sees: ')
    }
  })

  test.each(routes.slice(1))(
    'a %s route that reads what was not kept fails loudly: an empty order would be served for the money',
    async (_, route) => {
      const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined)
      const origin = await serve(parsing(route(), () => ({})))
      expect((await sent(origin, 'hello')).status).toBe(500)
      expect(String(logged.mock.calls[0])).toMatch(/rawBody/)
    },
  )
})
