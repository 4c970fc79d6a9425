/**
 * One token, one page, whatever is replayed; and nothing that was told in confidence is told to a visitor, a log or a store.
 *
 * @module
 */
import { Store } from '@polyrail/core/server'
import { LocalStripe } from '@polyrail/sandbox/stripe'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  buy,
  challengeIn,
  connect,
  countCaptures,
  CREATE,
  openShop,
  prepare,
  problemOf,
  write,
  type Shop,
} from './shop.js'

let local: LocalStripe.Sandbox
beforeAll(async () => {
  local = await LocalStripe.start({ quiet: true })
})
afterAll(() => local.stop())

const captured = countCaptures(() => local)
const lost: LocalStripe.StripeFault = { call: CREATE, fail: 'drop', executed: true, times: 2 }

describe('one token buys one page', () => {
  test('when its credential comes again: the answer is the recorded one [stripe-charge-018]', async () => {
    const shop = openShop(local)
    const { authorization, answer } = await buy(local, shop)
    const again = await shop.ask(authorization)
    expect([await answer.json(), await again.json()]).toEqual([{ page: 1 }, { page: 1 }])
    expect([shop.served(), captured()]).toEqual([1, 1])
  })

  test('when it comes under another challenge, and when another token comes under its challenge', async () => {
    const shop = openShop(local)
    const { challenge, spt } = await buy(local, shop)
    const other = challengeIn(await shop.ask())
    const refused = await shop.ask(write(other, { spt }))
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      402,
      'This stripe proof has already paid for something else.',
    ])
    const second = await prepare(local, shop)
    const used = await shop.ask(write(challenge, { spt: second.spt }))
    expect(used.status).toBe(402)
    expect([shop.served(), captured()]).toEqual([1, 1])
    expect((await shop.ask(second.authorization)).status).toBe(200)
  })

  test('of 200 copies at once on two servers with one store', async () => {
    const store = Store.memory()
    const shops = [openShop(local, { store }), openShop(local, { store })] as const
    const { authorization } = await prepare(local, shops[0])
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) => shops[at % 2 === 0 ? 0 : 1].ask(authorization)),
    )
    for (const answer of answers)
      expect([answer.status, await answer.json()]).toEqual([200, { page: 1 }])
    expect([shops[0].served() + shops[1].served(), captured()]).toEqual([1, 1])
  })

  test('of 200 challenges at once on two servers with one store', async () => {
    const store = Store.memory()
    const shops = [openShop(local, { store }), openShop(local, { store })] as const
    const { spt } = await prepare(local, shops[0])
    const visit = async (_: unknown, at: number) => {
      const shop = shops[at % 2 === 0 ? 0 : 1]
      return (await shop.ask(write(challengeIn(await shop.ask()), { spt }))).status
    }
    const statuses = await Promise.all(Array.from({ length: 200 }, visit))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect([shops[0].served() + shops[1].served(), captured()]).toEqual([1, 1])
  })

  test('of servers that do not know of each other: the second gets an answer that was replayed, or an error, and neither is a page', async () => {
    const [shop, stranger] = [openShop(local), openShop(local)]
    const { authorization } = await buy(local, shop)
    const refused = await stranger.ask(authorization)
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([
      402,
      'This token has been used for this challenge before.',
    ])
    const keyed = openShop(local, { idempotencyKey: ({ spt }) => spt })
    const used = await keyed.ask(authorization)
    expect([used.status, (await problemOf(used)).detail]).toEqual([402, 'This token is used.'])
    expect([shop.served(), stranger.served(), keyed.served(), captured()]).toEqual([1, 0, 0, 1])
  })

  test('of a server that replays a foreign success: it is not our attempt', async () => {
    const shop = openShop(local)
    const { authorization } = await buy(local, shop)
    const paid = local.paymentIntents.at(-1)
    const client = connect(local)
    const replaying = openShop(local, {
      client: {
        refunds: client.refunds,
        rawRequest: (...call: Parameters<typeof client.rawRequest>) => client.rawRequest(...call),
        paymentIntents: {
          create: () => client.paymentIntents.retrieve(paid?.id ?? ''),
          retrieve: (id) => client.paymentIntents.retrieve(id),
          capture: (id) => client.paymentIntents.capture(id),
          cancel: (id) => client.paymentIntents.cancel(id),
          search: (query) => client.paymentIntents.search(query),
        },
      },
    })
    expect((await replaying.ask(authorization)).status).toBe(503)
    expect(replaying.served()).toBe(0)
  })

  test('when Stripe shows a foreign payment in place of ours, and ours the next time', async () => {
    await buy(local, openShop(local))
    const foreign = local.paymentIntents.at(-1)?.id ?? ''
    const client = connect(local)
    let asked = 0
    const shop = openShop(local, {
      client: {
        refunds: client.refunds,
        rawRequest: (...call: Parameters<typeof client.rawRequest>) => client.rawRequest(...call),
        paymentIntents: {
          async create(parameters, options) {
            const ours = await client.paymentIntents.create(parameters, options)
            return asked++ === 0 ? client.paymentIntents.retrieve(foreign) : ours
          },
          retrieve: (id) => client.paymentIntents.retrieve(id),
          capture: (id) => client.paymentIntents.capture(id),
          cancel: (id) => client.paymentIntents.cancel(id),
          search: (query) => client.paymentIntents.search(query),
        },
      },
    })
    const { answer, authorization } = await buy(local, shop)
    expect([answer.status, shop.served()]).toEqual([503, 0])
    expect((await shop.ask(authorization)).status).toBe(200)
    expect([shop.served(), captured()]).toEqual([1, 2])
  })

  test('when the server dies between asking and noting the answer, and its twin takes over', async () => {
    const store = Store.memory()
    const config = { deadlines: { settle: 100, lease: 200 } }
    const client = connect(local)
    const dying = openShop(local, {
      store,
      config,
      client: {
        refunds: client.refunds,
        rawRequest: (...call: Parameters<typeof client.rawRequest>) => client.rawRequest(...call),
        paymentIntents: {
          async create(parameters, options) {
            await client.paymentIntents.create(parameters, options)
            return new Promise<never>(() => undefined)
          },
          retrieve: (id) => client.paymentIntents.retrieve(id),
          capture: (id) => client.paymentIntents.capture(id),
          cancel: (id) => client.paymentIntents.cancel(id),
          search: (query) => client.paymentIntents.search(query),
        },
      },
    })
    const twin = openShop(local, { store })
    const { authorization } = await prepare(local, dying)
    const dead = dying.ask(authorization)
    expect((await dead).status).toBe(503)
    // The dead one never lets go of what it began, so that its own process asks nobody.
    const answer = await twin.ask(authorization)
    expect([answer.status, twin.served(), captured()]).toEqual([200, 1, 1])
  })

  test('when a declined token comes again with a fresh challenge, it is judged anew', async () => {
    const shop = openShop(local)
    const error = { type: 'card_error' as const, code: 'card_declined', message: 'No.' }
    using _ = local.fault({ call: CREATE, fail: { status: 402, error }, times: 1 })
    const { spt, answer } = await buy(local, shop)
    const again = await shop.ask(write(challengeIn(answer), { spt }))
    expect([again.status, shop.served(), captured()]).toEqual([200, 1, 1])
  })
})

/** A store that tells everything that was ever written into it. */
function overhear(store: Store.Store) {
  const written: string[] = []
  const note = <value>(value: value): value => {
    written.push(JSON.stringify(value) ?? '')
    return value
  }
  const spied: Store.Store = {
    ...store,
    name: store.name,
    get: (key) => store.get(key),
    delete: (key) => store.delete(key),
    set: (key, value, options) => store.set(note(key), note(value), options),
    update: async (key, change, options) =>
      note(await store.update(note(key), (current) => note(change(current)), options)),
    claim: (entries) => store.claim(note(entries)),
  }
  return { store: spied, written }
}

describe('in confidence', () => {
  test('no token, no key and no word of Stripe is in an answer, a log or a store', async () => {
    const consoles = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
      vi.spyOn(console, name),
    )
    const { store, written } = overhear(Store.memory())
    const shop = openShop(local, { store })
    const secrets = [local.secretKey]
    const said: string[] = []
    const SAID = 'secret words of Stripe'
    const visit = async (visited: Shop, more: Partial<LocalStripe.GrantOptions> = {}) => {
      const { spt, answer, authorization } = await buy(local, visited, more)
      secrets.push(spt)
      for (const one of [answer, await visited.ask(authorization)])
        said.push(JSON.stringify([...one.headers]), await one.text())
    }
    await visit(shop)
    await visit(shop, { paymentMethod: 'pm_card_chargeDeclinedLostCard' })
    await visit(shop, { paymentMethod: 'pm_card_authenticationRequired' })
    await visit(shop, { paymentMethod: 'pm_usBankAccount' })
    await visit(shop, { amount: 1n })
    await visit(shop, { seller: 'profile_test_other' })
    for (const status of [400, 401, 402, 403, 404, 409, 429, 500]) {
      using _ = local.fault({ fail: { status, error: { message: SAID } }, times: 1 })
      await visit(shop)
    }
    {
      using _ = local.fault(lost)
      await visit(shop)
    }
    await visit(openShop(local, { store, client: connect(local, 'sk_test_wrong') }))
    const open = said.join('\n')
    const kept = written.join('\n')
    for (const secret of secrets) {
      expect(open).not.toContain(secret)
      expect(kept).not.toContain(secret)
    }
    for (const words of [SAID, 'No such', 'Invalid API', 'Your card', 'sk_test', 'spt_', 'req_'])
      expect(open).not.toContain(words)
    expect(open).not.toMatch(/on command|lost_card|at .*\.js/)
    for (const spied of consoles) {
      expect(spied).not.toHaveBeenCalled()
      spied.mockRestore()
    }
  })
})
