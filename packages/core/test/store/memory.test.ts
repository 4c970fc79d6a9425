import { Store } from '@polyrail/core'
import { describe, expect, test } from 'vitest'

/** A store whose clock is turned by hand. */
function createClocked(options: { maxKeys?: number } = {}) {
  const clock = { now: 1_000_000 }
  const store = Store.memory({ ...options, now: () => clock.now })
  return { store, clock }
}

const entry = (key: string, value: unknown = key, ttl = 60) => ({ key, value, ttl })

describe('get, set and delete', () => {
  test('a value is there until its time is up, to the millisecond', async () => {
    const { store, clock } = createClocked()
    await store.set('a', { n: 1n }, { ttl: 10 })
    clock.now += 9999
    expect(await store.get('a')).toEqual({ n: 1n })
    clock.now += 1
    expect(await store.get('a')).toBeUndefined()
  })

  test('writing again counts its time anew, longer or shorter', async () => {
    const { store, clock } = createClocked()
    for (const [first, second] of [
      [10, 100_000],
      [100_000, 10],
      [10, 400 * 86_400],
      [1000, 1000],
    ] as const) {
      await store.set('a', 1, { ttl: first })
      await store.set('a', 2, { ttl: second })
      expect(store.size).toBe(1)
      clock.now += second * 1000 - 1
      expect(await store.get('a')).toBe(2)
      clock.now += 1
      expect(await store.get('a')).toBeUndefined()
    }
  })

  test('deleting is final, and harmless where nothing is', async () => {
    const { store } = createClocked()
    await store.set('a', 1, { ttl: 10 })
    await store.delete('a')
    await store.delete('b')
    expect(await store.get('a')).toBeUndefined()
    expect(store.size).toBe(0)
  })

  test('keys that objects know by heart are keys like others', async () => {
    const { store } = createClocked()
    for (const key of ['__proto__', 'constructor', 'toString', '']) {
      expect(await store.get(key)).toBeUndefined()
      await store.set(key, key, { ttl: 10 })
      expect(await store.get(key)).toBe(key)
    }
  })
})

describe('update', () => {
  test('changes what stands there and tells what stands afterwards', async () => {
    const { store } = createClocked()
    expect(await store.update('n', (current) => Number(current ?? 0) + 1, { ttl: 10 })).toBe(1)
    expect(await store.update('n', (current) => Number(current ?? 0) + 1, { ttl: 10 })).toBe(2)
    expect(await store.update('n', () => undefined, { ttl: 10 })).toBe(2)
    expect(await store.update('none', () => undefined, { ttl: 10 })).toBeUndefined()
    expect(store.size).toBe(1)
  })

  test('looks at the store and not at the guess', async () => {
    const { store } = createClocked()
    await store.set('a', 'truth', { ttl: 10 })
    const seen: unknown[] = []
    await store.update('a', (current) => (seen.push(current), undefined), {
      ttl: 10,
      from: 'guess',
    })
    expect(seen).toEqual(['truth'])
  })

  test('of an expired key begins anew', async () => {
    const { store, clock } = createClocked()
    await store.set('n', 5, { ttl: 1 })
    clock.now += 1000
    expect(await store.update('n', (current) => Number(current ?? 0) + 1, { ttl: 10 })).toBe(1)
  })

  test('a change that throws leaves all as it was', async () => {
    const { store } = createClocked()
    await store.set('a', 1, { ttl: 10 })
    await expect(
      store.update(
        'a',
        () => {
          throw new Error('no')
        },
        { ttl: 10 },
      ),
    ).rejects.toThrow('no')
    expect(await store.get('a')).toBe(1)
  })

  test('1,000 at once lose none', async () => {
    const { store } = createClocked()
    await Promise.all(
      Array.from({ length: 1000 }, () =>
        store.update('n', (current) => Number(current ?? 0) + 1, { ttl: 10 }),
      ),
    )
    expect(await store.get('n')).toBe(1000)
  })
})

describe('claim', () => {
  test('writes all keys or none, and tells what stood there', async () => {
    const { store } = createClocked()
    expect(await store.claim([entry('a'), entry('b')])).toEqual({ claimed: true })
    expect(await store.claim([entry('c'), entry('b', 'other')])).toEqual({
      claimed: false,
      existing: [undefined, 'b'],
    })
    expect(await store.get('c')).toBeUndefined()
    expect(await store.get('b')).toBe('b')
  })

  test('each key has its own life', async () => {
    const { store, clock } = createClocked()
    await store.claim([entry('short', 1, 1), entry('long', 1, 100)])
    clock.now += 1000
    expect(await store.claim([entry('short')])).toEqual({ claimed: true })
    expect(await store.claim([entry('long')])).toMatchObject({ claimed: false })
  })

  test('of many at once one wins (threat 2)', async () => {
    const { store } = createClocked()
    const claims = await Promise.all(
      Array.from({ length: 500 }, (_, n) => store.claim([entry(`c${n}`), entry('proof')])),
    )
    expect(claims.filter(({ claimed }) => claimed)).toHaveLength(1)
    expect(store.size).toBe(2)
  })

  test('of nothing is granted', async () => {
    expect(await createClocked().store.claim([])).toEqual({ claimed: true })
  })
})

describe('when full', () => {
  test('new keys are refused, with the remedy; old claims are never forgotten (threat 1) (threat 28)', async () => {
    const { store } = createClocked({ maxKeys: 2 })
    await store.claim([entry('a'), entry('b')])
    await expect(store.set('c', 1, { ttl: 10 })).rejects.toThrow(/full.*maxKeys.*durable/s)
    await expect(store.update('c', () => 1, { ttl: 10 })).rejects.toThrow(/full/)
    expect(await store.get('a')).toBe('a')
    expect(await store.get('b')).toBe('b')
  })

  test('a claim that does not fit whole writes nothing: half of one would keep the payer out and the proof free (threat 3)', async () => {
    const { store } = createClocked({ maxKeys: 2 })
    await store.set('a', 1, { ttl: 60 })
    await expect(store.claim([entry('challenge'), entry('proof')])).rejects.toThrow(/full/)
    expect(await store.get('challenge')).toBeUndefined()
    expect(await store.claim([entry('challenge')])).toEqual({ claimed: true })
  })

  test('what stands can still be changed, and given back', async () => {
    const { store } = createClocked({ maxKeys: 1 })
    await store.set('a', 1, { ttl: 10 })
    await store.set('a', 2, { ttl: 100_000 })
    expect(await store.update('a', (current) => Number(current) + 1, { ttl: 10 })).toBe(3)
    await store.delete('a')
    await store.set('b', 1, { ttl: 10 })
  })

  test('what has expired makes room, though something younger was written with a longer life', async () => {
    const { store, clock } = createClocked({ maxKeys: 3 })
    await store.set('long', 1, { ttl: 899 })
    await store.set('short', 1, { ttl: 61 })
    await store.set('other', 1, { ttl: 61 })
    clock.now += 62_000
    await store.set('new', 1, { ttl: 10 })
    expect(await store.get('long')).toBe(1)
    expect(store.size).toBe(2)
  })
})

describe('wait', () => {
  const after = async (work: Promise<unknown>) => {
    const began = performance.now()
    await work
    return performance.now() - began
  }

  test.each([
    ['set', (store: Store.Store) => store.set('a', 2, { ttl: 10 })],
    ['update', (store: Store.Store) => store.update('a', () => 2, { ttl: 10 })],
    ['claim', (store: Store.Store) => store.claim([entry('a')])],
    ['delete', (store: Store.Store) => store.delete('a')],
  ])('ends at once with a %s of the key', async (name, act) => {
    const { store } = createClocked()
    if (name === 'delete') await store.set('a', 1, { ttl: 10 })
    const waits = [store.wait('a', { timeout: 5000 }), store.wait('a', { timeout: 5000 })]
    await act(store)
    expect(await after(Promise.all(waits))).toBeLessThan(2500)
  })

  test('is not ended by other keys, but by its timeout', async () => {
    const { store } = createClocked()
    const wait = store.wait('a', { timeout: 50 })
    await store.set('b', 1, { ttl: 10 })
    expect(await after(wait)).toBeGreaterThan(40)
  })

  test.each([
    [
      'aborted later',
      () => {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), 10)
        return controller.signal
      },
    ],
    ['aborted before', () => AbortSignal.abort()],
  ])('ends with a signal %s', async (_, signal) => {
    const { store } = createClocked()
    expect(await after(store.wait('a', { timeout: 5000, signal: signal() }))).toBeLessThan(2500)
  })

  test('leaves nothing behind', async () => {
    const { store } = createClocked()
    const controller = new AbortController()
    await Promise.all(
      Array.from({ length: 50 }, () => store.wait('a', { timeout: 1, signal: controller.signal })),
    )
    expect(Object.keys(store)).not.toContain('waiting')
  })
})

describe('keys in great number', () => {
  test('100,000 are written, read and swept in a breath, and none stays (threat 28)', async () => {
    const { store, clock } = createClocked()
    const began = performance.now()
    for (let n = 0; n < 100_000; n++)
      await store.claim([entry(`challenge:${n}`, { n }, 360), entry(`proof:${n}`, n, 400 * 86_400)])
    expect(store.size).toBe(200_000)
    expect(await store.get('challenge:99999')).toEqual({ n: 99_999 })
    clock.now += 361_000
    expect(store.size).toBe(100_000)
    clock.now += 400 * 86_400_000
    expect(store.size).toBe(0)
    expect(performance.now() - began).toBeLessThan(2500)
  })

  test('what expires leaves by itself while others are written, without a timer', async () => {
    const { store, clock } = createClocked({ maxKeys: 1000 })
    for (let n = 0; n < 50_000; n++) {
      await store.claim([entry(`c:${n}`, n, 60)])
      clock.now += 100
    }
    expect(store.size).toBeLessThanOrEqual(600)
  })

  test('a full store refuses fast: an attacker gains nothing by filling it', async () => {
    const { store } = createClocked({ maxKeys: 100_000 })
    for (let n = 0; n < 100_000; n++) await store.set(`k${n}`, n, { ttl: 1000 })
    const began = performance.now()
    for (let n = 0; n < 2000; n++)
      await store.set(`more${n}`, n, { ttl: 1000 }).catch(() => undefined)
    expect(performance.now() - began).toBeLessThan(1000)
  })
})
