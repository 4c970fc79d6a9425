/**
 * The client's side of a Lightning charge: what it refuses to pay, and what it does when the wallet does not answer.
 *
 * @module
 */
import { Challenge, type Method } from '@polyrail/core'
import type { Account, Mpp } from '@polyrail/core/client'
import { Store } from '@polyrail/core/server'
import type { charge, Wallet } from '@polyrail/lightning'
import { lightning } from '@polyrail/lightning/client'
import * as bolt11 from 'bolt11'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSecret, start } from './rail.js'
import { createClient, openShop, url } from './shop.js'

let local: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  local = await start()
})
afterAll(() => local.nodes.stop())

const paidSoFar = () => local.shop.income.count

type Terms = { network?: string; msat?: string; memo?: string; seconds?: number; at?: number }

/** An invoice signed by a key of ours, for what no local node would issue. */
function sign({ network = 'bcrt', msat = '10000', memo = '', seconds = 600, at }: Terms = {}) {
  const { paymentHash } = createSecret()
  const coin = { bech32: network, pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] }
  const { paymentRequest = '' } = bolt11.sign(
    bolt11.encode({
      network: coin,
      millisatoshis: msat,
      timestamp: at ?? Math.floor(Date.now() / 1000),
      tags: [
        { tagName: 'payment_hash', data: paymentHash },
        { tagName: 'description', data: memo },
        { tagName: 'expire_time', data: seconds },
      ],
    }),
    '01'.repeat(32),
  )
  return { invoice: paymentRequest, paymentHash }
}

/** A challenge as a server might send it. */
function ask(methodDetails: object, request: object = {}) {
  const made = Challenge.from({
    id: 'c',
    realm: 'shop.example',
    method: 'lightning',
    intent: 'charge',
    expires: new Date(Date.now() + 60_000),
    request: { amount: '10', currency: 'sat', methodDetails, ...request },
  })
  return made as Method.ChallengeOf<typeof charge>
}

const wallet: Wallet = {
  createInvoice: () => Promise.reject(new Error('not asked')),
  payInvoice: () => Promise.reject(new Error('must not be paid')),
  lookupPayment: () => Promise.reject(new Error('must not be looked up')),
}

describe(
  'a client pays only what is asked [lightning-charge-011 lightning-charge-016 lightning-charge-031 lightning-charge-048]',
  { timeout: 30_000 },
  () => {
    const refusalOf = async (
      challenge: ReturnType<typeof ask>,
      network: 'regtest' | 'mainnet' | 'signet' = 'regtest',
    ) => {
      const rail = lightning.charge({ wallet, network })
      const reason = await rail.accepts?.({ challenge })
      const making = async () =>
        rail.createCredential({
          challenge,
          context: undefined,
          url: new URL(url),
          signal: AbortSignal.timeout(5000),
        })
      if (reason !== undefined) await expect(making()).rejects.toThrow(reason)
      return reason
    }
    const good = { network: 'regtest' }

    test.each([
      ['without an invoice', () => ask(good), /no invoice/],
      ['with nonsense', () => ask({ ...good, invoice: 'lnbcrt1nonsense' }), /not BOLT11/],
      [
        'with an invoice that nobody signed',
        () => {
          const { invoice } = sign()
          const last = invoice.at(-7) === 'q' ? 'p' : 'q'
          return ask({ ...good, invoice: `${invoice.slice(0, -7)}${last}${invoice.slice(-6)}` })
        },
        /not BOLT11/,
      ],
      ['for less', () => ask({ ...good, ...sign({ msat: '9000' }) }), /for 9 sat, and not for 10/],
      ['for more', () => ask({ ...good, ...sign({ msat: '10001' }) }), /10001 msat/],
      ['for any amount', () => ask({ ...good, ...sign({ msat: '' }) }), /any amount/],
      ['of mainnet', () => ask({ network: 'mainnet', ...sign({ network: 'bc' }) }), /mainnet/],
      ['that says another network', () => ask({ network: 'signet', ...sign() }), /says signet/],
      ['that says no network', () => ask(sign()), /says mainnet, its invoice regtest/],
      ['of testnet', () => ask({ ...good, ...sign({ network: 'tb' }) }), /not BOLT11/],
      [
        'with another payment hash',
        () => ask({ ...good, ...sign(), paymentHash: createSecret().paymentHash }),
        /payment hash/,
      ],
      [
        'with another description',
        () => ask({ ...good, ...sign({ memo: 'tea' }) }, { description: 'coffee' }),
        /description/,
      ],
      [
        'whose invoice has expired',
        () => ask({ ...good, ...sign({ at: Math.floor(Date.now() / 1000) - 700 }) }),
        /expired/,
      ],
    ] as const)('not a challenge %s', async (_, challenge, reason) => {
      expect(await refusalOf(challenge())).toMatch(reason)
    })

    test('but one of signet, in capitals, or in BTC where that is what it means', async () => {
      const signet = sign({ network: 'tbs' })
      expect(await refusalOf(ask({ network: 'signet', ...signet }), 'signet')).toBeUndefined()
      const { invoice, paymentHash } = sign()
      const loud = { ...good, invoice: invoice.toUpperCase(), paymentHash }
      expect(await refusalOf(ask(loud))).toBeUndefined()
      expect(await refusalOf(ask({ ...good, ...sign() }, { currency: 'BTC' }))).toBeUndefined()
    })

    test('and options that are none say what to do', () => {
      const none = {} as lightning.charge.Options
      expect(() => lightning.charge(none)).toThrow(/wallet must be able to pay/)
      expect(() => lightning.charge({ wallet, timeout: 0 })).toThrow(/timeout/)
      expect(() => lightning.charge({ wallet, maxFee: '0.5' })).toThrow(/whole satoshis/)
      const network = 'REGTEST' as 'regtest'
      expect(() => lightning.charge({ wallet, network })).toThrow(/lower case/)
      const store = {} as Store.Store
      expect(() => lightning.charge({ wallet, store })).toThrow(/store must have update/)
    })
  },
)

/** Everything a payment needs: a shop, and clients that share what they remember, as one that restarts does. */
function open(options: Partial<lightning.charge.Options> = {}) {
  const shop = openShop(local.shop)
  const store = Store.memory()
  const client = () => createClient(local.payer, shop.page, { store, timeout: 2, ...options })
  return { shop, store, client }
}

async function failureOf(fetching: Promise<Response>): Promise<Record<string, unknown>> {
  const outcome: unknown = await fetching.catch((error: unknown) => error)
  if (outcome instanceof Response) throw new Error(`answered ${outcome.status}`)
  return outcome as Record<string, unknown>
}

const codeOf = (client: Mpp, response: Response) =>
  client.explain(response)?.refusals.map(({ code, cause }) => [code, (cause as Error)?.message])

describe('a payment', { timeout: 30_000 }, () => {
  test('is made once, and brings the page', async () => {
    const { client, shop } = open()
    const before = paidSoFar()
    const answer = await client().fetch(url)
    expect([answer.status, await answer.json()]).toEqual([200, { page: 1 }])
    expect(paidSoFar() - before).toBe(1)
    expect(shop.served()).toBe(1)
    // Answered: the next visit is a purchase of its own.
    expect((await client().fetch(url)).status).toBe(200)
    expect(paidSoFar() - before).toBe(2)
  })

  test('is made once for each of several visits at once', async () => {
    const { client, shop } = open()
    const before = paidSoFar()
    const one = client()
    const answers = await Promise.all(Array.from({ length: 10 }, () => one.fetch(url)))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect([paidSoFar() - before, shop.served()]).toEqual([10, 10])
  })

  test('costs no more for routing than its limit', async () => {
    const far = await local.nodes.node()
    const shop = openShop(far)
    const buy = async (maxFee: string) => {
      const client = createClient(local.payer, shop.page, { maxFee })
      const answer = await client.fetch(url)
      return [answer.status, codeOf(client, answer)?.[0]?.[0]]
    }
    expect(await buy('0')).toEqual([402, 'credential-failed'])
    expect(far.income.count).toBe(0)
    expect(await buy('50')).toEqual([200, undefined])
    expect(far.income.count).toBe(1)
  })

  test('that fails for certain is over: the next visit pays anew', async () => {
    const { client, shop } = open()
    const before = paidSoFar()
    const held = local.shop.hold()
    const one = client()
    const fetching = one.fetch(url)
    await held.arrived()
    held.fail()
    const answer = await fetching
    expect(answer.status).toBe(402)
    expect(codeOf(one, answer)?.[0]?.[1]).toMatch(/failed.*Nothing was paid/)
    expect((await client().fetch(url)).status).toBe(200)
    expect([paidSoFar() - before, shop.served()]).toEqual([1, 1])
  })

  test('that a policy does not cover is not made', async () => {
    const { shop } = open()
    const before = paidSoFar()
    const client = createClient(local.payer, shop.page)
    expect((await client.fetch(url, { policy: { max: '9' } })).status).toBe(402)
    expect(paidSoFar()).toBe(before)
  })
})

describe('a payment that stays pending', { timeout: 30_000 }, () => {
  test('is told of, and found again by its hash after a restart: never paid twice', async () => {
    const { client, shop } = open()
    const before = paidSoFar()
    const held = local.shop.hold()
    const first = await failureOf(client().fetch(url))
    const [paymentHash] = held.held
    expect(first).toMatchObject({ code: 'payment-indeterminate', problem: { paymentHash } })
    expect(first['message']).toContain(paymentHash)
    // A process that starts anew asks, is offered another invoice, and does not pay it.
    const second = await failureOf(client().fetch(url))
    expect(second).toMatchObject({ code: 'payment-indeterminate', problem: { paymentHash } })
    expect(held.held).toEqual([paymentHash])
    held.release()
    const answer = await client().fetch(url)
    expect([answer.status, await answer.json()]).toEqual([200, { page: 1 }])
    expect(paidSoFar() - before).toBe(1)
    expect((await client().fetch(url)).status).toBe(200)
    expect([paidSoFar() - before, shop.served()]).toEqual([2, 2])
  })

  test('and then fails lets the next visit pay anew', async () => {
    const { client, shop } = open()
    const before = paidSoFar()
    const held = local.shop.hold()
    await failureOf(client().fetch(url))
    held.fail()
    expect((await client().fetch(url)).status).toBe(200)
    expect([paidSoFar() - before, shop.served()]).toEqual([1, 1])
  })

  test('keeps nothing from who buys another page', async () => {
    const { client } = open()
    const held = local.shop.hold()
    const failed = await failureOf(client().fetch(url))
    held.fail()
    expect(failed['code']).toBe('payment-indeterminate')
    expect((await client().fetch(`${url}?other`)).status).toBe(200)
  })

  test('is finished in the background when its caller leaves, and can be resumed', async () => {
    const { client, shop } = open({ timeout: 20 })
    const before = paidSoFar()
    const held = local.shop.hold()
    const one = client()
    const pending = new Promise<Account>((resolve) => {
      one.on('pending', resolve)
    })
    const leaving = new AbortController()
    const fetching = failureOf(one.fetch(url, { signal: leaving.signal }))
    await held.arrived()
    leaving.abort()
    expect((await fetching)['name']).toBe('AbortError')
    held.release()
    const answer = await (await pending).resume?.()
    expect([answer?.status, paidSoFar() - before, shop.served()]).toEqual([200, 1, 1])
  })
})

describe(
  'a wallet that does not answer is asked what became of the payment',
  { timeout: 30_000 },
  () => {
    const cases: [string, Parameters<typeof local.payer.fault>[0]][] = [
      ['cut off before it paid', { call: 'payInvoice', fail: 'drop', times: 1 }],
      ['cut off after it paid', { call: 'payInvoice', fail: 'drop', executed: true, times: 1 }],
      ['hanging after it paid', { call: 'payInvoice', fail: 'hang', executed: true, times: 1 }],
      ['answering late', { call: 'payInvoice', delay: 500, times: 1 }],
      ['cut off twice', { call: 'payInvoice', fail: 'drop', times: 2 }],
    ]
    test.each(cases)('%s', async (_, fault) => {
      const { client, shop } = open({ timeout: 10 })
      const before = paidSoFar()
      using injected = local.payer.fault(fault)
      const answer = await client().fetch(url)
      expect([answer.status, paidSoFar() - before, shop.served()]).toEqual([200, 1, 1])
      expect(injected.hits).toBeGreaterThan(0)
    })

    test('gone altogether: nobody knows, and the next visit finds out', async () => {
      const { client, shop } = open({ timeout: 1 })
      const before = paidSoFar()
      const faults = [
        local.payer.fault({ call: 'payInvoice', fail: 'drop', executed: true }),
        local.payer.fault({ call: 'lookupPayment', fail: 'drop' }),
      ]
      const failed = await failureOf(client().fetch(url))
      expect(failed['code']).toBe('payment-indeterminate')
      for (const fault of faults) fault.clear()
      const answer = await client().fetch(url)
      expect([answer.status, paidSoFar() - before, shop.served()]).toEqual([200, 1, 1])
    })
  },
)

describe('a wallet without a proof', { timeout: 30_000 }, () => {
  test.each([
    ['an empty one', ''],
    ['zeros', '0'.repeat(64)],
    ['half of one', '00'.repeat(16)],
  ])('is told so: %s for a preimage', async (_, preimage) => {
    const { shop } = open()
    const poor: Wallet = {
      ...local.payer,
      payInvoice: async (order) => {
        await local.payer.payInvoice(order)
        return { status: 'paid', preimage }
      },
    }
    const failed = await failureOf(createClient(poor, shop.page).fetch(url))
    expect(failed).toMatchObject({ code: 'payment-indeterminate' })
    expect(failed['message']).toMatch(/no preimage that proves it/)
    expect(shop.served()).toBe(0)
  })
})

test('a page that is lost after its payment is a loss that is told, and the next visit pays anew [lightning-charge-028]', async () => {
  const shop = openShop(local.shop)
  const lost = async (request: Request) =>
    request.headers.has('authorization')
      ? new Response('gone', { status: 500 })
      : shop.page(request)
  const store = Store.memory()
  const client = createClient(local.payer, lost, { store })
  const answer = await client.fetch(url)
  expect([answer.status, client.explain(answer)?.status]).toEqual([500, 'pending'])
  // Our servers keep the page for the same preimage, so that it is shown before another is bought.
  const before = paidSoFar()
  const back = createClient(local.payer, shop.page, { store: ended(store) })
  expect((await back.fetch(url)).status).toBe(200)
  expect(paidSoFar()).toBe(before)
})

/** The same store, after the time that a payment is its beginner's alone. */
function ended(store: Store.Store): Pick<Store.Store, 'update'> {
  return {
    update: (key, change, options) =>
      store.update(
        key,
        (value) => change((value as { until: number }[]).map((entry) => ({ ...entry, until: 0 }))),
        options,
      ),
  }
}
