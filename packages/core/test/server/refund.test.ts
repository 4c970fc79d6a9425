/**
 * Refunds: what is asked of the rail, what is remembered, and what becomes of a page that is owed.
 *
 * @module
 */
import { Errors, Receipt, type Refund } from '@polyrail/core'
import { Outcome, Store } from '@polyrail/core/server'
import { describe, expect, test } from 'vitest'
import { buy, createTill, gate, present, price, refusal, sleep, untyped } from './till.js'

const deadlines = { settle: 60, lease: 120, wait: 20 }

type Answer = Refund.Refund | Outcome.Unmoved

/** A rail that gives back what it is asked for, with every question that it got. */
function shop(
  answer: (asked: Refund.Asked) => Answer | Promise<Answer> = give,
  config: Parameters<typeof createTill>[1] = {},
  hooks: Parameters<typeof createTill>[0] = {},
) {
  const asked: Refund.Asked[] = []
  const till = createTill(
    {
      ...hooks,
      refund: (question) => {
        asked.push(question)
        return answer(question)
      },
    },
    config,
  )
  let isBroken = false
  const route = till.mpp.charge(price)(() => new Response('page', { status: isBroken ? 500 : 200 }))
  return {
    ...till,
    asked,
    route,
    break: (broken: boolean) => void (isBroken = broken),
    async sell() {
      const sold = await buy(route)
      return { ...sold, receipt: Receipt.fromResponse(sold.response) as Receipt.Receipt }
    },
    /** A payment whose page is owed. */
    async owe() {
      isBroken = true
      const receipts: Receipt.Receipt[] = []
      const stop = till.mpp.on('settled', ({ receipt }) => void receipts.push(receipt))
      const { authorization } = await buy(route)
      stop()
      isBroken = false
      return { authorization, receipt: receipts[0] as Receipt.Receipt }
    },
  }
}

const give = ({ amount = 10n }: Refund.Asked) => ({ reference: 'back', amount, left: 10n - amount })

const failureOf = async (failing: Promise<unknown>): Promise<Errors.PaymentError> => {
  const failure = await failing.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!Errors.isPaymentError(failure)) throw new Error(`Not a PaymentError: ${String(failure)}`)
  return failure
}

describe('the rail', () => {
  test('is asked once, with the payment, and its answer is remembered', async () => {
    const { mpp, asked, sell } = shop()
    const { receipt } = await sell()
    const refund = await mpp.refund(receipt)
    expect(refund).toEqual({ reference: 'back', amount: 10n, left: 0n })
    expect(await mpp.refund(receipt)).toEqual(refund)
    const { method, reference, challengeId } = receipt
    expect(asked).toHaveLength(1)
    expect(asked[0]).toMatchObject({
      payment: { method, reference, challengeId },
      amount: undefined,
      isRepeated: false,
    })
  })

  test.each([
    ['throws', () => Promise.reject(new Error('lost'))],
    ['hangs', () => new Promise<never>(() => undefined)],
    ['does not know', () => Outcome.indeterminate({ attempt: 'a1', retryAfter: 7 })],
    ['answers nonsense', () => untyped<Answer>({ reference: 'back' })],
    ['answers nothing', () => untyped<Answer>(undefined)],
    ['answers in its network’s words', () => untyped<Answer>({ id: 're_1', status: 'succeeded' })],
  ])('that %s is asked again, and told so', async (_, fail) => {
    let calls = 0
    const { mpp, asked, sell } = shop((one) => (++calls === 1 ? fail() : give(one)), { deadlines })
    const { receipt } = await sell()
    expect((await failureOf(mpp.refund(receipt))).code).toBe('payment-indeterminate')
    expect(await mpp.refund(receipt)).toMatchObject({ left: 0n })
    expect(asked.map(({ isRepeated }) => isRepeated)).toEqual([false, true])
    if (_ === 'does not know') expect(asked[1]?.attempt).toBe('a1')
  })

  test('is told what it told first, however often it does not know after that', async () => {
    let calls = 0
    const unknown = [Outcome.indeterminate({ attempt: 'a1' }), Outcome.indeterminate()]
    const { mpp, asked, sell } = shop((one) => unknown[calls++] ?? give(one))
    const { receipt } = await sell()
    for (const _ of unknown) await failureOf(mpp.refund(receipt))
    await mpp.refund(receipt)
    expect(asked.map(({ attempt }) => attempt)).toEqual([undefined, 'a1', 'a1'])
  })

  test('that says no is not asked for what it did before', async () => {
    let calls = 0
    const no = Outcome.rejected('bad-request', { detail: 'Too late.' })
    const { mpp, asked, sell } = shop((one) => [no, Outcome.unsettled()][calls++] ?? give(one))
    const { receipt } = await sell()
    expect(await failureOf(mpp.refund(receipt))).toMatchObject({
      code: 'bad-request',
      message: 'Too late.',
    })
    expect((await failureOf(mpp.refund(receipt))).code).toBe('settlement-unavailable')
    await mpp.refund(receipt)
    expect(asked.map(({ isRepeated }) => isRepeated)).toEqual([false, false, false])
  })

  test('is told that it may have made a refund, whatever a wrong receipt was told meanwhile', async () => {
    let calls = 0
    const { mpp, asked, sell } = shop((one) =>
      one.payment.challengeId === 'another'
        ? Outcome.rejected('bad-request')
        : calls++
          ? give(one)
          : Outcome.indeterminate({ attempt: 'a1' }),
    )
    const { receipt } = await sell()
    await failureOf(mpp.refund(receipt))
    await failureOf(mpp.refund({ ...receipt, challengeId: 'another' }))
    await mpp.refund(receipt)
    expect(asked.map(({ isRepeated }) => isRepeated)).toEqual([false, true, true])
    expect(asked.at(-1)?.attempt).toBe('a1')
  })

  test('is not asked for another amount under a name, and goes on with the first', async () => {
    let calls = 0
    const { mpp, asked, sell } = shop((one) => (calls++ ? give(one) : Outcome.indeterminate()))
    const { receipt } = await sell()
    await failureOf(mpp.refund(receipt, { amount: 4n }))
    for (const amount of [5n, undefined])
      await expect(mpp.refund(receipt, { amount })).rejects.toThrow(/of another amount/)
    expect(await mpp.refund(receipt, { amount: 4n })).toMatchObject({ amount: 4n })
    expect(asked.map(({ amount }) => amount)).toEqual([4n, 4n])
  })

  test('whose server died meanwhile is asked again once its lease is over', async () => {
    const store = Store.memory()
    const dead = shop(() => new Promise<never>(() => undefined), { store })
    const { receipt } = await dead.sell()
    const alive = shop(give, { store, deadlines })
    let isDead = false
    const update: typeof store.update = (...call) =>
      isDead ? new Promise(() => undefined) : store.update(...call)
    const dying = shop(() => ((isDead = true), new Promise<never>(() => undefined)), {
      store: { ...store, update },
      deadlines,
    })
    void dying.mpp.refund(receipt)
    await sleep(10)
    expect((await failureOf(alive.mpp.refund(receipt))).code).toBe('payment-in-progress')
    await sleep(150)
    await alive.mpp.refund(receipt)
    expect(alive.asked.map(({ isRepeated }) => isRepeated)).toEqual([true])
  })
})

test('a call that was slow does not forget a refund that another has made since', async () => {
  const store = Store.memory()
  let isAsleep = false
  const held = gate()
  const waiting = async <done>(go: () => Promise<done>) => {
    if (isAsleep) await held.passed
    return go()
  }
  const slow = shop(() => ((isAsleep = true), Outcome.unsettled()), {
    store: {
      ...store,
      update: (...call) => waiting(() => store.update(...call)),
      delete: (key) => waiting(() => store.delete(key)),
    },
    deadlines,
  })
  const quick = shop(give, { store, deadlines })
  const { receipt } = await quick.sell()
  const first = failureOf(slow.mpp.refund(receipt))
  await sleep(150)
  await quick.mpp.refund(receipt)
  held.open()
  expect((await first).code).toBe('settlement-unavailable')
  await quick.mpp.refund(receipt)
  expect(quick.asked).toHaveLength(1)
})

test('a call that slept before it asked leaves the rail to whoever asks it by then', async () => {
  const store = Store.memory()
  const held = gate()
  const update: typeof store.update = async (key, ...change) => {
    if (key.startsWith('mpp:challenge:')) await held.passed
    return store.update(key, ...change)
  }
  const slow = shop(give, { store: { ...store, update }, deadlines })
  const quick = shop(give, { store, deadlines })
  const { authorization, receipt } = await quick.owe()
  const first = failureOf(slow.mpp.refund(receipt, { amount: 4n }))
  await sleep(150)
  await quick.mpp.refund(receipt, { amount: 4n })
  held.open()
  expect((await first).code).toBe('payment-in-progress')
  expect([slow.asked, quick.asked.length]).toEqual([[], 1])
  expect((await quick.route(present(authorization))).status).toBe(200)
})

describe('an owed page', () => {
  test('is had no more once all went back', async () => {
    const { mpp, route, owe } = shop()
    const { authorization, receipt } = await owe()
    await mpp.refund(receipt)
    expect(await refusal(await route(present(authorization)))).toEqual([402, 'verification-failed'])
    await expect(mpp.refund(receipt, { id: 'more', amount: 1n })).resolves.toBeDefined()
    expect((await route(present(authorization))).status).toBe(402)
  })

  test('is refused for the refund, also where the method has words of its own for what was refused', async () => {
    const refused = { ...Errors.problem('verification-failed'), status: 409 }
    const { mpp, route, owe } = shop(give, {}, { problems: { 'refused-before': refused } })
    const { authorization, receipt } = await owe()
    await mpp.refund(receipt)
    const answer = await route(present(authorization))
    expect([answer.status, await answer.json()]).toMatchObject([
      402,
      { detail: 'The money of this payment has been given back.' },
    ])
  })

  test.each([
    ['a part went back', { amount: 4n }, give],
    ['nothing did', {}, () => Outcome.rejected('bad-request')],
    ['nothing could', {}, () => Outcome.unsettled()],
  ])('is still had when %s', async (_, options, answer) => {
    const { mpp, route, owe } = shop(answer)
    const { authorization, receipt } = await owe()
    await mpp.refund(receipt, options).catch(() => undefined)
    expect((await route(present(authorization))).status).toBe(200)
  })

  test('is kept back while the refund is made, and while nobody knows of it', async () => {
    let calls = 0
    const seen: unknown[] = []
    const visit = async () => {
      const answer = await route(present(authorization))
      seen.push([answer.status, answer.headers.has('www-authenticate')])
    }
    const { mpp, route, owe } = shop(async (one) => {
      await visit()
      return ++calls === 1 ? Outcome.indeterminate() : give(one)
    })
    const { authorization, receipt } = await owe()
    await failureOf(mpp.refund(receipt))
    await visit()
    await mpp.refund(receipt)
    // A challenge would have a page paid for again that may be owed after all.
    expect(seen).toEqual([409, 409, 409].map((status) => [status, false]))
  })

  test('is kept back from the others while one of several refunds is not known', async () => {
    let left = 10n
    let isLost = true
    const { mpp, route, owe } = shop(({ id, amount = left }) => {
      if (id === 'other') return Outcome.rejected('bad-request')
      if (isLost) left -= amount
      return isLost ? Outcome.indeterminate() : { reference: id, amount, left }
    })
    const { authorization, receipt } = await owe()
    await failureOf(mpp.refund(receipt, { amount: 4n, id: 'lost' }))
    await failureOf(mpp.refund(receipt, { id: 'other' }))
    expect((await route(present(authorization))).status).toBe(409)
    isLost = false
    await mpp.refund(receipt, { amount: 4n, id: 'lost' })
    expect((await route(present(authorization))).status).toBe(200)
  })

  test('is not had for money of which a slow server hears last that it went back', async () => {
    const store = Store.memory()
    const held = gate()
    let left = 10n
    const no = Outcome.rejected('bad-request')
    const slow = shop(give, {
      store,
      deadlines,
      ledger: {
        write: async () => undefined,
        async refund() {
          left = 0n
          await held.passed
        },
      },
    })
    const quick = shop((one) => (left > 0n ? give(one) : no), { store, deadlines })
    const { authorization, receipt } = await slow.owe()
    const first = slow.mpp.refund(receipt)
    await sleep(150)
    expect((await failureOf(quick.mpp.refund(receipt, { id: 'other' }))).code).toBe('bad-request')
    expect((await quick.route(present(authorization))).status).toBe(409)
    held.open()
    await first
    expect((await quick.route(present(authorization))).status).toBe(402)
  })

  test('is not had where it was made too slowly, and its money went back meanwhile', async () => {
    const store = Store.memory()
    const held = gate()
    let isAsleep = false
    const update: typeof store.update = (...call) =>
      isAsleep ? Promise.reject(new Error('asleep')) : store.update(...call)
    const slow = shop(give, { store: { ...store, update }, deadlines })
    const quick = shop(give, { store, deadlines })
    const { authorization, receipt } = await quick.owe()
    const route = slow.mpp.charge(price)(async () => {
      isAsleep = true
      await held.passed
      isAsleep = false
      return new Response('page')
    })
    const answering = route(present(authorization))
    await sleep(200)
    await quick.mpp.refund(receipt)
    held.open()
    expect(await refusal(await answering)).toEqual([409, 'payment-in-progress'])
    expect((await route(present(authorization))).status).toBe(402)
  })

  test('of several parts is had until the last of them', async () => {
    let left = 10n
    const { mpp, route, owe } = shop(({ amount = left }) => {
      left -= amount
      return { reference: `back ${left}`, amount, left }
    })
    const { authorization, receipt } = await owe()
    await mpp.refund(receipt, { amount: 4n, id: 'one' })
    await mpp.refund(receipt, { amount: 6n, id: 'two' })
    expect((await route(present(authorization))).status).toBe(402)
  })
})

describe('the ledger', () => {
  const failing = (failure: Error) => {
    const told: [string, unknown][] = []
    let isDown = true
    return {
      told,
      mend: () => void (isDown = false),
      ledger: {
        write: async () => undefined,
        async refund(challengeId: string, refund: { reference: string; amount: string }) {
          if (isDown) throw failure
          told.push([challengeId, refund])
        },
      },
    }
  }

  test('hears of a refund before anybody, or the call is to be made again', async () => {
    const { ledger, told, mend } = failing(new Error('the ledger is down'))
    const { mpp, sell } = shop(give, { ledger, deadlines })
    const { receipt } = await sell()
    expect((await failureOf(mpp.refund(receipt))).code).toBe('store-unavailable')
    mend()
    await sleep(150)
    await mpp.refund(receipt)
    expect(told).toEqual([[receipt['challengeId'], { reference: 'back', amount: '10' }]])
  })

  test('that does not know the payment keeps nobody from giving it back', async () => {
    const { ledger } = failing(new RangeError('no such payment'))
    const { mpp, sell } = shop(give, { ledger })
    const causes: unknown[] = []
    mpp.on('error', ({ cause }) => void causes.push(cause))
    expect(await mpp.refund((await sell()).receipt)).toMatchObject({ left: 0n })
    expect(causes.join()).toBe('RangeError: no such payment')
  })
})

test.each([
  ['is down', new Error('down')],
  ['cannot be reached by fetch', new TypeError('fetch failed')],
])('a store that %s is said to be, and nothing is asked of the rail', async (_, failure) => {
  const memory = Store.memory()
  let isDown = false
  const update: typeof memory.update = (...call) =>
    isDown ? Promise.reject(failure) : memory.update(...call)
  const { mpp, asked, sell } = shop(give, { store: { ...memory, update } })
  const { receipt } = await sell()
  isDown = true
  expect((await failureOf(mpp.refund(receipt))).code).toBe('store-unavailable')
  expect(asked).toEqual([])
})

test('a rail without refunds says so, and its receipts name no challenge', async () => {
  const { mpp } = createTill()
  const { response } = await buy(mpp.charge(price)(() => new Response()))
  const receipt = Receipt.fromResponse(response) as Receipt.Receipt
  expect('challengeId' in receipt).toBe(false)
  await expect(mpp.refund({ ...receipt, challengeId: 'c' })).rejects.toThrow(/No rail here gives/)
})
