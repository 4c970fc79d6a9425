/**
 * Wallets of which every tenth call fails, hangs or answers late, on both sides: nobody pays twice, nobody is served unpaid,
 * and who has paid has the page.
 *
 * `OUTAGE_RUNS` says how many visitors (500), `OUTAGE_SEED` repeats a run.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Store } from '@polyrail/core/server'
import type { Wallet } from '@polyrail/lightning'
import { expect, test } from 'vitest'
import { start } from './rail.js'
import { createClient, openShop, url } from './shop.js'

const VISITORS = Number(process.env['OUTAGE_RUNS'] ?? 500)
const SEED = Number(process.env['OUTAGE_SEED'] ?? Date.now() % 2 ** 32)
/** Visitors at the same time. */
const CROWD = 40
/** The part of the calls that do not go well. */
const RATE = 0.1
/** Visits of one visitor before they give up. */
const PATIENCE = 12

type Trouble = 'lost before' | 'lost after' | 'hanging' | 'hanging after' | 'late'
const TROUBLES: readonly Trouble[] = [
  'lost before',
  'lost after',
  'hanging',
  'hanging after',
  'late',
]

/** A wallet in trouble, and how often it was. */
function spoil(wallet: Wallet, dice: () => number) {
  const hits: Record<string, number> = {}
  async function call<answer>(name: string, act: () => Promise<answer>): Promise<answer> {
    if (dice() >= RATE) return act()
    const trouble = TROUBLES[Math.floor(dice() * TROUBLES.length)]
    hits[`${name} ${trouble}`] = (hits[`${name} ${trouble}`] ?? 0) + 1
    const after = trouble === 'lost after' || trouble === 'hanging after' ? await act() : undefined
    if (trouble === 'late') return sleep(500 + dice() * 2000).then(act)
    if (trouble?.startsWith('hanging')) return new Promise<never>(() => undefined)
    throw new Error(`the connection is lost${after === undefined ? '' : ' after all was done'}`)
  }
  const spoiled: Wallet = {
    createInvoice: (terms) => call('createInvoice', () => wallet.createInvoice(terms)),
    payInvoice: (order) => call('payInvoice', () => wallet.payInvoice(order)),
    lookupPayment: (query) => call('lookupPayment', () => wallet.lookupPayment(query)),
  }
  return { wallet: spoiled, hits }
}

test(`${VISITORS} visitors of two servers: a page for a payment, or neither (seed ${SEED})`, async () => {
  const local = await start()
  const dice = createDice(SEED)
  const store = Store.memory()
  const till = spoil(local.shop, dice)
  const purse = spoil(local.payer, dice)
  const config = { deadlines: { offer: 300 } }
  const shops = [openShop(till.wallet, { store, config }), openShop(till.wallet, { store, config })]

  async function visit(visitor: number) {
    const tried = new Set<string>()
    const wallet: Wallet = {
      ...purse.wallet,
      payInvoice(order) {
        tried.add(order.paymentHash)
        return purse.wallet.payInvoice(order)
      },
    }
    const route = (request: Request) => shops[Math.floor(dice() * 2)]!.page(request)
    const memory = Store.memory()
    let pages = 0
    for (let tries = 0; tries < PATIENCE && pages === 0; tries++) {
      // A process of its own each time, that knows only what is in the store.
      const client = createClient(wallet, route, { store: memory, timeout: 3 })
      const answer = await client.fetch(`${url}/${visitor}`).catch(() => undefined)
      if (answer?.status === 200) pages++
    }
    return { pages, tried }
  }

  try {
    const visitors: Awaited<ReturnType<typeof visit>>[] = []
    let came = 0
    const queue = async () => {
      while (came < VISITORS) {
        const visitor = came++
        visitors[visitor] = await visit(visitor)
      }
    }
    await Promise.all(Array.from({ length: CROWD }, queue))
    const paid = visitors.map(
      ({ tried }) => [...tried].filter((hash) => local.shop.received(hash)).length,
    )
    const wrong = visitors.flatMap(({ pages }, at) =>
      pages === paid[at] ? [] : [{ at, pages, paid: paid[at] }],
    )
    const served = shops.reduce((sum, shop) => sum + shop.served(), 0)
    console.log(`seed ${SEED}: ${served} pages for ${local.shop.income.count} payments;`, {
      ...till.hits,
      ...purse.hits,
    })
    expect(wrong).toEqual([])
    expect(Math.max(...paid)).toBe(1)
    expect(served).toBe(local.shop.income.count)
    expect(local.shop.income.sumMsat).toBe(BigInt(served) * 10_000n)
    // The troubles were real, and did not stop the trade.
    expect(served).toBeGreaterThan(VISITORS * 0.9)
    for (const name of ['createInvoice', 'payInvoice', 'lookupPayment'])
      expect(Object.keys({ ...till.hits, ...purse.hits }).join()).toContain(name)
  } finally {
    await local.nodes.stop()
  }
}, 600_000)

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function createDice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
