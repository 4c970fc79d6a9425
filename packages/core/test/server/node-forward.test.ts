import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib'
import { Receipt } from '@polyrail/core'
import { Mpp, Outcome } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import { challengeAt, pay, serve, type Listener } from './listen.js'
import { createTill, credential, price } from './till.js'

const page = JSON.stringify({ data: 'x'.repeat(5000) })

/** An upstream that says of itself what it is told. */
const upstream = (status: number, headers: Record<string, string>, body: Uint8Array | string) =>
  serve((_, response) => {
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
  })

/** A route that takes the money for what it has fetched. */
const captured = (fetched: () => Promise<Response>, maxAnswerBytes: number): Listener => {
  const hooks = {
    settle: () => Outcome.authorized(),
    capture: () => Outcome.settled({ reference: 'taken' }),
    cancel: () => Outcome.rejected('verification-failed'),
  }
  const { mpp } = createTill(hooks, { maxAnswerBytes })
  return Mpp.toNodeListener(mpp.charge({ ...price, capture: 'after' })(fetched))
}

/** Every way for a fetched response to go out. */
const forms: [string, (fetched: () => Promise<Response>) => Listener][] = [
  ['a wrapped route', (fetched) => Mpp.toNodeListener(createTill().mpp.charge(price)(fetched))],
  ['one that captures after', (fetched) => captured(fetched, 10_000)],
  ['one that captures after and keeps nothing', (fetched) => captured(fetched, 10)],
  [
    'a free one',
    (fetched) => Mpp.toNodeListener(createTill({}, { free: ['GET'] }).mpp.charge(price)(fetched)),
  ],
  [
    'a fetch-style function that adds the receipt',
    (fetched) => {
      const handler = createTill().mpp.charge(price)
      return Mpp.toNodeListener(async (request) => {
        const payment = await handler(request)
        return payment.status === 402 ? payment.challenge : payment.withReceipt(await fetched())
      })
    },
  ],
  ['a fetch-style function of its own', (fetched) => Mpp.toNodeListener(() => fetched())],
]

describe.each(forms)('what fetch returned goes out of %s readable', (_, listener) => {
  const visit = async (origin: string): Promise<Response> => {
    const first = await fetch(origin)
    return first.status === 402 ? pay(origin) : first
  }

  test.each([
    ['gzip', gzipSync(page)],
    ['x-gzip', gzipSync(page)],
    ['deflate', deflateSync(page)],
    ['br', brotliCompressSync(page)],
    ['gzip, br', brotliCompressSync(gzipSync(page))],
    [undefined, page],
  ])('with the content-encoding %s', async (encoding, body) => {
    const type = { 'content-type': 'application/json', 'set-cookie': 'a=1' }
    const source = await upstream(
      200,
      encoding === undefined ? type : { ...type, 'content-encoding': encoding },
      body,
    )
    const answer = await visit(await serve(listener(() => fetch(source))))
    expect([answer.status, await answer.text()]).toEqual([200, page])
    expect(answer.headers.get('content-encoding')).toBe(null)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.getSetCookie()).toEqual(['a=1'])
  })

  test('with an encoding that fetch leaves alone, which the visitor may know', async () => {
    const source = await upstream(200, { 'content-encoding': 'own' }, 'encoded')
    const answer = await visit(await serve(listener(() => fetch(source))))
    expect([answer.headers.get('content-encoding'), await answer.text()]).toEqual([
      'own',
      'encoded',
    ])
  })

  test('an error page too', async () => {
    const source = await upstream(503, { 'content-encoding': 'gzip' }, gzipSync('down'))
    const answer = await visit(await serve(listener(() => fetch(source))))
    expect([answer.status, await answer.text(), Receipt.fromResponse(answer)]).toEqual([
      503,
      'down',
      undefined,
    ])
  })

  test('without what the upstream said of its own connection', async () => {
    const said = { connection: 'keep-alive, x', 'keep-alive': 'timeout=99' }
    const source = await upstream(200, said, page)
    const answer = await visit(await serve(listener(() => fetch(source))))
    expect(`${answer.headers.get('connection')}${answer.headers.get('keep-alive')}`).not.toMatch(
      /x|99/,
    )
  })
})

test('a wrapped route gives it again, as readable as before', async () => {
  const source = await upstream(200, { 'content-encoding': 'gzip' }, gzipSync(page))
  const origin = await serve(
    Mpp.toNodeListener(createTill().mpp.charge(price)(() => fetch(source))),
  )
  const authorization = credential(await challengeAt(origin))
  for (const turn of ['first', 'again'])
    expect([turn, await (await pay(origin, {}, authorization)).text()]).toEqual([turn, page])
})

test('a response that the application made keeps the encoding that it has', async () => {
  const headers = { 'content-encoding': 'gzip' }
  const origin = await serve(
    Mpp.toNodeListener(
      createTill().mpp.charge(price)(() => new Response(gzipSync(page), { headers })),
    ),
  )
  const answer = await pay(origin)
  expect([answer.headers.get('content-encoding'), await answer.text()]).toEqual(['gzip', page])
})
