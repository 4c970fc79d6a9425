import { Receipt } from '@polyrail/core'
import { Mpp, Outcome } from '@polyrail/core/server'
import { describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  createTill,
  credential,
  plain,
  present,
  price,
  problemOf,
  refusal,
  sleep,
  url,
  type Route,
} from './till.js'

/** Buys, and asks for the same again. */
async function twice(route: Route) {
  const { response, authorization } = await buy(route)
  return { first: response, second: await route(present(authorization)) }
}

const wrap = (application: () => Response | Promise<Response>, config = {}) => {
  const till = createTill({}, config)
  let runs = 0
  const route = till.mpp.charge(price)(() => (runs++, application()))
  return { ...till, route, runs: () => runs }
}

/** A stream of chunks, a pause between them. */
function stream(chunks: string[], pause: number, log: string[] = []): ReadableStream<Uint8Array> {
  const left = [...chunks]
  return new ReadableStream({
    async pull(controller) {
      await sleep(pause)
      const chunk = left.shift()
      log.push(chunk ?? 'end')
      if (chunk === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(chunk))
    },
    cancel: () => void log.push('cancelled'),
  })
}

describe('the answer given again', () => {
  test('is the first one: status, headers, every cookie, and the bytes [core-070] (threat 10)', async () => {
    const bytes = new Uint8Array([0, 255, 128, 13, 10, 0])
    const { route, runs, settled } = wrap(() => {
      const response = new Response(bytes, {
        status: 201,
        headers: { 'content-type': 'application/x-thing', etag: '"a,b"', link: '</a>; rel=next' },
      })
      response.headers.append('link', '</b>; rel=last')
      response.headers.append('set-cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT')
      response.headers.append('set-cookie', 'b=2')
      return response
    })
    const { first, second } = await twice(route)
    expect(second.status).toBe(201)
    expect([...second.headers]).toEqual([...first.headers])
    expect(second.headers.getSetCookie()).toEqual([
      'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
      'b=2',
    ])
    expect(new Uint8Array(await second.arrayBuffer())).toEqual(bytes)
    expect([runs(), settled.length]).toEqual([1, 1])
  })

  test.each([
    ['no body', () => new Response(null, { status: 204 })],
    ['an empty body', () => new Response('')],
    ['a redirect', () => new Response(null, { status: 303, headers: { location: '/there' } })],
    ['not modified', () => new Response(null, { status: 304, headers: { etag: '"x"' } })],
    ['a text', () => new Response('zürich ☕️')],
    ['a form', () => new Response(new URLSearchParams({ a: '1 2' }))],
    ['a blob', () => new Response(new Blob(['blob'], { type: 'text/x' }))],
    ['what was fetched', () => fetch('data:text/plain,fetched')],
    ['a stream that is there at once', () => new Response(new Blob(['a']).stream())],
  ])('%s: the same', async (_, application) => {
    const { route, runs } = wrap(application)
    const { first, second } = await twice(route)
    expect(first.status).toBe(second.status)
    expect([...second.headers]).toEqual([...first.headers])
    expect(await second.text()).toBe(await first.text())
    expect(runs()).toBe(1)
  })

  test('is for the credential however its scheme is written', async () => {
    const { route, runs } = wrap(() => new Response('mine'))
    const { authorization } = await buy(route)
    for (const scheme of ['payment ', 'PAYMENT ', 'Payment   '])
      expect(await (await route(present(authorization.replace('Payment ', scheme)))).text()).toBe(
        'mine',
      )
    expect(runs()).toBe(1)
  })

  test('is for the whole credential alone', async () => {
    const { route } = wrap(() => new Response('mine'))
    const challenge = await challengeOf(route)
    await route(present(credential(challenge, 'one')))
    expect(await refusal(route(present(credential(challenge, 'two'))))).toEqual([
      402,
      'invalid-challenge',
    ])
  })

  test('in the plain form cannot be given: 402, and still no second settlement', async () => {
    const { mpp, settled } = createTill()
    const { second } = await twice(plain(mpp.charge(price)))
    expect((await problemOf(second)).code).toBe('invalid-challenge')
    expect(settled).toHaveLength(1)
  })
})

describe('an answer that is not kept', () => {
  test('longer than maxAnswerBytes goes out whole', async () => {
    const text = 'x'.repeat(5000)
    const { route } = wrap(() => new Response(text), { maxAnswerBytes: 1000 })
    const { response, authorization } = await buy(route)
    expect(await response.text()).toBe(text)
    expect(await refusal(route(present(authorization)))).toEqual([402, 'invalid-challenge'])
  })

  test.each([
    ['says that it is short', 80, { 'content-length': '6' }],
    ['says nothing of its length and comes soon', 5, undefined],
  ])('a slow body that %s is kept all the same', async (_, pause, headers) => {
    const { route, runs } = wrap(
      () => new Response(stream(['one', 'two'], pause), headers && { headers }),
    )
    const { first, second } = await twice(route)
    expect([await first.text(), await second.text()]).toEqual(['onetwo', 'onetwo'])
    expect(runs()).toBe(1)
  })

  test('of exactly maxAnswerBytes is kept', async () => {
    const { route } = wrap(() => new Response('x'.repeat(1000)), { maxAnswerBytes: 1000 })
    expect((await twice(route)).second.status).toBe(200)
  })

  test('a stream goes out chunk by chunk as it comes, with its receipt (threat 34)', async () => {
    const log: string[] = []
    const { route } = wrap(() => new Response(stream(['one', 'two', 'three'], 100, log)))
    const { response } = await buy(route)
    expect(log).not.toContain('three')
    expect(Receipt.fromResponse(response)).toBeDefined()
    const read: string[] = []
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      const text = new TextDecoder().decode(chunk)
      read.push(text)
      expect(log.at(-1) === text || log.at(-2) === text).toBe(true)
    }
    expect(read).toEqual(['one', 'two', 'three'])
  })

  test('what began at once and then streams loses nothing at the seam', async () => {
    let turn = 0
    const { route } = wrap(
      () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              if (++turn > 6) return controller.close()
              if (turn > 3) await sleep(60)
              controller.enqueue(new TextEncoder().encode(String(turn)))
            },
          }),
        ),
    )
    expect(await (await buy(route)).response.text()).toBe('123456')
  })

  test('events go out without being waited for', async () => {
    const { route } = wrap(
      () =>
        new Response(new Blob(['data: 1\n\n']).stream(), {
          headers: { 'content-type': 'text/event-stream; charset=utf-8' },
        }),
    )
    const { response, authorization } = await buy(route)
    expect(await response.text()).toBe('data: 1\n\n')
    expect((await route(present(authorization))).status).toBe(402)
  })

  test('a visitor who leaves ends the stream at its source', async () => {
    const log: string[] = []
    const { route } = wrap(() => new Response(stream(['one', 'two', 'three'], 60, log)))
    const { response, authorization } = await buy(route)
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await sleep(130)
    expect(log).toContain('cancelled')
    expect(log).not.toContain('three')
    expect(await refusal(route(present(authorization)))).toEqual([402, 'invalid-challenge'])
  })

  test('a stream that breaks off leaves the payment owed: the same credential gets it whole, and nothing is paid twice (threat 9) (threat 10)', async () => {
    const cause = new Error('upstream broke')
    let runs = 0
    const { mpp, settled } = createTill()
    const errors = vi.fn()
    mpp.on('error', errors)
    for (const type of ['text/plain', 'text/event-stream']) {
      const route = mpp.charge(price)(() => {
        const isFirst = ++runs % 2 === 1
        const chunks = ['one', 'two'][Symbol.iterator]()
        const body = new ReadableStream({
          async pull(controller) {
            await sleep(60)
            const { done, value } = chunks.next()
            if (!done) controller.enqueue(new TextEncoder().encode(value))
            else if (isFirst) controller.error(cause)
            else controller.close()
          },
        })
        return new Response(body, { headers: { 'content-type': type } })
      })
      const { response, authorization } = await buy(route)
      expect(response.status).toBe(200)
      await expect(response.text()).rejects.toThrow('upstream broke')
      expect(await (await route(present(authorization))).text()).toBe('onetwo')
      expect(await refusal(route(present(authorization)))).toEqual([402, 'invalid-challenge'])
    }
    expect([runs, settled.length]).toEqual([4, 2])
    expect(errors.mock.calls).toEqual([[{ cause }], [{ cause }]])
  })

  test.each(['before', 'after'] as const)(
    'a stream that breaks off behind a slow visitor, who then leaves, is owed all the same: captured %s',
    async (capture) => {
      let runs = 0
      const { mpp } = createTill({
        settle: (visit) =>
          visit.capture === 'after' ? Outcome.authorized() : { reference: 'at once' },
        capture: () => Outcome.settled({ reference: 'taken' }),
        cancel: () => Outcome.rejected('verification-failed'),
      })
      const route = mpp.charge({ ...price, capture })(() => {
        if (++runs > 1) return new Response('whole')
        const body = new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode('half'))
            await sleep(60)
            controller.error(new Error('upstream broke'))
          },
        })
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
      })
      const { response, authorization } = await buy(route)
      await sleep(100)
      await response.body?.cancel().catch(() => undefined)
      const again = await route(present(authorization))
      expect([again.status, await again.text(), runs]).toEqual([200, 'whole', 2])
    },
  )

  test('a copy that comes while it streams waits, and does not get a second one (threat 2)', async () => {
    const deadlines = { settle: 50, wait: 100, lease: 60 }
    const { route, runs } = wrap(() => new Response(stream(['one', 'two', 'three'], 80)), {
      deadlines,
    })
    const { response, authorization } = await buy(route)
    const [text, copy] = await Promise.all([response.text(), route(present(authorization))])
    expect(text).toBe('onetwothree')
    expect(await refusal(copy)).toEqual([409, 'payment-in-progress'])
    expect(runs()).toBe(1)
  })

  test.each(['nothing of it', 'all but its end'])(
    'a visitor who takes %s for long has had it: the same credential gets no second one (threat 1)',
    async (taken) => {
      const deadlines = { settle: 50, wait: 100, lease: 60 }
      const { route, runs } = wrap(() => new Response(stream(['one', 'two'], 55)), { deadlines })
      const { response, authorization } = await buy(route)
      const reader = response.body?.getReader()
      if (taken !== 'nothing of it') for (const _ of ['one', 'two']) await reader?.read()
      await sleep(80)
      expect(await refusal(route(present(authorization)))).toEqual([402, 'invalid-challenge'])
      expect(runs()).toBe(1)
    },
  )

  test('a stream that fails at once leaves the payment owed', async () => {
    let runs = 0
    const { mpp } = createTill()
    const route = mpp.charge(price)(() =>
      ++runs === 1
        ? new Response(
            new ReadableStream({
              pull: (controller) => controller.error(new Error('upstream broke')),
            }),
          )
        : new Response('mended'),
    )
    const authorization = credential(await challengeOf(route))
    await expect(route(present(authorization))).rejects.toThrow('upstream broke')
    expect(await (await route(present(authorization))).text()).toBe('mended')
  })
})

describe('headers', () => {
  const headersOf = async (init: ResponseInit, form: 'plain' | 'wrapped' = 'wrapped') => {
    const { mpp } = createTill()
    const application = () => new Response('x', init)
    return (
      await buy(
        form === 'plain' ? plain(mpp.charge(price), application) : mpp.charge(price)(application),
      )
    ).response.headers
  }

  test.each([
    [undefined, 'private'],
    ['public, max-age=60', 'private, max-age=60'],
    ['s-maxage=10, max-age=5', 'private, max-age=5'],
    ['PUBLIC', 'private'],
    ['private', 'private'],
    ['no-store', 'private, no-store'],
    ['', 'private'],
    ['max-age=60, must-revalidate, public', 'private, max-age=60, must-revalidate'],
  ])('Cache-Control %s becomes %s [core-084] (threat 26)', async (given, expected) => {
    for (const form of ['plain', 'wrapped'] as const)
      expect(
        (
          await headersOf(given === undefined ? {} : { headers: { 'cache-control': given } }, form)
        ).get('cache-control'),
      ).toBe(expected)
  })

  test('Vary and Access-Control-Expose-Headers join the application’s own', async () => {
    const headers = await headersOf({
      headers: { vary: 'Accept-Encoding', 'access-control-expose-headers': 'X-Total' },
    })
    expect(headers.get('vary')).toMatch(/^Accept-Encoding, .*Authorization.*Accept-Payment/)
    expect(headers.get('access-control-expose-headers')).toMatch(/^X-Total, .*Payment-Receipt/)
  })

  test('a 402 is no-store, varies, and shows its headers to browsers [core-082] [core-083]', async () => {
    const { headers } = await plain(createTill().mpp.charge(price))(new Request(url))
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('vary')).toMatch(/Authorization.*Accept-Payment/)
    expect(headers.get('access-control-expose-headers')).toMatch(
      /WWW-Authenticate.*Payment-Receipt.*Retry-After/,
    )
  })

  test('a forged receipt of the application is overwritten', async () => {
    const headers = await headersOf({ headers: { 'payment-receipt': 'forged' } })
    expect(Receipt.deserialize(headers.get('payment-receipt'))?.status).toBe('success')
  })

  test('a response that the application keeps for all stays as it was', async () => {
    const constant = new Response(null, { status: 204, headers: { 'x-kept': 'yes' } })
    const { mpp } = createTill()
    for (const route of [
      plain(mpp.charge(price), () => constant),
      mpp.charge(price)(() => constant),
    ]) {
      const { response } = await buy(route)
      expect(response.headers.get('x-kept')).toBe('yes')
      expect(Receipt.fromResponse(response)).toBeDefined()
    }
    expect([...constant.headers.keys()]).toEqual(['x-kept'])
  })

  test('what fetch returned, with its immutable headers, carries the receipt all the same', async () => {
    const { mpp } = createTill()
    const { response } = await buy(plain(mpp.charge(price), () => fetch('data:text/plain,hello')))
    expect(await response.text()).toBe('hello')
    expect(Receipt.fromResponse(response)).toBeDefined()
  })

  test('onRespond of the rail sees the receipt last, and may answer in the response’s place', async () => {
    const { mpp } = createTill({
      onRespond: (receipt, response) =>
        new Response(`${receipt.reference} of ${response.status}`, { headers: response.headers }),
    })
    const { first, second } = await twice(
      mpp.charge(price)(() => new Response('x', { status: 202 })),
    )
    expect([await first.text(), await second.text()]).toEqual([
      expect.stringMatching(/^ref-.* of 202$/),
      expect.stringMatching(/^ref-.* of 202$/),
    ])
  })
})

describe('withReceipt', () => {
  test('may be called again: an error first, the good answer later', async () => {
    const { mpp } = createTill()
    const handler = mpp.charge(price)
    const authorization = credential(await challengeOf(plain(handler)))
    const payment = (await handler(present(authorization))) as Mpp.Paid
    expect(
      payment.withReceipt(new Response(null, { status: 500 })).headers.has('payment-receipt'),
    ).toBe(false)
    expect(payment.withReceipt(new Response('ok')).headers.has('payment-receipt')).toBe(true)
    await sleep(1)
    expect(await refusal(plain(handler)(present(authorization)))).toEqual([
      402,
      'invalid-challenge',
    ])
  })

  test('that went out well stays delivered, whatever is passed afterwards (threat 1)', async () => {
    const { mpp } = createTill()
    const handler = mpp.charge(price)
    const authorization = credential(await challengeOf(plain(handler)))
    const payment = (await handler(present(authorization))) as Mpp.Paid
    payment.withReceipt(new Response('ok'))
    expect(payment.withReceipt(new Response(null, { status: 500 })).status).toBe(500)
    await sleep(1)
    expect(await refusal(plain(handler)(present(authorization)))).toEqual([
      402,
      'invalid-challenge',
    ])
  })

  test('tells of the payment: challenge, receipt and who says they pay', async () => {
    const { mpp } = createTill()
    const handler = mpp.charge({ ...price, meta: { order: '7' } })
    const challenge = await challengeOf(plain(handler))
    const payment = (await handler(
      present(credential(challenge, 'mine', 'did:key:z6Mk')),
    )) as Mpp.Paid
    expect(payment).toMatchObject({
      status: 200,
      source: 'did:key:z6Mk',
      receipt: { reference: 'ref-mine' },
      challenge: { id: challenge.id, request: price, opaque: { order: '7' } },
    })
  })
})

test('a wrapped route passes on what its framework passes, and the request with its body', async () => {
  const { mpp } = createTill()
  const seen: unknown[] = []
  const route = mpp.charge(price)(async (request: Request, context: { id: number }) => {
    seen.push(await request.text(), context.id)
    return new Response('ok')
  })
  const init = { method: 'POST', body: 'the order' }
  const challenge = await challengeOf(
    (request) => route(request, { id: 0 }),
    new Request(url, init),
  )
  await route(present(credential(challenge), init), { id: 7 })
  expect(seen).toEqual(['the order', 7])
})
