/**
 * Cards that are authorised first, captured for a good answer and let go without one.
 *
 * @module
 */
import { Mpp, Store } from '@polyrail/core/server'
import { card, type Result, type ServerEnabler } from '@polyrail/card/server'
import { LocalCards } from '@polyrail/sandbox/card'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  acquirer,
  buy,
  CHARGE,
  countCaptures,
  LOOKUP,
  openShop,
  prepare,
  problemOf,
  receiptOf,
  secretKey,
  type Options,
} from './shop.js'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

const captured = countCaptures(() => local)
const CAPTURE = `${CHARGE}/:key/capture` as const
const CANCEL = `${CHARGE}/:key/cancel` as const

const open = (options: Options = {}) => openShop(local, { capture: 'after', ...options })
const last = () => local.charges.at(-1)
/** A page that cannot be made the first time. */
const late = (served: number) => new Response(String(served), { status: served > 1 ? 200 : 500 })

describe('a good answer', () => {
  test('is made while the money is set aside, and goes out once it is captured', async () => {
    const seen: unknown[] = []
    const shop = open({
      page: () => {
        seen.push(last()?.status, captured())
        return Response.json({ data: 1 })
      },
    })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, seen]).toEqual([200, ['authorized', 0]])
    expect([last()?.status, captured()]).toEqual(['approved', 1])
    expect(receiptOf(answer)).toMatchObject({ method: 'card', reference: last()?.reference })
    const again = await shop.ask(authorization)
    expect([again.status, await again.json(), shop.served()]).toEqual([200, { data: 1 }, 1])
    expect([captured(), local.calls.filter(({ call }) => call === CAPTURE)]).toMatchObject([
      1,
      [{}],
    ])
    const names = ['challenge', 'claimed', 'settled', 'delivered', 'replayed']
    expect(shop.told.map(({ name }) => name)).toEqual(names)
  })

  test('can be asked for by the route, and not to have it too', async () => {
    await buy(local, openShop(local, { route: { capture: 'after' } }))
    const before = local.calls.length
    await buy(local, open({ route: { capture: 'before' } }))
    expect(local.calls.slice(before).map(({ call }) => call)).toEqual([CHARGE])
    expect(captured()).toBe(2)
  })

  test('copies of one credential have one capture and one page', async () => {
    const shop = open()
    const { authorization } = await prepare(local, shop)
    const answers = await Promise.all(Array.from({ length: 20 }, () => shop.ask(authorization)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('shows the application what it wants revealed of the payer', async () => {
    const seen: unknown[] = []
    const shop = open({ reveal: ['panLastFour'] })
    shop.mpp.on('settled', ({ settlement }) => void seen.push(settlement))
    await buy(local, shop)
    expect(seen).toEqual([{ panLastFour: '4242' }])
  })
})

describe('no good answer', () => {
  test.each([400, 500])('of status %s costs nothing', async (status) => {
    const shop = open({ page: () => new Response('no', { status }) })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, await answer.text()]).toEqual([status, 'no'])
    expect(answer.headers.has('payment-receipt')).toBe(false)
    expect([last()?.status, captured()]).toEqual(['canceled', 0])
    // The token is used: the draft wants a 409, and the payer asks anew.
    expect((await shop.ask(authorization)).status).toBe(409)
    expect(shop.told.map(({ name }) => name)).toContain('canceled')
    expect(local.charges.filter(({ key }) => key === last()?.key)).toHaveLength(1)
  })

  test('and the PSP does not hear of it: the same credential has the page later, for one payment', async () => {
    using _cancel = local.fault({ call: CANCEL, fail: 'drop', times: 1 })
    using _lookup = local.fault({ call: LOOKUP, fail: 'drop', times: 1 })
    const shop = open({ page: late })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, last()?.status, captured()]).toEqual([500, 'authorized', 0])
    expect(shop.told.at(-1)).toMatchObject({ name: 'canceled', outcome: 'indeterminate' })
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([2, 1])
  })

  test('for money that was captured all the same: the page is owed', async () => {
    const enabler = acquirer(local)
    const deaf: ServerEnabler = { ...enabler, cancel: (...asked) => enabler.capture(...asked) }
    const shop = open({ enabler: deaf, page: late })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, captured()]).toEqual([500, 1])
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([2, 1])
  })
})

describe('a capture whose answer is lost', () => {
  test.each([
    ['after it was done', true, 1],
    ['before', false, 0],
  ])('%s keeps the page, which is made once', async (_, executed, taken) => {
    using _capture = local.fault({ call: CAPTURE, fail: 'drop', executed, times: 1 })
    using _lookup = local.fault({ call: LOOKUP, fail: { status: 500 }, times: 1 })
    const shop = open()
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, (await problemOf(answer)).code]).toEqual([503, 'payment-indeterminate'])
    expect(captured()).toBe(taken)
    const again = await shop.ask(authorization)
    expect([again.status, await again.json()]).toEqual([200, { page: 1 }])
    expect(receiptOf(again)?.['reference']).toBe(last()?.reference)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('is told at once when the PSP can say', async () => {
    using _ = local.fault({ call: CAPTURE, fail: 'drop', executed: true, times: 1 })
    const { answer } = await buy(local, open())
    expect([answer.status, captured()]).toEqual([200, 1])
  })

  test('is told at once by an enabler that throws before it promises anything', async () => {
    const enabler = acquirer(local)
    let done: Promise<unknown> | undefined
    const capture: ServerEnabler['capture'] = (...asked) => {
      done = enabler.capture(...asked)
      throw new Error('closed')
    }
    const lookup: ServerEnabler['lookup'] = async (...asked) => {
      await done
      return enabler.lookup(...asked)
    }
    const { answer } = await buy(local, open({ enabler: { ...enabler, capture, lookup } }))
    expect([answer.status, captured()]).toEqual([200, 1])
  })

  test('is told of with a cause, even if the enabler throws nothing', async () => {
    const shop = open({ enabler: { ...acquirer(local), capture: () => Promise.reject() } })
    const { answer } = await buy(local, shop)
    expect([answer.status, captured()]).toEqual([503, 0])
    const [unknown] = shop.told.filter(({ name }) => name === 'indeterminate')
    expect(String(unknown?.cause)).toMatch(/threw what is no error/)
  })

  test('is not taken for made when the charge is still authorized', async () => {
    using _ = local.fault({ call: CAPTURE, fail: { status: 422 }, times: 1 })
    const shop = open()
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, captured()]).toEqual([503, 0])
    const [unknown] = shop.told.filter(({ name }) => name === 'indeterminate')
    expect(String(unknown?.cause)).toMatch(/gave no clear answer \(status 422\)/)
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 1])
  })
})

describe('gives no page away', () => {
  const whole = (result: Result): Extract<Result, { status: 'approved' | 'authorized' }> => {
    if (result.status === 'approved' || result.status === 'authorized') return result
    throw new Error(result.status)
  }
  const altered = (change: (result: ReturnType<typeof whole>) => unknown): Options => {
    const enabler = acquirer(local)
    const capture: ServerEnabler['capture'] = async (...asked) =>
      change(whole(await enabler.capture(...asked))) as Result
    return { enabler: { ...enabler, capture } }
  }

  test('an authorization that has ended meanwhile', async () => {
    const { cancel } = acquirer(local)
    const signal = AbortSignal.timeout(5000)
    const shop = open({
      async page() {
        await cancel(last()?.key ?? '', { signal })
        return Response.json({})
      },
    })
    const { answer } = await buy(local, shop)
    expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([402, true])
    expect(answer.headers.has('payment-receipt')).toBe(false)
    expect([last()?.status, captured()]).toEqual(['canceled', 0])
  })

  test.each<[string, (result: ReturnType<typeof whole>) => unknown]>([
    ['less', (result) => ({ ...result, amount: '49' })],
    ['another currency', (result) => ({ ...result, currency: 'eur' })],
    ['another charge', (result) => ({ ...result, idempotencyKey: 'other' })],
    ['another attempt', (result) => ({ ...result, attempt: 'other' })],
    ['nothing', () => undefined],
    ['nothing that is known', (result) => ({ ...result, status: 'done' })],
  ])('a capture of %s', async (_, change) => {
    const { answer } = await buy(local, open(altered(change)))
    expect(answer.status).toBeGreaterThanOrEqual(402)
    expect(answer.headers.has('payment-receipt')).toBe(false)
  })

  test.each([undefined, '', 'visa 1', 'ü', 'x'.repeat(201)])(
    'nor takes money that no receipt could be given for: %j',
    async (reference) => {
      const enabler = acquirer(local)
      const charge: ServerEnabler['charge'] = async (...asked) =>
        ({ ...whole(await enabler.charge(...asked)), reference }) as Result
      const shop = open({ enabler: { ...enabler, charge } })
      const { answer } = await buy(local, shop)
      expect([answer.status, captured(), shop.served()]).toEqual([503, 0, 0])
    },
  )

  test('a PSP that is not the one that authorised', async () => {
    const store = Store.memory()
    using _ = local.fault({ call: CHARGE, fail: 'drop', executed: true, times: 1 })
    const { authorization } = await buy(local, open({ store }))
    const other = open({ store, enabler: { ...acquirer(local), name: 'another' } })
    expect((await other.ask(authorization)).status).toBe(503)
    expect([other.served(), captured()]).toEqual([0, 0])
    expect((await open({ store }).ask(authorization)).status).toBe(200)
    expect(captured()).toBe(1)
  })
})

test('a lost authorization is found again, and captured for the page', async () => {
  using _ = local.fault({ call: CHARGE, fail: 'drop', executed: true, times: 1 })
  const shop = open()
  const { answer, authorization } = await buy(local, shop)
  expect([answer.status, captured(), shop.served()]).toEqual([503, 0, 0])
  expect((await shop.ask(authorization)).status).toBe(200)
  expect([shop.served(), captured()]).toEqual([1, 1])
})

test('a charge that is asked for again is asked for as it was, though the server has changed its mind', async () => {
  const store = Store.memory()
  using _ = local.fault({ call: CHARGE, fail: 'drop', times: 1 })
  const { authorization } = await buy(local, open({ store }))
  const changed = openShop(local, { store, page: () => Response.json(last()?.status) })
  const before = local.calls.length
  const answer = await changed.ask(authorization)
  expect([answer.status, await answer.json(), captured()]).toEqual([200, 'approved', 1])
  const made = local.calls.slice(before).find(({ call }) => call === CHARGE)
  expect(JSON.parse(made?.body ?? '{}')).toMatchObject({ capture: false })
})

test('a PSP that always captures at once is paid before the handler', async () => {
  const enabler = acquirer(local)
  const charge: ServerEnabler['charge'] = (order, options) => {
    const sale = { ...order }
    delete sale.capture
    return enabler.charge(sale, options)
  }
  const shop = open({ enabler: { ...enabler, charge }, page: () => Response.json(captured()) })
  const { answer } = await buy(local, shop)
  expect([answer.status, await answer.json()]).toEqual([200, 1])
})

describe('a PSP that cannot', () => {
  const offer = (enabler: ServerEnabler) =>
    card.charge({ key: local.key, merchantName: 'Shop', enabler })
  const simple = (): ServerEnabler => {
    const { name, charge, lookup } = acquirer(local)
    return { name, charge, lookup }
  }

  test('is known when the route is defined', () => {
    const mpp = Mpp.create({ realm: 'shop.example', secretKey, methods: [offer(simple())] })
    expect(() => mpp.charge({ amount: '0.50', capture: 'after' })).toThrow(/capture/)
    expect(() => mpp.charge({ amount: '0.50' })).not.toThrow()
  })

  test('let go of what it sets aside, or take it, is refused', () => {
    const { capture, cancel } = acquirer(local)
    for (const half of [{ capture }, { cancel }])
      expect(() => offer({ ...simple(), ...half })).toThrow(/both `capture` and `cancel`/)
  })

  test('but says that it only authorised leaves the payment unknown', async () => {
    const shop = openShop(local, {
      enabler: {
        ...simple(),
        charge: (order, options) => acquirer(local).charge({ ...order, capture: false }, options),
      },
    })
    const { answer } = await buy(local, shop)
    expect([answer.status, shop.served(), captured()]).toEqual([503, 0, 0])
  })
})
