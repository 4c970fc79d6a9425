/**
 * After a credential went out: the same one again until the answer is known, and never another payment.
 *
 * @module
 */
import { createServer, type Socket } from 'node:net'
import { Errors, Expires, Method } from '@polyrail/core'
import { Mpp, type Account } from '@polyrail/core/client'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  asks,
  charge,
  credentialOf,
  header,
  isPaid,
  open,
  pointsMethod,
  refuse,
  scripted,
  serves,
  wallet,
  type Handler,
} from './market.js'

const policy = { max: '10' }
const say = (status: number, after?: string) => (): Response =>
  new Response('', { status, ...(after !== undefined && { headers: { 'retry-after': after } }) })
const lose = (): Response => {
  throw new TypeError('fetch failed')
}

/** Fetches once over scripted answers that follow a 402. */
async function buy(answers: (() => Response)[], options: object = {}, init: RequestInit = {}) {
  const { fetch, calls } = scripted(asks(), ...answers)
  const { method, paid } = wallet()
  const mpp = Mpp.create({ methods: [method], policy, fetch, ...options })
  const outcome = await mpp.fetch('https://shop.example/', init).catch((error: unknown) => error)
  const sent = calls.map(({ headers }) => headers.get('authorization')).filter(Boolean)
  return { mpp, outcome, calls, paid: paid.length, sent, same: new Set(sent).size === 1 }
}

describe('an answer that is not known yet', () => {
  test.each([
    ['503 with Retry-After', [say(503, '0'), serves]],
    ['409 with Retry-After', [say(409, '0'), serves]],
    ['429 with Retry-After', [say(429, '0'), serves]],
    ['a date in Retry-After', [say(503, new Date(Date.now() - 1_000).toUTCString()), serves]],
    ['a lost connection', [lose, serves]],
    ['all of them in turn', [lose, say(503, '0'), say(409, '0'), serves]],
  ])('is asked for with the same credential: %s', async (_, answers) => {
    const { outcome, paid, sent, same } = await buy([...answers])
    expect([(outcome as Response).status, paid, sent.length, same]).toEqual([
      200,
      1,
      answers.length,
      true,
    ])
  })

  test.each([[500], [502], [503], [409], [404], [403]])(
    'of %i without Retry-After is handed over, and can be resumed',
    async (status) => {
      const { outcome, paid, sent, mpp, calls } = await buy([say(status), serves])
      expect([(outcome as Response).status, paid, sent.length]).toEqual([status, 1, 1])
      const account = mpp.explain(outcome)!
      expect(account).toMatchObject({
        status: 'pending',
        challenge: { method: 'points' },
        price: { amount: 100n },
      })
      expect(account.credential!()).toBe(sent[0])
      const resumed = await account.resume!()
      expect([resumed.status, calls.length]).toEqual([200, 3])
      expect(calls[2]?.headers.get('authorization')).toBe(sent[0])
      expect(mpp.explain(resumed)?.status).toBe('paid')
    },
  )

  test('waits as long as it is told', async () => {
    const started = Date.now()
    await buy([say(503, '1'), serves])
    // A timer may end a moment early by this clock.
    expect(Date.now() - started).toBeGreaterThan(990)
  })

  test('is not waited for beyond the time allowed', async () => {
    const { outcome, sent } = await buy([say(503, '3600'), serves])
    expect([(outcome as Response).status, sent.length]).toEqual([503, 1])
    const short = await buy([say(503, '1'), serves], { retry: { timeout: 500 } })
    expect((short.outcome as Response).status).toBe(503)
  })

  test('is not submitted unasked once the challenge has expired', async () => {
    const { fetch, calls } = scripted(asks({ expires: Expires.from(600) }), say(503, '1'), serves)
    const response = await Mpp.create({ methods: [wallet().method], policy, fetch }).fetch(
      'https://a.b/',
    )
    expect([response.status, calls.length]).toEqual([503, 2])
  })

  test('is asked for so often and no more', async () => {
    const { outcome, sent, same, paid, mpp } = await buy([say(503, '0')], {
      retry: { attempts: 3 },
    })
    expect([(outcome as Response).status, sent.length, same, paid]).toEqual([503, 3, true, 1])
    expect(mpp.explain(outcome)?.status).toBe('pending')
  })

  test('that is lost for good throws what the network threw, and can be resumed', async () => {
    const { outcome, sent, mpp, paid } = await buy([lose, lose, serves], { retry: { attempts: 2 } })
    expect(outcome).toMatchObject({ message: 'fetch failed' })
    expect([sent.length, paid]).toEqual([2, 1])
    expect((await mpp.explain(outcome)!.resume!()).status).toBe(200)
  })

  test.each(['soon', '1e3', ''])('heeds no Retry-After of %j', async (after) => {
    const { sent } = await buy([say(503, after), serves])
    expect(sent).toHaveLength(1)
  })

  test('keeps the Idempotency-Key and the body on every attempt', async () => {
    const init = { method: 'POST', body: 'order', headers: { 'idempotency-key': 'k' } }
    const { calls } = await buy([lose, say(503, '0'), serves], {}, init)
    expect(
      calls.map(({ headers, init: { body, method } }) => [
        headers.get('idempotency-key'),
        body,
        method,
      ]),
    ).toEqual(Array.from({ length: 4 }, () => ['k', 'order', 'POST']))
  })

  test('followed by a 402 hands the 402 over', async () => {
    const { outcome, paid, mpp } = await buy([lose, asks()])
    expect([(outcome as Response).status, paid, mpp.explain(outcome)?.status]).toEqual([
      402,
      1,
      'rejected',
    ])
  })

  test('is told in events, with a way to resume and no credential to be seen', async () => {
    const { fetch } = scripted(asks(), say(500), serves)
    const mpp = Mpp.create({ methods: [wallet().method], policy, fetch })
    const told: Account[] = []
    mpp.on('pending', (event) => told.push(event))
    await mpp.fetch('https://shop.example/')
    expect(told).toHaveLength(1)
    expect(Object.values(told[0]!).filter((value) => typeof value === 'string')).not.toContainEqual(
      expect.stringContaining('Payment'),
    )
    expect((await told[0]!.resume!()).status).toBe(200)
  })

  test('survives a real server that settles and then drops the connection', async () => {
    const credentials: string[] = []
    const answer = (socket: Socket, text: string, extra = '') =>
      socket.end(`HTTP/1.1 ${text}\r\n${extra}content-length: 0\r\nconnection: close\r\n\r\n`)
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (data) => {
        const credential = /authorization: (Payment \S+)/i.exec(String(data))?.[1]
        if (!credential)
          return answer(socket, '402 Payment Required', `www-authenticate: ${header()}\r\n`)
        credentials.push(credential)
        return credentials.length === 1 ? socket.destroy() : answer(socket, '200 OK')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { port: number }
    const { method, paid } = wallet()
    const response = await Mpp.create({ methods: [method], policy }).fetch(
      `http://127.0.0.1:${port}/`,
    )
    expect([response.status, paid.length, credentials.length, new Set(credentials).size]).toEqual([
      200, 1, 2, 1,
    ])
  })
})

describe('the next rail', () => {
  /** Offers both; answers the first proof as told, and serves for the second. */
  const both =
    (first: Handler): Handler =>
    (seen, response) => {
      if (!isPaid(seen)) return charge(response, {}, { method: 'coins' })
      return isFirst.has(seen.url)
        ? void response.end('goods')
        : (isFirst.add(seen.url), first(seen, response))
    }
  let isFirst = new Set<string>()

  async function shopWith(
    first: Handler,
    options: { revocable?: boolean; fail?: () => unknown } = {},
    rules: object = {},
  ) {
    isFirst = new Set()
    const { url, seen } = await open(both(first))
    const [points, coins] = [wallet({ revocable: true, ...options }), wallet({ name: 'coins' })]
    const mpp = Mpp.create({
      methods: [points.method, coins.method],
      policy: { max: { points: '10', coins: '10' }, ...rules },
      retry: { attempts: 1 },
    })
    const outcome = await mpp.fetch(url).catch((error: unknown) => error)
    return { outcome, seen: seen.length, paid: [points.paid.length, coins.paid.length], mpp }
  }

  test.each([
    'verification-failed',
    'payment-insufficient',
    'payment-expired',
    'malformed-credential',
  ])('is tried when the server refused a proof that it could have taken: %s', async (problem) => {
    const { outcome, paid, mpp } = await shopWith((_, response) => refuse(response, problem))
    expect([(outcome as Response).status, paid]).toEqual([200, [1, 1]])
    expect(mpp.explain(outcome)).toMatchObject({
      status: 'paid',
      challenge: { method: 'coins' },
      refusals: [{ code: 'rejected', offer: { method: 'points' } }],
    })
  })

  test.each<[string, Handler]>([
    ['a used or unknown challenge', (_, response) => refuse(response, 'invalid-challenge')],
    [
      'a 402 without a word',
      (_, response) => void response.writeHead(402, { 'www-authenticate': header() }).end(),
    ],
    [
      'a 402 in HTML',
      (_, response) =>
        void response
          .writeHead(402, { 'www-authenticate': header() })
          .end('<p>verification-failed'),
    ],
    [
      'a 402 of endless words',
      (_, response) =>
        void response
          .writeHead(402, { 'www-authenticate': header() })
          .end(`{"type":"${'x'.repeat(70_000)}/verification-failed"}`),
    ],
    ['500', (_, response) => void response.writeHead(500).end('{"type":"a/verification-failed"}')],
    ['409', (_, response) => void response.writeHead(409).end()],
    ['400', (_, response) => void response.writeHead(400).end()],
    ['a lost connection', (_, response) => void response.destroy()],
  ])('is not tried after %s', async (_, answer) => {
    const { paid } = await shopWith(answer)
    expect(paid).toEqual([1, 0])
  })

  test('is not tried when the proof moved money', async () => {
    const { outcome, paid } = await shopWith((_, response) => refuse(response), {
      revocable: false,
    })
    expect([(outcome as Response).status, paid]).toEqual([402, [1, 0]])
  })

  test('is tried when the method gave up before anything was sent', async () => {
    const { outcome, paid } = await shopWith((_, response) => void response.end('goods'), {
      fail: () => new Error('locked'),
    })
    expect(paid).toEqual([0, 1])
    expect(outcome).toBeInstanceOf(Response)
  })

  test('is not tried when the method cannot tell', async () => {
    const { outcome, paid, seen } = await shopWith(() => {}, {
      fail: () => new Errors.PaymentError('payment-indeterminate'),
    })
    expect([outcome, paid, seen]).toMatchObject([{ code: 'payment-indeterminate' }, [0, 0], 1])
  })

  test('is not tried when an earlier answer was lost, for that one may have been a settlement', async () => {
    const refused = () =>
      new Response('{"type":"https://paymentauth.org/problems/verification-failed"}', {
        status: 402,
      })
    const both = () =>
      new Response('', {
        status: 402,
        headers: { 'www-authenticate': `${header()}, ${header({ method: 'coins' })}` },
      })
    const [points, coins] = [wallet({ revocable: true }), wallet({ name: 'coins' })]
    const { fetch } = scripted(both, lose, refused)
    const mpp = Mpp.create({
      methods: [points.method, coins.method],
      policy: { max: { points: '10', coins: '10' } },
      fetch,
    })
    expect((await mpp.fetch('https://a.b/')).status).toBe(402)
    expect([points.paid.length, coins.paid.length]).toEqual([1, 0])
  })

  test('is asked about again', async () => {
    const approve = vi.fn(
      ({ challenge }: { challenge: { method: string } }) => challenge.method === 'points',
    )
    const { outcome, paid } = await shopWith((_, response) => refuse(response), {}, { approve })
    expect([(outcome as Response).status, paid, approve.mock.calls.length]).toEqual([
      402,
      [1, 0],
      2,
    ])
    expect(await (outcome as Response).json()).toHaveProperty('type')
  })

  test.each([
    ['refused for good', { authorization: true }, 'verification-failed', 200, ['new', 'old']],
    ['no answer yet', { authorization: true }, 'invalid-challenge', 402, ['new']],
    ['money that moved', {}, 'verification-failed', 402, ['new']],
  ])(
    'comes after the other form of the same proof, presented only when the first is %s',
    async (_, kind, problem, status, presented) => {
      const { url, seen } = await open((one, response) => {
        const token = credentialOf(one)?.payload as { token: string } | undefined
        if (!token) return charge(response)
        return token.token === 'old' ? void response.end('goods') : refuse(response, problem)
      })
      const method = Method.toClient(pointsMethod('points'), {
        createCredential: () => ({
          payload: { token: 'new' },
          alternate: { token: 'old' },
          ...kind,
        }),
      })
      const mpp = Mpp.create({ methods: [method], policy: { max: '10', total: '1' } })
      expect((await mpp.fetch(url)).status).toBe(status)
      const sent = seen.map(credentialOf).filter((one) => one !== undefined)
      expect(sent.map(({ payload }) => payload)).toEqual(presented.map((token) => ({ token })))
      expect(new Set(sent.map(({ challenge }) => challenge.id)).size).toBe(1)
    },
  )

  test('does not wait for a refusal whose words never end', async () => {
    const { outcome, paid } = await shopWith((_, response) => {
      response.writeHead(402, { 'www-authenticate': header() }).write('{"type":')
    })
    expect([(outcome as Response).status, paid]).toEqual([402, [1, 0]])
  })

  test('goes into the header that a deployed server names, beside the caller’s own Authorization', async () => {
    const { url, seen } = await open(({ headers }, response) => {
      if (headers['payment-authorization']) return void response.end('goods')
      const challenge = `${header()}, header="Payment-Authorization"`
      response.writeHead(402, { 'www-authenticate': challenge }).end()
    })
    const { method } = wallet()
    const mpp = Mpp.create({ methods: [method], policy })
    const answer = await mpp.fetch(url, { headers: { authorization: 'Bearer mine' } })
    expect(answer.status).toBe(200)
    const { authorization, 'payment-authorization': own } = seen[1]!.headers
    expect(authorization).toBe('Bearer mine')
    expect(own).toMatch(/^Payment /)
  })

  test('costs the price of the first 402, whatever the refusal asks', async () => {
    const { url } = await open((seen, response) => {
      if (!isPaid(seen)) return charge(response, {}, { method: 'coins' })
      const dear = ['points', 'coins'].map((method) => header({ method, amount: '900' }))
      response.writeHead(402, { 'www-authenticate': dear })
      response.end('{"type":"https://paymentauth.org/problems/verification-failed"}')
    })
    const [points, coins] = [
      wallet({ revocable: true }),
      wallet({ name: 'coins', revocable: true }),
    ]
    const mpp = Mpp.create({
      methods: [points.method, coins.method],
      policy: { max: { points: '10', coins: '10' } },
    })
    expect((await mpp.fetch(url)).status).toBe(402)
    expect([...points.paid, ...coins.paid].map(({ request }) => request.amount)).toEqual([
      '100',
      '100',
    ])
  })
})

describe('the order of offers', () => {
  const order = async (methods: string[], refuseFirst: string[] = []) => {
    const { fetch } = scripted(
      () =>
        new Response('', {
          status: 402,
          headers: {
            'www-authenticate': [
              header({ method: 'coins' }),
              header({ amount: '2' }),
              header({ amount: '1' }),
            ].join(', '),
          },
        }),
      serves,
    )
    const wallets = methods.map((name) =>
      wallet({ name, ...(refuseFirst.includes(name) && { fail: () => new Error('no') }) }),
    )
    const max = { points: '9', coins: '9' }
    await Mpp.create({
      methods: wallets.map(({ method }) => method),
      policy: { max },
      fetch,
    }).fetch('https://a.b/')
    return wallets.flatMap(({ paid }) =>
      paid.map(({ method, request }) => `${method} ${request.amount}`),
    )
  }

  test('is the client’s, then the server’s', async () => {
    expect(await order(['points', 'coins'])).toEqual(['points 2'])
    expect(await order(['coins', 'points'])).toEqual(['coins 100'])
    expect(await order(['coins', 'points'], ['coins'])).toEqual(['points 2'])
  })

  test('passes over what a method does not accept', async () => {
    const method = Method.toClient(pointsMethod('points'), {
      accepts: ({ challenge }) =>
        challenge.request.amount === '1' ? undefined : 'Only the cheap one.',
      createCredential: ({ challenge }) => ({ payload: { token: challenge.request.amount } }),
    })
    const { fetch, calls } = scripted(
      () =>
        new Response('', {
          status: 402,
          headers: {
            'www-authenticate': [header({ amount: '2' }), header({ amount: '1' })].join(', '),
          },
        }),
      serves,
    )
    const mpp = Mpp.create({ methods: [method], policy, fetch })
    const response = await mpp.fetch('https://a.b/')
    expect(mpp.explain(response)?.refusals).toMatchObject([
      { code: 'not-accepted', detail: 'Only the cheap one.' },
    ])
    expect(calls).toHaveLength(2)
  })
})

describe('a caller who leaves', () => {
  const hangs = () => new Promise<never>(() => {})

  test('while the method works is let go, and the method is told', async () => {
    const { fetch, calls } = scripted(asks(), serves)
    let told: AbortSignal | undefined
    const method = Method.toClient(pointsMethod('points'), {
      createCredential({ signal }) {
        told = signal
        return hangs()
      },
    })
    const mpp = Mpp.create({ methods: [method], policy, fetch })
    await expect(
      mpp.fetch('https://a.b/', { signal: AbortSignal.timeout(20) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' })
    expect([told?.aborted, calls.length]).toEqual([true, 1])
  })

  test('while the method moves money finds the payment by the pending event', async () => {
    const { fetch, calls } = scripted(asks(), serves)
    const method = Method.toClient(pointsMethod('points'), {
      async createCredential() {
        await new Promise((resolve) => setTimeout(resolve, 60))
        return { payload: { token: 't' } }
      },
    })
    const mpp = Mpp.create({ methods: [method], policy: { ...policy, total: '1' }, fetch })
    const pending = new Promise<Account>((resolve) => mpp.on('pending', resolve))
    await expect(
      mpp.fetch('https://a.b/', { signal: AbortSignal.timeout(10) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' })
    expect(calls).toHaveLength(1)
    expect((await (await pending).resume!()).status).toBe(200)
  })

  test('while a revocable proof is made has spent nothing', async () => {
    const { fetch } = scripted(asks(), asks(), serves)
    let slow = 40
    const method = Method.toClient(pointsMethod('points'), {
      async createCredential() {
        await new Promise((resolve) => setTimeout(resolve, slow))
        return { payload: { token: 't' }, authorization: true }
      },
    })
    const mpp = Mpp.create({ methods: [method], policy: { ...policy, total: '1' }, fetch })
    await mpp.fetch('https://a.b/', { signal: AbortSignal.timeout(10) }).catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 60))
    slow = 0
    expect((await mpp.fetch('https://a.b/')).status).toBe(200)
  })

  test('while a person thinks is let go, and nothing is paid when the answer comes', async () => {
    const { fetch } = scripted(asks(), serves)
    const { method, paid } = wallet()
    const approve = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(true), 50))
    const mpp = Mpp.create({ methods: [method], policy: { approve }, fetch })
    await expect(
      mpp.fetch('https://a.b/', { signal: AbortSignal.timeout(10) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' })
    await new Promise((resolve) => setTimeout(resolve, 80))
    expect(paid).toHaveLength(0)
  })

  test('between two presentations can resume with another signal', async () => {
    const { fetch, calls } = scripted(asks(), say(503, '5'), serves)
    const mpp = Mpp.create({ methods: [wallet().method], policy, fetch })
    const error = await mpp
      .fetch('https://a.b/', { signal: AbortSignal.timeout(30) })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'TimeoutError' })
    expect((await mpp.explain(error)!.resume!()).status).toBe(200)
    expect(calls[2]?.init.signal).toBe(null)
  })

  test('before it began pays nothing', async () => {
    const { url, seen } = await open((_, response) => charge(response))
    const mpp = Mpp.create({ methods: [wallet().method], policy })
    await expect(mpp.fetch(url, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(seen).toHaveLength(0)
  })
})
