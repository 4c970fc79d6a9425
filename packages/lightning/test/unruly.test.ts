/**
 * Wallets and processes beside which a client must keep its head: it hammers nobody, waits for nobody who lives, and begins
 * nothing for who has left or what would come too late.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Store } from '@polyrail/core/server'
import type { Payment, Wallet } from '@polyrail/lightning'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { start } from './rail.js'
import { createClient, openShop, url } from './shop.js'

let local: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  local = await start()
})
afterAll(() => local.nodes.stop())

const paidSoFar = () => local.shop.income.count
const codeOf = (fetching: Promise<Response>) =>
  fetching.then(
    ({ status }) => status,
    ({ code, name }: { code?: unknown; name: string }) => (typeof code === 'string' ? code : name),
  )
const pending = async (): Promise<Payment> => ({ status: 'pending' })
const never = () => new Promise<never>(() => undefined)

describe('a wallet that says at once and again that it does not know', { timeout: 30_000 }, () => {
  const cases: [string, () => Promise<Payment>][] = [
    ['by a throw', () => Promise.reject(new Error('401'))],
    ['by nothing', async () => undefined as unknown as Payment],
    ['by nonsense', async () => 'paid' as unknown as Payment],
    ['by accepting what it has never heard of', pending],
  ]
  test.each(cases)('is asked with pauses: %s', async (_, payInvoice) => {
    let asked = 0
    const wallet = {
      payInvoice: () => (asked++, payInvoice()),
      lookupPayment: async () => (asked++, undefined),
    }
    const client = createClient(wallet, openShop(local.shop).page, { timeout: 1 })
    expect(await codeOf(client.fetch(url))).toBe('payment-indeterminate')
    expect(asked).toBeLessThan(20)
  })

  test('and one that has accepted a payment is not told to make it again', async () => {
    let orders = 0
    const payInvoice = () => (orders++, pending())
    const wallet = { payInvoice, lookupPayment: async () => undefined }
    const client = createClient(wallet, openShop(local.shop).page, { timeout: 1 })
    expect(await codeOf(client.fetch(url))).toBe('payment-indeterminate')
    expect(orders).toBe(1)
  })
})

test('a preimage in capitals proves a payment too', { timeout: 30_000 }, async () => {
  const { page } = openShop(local.shop)
  const loud: Wallet = {
    ...local.payer,
    async payInvoice(order) {
      const payment = await local.payer.payInvoice(order)
      return payment.status === 'paid'
        ? { ...payment, preimage: payment.preimage.toUpperCase() }
        : payment
    },
  }
  expect((await createClient(loud, page).fetch(url)).status).toBe(200)
})

describe('after an earlier payment has been looked for', { timeout: 30_000 }, () => {
  /** A client that remembers a payment of which nobody knows; `lookup` says later what became of it. */
  async function owing(lookup: Wallet['lookupPayment'], timeout: number) {
    const { page } = openShop(local.shop)
    const store = Store.memory()
    const stuck = { payInvoice: never, lookupPayment: pending }
    const before = createClient(stuck, page, { store, timeout: 1 })
    expect(await codeOf(before.fetch(url))).toBe('payment-indeterminate')
    let earlier: string | undefined
    const orders: string[] = []
    const wallet: Wallet = {
      ...local.payer,
      payInvoice: (order) => (orders.push(order.invoice), local.payer.payInvoice(order)),
      lookupPayment: (query) =>
        query.paymentHash === (earlier ??= query.paymentHash)
          ? lookup(query)
          : local.payer.lookupPayment(query),
    }
    return { client: createClient(wallet, page, { store, timeout }), orders }
  }

  test('nothing is paid for a caller who has left meanwhile', async () => {
    const leaving = new AbortController()
    let done = () => {}
    const looked = new Promise<void>((resolve) => {
      done = resolve
    })
    const { client, orders } = await owing(async () => {
      leaving.abort()
      setTimeout(done)
      return { status: 'failed' }
    }, 5)
    expect(await codeOf(client.fetch(url, { signal: leaving.signal }))).toBe('AbortError')
    await looked
    await sleep(300)
    expect(orders).toEqual([])
  })

  test('the new one has its own time', async () => {
    let looks = 0
    const { client } = await owing(async () => {
      // Until just before its time is over.
      await sleep(looks++ === 0 ? 980 : 0)
      return { status: 'failed' }
    }, 1)
    using _ = local.payer.fault({ call: 'payInvoice', delay: 300, times: 1 })
    expect(await codeOf(client.fetch(url))).toBe(200)
  })
})

test(
  'a payment that is waited for again and again is counted once',
  { timeout: 30_000 },
  async () => {
    const { page } = openShop(local.shop)
    let isDone = false
    const wallet: Wallet = {
      ...local.payer,
      lookupPayment: (query) => (isDone ? local.payer.lookupPayment(query) : pending()),
      payInvoice: (order) => (void local.payer.payInvoice(order), pending()),
    }
    const client = createClient(wallet, page, { timeout: 1 })
    const policy = { max: '10', total: '25' }
    const visit = () => codeOf(client.fetch(url, { policy }))
    const visits = []
    for (let at = 0; at < 3; at++) visits.push(await visit())
    expect(visits).toEqual(Array(3).fill('payment-indeterminate'))
    isDone = true
    // The page that is paid, and another; a third is too much.
    expect([await visit(), await visit(), await visit()]).toEqual([200, 200, 402])
  },
)

test(
  'a challenge that is about to end is not paid, however long its invoice lives',
  { timeout: 30_000 },
  async () => {
    const { page } = openShop(local.shop, { route: { expires: 2 } })
    const before = paidSoFar()
    const client = createClient(local.payer, page)
    const answer = await client.fetch(url)
    expect([answer.status, paidSoFar() - before]).toEqual([402, 0])
    expect(client.explain(answer)?.refusals[0]?.detail).toMatch(/about to expire/)
  },
)

test(
  'another process that is paying for the same holds nobody up',
  { timeout: 30_000 },
  async () => {
    const { page } = openShop(local.shop)
    const store = Store.memory()
    vi.resetModules()
    const other = await import('./shop.js')
    let begun = 0
    const stuck = { payInvoice: () => (begun++, never()), lookupPayment: pending }
    const theirs = other.createClient(stuck, page, { store, timeout: 60 })
    const leaving = new AbortController()
    const buying = Array.from({ length: 10 }, () =>
      codeOf(theirs.fetch(url, { signal: leaving.signal })),
    )
    await vi.waitFor(() => expect(begun).toBe(10))
    const ours = createClient(local.payer, page, { store })
    expect((await ours.fetch(url)).status).toBe(200)
    leaving.abort()
    expect(new Set(await Promise.all(buying))).toEqual(new Set(['AbortError']))
  },
)

test('a store is not left with what nobody needs', { timeout: 30_000 }, async () => {
  const kept = new Map<string, number>()
  const memory = Store.memory()
  const store: Pick<Store.Store, 'update'> = {
    async update(key, change, options) {
      const value = await memory.update(key, change, options)
      kept.set(key, options.ttl)
      return value
    },
  }
  const { page } = openShop(local.shop)
  for (let visit = 0; visit < 3; visit++)
    await createClient(local.payer, page, { store }).fetch(`${url}/${visit}`)
  await vi.waitFor(() => expect([...kept.values()]).toEqual([60, 60, 60]))
})
