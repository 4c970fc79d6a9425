/**
 * Routes that capture after their handler: what is asked of the rail, in which order, and who may go on with it.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Method, Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  challengesOf,
  createTill,
  credential,
  gate,
  named,
  plain,
  present,
  price,
  realm,
  refusal,
  secretKey,
  sleep,
  untyped,
  url,
} from './till.js'

const later = { ...price, capture: 'after' as const }
const deadlines = { settle: 60, lease: 120, wait: 20 }

/** A rail that sets money aside, with what it was asked, in order. */
function shop(hooks: Parameters<typeof createTill>[0] = {}, config = {}) {
  const asked: string[] = []
  const note = <outcome>(what: string, outcome: outcome) => {
    asked.push(what)
    return outcome
  }
  const till = createTill(
    {
      settle: ({ capture }) =>
        note(
          `settle ${capture}`,
          capture === 'after'
            ? Outcome.authorized({ attempt: { hold: 'h1' } })
            : { reference: 'at once' },
        ),
      capture: ({ attempt }) =>
        note(`capture ${JSON.stringify(attempt)}`, Outcome.settled({ reference: 'taken' })),
      cancel: () => note('cancel', Outcome.rejected('verification-failed')),
      ...hooks,
    },
    config,
  )
  return { ...till, asked, note }
}

describe('the steps', () => {
  test('are settle, the page, capture; and nothing more for a copy', async () => {
    const { mpp, asked } = shop()
    const route = mpp.charge(later)(() => (asked.push('page'), new Response('page')))
    const { response, authorization } = await buy(route)
    expect(asked).toEqual(['settle after', 'page', 'capture {"hold":"h1"}'])
    expect([response.status, Receipt.fromResponse(response)?.reference]).toEqual([200, 'taken'])
    const again = await route(present(authorization))
    expect([again.status, await again.text(), asked.length]).toEqual([200, 'page', 3])
    expect(again.headers.get('payment-receipt')).toBe(response.headers.get('payment-receipt'))
  })

  test('are as ever where the rail takes the money at once all the same', async () => {
    const { mpp, asked, note } = shop({ settle: () => ({ reference: 'already' }) })
    const { response } = await buy(mpp.charge(later)(() => note('page', new Response('page'))))
    expect(Receipt.fromResponse(response)?.reference).toBe('already')
    expect(asked).toEqual(['page'])
  })

  test('are capture, then the page, where the rail sets money aside unasked', async () => {
    const { mpp, asked, note } = shop({ settle: () => Outcome.authorized() })
    const { response } = await buy(mpp.charge(price)(() => note('page', new Response('page'))))
    expect(Receipt.fromResponse(response)?.reference).toBe('taken')
    expect(asked).toEqual(['capture undefined', 'page'])
    expect((await buy(plain(mpp.charge(price)))).response.status).toBe(200)
  })

  test('are in the ledger as a claim, and settled once the money is taken', async () => {
    const kinds: string[] = []
    const ledger = { write: async ({ kind }: { kind: string }) => void kinds.push(kind) }
    const { mpp } = shop({}, { ledger })
    await buy(mpp.charge(later)(() => (kinds.push('page'), new Response('page'))))
    await buy(mpp.charge(later)(() => new Response('no', { status: 500 })))
    expect(kinds).toEqual(['claimed', 'page', 'settled', 'delivered', 'claimed', 'failed'])
  })

  test('wait for a ledger that is down, with the page made and the money to be told of', async () => {
    let isDown = false
    const written: string[] = []
    const ledger = {
      async write({ kind }: { kind: string }) {
        if (isDown && kind === 'settled') throw new Error('the ledger is down')
        written.push(kind)
      },
    }
    let pages = 0
    const { mpp } = shop({}, { ledger })
    const route = mpp.charge(later)(() => ((isDown = true), new Response(`page ${++pages}`)))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual([503, 'payment-indeterminate'])
    isDown = false
    const again = await route(present(authorization))
    expect([await again.text(), pages]).toEqual(['page 1', 1])
    expect(written).toEqual(['claimed', 'settled', 'delivered'])
  })
})

describe('a page that fails', () => {
  test.each([
    ['rejected', Outcome.rejected('verification-failed'), 402],
    ['unsettled', Outcome.unsettled(), 200],
    ['settled', Outcome.settled({ reference: 'taken before' }), 200],
    ['indeterminate', Outcome.indeterminate(), 200],
  ])('and is %s by its cancel', async (_, outcome, then) => {
    let isBroken = true
    const { mpp, asked, note } = shop({ cancel: () => note('cancel', outcome) })
    const told: unknown[] = []
    mpp.on('canceled', (event) => void told.push(event.outcome))
    const route = mpp.charge(later)(() => new Response('page', { status: isBroken ? 500 : 200 }))
    const { response, authorization } = await buy(route)
    expect([response.status, response.headers.has('payment-receipt')]).toEqual([500, false])
    expect([asked, told]).toEqual([['settle after', 'cancel'], [outcome.status]])
    isBroken = false
    const again = await route(present(authorization))
    expect(again.status).toBe(then)
    if (outcome.status === 'settled')
      expect(Receipt.fromResponse(again)?.reference).toBe('taken before')
  })

  test('and is no answer at all costs nothing', async () => {
    const { mpp, asked } = shop()
    const route = mpp.charge(later)(() => Response.error())
    await expect(buy(route)).rejects.toThrow(/cannot be paid for/)
    expect(asked).toEqual(['settle after', 'cancel'])
  })

  test('and whose cancel throws or hangs is still the application’s answer', async () => {
    for (const cancel of [
      () => Promise.reject(new Error('no')),
      () => new Promise<never>(() => undefined),
    ]) {
      const { mpp } = shop({ cancel }, { deadlines })
      const causes: string[] = []
      mpp.on('error', ({ cause }) => void causes.push(String(cause)))
      const route = mpp.charge(later)(() => new Response('broken', { status: 503 }))
      const { response } = await buy(route)
      expect([response.status, await response.text()]).toEqual([503, 'broken'])
      // Its money is still set aside: somebody has to know why.
      expect(causes).toEqual([expect.stringMatching(/^Error: no$|No answer within/)])
    }
  })
})

describe('money that is still set aside', () => {
  /** A page that failed once, and whose cancel nobody heard of. */
  const stranded = async (hooks: Parameters<typeof shop>[0] = {}) => {
    let isBroken = true
    const made = shop({ cancel: () => Outcome.indeterminate(), ...hooks })
    const route = made.mpp.charge(later)(
      () => new Response('page', { status: isBroken ? 500 : 200 }),
    )
    const challenge = await challengeOf(route)
    const headers = { 'idempotency-key': 'mine' }
    const authorization = credential(challenge)
    expect((await route(present(authorization, { headers }))).status).toBe(500)
    isBroken = false
    return { ...made, route, challenge, authorization, headers }
  }

  test('buys the page after the end of its challenge, which it outlives', async () => {
    const { route, challenge, authorization, asked } = await stranded()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(challenge.expires ?? '') + 60_000 })
    const answer = await route(present(authorization)).finally(() => vi.useRealTimers())
    expect([answer.status, await answer.text()]).toEqual([200, 'page'])
    expect(asked).toEqual(['settle after', 'capture {"hold":"h1"}'])
  })

  test('buys nothing for another credential, not even one of the same payer under the same key', async () => {
    const { route, challenge, headers, asked } = await stranded({ payer: () => 'ann' })
    const thief = await route(present(credential(challenge)))
    expect(await refusal(thief)).toEqual([402, 'invalid-challenge'])
    const other = credential(await challengeOf(route))
    expect(await refusal(route(present(other, { headers })))).toEqual([
      503,
      'payment-indeterminate',
    ])
    expect(asked).toEqual(['settle after'])
  })
})

describe('a capture', () => {
  test.each([
    ['that is refused is a 402 without the page', Outcome.rejected('payment-expired'), 402],
    ['that is not known is a 503', Outcome.indeterminate({ retryAfter: 9 }), 503],
    ['that surely was not made is a 503', Outcome.unsettled(), 503],
  ])('%s', async (_, outcome, status) => {
    const { mpp } = shop({ capture: () => outcome })
    const { response } = await buy(mpp.charge(later)(() => new Response('page')))
    expect((await refusal(response))[0]).toBe(status)
    if (outcome.status === 'indeterminate') expect(response.headers.get('retry-after')).toBe('9')
  })

  test('that throws, hangs or answers nonsense is unknown, and is asked for again with the page as it was', async () => {
    for (const fail of [
      () => Promise.reject(new Error('lost')),
      () => new Promise<never>(() => undefined),
      () => untyped<Outcome.Outcome>({ status: 'captured' }),
      () => Outcome.unsettled(),
    ]) {
      let calls = 0
      let pages = 0
      const { mpp } = shop(
        { capture: () => (++calls === 1 ? fail() : Outcome.settled({ reference: 'taken' })) },
        { deadlines },
      )
      const route = mpp.charge(later)(() => new Response(`page ${++pages}`))
      const { response, authorization } = await buy(route)
      expect(await refusal(response)).toEqual([503, 'payment-indeterminate'])
      const again = await route(present(authorization))
      expect([again.status, await again.text(), calls]).toEqual([200, 'page 1', 2])
    }
  })

  test('has its own time, whatever the proof’s second look took', async () => {
    let calls = 0
    const signals: boolean[] = []
    const { mpp } = shop(
      {
        validate: () => (calls ? new Promise<never>(() => undefined) : undefined),
        capture({ signal }) {
          signals.push(signal.aborted)
          return calls++ ? Outcome.settled({ reference: 'taken' }) : Outcome.indeterminate()
        },
      },
      { deadlines },
    )
    const route = mpp.charge(later)(() => new Response('page'))
    const { authorization } = await buy(route)
    expect((await route(present(authorization))).status).toBe(200)
    expect(signals).toEqual([false, false])
  })

  test('is not made for a page whose server lost the payment to another', async () => {
    const store = Store.memory()
    let isAsleep = false
    const update: typeof store.update = (...call) =>
      isAsleep ? Promise.reject(new Error('asleep')) : store.update(...call)
    const held = gate()
    const slow = shop({}, { store: { ...store, update }, deadlines })
    const twin = shop({}, { store, deadlines })
    const route = slow.mpp.charge(later)(async () => {
      isAsleep = true
      await held.passed
      isAsleep = false
      return new Response('slow')
    })
    const authorization = credential(await challengeOf(route))
    const first = route(present(authorization))
    await sleep(200)
    const answer = await twin.mpp.charge(later)(() => new Response('quick'))(present(authorization))
    expect([answer.status, await answer.text()]).toEqual([200, 'quick'])
    held.open()
    expect(await refusal(await first)).toEqual([409, 'payment-in-progress'])
    expect([slow.asked, twin.asked]).toEqual([['settle after'], ['capture {"hold":"h1"}']])
  })

  test('of a page longer than what is kept, or that streams, is made when the page begins', async () => {
    const { mpp, asked } = shop({}, { maxAnswerBytes: 10 })
    let ended = false
    const source = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('more than ten bytes'))
        await sleep(80)
        ended = true
        controller.close()
      },
    })
    const { response } = await buy(mpp.charge(later)(() => new Response(source)))
    expect([response.status, asked.length, ended]).toEqual([200, 2, false])
    expect(await response.text()).toBe('more than ten bytes')
  })

  test.each([
    ['', () => undefined],
    [', though its end fails', () => Promise.reject(new Error('no end'))],
    [', though it never ends', () => new Promise<never>(() => undefined)],
  ])('that fails ends a stream that nobody gets%s', async (_, end) => {
    const { mpp } = shop({ capture: () => Outcome.indeterminate() })
    const cancel = vi.fn(end)
    const source = new ReadableStream({ cancel })
    const headers = { 'content-type': 'text/event-stream' }
    const { response } = await buy(mpp.charge(later)(() => new Response(source, { headers })))
    expect(response.status).toBe(503)
    expect(cancel).toHaveBeenCalledOnce()
  })

  test('that a store which is down cannot record is a 503, and the same credential goes on', async () => {
    const memory = Store.memory()
    let isDown = false
    const update: typeof memory.update = (...call) =>
      isDown ? Promise.reject(new Error('the store is down')) : memory.update(...call)
    const { mpp } = shop({}, { store: { ...memory, update }, deadlines })
    const route = mpp.charge(later)(() => ((isDown = true), new Response('page')))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual([503, 'store-unavailable'])
    isDown = false
    await sleep(150)
    const steady = mpp.charge(later)(() => new Response('page'))
    expect((await steady(present(authorization))).status).toBe(200)
  })
})

describe('what cannot be', () => {
  test('a route of a rail that cannot', () => {
    const { mpp } = createTill()
    expect(() => mpp.charge(later)).toThrow(/takes the money at once and cannot capture it after/)
    expect(() => mpp.charge(untyped({ ...price, capture: 'manual' }))).toThrow(
      /'before' or 'after'/,
    )
  })

  test('a rail with one of the two hooks', () => {
    const hooks = { settle: () => ({ reference: 'r' }), replayKey: () => 'k' }
    const one = { capture: () => Outcome.settled({ reference: 'r' }) }
    expect(() => Method.toServer(named('half'), { ...hooks, ...one })).toThrow(/both/)
  })

  test('the plain form, over fetch and on Node', async () => {
    const { mpp } = shop()
    await expect(mpp.charge(later)(new Request(url))).rejects.toThrow(/needs the handler inside/)
    const listener = Mpp.toNodeListener(mpp.charge(later))
    const request = { method: 'GET', url: '/', headers: { host: 'api.example.com' } }
    await expect(listener(untyped(request), untyped({}))).rejects.toThrow(
      /needs the handler inside/,
    )
  })

  test('a rail that sets money aside and cannot take it: nobody knows what became of it', async () => {
    const { mpp } = createTill({ settle: () => Outcome.authorized() })
    expect(await refusal((await buy(mpp.charge(price)(() => new Response()))).response)).toEqual([
      503,
      'payment-indeterminate',
    ])
  })
})

test('a rail’s default is its routes’, and they may say otherwise', async () => {
  const asked: string[] = []
  const { server } = shop({
    settle: ({ capture }) => {
      asked.push(capture)
      return { reference: 'r' }
    },
  })
  const defaults = { capture: 'after' as const }
  const mpp = Mpp.create({ realm, secretKey, methods: [{ ...server, defaults }] })
  await buy(mpp.charge(price)(() => new Response()))
  await buy(mpp.charge({ ...price, capture: 'before' })(() => new Response()))
  expect(asked).toEqual(['after', 'before'])
})

test('rails that capture after and before share a route', async () => {
  const other = Method.toServer(named('coins'), {
    settle: () => ({ reference: 'coin' }),
    replayKey: ({ credential: { payload } }) => payload.token,
  })
  const { server, asked } = shop()
  const mpp = Mpp.create({ realm, secretKey, methods: [server, other] })
  const route = mpp.compose(
    [server, later],
    [other, price],
  )(() => {
    asked.push('page')
    return new Response('page')
  })
  for (const challenge of await challengesOf(route)) {
    const answer = await route(present(credential(challenge)))
    expect(answer.status).toBe(200)
  }
  expect(asked).toEqual(['settle after', 'page', 'capture {"hold":"h1"}', 'page'])
})
