import { Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  createRail,
  createTill,
  credential,
  plain,
  present,
  price,
  realm,
  secretKey,
  sleep,
  url,
  untyped,
} from './till.js'

const names = [
  'challenge',
  'claimed',
  'settled',
  'rejected',
  'indeterminate',
  'delivered',
  'owed',
  'replayed',
  'offer-failed',
  'error',
  'warning',
] as const

/** Writes down every event. */
function listenTo({ on }: { on: ReturnType<typeof createTill>['mpp']['on'] }) {
  const log: [string, Record<string, unknown>][] = []
  for (const name of names)
    on(name, (event) => void log.push([name, event as unknown as Record<string, unknown>]))
  return log
}

describe('what is told', () => {
  test('of a payment: challenge, claimed, settled, delivered, replayed, in this order', async () => {
    const { mpp } = createTill({ settle: () => ({ reference: 'r', settlement: { balance: 5 } }) })
    const log = listenTo(mpp)
    const route = mpp.charge(price)(() => new Response('x'))
    const challenge = await challengeOf(route)
    const authorization = credential(challenge, 'mine', 'did:key:z6Mk')
    await route(present(authorization))
    await route(present(authorization))
    expect(log.map(([name]) => name)).toEqual([
      'challenge',
      'claimed',
      'settled',
      'delivered',
      'replayed',
    ])
    expect(log[0]?.[1]).toMatchObject({
      method: 'GET',
      url,
      challenges: [challenge.id],
      rails: ['points/charge'],
    })
    expect(log[1]?.[1]).toMatchObject({
      challenge: { id: challenge.id },
      price: { amount: 10n, currency: 'pts', decimals: 0 },
      resumed: false,
      isSettled: false,
      took: expect.toSatisfy((ms: number) => ms >= 0 && ms < 5000),
    })
    expect(log[2]?.[1]).toMatchObject({
      method: 'GET',
      url,
      source: 'did:key:z6Mk',
      receipt: { reference: 'r' },
      settlement: { balance: 5 },
      challenge: { id: challenge.id },
    })
    expect(log[3]?.[1]).toMatchObject({
      receipt: { reference: 'r' },
      challenge: { id: challenge.id },
    })
    expect(log[4]?.[1]).toEqual({ method: 'GET', url, challengeId: challenge.id })
  })

  test('of a payment whose answer failed: owed, with the cause; then claimed again and delivered', async () => {
    const { mpp } = createTill()
    const log = listenTo(mpp)
    const cause = new Error('the application')
    let runs = 0
    const route = mpp.charge(price)(() => {
      if (++runs === 1) throw cause
      return new Response('x', { status: runs === 2 ? 500 : 200 })
    })
    const authorization = credential(await challengeOf(route))
    await expect(route(present(authorization))).rejects.toBe(cause)
    await route(present(authorization))
    await route(present(authorization))
    const told = log.map(([name, event]) => [name, event['resumed'] ?? event['cause']])
    expect(told.slice(1)).toEqual([
      ['claimed', false],
      ['settled', undefined],
      ['owed', cause],
      ['claimed', true],
      ['owed', undefined],
      ['claimed', true],
      ['delivered', undefined],
    ])
  })

  test('of a refusal: the problem, and the cause that the payer never sees', async () => {
    const cause = new Error('inner workings')
    const { mpp } = createTill({
      validate: () => Outcome.rejected('payment-insufficient', {}, { cause }),
    })
    const log = listenTo(mpp)
    const { response } = await buy(plain(mpp.charge(price)))
    expect(log.find(([name]) => name === 'rejected')?.[1]).toMatchObject({
      problem: { code: 'payment-insufficient' },
      challenge: { method: 'points' },
      cause,
    })
    expect(await response.text()).not.toContain('inner')
  })

  test('of an unknown outcome: the challenge and the cause', async () => {
    const cause = new Error('reset')
    const { mpp } = createTill({ settle: () => Promise.reject(cause) })
    const log = listenTo(mpp)
    const challenge = await challengeOf(plain(mpp.charge(price)))
    await plain(mpp.charge(price))(present(credential(challenge)))
    expect(log.find(([name]) => name === 'indeterminate')?.[1]).toMatchObject({
      challengeId: challenge.id,
      cause,
    })
    expect(log.some(([name]) => name === 'rejected')).toBe(false)
  })

  test('settled is told once, however often the answer is asked for', async () => {
    const { mpp } = createTill()
    const log = listenTo(mpp)
    let runs = 0
    const route = mpp.charge(price)(() => new Response('x', { status: ++runs < 3 ? 500 : 200 }))
    const { authorization } = await buy(route)
    for (let visit = 0; visit < 3; visit++) await route(present(authorization))
    expect(log.filter(([name]) => name === 'settled')).toHaveLength(1)
    expect(log.filter(([name]) => name === 'delivered')).toHaveLength(1)
  })

  test('settled is told when reconcile finds it', async () => {
    const { mpp } = createTill({
      settle: () => Outcome.indeterminate(),
      reconcile: () => Outcome.settled({ reference: 'found' }),
    })
    const log = listenTo(mpp)
    const { authorization } = await buy(plain(mpp.charge(price)))
    await plain(mpp.charge(price))(present(authorization))
    expect(
      log
        .filter(([name]) => name === 'settled')
        .map(([, event]) => (event['receipt'] as { reference: string }).reference),
    ).toEqual(['found'])
  })
})

describe('nobody listens', () => {
  test('to an error: it is on the console, with its cause', async () => {
    const shown = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const cause = new Error('the store is down')
    const { server } = createRail()
    const store = { ...Store.memory(), claim: () => Promise.reject(cause) }
    const mpp = Mpp.create({ methods: [server], realm, secretKey, store })
    await buy(plain(mpp.charge(price)))
    expect(shown.mock.calls).toEqual([[expect.stringContaining('polyrail'), cause]])
    mpp.on('error', () => undefined)
    await buy(plain(mpp.charge(price)))
    expect(shown).toHaveBeenCalledTimes(1)
    shown.mockRestore()
  })
})

describe('listeners', () => {
  test('that throw or reject harm neither the payment nor each other nor the process', async () => {
    const rejections: unknown[] = []
    const note = (cause: unknown) => rejections.push(cause)
    process.on('unhandledRejection', note)
    const { mpp } = createTill()
    const reached = vi.fn()
    for (const name of names) {
      mpp.on(name, () => {
        throw new Error('a listener')
      })
      mpp.on(name, async () => {
        throw new Error('an asynchronous listener')
      })
      mpp.on(name, reached)
    }
    const { response } = await buy(plain(mpp.charge(price)))
    await sleep(20)
    process.off('unhandledRejection', note)
    expect(response.status).toBe(200)
    expect(reached.mock.calls.length).toBeGreaterThanOrEqual(3)
    expect(rejections).toEqual([])
  })

  test('a throw is told as an error', async () => {
    const { mpp } = createTill()
    const errors = vi.fn()
    const cause = new Error('a listener')
    mpp.on('error', errors)
    mpp.on('challenge', () => {
      throw cause
    })
    await plain(mpp.charge(price))(new Request(url))
    expect(errors).toHaveBeenCalledExactlyOnceWith({ cause })
  })

  test('stop when told to, others go on', async () => {
    const { mpp } = createTill()
    const [one, two] = [vi.fn(), vi.fn()]
    const off = mpp.on('challenge', one)
    mpp.on('challenge', two)
    await plain(mpp.charge(price))(new Request(url))
    off()
    off()
    await plain(mpp.charge(price))(new Request(url))
    expect([one.mock.calls.length, two.mock.calls.length]).toEqual([1, 2])
  })

  test('cannot change what others hear', async () => {
    const { mpp } = createTill()
    mpp.on('challenge', (event) => void ((event as { url: string }).url = 'changed'))
    const heard = vi.fn()
    mpp.on('challenge', heard)
    await plain(mpp.charge(price))(new Request(url))
    expect(heard.mock.calls[0]?.[0]).toMatchObject({ url })
  })
})

test('no credential, payload or secret is in any event, problem, stored value or line of the console (threat 16) [core-059] [core-062] [core-063] [core-078] [core-079]', async () => {
  const said: string[] = []
  const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
    vi
      .spyOn(console, name)
      .mockImplementation((...words: unknown[]) => void said.push(words.map(String).join(' '))),
  )
  const show = (value: unknown): string =>
    JSON.stringify(value, (_, part: unknown) =>
      part instanceof Error
        ? { message: part.message, stack: part.stack, cause: part.cause }
        : typeof part === 'bigint'
          ? String(part)
          : part,
    ) ?? ''
  const memory = Store.memory()
  const store: Store.Store = {
    ...memory,
    claim: (entries) => (said.push(show(entries.map(({ value }) => value))), memory.claim(entries)),
    update: async (key, change, options) => {
      const stands = await memory.update(key, change, options)
      said.push(show(stands))
      return stands
    },
  }
  const outcomes = [
    () => ({ reference: 'r' }),
    () => Outcome.rejected('payment-expired'),
    () => Outcome.indeterminate(),
    () => Outcome.unsettled(),
    () => Promise.reject(new Error('x')),
  ]
  const tokens: string[] = []
  try {
    for (const [index, settle] of outcomes.entries()) {
      const { mpp } = createTill(
        { settle: untyped(settle), replayKey: () => `key-${index}` },
        { store },
      )
      const log = listenTo(mpp)
      for (const route of [plain(mpp.charge(price)), mpp.charge(price)(() => new Response('x'))]) {
        const token = `s3cr3t-${tokens.length}`
        const authorization = credential(await challengeOf(route), token)
        tokens.push('s3cr3t', authorization.slice('Payment '.length))
        for (const to of [url, url, 'https://api.example.com/other'])
          said.push(await (await route(present(authorization, {}, to))).text())
        said.push(await (await route(present(`${authorization}, ${authorization}`))).text())
        said.push(await (await route(present(`${authorization}!`))).text())
      }
      said.push(show(log))
    }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  const text = said.join('\n')
  expect(text.length).toBeGreaterThan(5000)
  for (const secret of [...tokens, secretKey]) expect(text).not.toContain(secret)
})
