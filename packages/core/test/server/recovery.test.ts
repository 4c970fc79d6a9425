import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Challenge, Receipt } from '@polyrail/core'
import { Mpp, Outcome, Store } from '@polyrail/core/server'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fileStore } from './file-store.mjs'
import {
  buy,
  challengeOf,
  createRail,
  createTill,
  credential,
  plain,
  present,
  price,
  problemOf,
  realm,
  refusal,
  secretKey,
  sleep,
  untyped,
} from './till.js'

const deadlines = { settle: 100, wait: 20, lease: 150 }

describe('the application', () => {
  test.each([400, 404, 422, 500, 503])(
    'that answers %d: no receipt, and the same credential runs it again without a second settlement [core-034] (threat 10) (threat 11)',
    async (status) => {
      const { mpp, settled } = createTill()
      for (const form of ['plain', 'wrapped']) {
        let runs = 0
        const application = () =>
          ++runs < 3
            ? new Response('sorry', { status, headers: { 'cache-control': 'max-age=1' } })
            : new Response('here')
        const route =
          form === 'plain' ? plain(mpp.charge(price), application) : mpp.charge(price)(application)
        const { response, authorization } = await buy(route)
        expect([
          response.status,
          await response.text(),
          response.headers.get('cache-control'),
        ]).toEqual([status, 'sorry', 'max-age=1'])
        expect(response.headers.has('payment-receipt')).toBe(false)
        expect((await route(present(authorization))).status).toBe(status)
        const last = await route(present(authorization))
        expect([last.status, await last.text()]).toEqual([200, 'here'])
        expect(Receipt.fromResponse(last)).toBeDefined()
      }
      expect(settled).toHaveLength(2)
    },
  )

  test('that throws leaves the payment owed, in the wrapped form (threat 10)', async () => {
    const { mpp, settled } = createTill()
    let runs = 0
    const route = mpp.charge(price)(() => {
      if (++runs === 1) throw new Error('a bug of the application')
      return new Response('here')
    })
    const authorization = credential(await challengeOf(route))
    await expect(route(present(authorization))).rejects.toThrow('a bug of the application')
    expect(await (await route(present(authorization))).text()).toBe('here')
    expect(settled).toHaveLength(1)
  })

  test('that never answers leaves the payment owed, in the plain form, when the lease is over (threat 10)', async () => {
    const { mpp, settled } = createTill({}, { deadlines })
    const handler = mpp.charge(price)
    const authorization = credential(await challengeOf(plain(handler)))
    expect((await handler(present(authorization))).status).toBe(200)
    expect(await refusal(plain(handler)(present(authorization)))).toEqual([
      409,
      'payment-in-progress',
    ])
    await sleep(160)
    expect((await plain(handler)(present(authorization))).status).toBe(200)
    expect(settled).toHaveLength(1)
  })

  test.each(['plain', 'wrapped'])(
    'whose response cannot carry a receipt leaves the payment owed, %s (threat 10)',
    async (form) => {
      const { mpp, settled } = createTill()
      let runs = 0
      const application = () => (++runs === 1 ? Response.error() : new Response('here'))
      const route =
        form === 'plain' ? plain(mpp.charge(price), application) : mpp.charge(price)(application)
      const authorization = credential(await challengeOf(route))
      await expect(route(present(authorization))).rejects.toThrow(RangeError)
      expect(await (await route(present(authorization))).text()).toBe('here')
      expect(settled).toHaveLength(1)
    },
  )

  test.each(['plain', 'wrapped'])(
    'before a rail whose onRespond throws or rejects is delivered all the same, for the payer has paid, %s (threat 10)',
    async (form) => {
      const cause = new Error('a bug of the rail')
      const fail = () => {
        throw cause
      }
      for (const bug of [async () => fail(), fail]) {
        const { mpp, settled } = createTill({ onRespond: untyped(bug) })
        const errors = vi.fn()
        mpp.on('error', errors)
        const here = () => new Response('here')
        const route = form === 'plain' ? plain(mpp.charge(price), here) : mpp.charge(price)(here)
        const { response } = await buy(route)
        expect(Receipt.fromResponse(response)).toBeDefined()
        expect(await response.text()).toBe('here')
        expect(settled).toHaveLength(1)
        expect(errors.mock.calls).toEqual([[{ cause }]])
      }
    },
  )

  test('that takes longer than the lease keeps it, and runs once (threat 2)', async () => {
    let runs = 0
    const { mpp, settled } = createTill(
      {},
      { deadlines: { settle: 1000, wait: 10_000, lease: 3000 } },
    )
    const route = mpp.charge(price)(async () => (runs++, await sleep(4600), new Response('slow')))
    const authorization = credential(await challengeOf(route))
    const first = route(present(authorization))
    await sleep(3500)
    const second = route(present(authorization))
    expect([await (await first).text(), await (await second).text()]).toEqual(['slow', 'slow'])
    expect([runs, settled.length]).toEqual([1, 1])
  }, 15_000)

  test('that takes longer than leases of different lengths keeps each, however short (threat 2)', async () => {
    const runs: Record<number, number> = {}
    await Promise.all(
      [300, 1500, 120].map(async (lease) => {
        runs[lease] = 0
        const { mpp } = createTill({}, { deadlines: { settle: lease / 2, wait: 5000, lease } })
        const route = mpp.charge(price)(async () => {
          runs[lease] = (runs[lease] ?? 0) + 1
          await sleep(2000)
          return new Response('slow')
        })
        const authorization = credential(await challengeOf(route))
        const first = route(present(authorization))
        await sleep(1800)
        const second = route(present(authorization))
        expect([await (await first).text(), await (await second).text()]).toEqual(['slow', 'slow'])
      }),
    )
    expect(runs).toEqual({ 120: 1, 300: 1, 1500: 1 })
  })
})

describe('a recorded payment', () => {
  test('is recovered after its challenge has expired (threat 10)', async () => {
    let runs = 0
    const { mpp, settled } = createTill()
    const route = mpp.charge({ ...price, expires: 60 })(() =>
      ++runs === 1 ? new Response(null, { status: 500 }) : new Response('here'),
    )
    const { authorization } = await buy(route)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    try {
      expect(await (await route(present(authorization))).text()).toBe('here')
      expect(await (await route(present(authorization))).text()).toBe('here')
    } finally {
      vi.useRealTimers()
    }
    expect([runs, settled.length]).toEqual([2, 1])
  })

  test('is recovered after the price has changed, and what was not paid at the old price is not (threat 4) (threat 10)', async () => {
    const { mpp, settled } = createTill()
    const before = mpp.charge(price)(() => new Response('bought'))
    const after = mpp.charge({ ...price, amount: '11' })(() => new Response('bought later'))
    const unpaid = credential(await challengeOf(before))
    const { response, authorization } = await buy(before)
    const again = await after(present(authorization))
    expect([again.status, await again.text(), again.headers.get('payment-receipt')]).toEqual([
      200,
      'bought',
      response.headers.get('payment-receipt'),
    ])
    expect(await refusal(after(present(unpaid)))).toEqual([402, 'invalid-challenge'])
    expect(settled).toHaveLength(1)
  })

  test('is recovered when its proof no longer passes, spent as it is', async () => {
    const spent = new Set<string>()
    const { mpp } = createTill({
      validate: ({ credential: { payload } }) =>
        spent.has(payload.token) ? Outcome.rejected('verification-failed') : true,
      settle: ({ credential: { payload } }) => (
        spent.add(payload.token),
        { reference: payload.token }
      ),
    })
    const route = mpp.charge(price)(() => new Response('the answer'))
    const { authorization } = await buy(route)
    expect(await (await route(present(authorization))).text()).toBe('the answer')
  })

  test('is recovered when the network cannot be asked, or the policy has changed its mind', async () => {
    let policy = true
    const validate = vi.fn((): unknown => true)
    const { mpp } = createTill({ validate }, { policy: () => policy })
    const route = mpp.charge(price)(() => new Response('the answer'))
    const { authorization } = await buy(route)
    validate.mockRejectedValueOnce(Object.assign(new Error('down'), { code: 'ECONNREFUSED' }))
    expect(await (await route(present(authorization))).text()).toBe('the answer')
    policy = false
    expect(await (await route(present(authorization))).text()).toBe('the answer')
    expect(await refusal((await buy(route)).response)).toEqual([403, 'policy-denied'])
  })

  test('is not recovered on another route, with another body, or by another credential', async () => {
    const { mpp } = createTill()
    const route = mpp.charge(price)(() => new Response('the answer'))
    const challenge = await challengeOf(route)
    const authorization = credential(challenge, 'mine')
    await route(present(authorization))
    expect(
      await refusal(route(present(authorization, {}, 'https://api.example.com/other'))),
    ).toEqual([402, 'invalid-challenge'])
    expect(await refusal(route(present(authorization, { method: 'POST', body: 'x' })))).toEqual([
      402,
      'invalid-challenge',
    ])
    expect(await refusal(route(present(credential(challenge, 'mine', 'did:key:other'))))).toEqual([
      402,
      'invalid-challenge',
    ])
  })
})

describe('a server that dies', () => {
  afterEach(() => vi.restoreAllMocks())

  /** A store whose writes after a point never come back, as those of a killed process. */
  function dying(
    store: Store.Store,
    { from, onDeath }: { from: (call: string, state: string) => boolean; onDeath: () => void },
  ): Store.Store {
    let dead = false
    const guard = async <value>(
      call: string,
      written: unknown,
      act: () => Promise<value>,
    ): Promise<value> => {
      dead ||= from(call, (written as { state?: string } | undefined)?.state ?? '')
      if (dead) onDeath()
      return dead ? new Promise(() => undefined) : act()
    }
    return {
      ...store,
      get: (key) => guard('get', undefined, () => store.get(key)),
      delete: (key) => guard('delete', undefined, () => store.delete(key)),
      claim: (entries) =>
        store.claim(entries).then((found) => guard('claim', entries[0]?.value, async () => found)),
      update: (key, change, options) => {
        const written = change(options.from)
        return guard('update', written, () => store.update(key, change, options))
      },
    }
  }

  test.each([
    ['between claim and settlement', 'claim', 'claimed', 0],
    ['between settlement and its record', 'update', 'settled', 1],
    ['between record and delivery', 'update', 'delivered', 1],
  ])(
    '%s: the same credential gets the page from another, with one settlement in all (threat 9) (threat 10)',
    async (_, call, state, already) => {
      const store = Store.memory()
      const book = new Map<string, string>()
      const hooks = {
        settle: ({
          challenge,
        }: {
          challenge: Challenge.Challenge<{ amount: string; currency: string }>
        }) => {
          if (book.has(challenge.id)) throw new Error('settled twice')
          book.set(challenge.id, `r${book.size}`)
          return { reference: book.get(challenge.id) ?? '' }
        },
        reconcile: ({
          challenge,
        }: {
          challenge: Challenge.Challenge<{ amount: string; currency: string }>
        }) => {
          const reference = book.get(challenge.id)
          return reference === undefined ? Outcome.unsettled() : Outcome.settled({ reference })
        },
      }
      // Far longer than the slowest machine takes from here to the second server.
      const patient = { ...deadlines, lease: 60_000 }
      const from = (did: string, wrote: string) => did === call && wrote === state
      const onDeath = vi.fn()
      const first = createTill(hooks, {
        deadlines: patient,
        store: dying(store, { from, onDeath }),
      })
      const second = createTill(hooks, { deadlines: patient, store })
      const authorization = credential(
        await challengeOf(first.mpp.charge(price)(() => new Response('page'))),
      )
      void first.mpp.charge(price)(() => new Response('page'))(present(authorization))
      await vi.waitFor(() => expect(onDeath).toHaveBeenCalled())
      expect(book.size).toBe(already)
      const route = second.mpp.charge(price)(() => new Response('page'))
      expect(await refusal(route(present(authorization)))).toEqual([409, 'payment-in-progress'])
      const now = Date.now.bind(Date)
      vi.spyOn(Date, 'now').mockImplementation(() => now() + patient.lease)
      let answer = await route(present(authorization))
      // What is not settled yet is tried anew by a further visit.
      if (answer.status === 503) answer = await route(present(authorization))
      expect([answer.status, await answer.text()]).toEqual([200, 'page'])
      expect(book.size).toBe(1)
    },
  )

  describe('by SIGKILL, over a store on disk', () => {
    const children: ChildProcess[] = []
    const folders: string[] = []
    afterEach(() => {
      for (const child of children.splice(0)) child.kill('SIGKILL')
      for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
    })

    /** Starts a server that stops still at a point of the payment and says so. */
    async function start(folder: string, stopAt: string, port = '0') {
      const child = spawn(
        process.execPath,
        [new URL('./dying-server.mjs', import.meta.url).pathname, folder, stopAt, port],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      children.push(child)
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const line = async () => String((await lines.next()).value)
      return { child, line, url: await line() }
    }

    const points = [
      ...['settle', 'record', 'deliver'].map((stopAt) => ['/page', stopAt]),
      ...['authorize', 'deliver', 'capture', 'captured'].map((stopAt) => ['/later', stopAt]),
    ]
    test.each(points)(
      'of %s at %s: the same credential gets the page, with one settlement (threat 9) (threat 10)',
      async (path, stopAt) => {
        const folder = mkdtempSync(join(tmpdir(), 'polyrail-till-'))
        folders.push(folder)
        const { child, line, url: home } = await start(folder, stopAt)
        const url = new URL(path, home).href
        const [challenge] = Challenge.parse((await fetch(url)).headers)
        const authorization = credential(challenge as Challenge.Challenge, 'my-token')
        const lost = fetch(url, { headers: { authorization } }).catch(() => 'lost')
        expect(await line()).toBe(`stopped at ${stopAt}`)
        child.kill('SIGKILL')
        expect(await lost).toBe('lost')

        const next = await start(folder, 'never', new URL(url).port)
        let response: Response
        do {
          await sleep(100)
          response = await fetch(url, { headers: { authorization } })
        } while ([409, 503].includes(response.status))
        expect([response.status, await response.text()]).toEqual([200, 'the page'])
        expect(Receipt.fromResponse(response)?.reference).toBe('receipt of my-token')
        const ledger = fileStore(join(folder, 'ledger'))
        expect(await ledger.get('my-token')).toBe(1)
        const replayed = await fetch(url, { headers: { authorization } })
        expect([replayed.status, await replayed.text()]).toEqual([200, 'the page'])
        // A page that was made before its money was taken is not made again.
        const isKept = stopAt.startsWith('capture')
        const maker = isKept ? child : next.child
        expect(response.headers.get('made-by')).toBe(String(maker.pid))
      },
      20_000,
    )

    test('at the cancel of a page that failed: nothing is taken, and the same credential buys no page for it', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'polyrail-till-'))
      folders.push(folder)
      const { child, line, url: home } = await start(folder, 'cancel')
      const url = new URL('/broken', home).href
      const [challenge] = Challenge.parse((await fetch(url)).headers)
      const authorization = credential(challenge as Challenge.Challenge, 'my-token')
      const lost = fetch(url, { headers: { authorization } }).catch(() => 'lost')
      expect(await line()).toBe('stopped at cancel')
      child.kill('SIGKILL')
      expect(await lost).toBe('lost')
      await start(folder, 'never', new URL(url).port)
      const statuses = new Set<number>()
      do {
        await sleep(100)
        statuses.add((await fetch(url, { headers: { authorization } })).status)
      } while (!statuses.has(402))
      expect([...statuses]).toEqual([409, 500, 402])
      expect(await fileStore(join(folder, 'ledger')).get('my-token')).toBeUndefined()
    }, 20_000)
  })
})

describe('an interrupted claim', () => {
  test('that the store’s client sent twice is the claimer’s own, and is settled at once', async () => {
    const memory = Store.memory()
    const claim: typeof memory.claim = async (entries) => {
      await memory.claim(entries)
      return memory.claim(entries)
    }
    const { mpp, settled } = createTill({}, { deadlines, store: { ...memory, claim } })
    const route = mpp.charge(price)(() => new Response('here'))
    const copies = present(credential(await challengeOf(route)))
    const replies = await Promise.all([route(copies), route(copies)])
    expect(replies.map(({ status }) => status)).toContain(200)
    expect(settled).toHaveLength(1)
  })

  test('that wrote the proof but not the challenge is taken up by the same credential', async () => {
    const rows = new Map<string, string>()
    let cut = true
    const store = Store.from({
      name: 'rows',
      get: async (key) => rows.get(key),
      set: async (key, value) => rows.set(key, value),
      delete: async (key) => rows.delete(key),
      compareAndSet: async (key, expected, next) => {
        if (cut && key.startsWith('mpp:challenge:')) throw new Error('cut off')
        if (rows.get(key) !== expected) return false
        rows.set(key, next)
        return true
      },
    })
    const { mpp, settled } = createTill({}, { store })
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route, 'mine')
    expect((await problemOf(response)).status).toBe(503)
    expect([rows.size, settled.length]).toEqual([1, 0])
    cut = false
    expect(await refusal((await buy(route, 'mine')).response)).toEqual([402, 'verification-failed'])
    expect((await route(present(authorization))).status).toBe(200)
    expect(settled).toEqual(['mine'])
  })
})

test('many rails and servers on one store leave nothing behind but what must be remembered', async () => {
  let now = Date.now()
  const store = Store.memory({ now: () => now })
  const { server } = createRail({
    replayKey: ({ credential: { payload } }) => ({ key: payload.token, ttl: 60 }),
  })
  const mpp = Mpp.create({ methods: [server], realm, secretKey, store })
  const route = mpp.charge(price)(() => new Response('x'))
  for (let visit = 0; visit < 200; visit++) await buy(route)
  expect(store.size).toBe(400)
  now += 2 * 86_400_000
  expect(store.size).toBe(0)
})
