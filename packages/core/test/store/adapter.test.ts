import { Store } from '@polyrail/core'
import { describe, expect, test, vi } from 'vitest'

type Adapter = Store.from.Backend

/** A backend in a Map, each of whose steps may be held up. */
function createBackend(
  more: Partial<Adapter> = {},
  before: (step: string, key: string) => Promise<void> | void = () => undefined,
) {
  const rows = new Map<string, string>()
  const lives = new Map<string, number>()
  const steps: string[] = []
  const step = async (name: string, key: string) => {
    steps.push(`${name} ${key}`)
    await before(name, key)
  }
  const adapter: Adapter = {
    name: 'map',
    async get(key) {
      await step('get', key)
      return rows.get(key) ?? null
    },
    async set(key, value, { ttl }) {
      await step('set', key)
      rows.set(key, value)
      lives.set(key, ttl)
    },
    async delete(key) {
      await step('delete', key)
      rows.delete(key)
    },
    async compareAndSet(key, expected, next, { ttl }) {
      await step('compareAndSet', key)
      if (rows.get(key) !== expected) return false
      rows.set(key, next)
      lives.set(key, ttl)
      return true
    },
    ...more,
  }
  return { rows, lives, steps, adapter, store: Store.from(adapter) }
}

const entry = (key: string, value: unknown = `of ${key}`, ttl = 60) => ({ key, value, ttl })

test('a backend that cannot compare and set is refused, with the reason and a choice of others', () => {
  const { compareAndSet: _, ...weak } = createBackend().adapter
  expect(() => Store.from(weak as Adapter)).toThrow(TypeError)
  expect(() => Store.from(weak as Adapter)).toThrow(
    /"map" has no compareAndSet.*settle it twice.*Redis/s,
  )
})

describe('values', () => {
  test.each([
    ['a text', 'text'],
    ['zero', 0],
    ['false', false],
    ['null', null],
    ['a list', [1, [2, { a: 3 }]]],
    ['a bigint', 2n ** 200n],
    ['a negative bigint in depth', { a: [{ b: -5n }] }],
    ['what looks like a bigint and is none', { $bigint: 'not digits' }],
    ['what is stored like a bigint', [{ $bigint: '5' }, { $$bigint: { $bigint: 5 } }, 5n]],
    ['what looks like a bigint beside others', { $bigint: '5', more: true }],
  ])('%s comes back as it was', async (_, value) => {
    const { store } = createBackend()
    await store.set('k', value, { ttl: 10 })
    expect(await store.get('k')).toEqual(value)
    expect(await store.claim([entry('k')])).toEqual({ claimed: false, existing: [value] })
  })

  test('what JSON cannot carry is refused before it reaches the backend', async () => {
    const { store, steps } = createBackend()
    for (const value of [undefined, () => 1, Symbol('x')])
      await expect(store.set('k', value, { ttl: 10 })).rejects.toThrow(TypeError)
    expect(steps).toEqual([])
  })

  test('a missing key is undefined, whether the backend says null or undefined', async () => {
    for (const nothing of [null, undefined])
      expect(await createBackend({ get: async () => nothing }).store.get('k')).toBeUndefined()
  })

  test('lives are passed on in seconds', async () => {
    const { store, lives } = createBackend()
    await store.set('a', 1, { ttl: 7 })
    await store.update('b', () => 1, { ttl: 8 })
    await store.claim([entry('c', 1, 9), entry('d', 1, 10)])
    expect(Object.fromEntries(lives)).toEqual({ a: 7, b: 8, c: 9, d: 10 })
  })

  test('name, volatility and wake-up are the backend’s', async () => {
    const wait = vi.fn(async () => undefined)
    const { store } = createBackend({ volatile: true, wait })
    expect(store).toMatchObject({ name: 'map', volatile: true })
    await store.wait?.('k', { timeout: 5 })
    expect(wait).toHaveBeenCalledExactlyOnceWith('k', { timeout: 5 })
    expect(createBackend().store.wait).toBeUndefined()
  })
})

describe('update', () => {
  test('tries again with what stands there when another was faster', async () => {
    const { store, rows } = createBackend()
    let rivals = 3
    const seen: unknown[] = []
    const result = await store.update(
      'n',
      (current) => {
        seen.push(current)
        if (rivals-- > 0) rows.set('n', JSON.stringify(rivals + 10))
        return Number(current ?? 0) + 1
      },
      { ttl: 10 },
    )
    expect(seen).toEqual([undefined, 12, 11, 10])
    expect(result).toBe(11)
  })

  test('a good guess costs one round trip, a wrong one a read more', async () => {
    const { store, steps } = createBackend()
    await store.set('k', { n: 1, big: 5n }, { ttl: 10 })
    steps.length = 0
    expect(
      await store.update('k', (current) => ({ ...(current as object), n: 2 }), {
        ttl: 10,
        from: { n: 1, big: 5n },
      }),
    ).toEqual({ n: 2, big: 5n })
    expect(steps).toEqual(['compareAndSet k'])
    steps.length = 0
    expect(
      await store.update('k', (current) => ({ ...(current as object), n: 3 }), {
        ttl: 10,
        from: { n: 9 },
      }),
    ).toEqual({ n: 3, big: 5n })
    expect(steps).toEqual(['compareAndSet k', 'get k', 'compareAndSet k'])
  })

  test('a guess is never taken for what stands there: leaving all as it is tells the truth', async () => {
    const { store } = createBackend()
    await store.set('k', 'truth', { ttl: 10 })
    expect(
      await store.update('k', (current) => (current === 'guess' ? undefined : undefined), {
        ttl: 10,
        from: 'guess',
      }),
    ).toBe('truth')
  })

  test('gives up with an error when the key never holds still', async () => {
    const { store, rows } = createBackend()
    let n = 0
    vi.useFakeTimers()
    const updating = store.update('k', () => (rows.set('k', String(n++)), -1), { ttl: 10 })
    await Promise.all([
      expect(updating).rejects.toThrow(/changed 64 times/),
      vi.runAllTimersAsync(),
    ])
    vi.useRealTimers()
  })

  test('200 at once over a slow backend lose none', async () => {
    const { store } = createBackend(
      {},
      () => new Promise((resolve) => setTimeout(resolve, Math.random() * 2)),
    )
    const counts = await Promise.all(
      Array.from({ length: 200 }, () =>
        store.update('n', (current) => Number(current ?? 0) + 1, { ttl: 10 }),
      ),
    )
    expect(new Set(counts).size).toBe(200)
    expect(await store.get('n')).toBe(200)
  })
})

describe('claim, key by key', () => {
  test('writes the challenge last: once it stands, the whole claim does', async () => {
    const { store, steps } = createBackend()
    expect(await store.claim([entry('challenge'), entry('proof'), entry('name')])).toEqual({
      claimed: true,
    })
    expect(steps.filter((step) => step.startsWith('compareAndSet')).at(-1)).toBe(
      'compareAndSet challenge',
    )
  })

  test('tells what stands at each key, in order', async () => {
    const { store } = createBackend()
    await store.set('proof', 'taken', { ttl: 10 })
    expect(await store.claim([entry('challenge'), entry('proof'), entry('name')])).toEqual({
      claimed: false,
      existing: [undefined, 'taken', undefined],
    })
  })

  test('gives back what it took when a later key is taken', async () => {
    for (const taken of ['proof', 'name']) {
      const { store, rows } = createBackend()
      await store.set(taken, 'taken', { ttl: 10 })
      await store.claim([entry('challenge'), entry('proof', 'mine'), entry('name', 'mine')])
      expect([...rows.keys()]).toEqual([taken])
    }
  })

  test('touches nothing when the challenge stands already', async () => {
    const { store, steps, rows } = createBackend()
    await store.set('challenge', 'before', { ttl: 10 })
    expect(await store.claim([entry('challenge'), entry('proof')])).toEqual({
      claimed: false,
      existing: ['before', undefined],
    })
    expect(rows.size).toBe(1)
    expect(steps.filter((step) => step.startsWith('compareAndSet'))).toEqual([])
  })

  test.each(['name', 'proof', 'challenge'])(
    'cut off at the %s it can be taken up by the same claim',
    async (at) => {
      let cut = true
      const { store } = createBackend({}, (step, key) => {
        if (cut && step === 'compareAndSet' && key === at) throw new Error('cut off')
      })
      const mine = (record: string) => [
        entry('challenge', record),
        entry('proof', 'id'),
        entry('name', 'id'),
      ]
      await expect(store.claim(mine('record 1'))).rejects.toThrow('cut off')
      cut = false
      expect(await store.claim(mine('record 2'))).toEqual({ claimed: true })
      expect([
        await store.get('challenge'),
        await store.get('proof'),
        await store.get('name'),
      ]).toEqual(['record 2', 'id', 'id'])
    },
  )

  test('cut off at the challenge its proof is kept from any other claim (threat 3)', async () => {
    let cut = true
    const { store } = createBackend({}, (step, key) => {
      if (cut && step === 'compareAndSet' && key === 'challenge') throw new Error('cut off')
    })
    await expect(store.claim([entry('challenge'), entry('proof', 'id')])).rejects.toThrow('cut off')
    cut = false
    expect(await store.claim([entry('challenge 2'), entry('proof', 'id 2')])).toEqual({
      claimed: false,
      existing: [undefined, 'id'],
    })
  })

  test('of many copies at once one wins, and the proof stands (threat 2)', async () => {
    for (let round = 0; round < 20; round++) {
      const { store, rows } = createBackend(
        {},
        () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3)),
      )
      const claims = await Promise.all(
        Array.from({ length: 15 }, (_, copy) =>
          store.claim([entry('challenge', `record ${copy}`), entry('proof', 'id')]),
        ),
      )
      expect(claims.filter(({ claimed }) => claimed)).toHaveLength(1)
      expect([...rows.keys()].toSorted()).toEqual(['challenge', 'proof'])
    }
  })

  test('of many challenges with one proof at most one wins, and what stands is that one’s (threat 3)', async () => {
    for (let round = 0; round < 20; round++) {
      const { store, rows } = createBackend(
        {},
        () => new Promise((resolve) => setTimeout(resolve, Math.random() * 3)),
      )
      const claims = await Promise.all(
        Array.from({ length: 15 }, (_, n) =>
          store.claim([entry(`challenge ${n}`, n), entry('proof', n), entry(`name ${n}`, n)]),
        ),
      )
      const winner = claims.findIndex(({ claimed }) => claimed)
      expect(claims.filter(({ claimed }) => claimed)).toHaveLength(1)
      expect(Object.fromEntries(rows)).toEqual({
        [`challenge ${winner}`]: String(winner),
        proof: String(winner),
        [`name ${winner}`]: String(winner),
      })
    }
  })

  test('two copies of which one is held up at a key that is given back never leave a claim without its proof (threat 3)', async () => {
    // The name is another payment's; the first copy sees it taken, then stands still before it gives back.
    let release!: () => void
    const held = new Promise<void>((resolve) => (release = resolve))
    let first = true
    const { store, rows } = createBackend({}, (step) => {
      if (step !== 'delete' || !first) return undefined
      first = false
      return held
    })
    await store.set('name', 'of another', { ttl: 10 })
    const mine = () => [entry('challenge', 'record'), entry('proof', 'id'), entry('name', 'id')]
    const slow = store.claim(mine())
    await new Promise((resolve) => setTimeout(resolve, 5))
    // The other payment is refused and its name given back, outside of any copy.
    rows.delete('name')
    expect(await store.claim(mine())).toEqual({ claimed: true })
    release()
    await slow
    expect(rows.has('proof')).toBe(true)
  })
})

describe('a backend that claims by itself', () => {
  test('is asked once, in its own words', async () => {
    const claim = vi.fn(async () => ({ claimed: true as const }))
    const { store, steps } = createBackend({ claim })
    expect(await store.claim([entry('a', { n: 1n }, 5)])).toEqual({ claimed: true })
    expect(claim).toHaveBeenCalledExactlyOnceWith([
      { key: 'a', value: '{"n":{"$bigint":"1"}}', ttl: 5 },
    ])
    expect(steps).toEqual([])
  })

  test('tells what stood there, read back', async () => {
    const { store } = createBackend({
      claim: async () => ({ claimed: false, existing: [null, undefined, '{"n":{"$bigint":"1"}}'] }),
    })
    expect(await store.claim([entry('a'), entry('b'), entry('c')])).toEqual({
      claimed: false,
      existing: [undefined, undefined, { n: 1n }],
    })
  })
})
