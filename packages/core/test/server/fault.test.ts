import fc from 'fast-check'
import { Receipt } from '@polyrail/core'
import { Outcome, Store } from '@polyrail/core/server'
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

type Call = 'get' | 'set' | 'delete' | 'update' | 'claim'

/** A store of which chosen calls fail: before they do anything, or after they did it. */
function failing(
  store: Store.Store,
  fails: (call: Call, serial: number) => 'before' | 'after' | undefined,
): Store.Store {
  let serial = 0
  const guard = async <value>(call: Call, act: () => Promise<value>): Promise<value> => {
    const when = fails(call, serial++)
    if (when === 'before') throw new Error('the store is down')
    const value = await act()
    if (when === 'after') throw new Error('the answer of the store was lost')
    return value
  }
  const { wait: _, ...rest } = store
  return {
    ...rest,
    get: (key) => guard('get', () => store.get(key)),
    set: (key, value, options) => guard('set', () => store.set(key, value, options)),
    delete: (key) => guard('delete', () => store.delete(key)),
    update: (key, change, options) => guard('update', () => store.update(key, change, options)),
    claim: (entries) => guard('claim', () => store.claim(entries)),
  }
}

const deadlines = { settle: 20, wait: 5, lease: 30 }

describe('the store', () => {
  test('down from the start: challenges are issued all the same, payments get 503 and nothing is settled', async () => {
    const { mpp, settled } = createTill({}, { store: failing(Store.memory(), () => 'before') })
    const errors = vi.fn()
    mpp.on('error', errors)
    const { response } = await buy(plain(mpp.charge(price)))
    expect(response.headers.get('retry-after')).toBe('5')
    expect(await refusal(response)).toEqual([503, 'store-unavailable'])
    expect(settled).toEqual([])
    expect(errors).toHaveBeenCalledOnce()
  })

  const forms: [
    string,
    (till: ReturnType<typeof createTill>, application: () => Response) => Route,
  ][] = [
    ['plain', ({ mpp }, application) => plain(mpp.charge(price), application)],
    ['wrapped', ({ mpp }, application) => mpp.charge(price)(application)],
  ]

  describe.each(forms)('failing at any one call, %s', (_, route) => {
    test.each(['before', 'after'] as const)(
      '%s it acts: a problem or the page, never a throw; one settlement in all, and the same credential gets the page (threat 9) (threat 10)',
      async (when) => {
        for (let at = 0; at < 12; at++) {
          let settlements = 0
          let calls = 0
          const store = failing(Store.memory(), (_call, serial) => {
            calls = serial + 1
            return serial === at ? when : undefined
          })
          const hooks = {
            settle: () => (settlements++, { reference: 'r' }),
            reconcile: () =>
              settlements > 0 ? Outcome.settled({ reference: 'r' }) : Outcome.unsettled(),
          }
          const serve = route(createTill(hooks, { store, deadlines }), () => new Response('page'))
          const authorization = credential(await challengeOf(serve))
          let received = 0
          for (let visit = 0; visit < 8; visit++) {
            const answer = await serve(present(authorization))
            if (answer.status === 200) {
              expect(Receipt.fromResponse(answer)).toBeDefined()
              received++
              break
            }
            expect([409, 503]).toContain((await problemOf(answer)).status)
            await sleep(12)
          }
          expect([at, settlements, received]).toEqual([at, 1, 1])
          if (at >= calls) return
        }
        throw new Error('The payment takes more calls than were made to fail.')
      },
    )
  })

  test('down after the money moved: what is known is kept, and not asked for again, even where nobody could answer (threat 9)', async () => {
    let down = false
    let settlements = 0
    const store = failing(Store.memory(), (call) =>
      down && call === 'update' ? 'before' : undefined,
    )
    const { mpp } = createTill(
      { settle: () => ((down = true), settlements++, { reference: 'the only one' }) },
      { store, deadlines },
    )
    const route = plain(mpp.charge(price))
    const { response, authorization } = await buy(route)
    expect(await refusal(response)).toEqual([503, 'store-unavailable'])
    await sleep(40)
    down = false
    const again = await route(present(authorization))
    expect([again.status, Receipt.fromResponse(again)?.reference, settlements]).toEqual([
      200,
      'the only one',
      1,
    ])
  })

  test('that cannot record the delivery costs the visitor nothing, and tells the operator', async () => {
    let down = false
    const store = failing(Store.memory(), () => (down ? 'before' : undefined))
    const errors = vi.fn()
    for (const form of [plain, undefined]) {
      const { mpp } = createTill({}, { store })
      mpp.on('error', errors)
      const application = () => ((down = true), new Response('page'))
      const route = form ? plain(mpp.charge(price), application) : mpp.charge(price)(application)
      const { response } = await buy(route)
      expect([response.status, await response.text()]).toEqual([200, 'page'])
      await sleep(1)
      down = false
    }
    expect(errors).toHaveBeenCalledTimes(2)
  })

  test('down while a proof is given back: the proof pays once all the same, with one challenge or the other (threat 3)', async () => {
    for (const at of ['before the proof', 'after the proof']) {
      const moved: string[] = []
      let down = false
      const memory = Store.memory()
      const store: Store.Store = {
        ...memory,
        async delete(key) {
          if (down && at === 'before the proof') throw new Error('the store is down')
          await memory.delete(key)
          if (down) throw new Error('the answer of the store was lost')
        },
      }
      const till = createTill(
        {
          settle: ({ credential: { payload } }) => {
            if (!down && moved.push(payload.token)) return { reference: payload.token }
            return Outcome.unsettled()
          },
          reconcile: ({ credential: { payload } }) =>
            moved.includes(payload.token)
              ? Outcome.settled({ reference: payload.token })
              : Outcome.unsettled(),
        },
        { store, deadlines },
      )
      const route = plain(till.mpp.charge(price))
      down = true
      const { response, authorization } = await buy(route, 'mine')
      expect((await problemOf(response)).status).toBe(503)
      down = false
      await sleep(35)
      const other = credential(await challengeOf(route), 'mine')
      const answers = [await route(present(other)), await route(present(authorization))]
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 402])
      expect(moved).toEqual(['mine'])
    }
  })

  test('that loses a claim before it is looked at is no refusal of the proof', async () => {
    const memory = Store.memory()
    const store: Store.Store = {
      ...memory,
      claim: async (entries) => ({ claimed: false, existing: entries.map(() => undefined) }),
    }
    const { mpp } = createTill({}, { store })
    expect(await refusal((await buy(plain(mpp.charge(price)))).response)).toEqual([
      409,
      'payment-in-progress',
    ])
  })

  test('that fills up refuses payments, and forgets none', async () => {
    const { mpp, settled } = createTill({}, { store: Store.memory({ maxKeys: 4 }) })
    const route = plain(mpp.charge(price))
    await buy(route, 'one')
    await buy(route, 'two')
    expect(await refusal((await buy(route, 'three')).response)).toEqual([503, 'store-unavailable'])
    expect(await refusal((await buy(route, 'one')).response)).toEqual([402, 'verification-failed'])
    expect(settled).toEqual(['one', 'two'])
  })
})

describe('any bytes', () => {
  const runs = { numRuns: Number(process.env['FUZZ_RUNS'] ?? 3000) }
  const expected = [200, 400, 402]
  const isProblem = async (response: Response) => {
    expect(expected).toContain(response.status)
    await problemOf(response)
  }

  test('in Authorization give 400 or 402 problem JSON (threat 7)', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const header = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: 'grapheme-ascii', maxLength: 200 }).map((text) => `Payment ${text}`),
      fc
        .uint8Array({ maxLength: 300 })
        .map((bytes) => `Payment ${Buffer.from(bytes).toString('base64url')}`),
      fc.json().map((json) => `Payment ${Buffer.from(json).toString('base64url')}`),
    )
    await fc.assert(
      fc.asyncProperty(header, async (text) => {
        const value = text.replace(/[^\t -~\x80-\xff]/g, '')
        await isProblem(await route(new Request(url, { headers: { authorization: value } })))
      }),
      runs,
    )
  })

  test('in any field of a credential give 400 or 402 problem JSON (threat 7)', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge({ ...price, meta: { order: '1' } }))
    const { wire } = await challengeOf(route)
    const value = fc.oneof(
      fc.string(),
      fc.jsonValue(),
      fc.constantFrom('__proto__', '', null, 'e30', '|', '\0'),
    )
    const field = fc.constantFrom(
      'id',
      'realm',
      'method',
      'intent',
      'request',
      'expires',
      'digest',
      'opaque',
      'description',
      'extra',
    )
    await fc.assert(
      fc.asyncProperty(field, value, value, value, async (name, changed, payload, source) => {
        const text = JSON.stringify({ challenge: { ...wire, [name]: changed }, payload, source })
        const response = await route(present(`Payment ${Buffer.from(text).toString('base64url')}`))
        if (response.status !== 200) await isProblem(response)
      }),
      runs,
    )
  })

  test('in the other headers and the body give 402 problem JSON (threat 7)', async () => {
    const { mpp } = createTill({}, { insecure: true })
    const route = plain(mpp.charge(price))
    const text = fc
      .string({ unit: 'binary', maxLength: 300 })
      .map((value) => value.replace(/[^\t -~\x80-\xff]/g, ''))
    const name = fc.constantFrom(
      'accept-payment',
      'accept-language',
      'idempotency-key',
      'forwarded',
      'x-forwarded-proto',
      'content-type',
    )
    await fc.assert(
      fc.asyncProperty(
        name,
        text,
        fc.uint8Array({ maxLength: 500 }),
        async (header, value, body) => {
          await isProblem(
            await route(
              new Request(url, {
                method: 'POST',
                headers: { [header]: value },
                body: new Uint8Array(body),
              }),
            ),
          )
        },
      ),
      runs,
    )
  })

  test('of 64 kB in a header or a body end as soon as others (threat 7)', async () => {
    const { mpp } = createTill()
    const route = plain(mpp.charge(price))
    const big = 'a'.repeat(65_536)
    const began = performance.now()
    for (const authorization of [
      `Payment ${big}`,
      `Payment ${','.repeat(65_536)}`,
      `Payment ${'"\\'.repeat(32_768)}`,
      `Payment ${Buffer.from(`{"a":${'['.repeat(40_000)}`).toString('base64url')}`,
    ])
      expect([400, 402]).toContain((await route(present(authorization))).status)
    for (const accept of [big, ','.repeat(65_536), 'a/b;q=0.5,'.repeat(6000)])
      expect(
        (await route(new Request(url, { headers: { 'accept-payment': accept } }))).status,
      ).toBe(402)
    expect(performance.now() - began).toBeLessThan(1500)
  })
})
