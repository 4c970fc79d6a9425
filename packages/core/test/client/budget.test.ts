/**
 * Budgets: what is spent is counted before it is spent, here or in a store that processes share.
 *
 * @module
 */
import { Errors, Method, Store } from '@polyrail/core'
import { Mpp, type Policy } from '@polyrail/core/client'
import { describe, expect, test } from 'vitest'
import {
  asks,
  open,
  pointsMethod,
  refuse,
  scripted,
  isPaid,
  serves,
  shop,
  wallet,
  charge,
} from './market.js'

/** A server without end of goods, at 1.00 each unless told otherwise. */
const endless = (amount = '100') => {
  const fetch = async (_: unknown, init: RequestInit = {}) =>
    /Payment/.test(new Headers(init.headers).get('authorization') ?? '')
      ? serves()
      : asks({ amount })()
  return fetch as typeof globalThis.fetch
}

const outcomes = async (mpp: { fetch: (url: string) => Promise<Response> }, urls: string[]) =>
  Promise.all(urls.map(async (url) => (await mpp.fetch(url)).status))

const many = (count: number, host = 'shop.example') => Array<string>(count).fill(`https://${host}/`)

describe('a budget', () => {
  test('in all is kept by a hundred parallel fetches', async () => {
    const { method, paid } = wallet()
    const mpp = Mpp.create({
      methods: [method],
      policy: { max: '1', total: '7' },
      fetch: endless(),
    })
    const all = await outcomes(mpp, [...many(50), ...many(50, 'other.example')])
    expect([all.filter((status) => status === 200).length, paid.length]).toEqual([7, 7])
  })

  test('a host is counted for each host, with its port', async () => {
    const mpp = Mpp.create({
      methods: [wallet().method],
      policy: { max: '1', perHost: '2' },
      fetch: endless(),
    })
    for (const host of ['a.example', 'b.example', 'a.example:8443'])
      expect((await outcomes(mpp, many(4, host))).filter((status) => status === 200)).toHaveLength(
        2,
      )
    const response = await mpp.fetch('https://a.example/')
    expect(mpp.explain(response)?.refusals[0]?.code).toBe('over-budget')
  })

  test('is exact to the base unit', async () => {
    const mpp = Mpp.create({
      methods: [wallet().method],
      policy: { max: '1', total: '0.30' },
      fetch: endless('10'),
    })
    expect((await outcomes(mpp, many(5))).filter((status) => status === 200)).toHaveLength(3)
  })

  test('that does not name a method lets it pay nothing', async () => {
    const rules: Policy = { max: { points: '1' }, total: { coins: '5' } }
    const mpp = Mpp.create({ methods: [wallet().method], policy: rules, fetch: endless() })
    expect(await outcomes(mpp, many(1))).toEqual([402])
  })

  test('refused by one rule takes nothing from another', async () => {
    const rules = { max: '1', perHost: '9', total: '2' }
    const mpp = Mpp.create({ methods: [wallet().method], policy: rules, fetch: endless() })
    await outcomes(mpp, many(9))
    expect(
      await outcomes({ fetch: (url) => mpp.fetch(url, { policy: { total: '99' } }) }, many(8)),
    ).toEqual([...Array(7).fill(200), 402])
  })

  test('starts afresh after its period, and not before', async () => {
    const mpp = Mpp.create({
      methods: [wallet().method],
      policy: { max: '1', total: '1', period: 1 },
      fetch: endless(),
    })
    await new Promise((resolve) => setTimeout(resolve, 1_010 - (Date.now() % 1_000)))
    expect(await outcomes(mpp, many(2))).toEqual(expect.arrayContaining([200, 402]))
    await new Promise((resolve) => setTimeout(resolve, 1_010 - (Date.now() % 1_000)))
    expect(await outcomes(mpp, many(1))).toEqual([200])
  })
})

describe('what is counted', () => {
  test('is given back when the method could not pay, or nobody agreed', async () => {
    let works = false
    const method = Method.toClient(pointsMethod('points'), {
      createCredential() {
        if (!works) throw new Error('no')
        return { payload: { token: 't' } }
      },
    })
    let agrees = false
    const rules: Policy = { max: '1', total: '1', approve: () => agrees }
    const mpp = Mpp.create({ methods: [method], policy: rules, fetch: endless() })
    expect(await outcomes(mpp, many(3))).toEqual([402, 402, 402])
    agrees = true
    expect(await outcomes(mpp, many(1))).toEqual([402])
    works = true
    expect(await outcomes(mpp, many(1))).toEqual([200])
  })

  test('stays counted when the method cannot tell whether it paid', async () => {
    const { method } = wallet({ fail: () => new Errors.PaymentError('payment-indeterminate') })
    const mpp = Mpp.create({
      methods: [method],
      policy: { max: '1', total: '1' },
      fetch: endless(),
    })
    await expect(mpp.fetch('https://a.b/')).rejects.toMatchObject({ code: 'payment-indeterminate' })
    expect(mpp.explain(await mpp.fetch('https://a.b/'))?.refusals[0]?.code).toBe('over-budget')
  })

  test('is given back by a method that does not pay now, but shows what was paid before', async () => {
    let paid = 0
    const method = Method.toClient(pointsMethod('points'), {
      async createCredential({ release }) {
        if (paid > 0) await Promise.all([release?.(), release?.()])
        paid += 1
        if (paid % 2) throw new Errors.PaymentError('payment-indeterminate')
        return { payload: { token: 't' } }
      },
    })
    const policy = { max: '1', total: '2' }
    const mpp = Mpp.create({ methods: [method], policy, fetch: endless() })
    const codeOf = () =>
      mpp.fetch('https://a.b/').then(
        ({ status }) => status,
        ({ code }: { code: unknown }) => code,
      )
    const outcomes = []
    for (let visit = 0; visit < 6; visit++) outcomes.push(await codeOf())
    expect(new Set(outcomes)).toEqual(new Set(['payment-indeterminate', 200]))
    expect(paid).toBe(6)
  })

  test('stays counted when the server refused the proof', async () => {
    const { url } = await open((seen, response) =>
      isPaid(seen) ? refuse(response) : charge(response),
    )
    const mpp = Mpp.create({
      methods: [wallet({ revocable: true }).method],
      policy: { max: '1', total: '1' },
    })
    await mpp.fetch(url)
    expect(mpp.explain(await mpp.fetch(url))?.refusals[0]?.code).toBe('over-budget')
  })

  test('stays counted when the network failed after the credential was sent', async () => {
    const { fetch } = scripted(
      asks(),
      () => {
        throw new TypeError('fetch failed')
      },
      asks(),
    )
    const rules = { max: '1', total: '1' }
    const mpp = Mpp.create({
      methods: [wallet().method],
      policy: rules,
      fetch,
      retry: { attempts: 1 },
    })
    await expect(mpp.fetch('https://a.b/')).rejects.toThrow('fetch failed')
    expect(mpp.explain(await mpp.fetch('https://a.b/'))?.refusals[0]?.code).toBe('over-budget')
  })
})

describe('a shared store', () => {
  test('keeps one budget for many clients', async () => {
    const store = Store.memory()
    const paid = await Promise.all(
      [1, 2, 3].map(async () => {
        const policy = { max: '1', total: '4', store }
        const mpp = Mpp.create({ methods: [wallet().method], policy, fetch: endless() })
        return (await outcomes(mpp, many(10))).filter((status) => status === 200).length
      }),
    )
    expect(paid.reduce((sum, count) => sum + count)).toBe(4)
  })

  test('that runs the change again after a lost race counts once', async () => {
    const memory = Store.memory()
    const store: Policy['store'] = {
      update: (key, change, options) =>
        memory.update(key, (value) => (change(value), change(undefined), change(value)), options),
    }
    const mpp = Mpp.create({
      methods: [wallet().method],
      policy: { max: '1', total: '3', store },
      fetch: endless(),
    })
    expect((await outcomes(mpp, many(6))).filter((status) => status === 200)).toHaveLength(3)
  })

  test('that fails stops the payment', async () => {
    const store = { update: () => Promise.reject(new Error('down')) }
    const { method, paid } = wallet()
    const mpp = Mpp.create({
      methods: [method],
      policy: { max: '1', total: '4', store },
      fetch: endless(),
    })
    const response = await mpp.fetch('https://a.b/')
    expect([mpp.explain(response)?.refusals[0]?.code, paid.length]).toEqual([
      'budget-unavailable',
      0,
    ])
  })

  test('is not needed where no budget is stated', async () => {
    const store = { update: () => Promise.reject(new Error('down')) }
    const { url } = await open(shop())
    const mpp = Mpp.create({ methods: [wallet().method], policy: { max: '1', store } })
    expect((await mpp.fetch(url)).status).toBe(200)
  })
})
