/**
 * What a server writes into its operator's ledger, when, and what happens when the ledger is down.
 *
 * @module
 */
import { Ledger } from '@polyrail/core'
import { Mpp, Outcome, Store } from '@polyrail/core/server'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  buy,
  challengeOf,
  createRail,
  createTill,
  credential,
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

const show = (entries: readonly Ledger.Entry[]): string =>
  JSON.stringify(entries, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part))

type Kind = Ledger.Entry['kind']

/** A ledger in plain sight, that refuses the kinds that are told to be down. */
function createBook() {
  const entries: Ledger.Entry[] = []
  const down = new Set<Kind>()
  const ledger: Ledger.Ledger = {
    async write(entry) {
      await sleep(1)
      if (down.has(entry.kind)) throw new Error('the ledger is down')
      entries.push(entry)
    },
  }
  return { ledger, entries, down, kinds: () => entries.map(({ kind }) => kind) }
}

const shop = (hooks: Parameters<typeof createTill>[0] = {}, config = {}) => {
  const book = createBook()
  const till = createTill(hooks, { ledger: book.ledger, ...config })
  return { ...book, ...till, route: till.mpp.charge(price)(() => new Response('page')) }
}

describe('the steps of a payment', () => {
  test('are claimed, settled, delivered, each with what it is about', async () => {
    const { route, entries } = shop({ payer: () => 'account-7' })
    const challenge = await challengeOf(route)
    await route(present(credential(challenge, 'tok', 'did:key:z6Mk')))
    const about = {
      challengeId: challenge.id,
      realm,
      method: 'points',
      intent: 'charge',
      scope: challenge.opaque?.['scope'],
      price: { amount: 10n, currency: 'pts', decimals: 0 },
      payer: 'account-7',
      source: 'did:key:z6Mk',
    }
    expect(entries).toEqual([
      { kind: 'claimed', ...about },
      {
        kind: 'settled',
        ...about,
        reference: 'ref-tok',
        settledAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      },
      { kind: 'delivered', ...about },
    ])
  })

  test('have the price in the method’s own words, and none where nobody can read it', async () => {
    const book = createBook()
    const priced = { ...named('other'), price: () => ({ amount: 3n, currency: 'x', decimals: 2 }) }
    const broken = {
      ...named('broken'),
      price: () => {
        throw new Error('unreadable')
      },
    }
    for (const [method, found] of [
      [priced, { amount: 3n, currency: 'x', decimals: 2 }],
      [broken, undefined],
    ] as const) {
      const { server } = createRail({}, untyped(method))
      const mpp = Mpp.create({ methods: [server], realm, secretKey, ledger: book.ledger })
      await buy(plain(untyped<Mpp.Mpp<typeof server>>(mpp).charge(price)))
      expect(book.entries.at(-1)?.price).toEqual(found)
    }
  })

  test('come before what they tell of: claimed before settle, settled before the store', async () => {
    const log: string[] = []
    const memory = Store.memory()
    const store: Store.Store = {
      ...memory,
      async update(key, change, options) {
        const stands = await memory.update(key, change, options)
        log.push(`store: ${(stands as { state: string }).state}`)
        return stands
      },
    }
    const ledger = { write: async ({ kind }: Ledger.Entry) => void log.push(kind) }
    const { mpp } = createTill(
      { settle: () => (log.push('money'), { reference: 'r' }) },
      { store, ledger },
    )
    await buy(mpp.charge(price)(() => (log.push('page'), new Response('x'))))
    expect(log).toEqual([
      'claimed',
      'money',
      'settled',
      'store: settled',
      'page',
      'store: delivered',
      'delivered',
    ])
  })

  test('of a refused proof are claimed and failed, with our code and no word of the rail', async () => {
    const cause = new Error('inner workings')
    const { route, entries } = shop({
      settle: () => Outcome.rejected('payment-insufficient', { detail: 'Told.' }, { cause }),
    })
    await buy(route)
    expect(entries.map(({ kind, reason }) => [kind, reason])).toEqual([
      ['claimed', undefined],
      ['failed', 'payment-insufficient'],
    ])
    expect(show(entries)).not.toMatch(/inner|Told/)
  })

  test('of what the rail never claimed are none', async () => {
    const { route, entries } = shop()
    await buy(route, 'bad')
    await route(new Request(url))
    expect(entries).toEqual([])
  })

  test('of an unsettled payment that comes again are claimed, failed, claimed, settled, delivered', async () => {
    let visits = 0
    const { route, kinds } = shop({
      settle: () => (++visits === 1 ? Outcome.unsettled() : { reference: 'r' }),
    })
    const { authorization } = await buy(route)
    expect((await route(present(authorization))).status).toBe(200)
    expect(kinds()).toEqual(['claimed', 'failed', 'claimed', 'settled', 'delivered'])
  })

  test('of an unknown outcome end with claimed until reconcile finds it', async () => {
    let known = false
    const { route, kinds } = shop({
      settle: () => Outcome.indeterminate(),
      reconcile: () => (known ? Outcome.settled({ reference: 'r' }) : Outcome.indeterminate()),
    })
    const { authorization } = await buy(route)
    await route(present(authorization))
    expect(new Set(kinds())).toEqual(new Set(['claimed']))
    known = true
    expect((await route(present(authorization))).status).toBe(200)
    expect(kinds().slice(-2)).toEqual(['settled', 'delivered'])
  })

  test('of a settlement past its deadline are written when it comes', async () => {
    const { route, entries } = shop(
      { settle: () => sleep(60).then(() => ({ reference: 'late' })) },
      { deadlines: { settle: 20, lease: 500 } },
    )
    const { response } = await buy(route)
    expect(response.status).toBe(503)
    await vi.waitFor(() => expect(entries.map(({ kind }) => kind)).toEqual(['claimed', 'settled']))
    expect(entries[1]?.reference).toBe('late')
  })

  test('end with settled when the application fails, and with delivered once it does not', async () => {
    const { mpp, kinds } = shop()
    let runs = 0
    const route = mpp.charge(price)(() => new Response('x', { status: ++runs === 1 ? 500 : 200 }))
    const { authorization } = await buy(route)
    expect(kinds()).toEqual(['claimed', 'settled'])
    await route(present(authorization))
    expect(kinds()).toEqual(['claimed', 'settled', 'delivered'])
  })

  test('stay those of the first challenge when an Idempotency-Key brings another', async () => {
    const { mpp, entries } = shop({ payer: () => 'me' })
    let runs = 0
    const route = mpp.charge(price)(() => new Response('x', { status: ++runs === 1 ? 500 : 200 }))
    const init = { headers: { 'idempotency-key': 'order-1' } }
    const first = await challengeOf(route)
    await route(present(credential(first), init))
    const second = await route(present(credential(await challengeOf(route)), init))
    expect(second.status).toBe(200)
    await route(present(credential(await challengeOf(route)), init))
    expect(entries.map(({ kind, challengeId }) => [kind, challengeId === first.id])).toEqual([
      ['claimed', true],
      ['settled', true],
      ['delivered', true],
      // An answer given again says so again: the server that gave it first may have died.
      ['delivered', true],
    ])
  })
})

describe('a ledger that is down', () => {
  test('at the claim: 503, nothing moves, and the same credential pays later', async () => {
    const { route, settled, down, kinds, store } = shop()
    down.add('claimed')
    const challenge = await challengeOf(route)
    const authorization = credential(challenge)
    const response = await route(present(authorization))
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await refusal(response)).toEqual([503, 'store-unavailable'])
    expect(settled).toEqual([])
    expect(await Ledger.find(store, challenge.id)).toMatchObject({ state: 'released' })
    down.clear()
    expect((await route(present(authorization))).status).toBe(200)
    expect([settled.length, kinds()]).toEqual([1, ['claimed', 'settled', 'delivered']])
  })

  test('at the claim, beyond the challenge’s life: who came in time pays later, and who did not does not', async () => {
    const { mpp, down } = shop({}, { expires: 60 })
    const route = mpp.charge(price)(() => new Response('page'))
    down.add('claimed')
    const [early, idle] = [
      credential(await challengeOf(route)),
      credential(await challengeOf(route)),
    ]
    await route(present(early))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    onTestFinished(() => void vi.useRealTimers())
    down.clear()
    expect((await route(present(early))).status).toBe(200)
    expect(await refusal(route(present(idle)))).toEqual([402, 'invalid-challenge'])
  })

  test('at the settlement: 503, then the same credential gets its page and nothing moves again', async () => {
    const { route, settled, down, kinds } = shop()
    down.add('settled')
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual([503, 'payment-indeterminate'])
    expect(await refusal(route(present(authorization)))).toEqual([503, 'payment-indeterminate'])
    down.clear()
    expect((await route(present(authorization))).status).toBe(200)
    expect(settled).toHaveLength(1)
    expect(kinds().slice(-2)).toEqual(['settled', 'delivered'])
  })

  test('at a late settlement: it is written at the next visit', async () => {
    const { route, settled, down, kinds } = shop(
      { settle: () => sleep(60).then(() => ({ reference: 'late' })) },
      { deadlines: { settle: 20, lease: 60 } },
    )
    down.add('settled')
    const { authorization } = await buy(route)
    await sleep(100)
    down.clear()
    expect((await route(present(authorization))).status).toBe(200)
    expect(settled).toEqual([])
    expect(kinds().slice(-2)).toEqual(['settled', 'delivered'])
  })

  test('at the delivery: the page goes out, and the operator hears of it', async () => {
    const { route, mpp, down } = shop()
    const errors = vi.fn()
    mpp.on('error', errors)
    down.add('delivered')
    const { response, authorization } = await buy(route)
    expect(await response.text()).toBe('page')
    expect(errors).toHaveBeenCalledExactlyOnceWith({ cause: new Error('the ledger is down') })
    expect(await (await route(present(authorization))).text()).toBe('page')
  })

  test('keeps no owed or recorded page back', async () => {
    const { mpp, down } = shop()
    let runs = 0
    const route = mpp.charge(price)(() => new Response('x', { status: ++runs === 1 ? 500 : 200 }))
    const { authorization } = await buy(route)
    for (const kind of ['claimed', 'settled', 'delivered', 'failed'] as const) down.add(kind)
    expect((await route(present(authorization))).status).toBe(200)
    expect((await route(present(authorization))).status).toBe(200)
  })

  test('at a refusal: it is refused all the same', async () => {
    const { route, down } = shop({ settle: () => Outcome.rejected('payment-expired') })
    down.add('failed')
    expect(await refusal((await buy(route)).response)).toEqual([402, 'payment-expired'])
  })
})

describe('challenges', () => {
  test('are noted, one a rail, where the ledger takes them', async () => {
    const issued: Ledger.Entry[] = []
    const ledger = {
      write: async () => undefined,
      issue: (entry: Ledger.Entry) => void issued.push(entry),
    }
    const rails = [createRail(), createRail({}, named('coins'))]
    const methods = rails.map(({ server }) => server)
    const mpp = Mpp.create({ methods, realm, secretKey, ledger })
    const route = plain(mpp.compose(['points/charge', price], [untyped('coins/charge'), price]))
    const response = await route(new Request(url))
    expect(response.status).toBe(402)
    expect(issued.map(({ kind, method }) => [kind, method])).toEqual([
      ['issued', 'points'],
      ['issued', 'coins'],
    ])
    expect(new Set(issued.map(({ challengeId }) => challengeId)).size).toBe(2)
    expect(issued[0]).toMatchObject({ price: { amount: 10n, currency: 'pts' } })
  })

  test('go out though the ledger throws', async () => {
    const cause = new Error('full')
    const issue = () => {
      throw cause
    }
    const { mpp } = createTill({}, { ledger: { write: async () => undefined, issue } })
    const errors = vi.fn()
    mpp.on('error', errors)
    await challengeOf(plain(mpp.charge(price)))
    expect(errors).toHaveBeenCalledExactlyOnceWith({ cause })
  })
})

test('what cannot write is no ledger', () => {
  expect(() => createTill({}, { ledger: untyped({}) })).toThrow(/ledger has no write/)
})

test('no entry holds a proof or a credential', async () => {
  const { route, entries } = shop({
    settle: () => ({ reference: 'r', settlement: { secret: 's3cr3t' } }),
  })
  const authorization = credential(await challengeOf(route), 's3cr3t')
  await route(present(authorization))
  expect(entries).toHaveLength(3)
  const text = show(entries)
  expect(text).not.toContain('s3cr3t')
  expect(text).not.toContain(authorization.slice('Payment '.length))
})

test('a payment is found in its store, and one that never was is not', async () => {
  const { mpp, store } = createTill()
  const route = mpp.charge(price)(() => new Response('x', { status: 500 }))
  const challenge = await challengeOf(route)
  expect(await Ledger.find(store, challenge.id)).toBeUndefined()
  await route(present(credential(challenge, 'tok')))
  expect(await Ledger.find(store, challenge.id)).toMatchObject({
    state: 'settled',
    receipt: { reference: 'ref-tok' },
  })
})
