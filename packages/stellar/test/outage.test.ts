/**
 * Nodes that fail at any step of a payment, in any way: nobody pays twice, nobody is served unpaid, and the same credential ends in
 * the page.
 *
 * @module
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Store } from '@polyrail/core/server'
import type { Stellar } from '@polyrail/sandbox/stellar'
import { nativeToScVal, Transaction, TransactionBuilder } from '@stellar/stellar-sdk'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { call, prepare, signed, start, type Local } from './rail.ts'
import { problem, read, refusal, shops } from './shop.ts'

let local: Local
let open: ReturnType<typeof shops>
beforeAll(async () => {
  local = await start()
  open = shops(local)
})
afterAll(() => local.chain.stop())

const cent = 100_000n
const settle = 400
/** Milliseconds of a settlement among others at once, on a machine that may be busy. */
const patience = 1000

type Kind = 'pulled' | 'sponsored' | 'pushed'

/** What each kind of payment asks the node, on the server's side. */
const steps: Record<Kind, Stellar.StellarMethod[]> = {
  pulled: [
    'getNetwork',
    'getLatestLedger',
    'getLedgerEntries',
    'simulateTransaction',
    'sendTransaction',
    'getTransaction',
  ],
  sponsored: [
    'getNetwork',
    'getLatestLedger',
    'getLedgerEntries',
    'simulateTransaction',
    'sendTransaction',
    'getTransaction',
  ],
  pushed: ['getNetwork', 'getTransaction'],
}

const failures: [string, Partial<Stellar.StellarFault>][] = [
  ['cannot be reached', { fail: 'drop' }],
  ['loses its answer', { fail: 'drop', executed: true }],
  ['hangs', { fail: 'hang' }],
  ['hangs with the work done', { fail: 'hang', executed: true }],
  ['says 503', { fail: { status: 503 } }],
  ['says 503 with the work done', { fail: { status: 503 }, executed: true }],
  ['says 429', { fail: { status: 429 } }],
  ['has an error', { fail: { code: -32603, message: 'no database' } }],
  ['talks nonsense', { fail: { result: { status: 'PERHAPS', sequence: 'many', entries: 7 } } }],
  ['is late', { delay: patience + 200 }],
]

function openFor(kind: Kind) {
  const account = local.chain.account()
  const terms = {
    pulled: {},
    sponsored: { feePayer: { account, budget: { total: '100', payer: '10' } } },
    pushed: { credentialTypes: ['signedHash'] },
  } as const
  return open({ ...terms[kind], settle })
}

/** Comes back with the same credential until there is a page. */
async function insist(shop: ReturnType<typeof open>, credential: string) {
  const seen: number[] = []
  for (let visit = 0; visit < 40; visit++) {
    const answer = await shop.ask(credential)
    seen.push(answer.status)
    if (answer.status === 200) return seen
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return seen
}

describe.each(Object.keys(steps) as Kind[])('a payment that is %s', (kind) => {
  const cases = steps[kind].flatMap((method) =>
    failures.map(([title, fault]) => ({ method, title, fault })),
  )
  test.concurrent.each(cases)('$method $title', { timeout: 60_000 }, async ({ method, fault }) => {
    // A network of its own, so that a fault strikes this payment alone.
    const own = await start()
    try {
      const account = own.chain.account()
      const terms = {
        pulled: {},
        sponsored: { feePayer: { account, budget: { total: '100', payer: '10' } } },
        pushed: { credentialTypes: ['signedHash'] },
      } as const
      const shop = shops(own)({ ...terms[kind], settle: patience })
      const payer = own.customer(2n * cent)
      const credential = await shop.pay(payer)
      const injected = own.chain.fault({ method, ...fault })
      let first = await shop.ask(credential)
      // It may have taken too long before it came to the fault.
      while (injected.hits === 0 && first.status === 503) first = await shop.ask(credential)
      expect(injected.hits).toBeGreaterThan(0)
      const isPaid = own.usdc.sent(payer.publicKey()).count > 0
      if (first.status === 200) expect(isPaid).toBe(true)
      // A payment that may be on its way is never answered by a fresh challenge.
      else expect(first.status).toBe(503)
      injected.clear()
      expect((await insist(shop, credential)).at(-1)).toBe(200)
      expect([own.usdc.sent(payer.publicKey()).count, own.settled(), shop.served()]).toEqual([
        1, 1, 1,
      ])
    } finally {
      await own.chain.stop()
    }
  })
})

test('[stellar-charge-033] a node that cannot try a payment out is a 503, and nothing is sent', async () => {
  for (const kind of ['pulled', 'sponsored'] as const) {
    const shop = openFor(kind)
    const credential = await shop.pay(local.customer(cent))
    const sending = local.chain.fault({ method: 'sendTransaction', delay: 0 })
    using _ = local.chain.fault({ method: 'simulateTransaction', fail: 'drop' })
    const answer = await shop.ask(credential)
    expect(answer.status).toBe(503)
    expect(answer.headers.has('www-authenticate')).toBe(false)
    expect(sending.hits).toBe(0)
    sending.clear()
  }
})

test('a payment that another server ends leaves the fee in the books as it was', async () => {
  const store = Store.memory()
  const account = local.chain.account()
  const budget = { total: '1', payer: '0.01215' }
  const [first, second] = [0, 1].map(() => open({ feePayer: { account, budget }, store, settle }))
  const payer = local.customer(3n * cent)
  const credential = await first!.pay(payer)
  using _ = local.chain.fault({
    method: 'sendTransaction',
    fail: 'hang',
    executed: true,
    times: 1,
  })
  expect((await first!.ask(credential)).status).toBe(503)
  expect((await insist(second!, credential)).at(-1)).toBe(200)
  // 60,100 stroops were paid of the 61,000 that were set aside, so that 61,000 fit once more, and no third time.
  expect((await second!.ask(await second!.pay(payer))).status).toBe(200)
  expect((await second!.ask(await second!.pay(payer))).status).toBe(503)
})

test('a node that does not do what it is asked is a 503, whatever was asked, and nothing is sent', async () => {
  for (const kind of ['pulled', 'sponsored'] as const)
    for (const code of [-32_600, -32_601]) {
      const shop = openFor(kind)
      const payer = local.customer(cent)
      const credential = await shop.pay(payer)
      {
        const fail = { code, message: 'method not found' }
        using _ = local.chain.fault({ method: 'sendTransaction', fail })
        const answer = await shop.ask(credential)
        expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([503, false])
        expect(local.usdc.sent(payer.publicKey()).count).toBe(0)
      }
      expect((await shop.ask(credential)).status).toBe(200)
    }
})

test('a node on another network judges nothing', async () => {
  const shop = openFor('pulled')
  const credential = await shop.pay(local.customer(cent))
  const passphrase = 'Public Global Stellar Network ; September 2015'
  using _ = local.chain.fault({ method: 'getNetwork', fail: { result: { passphrase } } })
  expect((await shop.ask(credential)).status).toBe(503)
})

test('what is refused whatever the network knows is refused without asking it', async () => {
  const payer = local.customer(cent)
  const less = call(local.usdc.contract, [payer.publicKey(), local.shop.publicKey(), cent - 1n])
  const cheap = signed(await prepare(local, payer.publicKey(), less), payer)
  const [shop, sponsored] = [open({}), open({ feePayer: local.chain.account() })]
  const [own, other] = [await shop.challenge(), await sponsored.challenge()]
  using down = local.chain.fault({ fail: 'drop' })
  const answers = await Promise.all([
    shop.show({ type: 'transaction', transaction: 'AAAA' }, own),
    shop.show({ type: 'transaction', transaction: cheap }, await shop.challenge()),
    shop.show({ type: 'hash', hash: 'ab'.repeat(32) }, await shop.challenge()),
    sponsored.show({ type: 'transaction', transaction: cheap }, other),
  ])
  expect(answers.map(({ status }) => status)).toEqual([402, 402, 402, 402])
  expect(down.hits).toBe(0)
})

test('a node that writes null, or something empty, where others write nothing is as good', async () => {
  const gateway = createServer(async (request, response) => {
    const { rpcUrl } = local.chain
    const headers = { 'content-type': 'application/json' }
    const asked = await fetch(rpcUrl, { method: 'POST', headers, body: await text(request) })
    const answer = (await asked.json()) as { result: object }
    const restorePreamble = { transactionData: '', minResourceFee: '0' }
    const result = { restorePreamble, oldestLedgerCloseTime: null, ...answer.result }
    response.end(JSON.stringify({ error: null, ...answer, result }))
  }).listen(0, '127.0.0.1')
  try {
    await once(gateway, 'listening')
    const address = gateway.address()
    const rpcUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    for (const feePayer of [undefined, local.chain.account()]) {
      const shop = open({ rpcUrl, feePayer })
      const credential = await shop.pay(local.customer(cent), { rpcUrl })
      expect((await shop.ask(credential)).status).toBe(200)
    }
  } finally {
    gateway.close()
    gateway.closeAllConnections()
  }
})

test('a node that sends on to another one shows nothing to that, in a runtime that knows two ways of redirecting too', async () => {
  const elsewhere = createServer((_, response) => {
    response.writeHead(307, { location: local.chain.rpcUrl }).end()
  }).listen(0, '127.0.0.1')
  const real = fetch
  vi.stubGlobal('fetch', async (input: string, init: RequestInit = {}) => {
    if (!['follow', 'manual'].includes(init.redirect ?? 'follow')) throw new TypeError('redirect')
    return real(input, init)
  })
  try {
    await once(elsewhere, 'listening')
    const address = elsewhere.address()
    const rpcUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const credential = await open().pay(local.customer(cent))
    using asked = local.chain.fault({ delay: 1 })
    expect((await open({ rpcUrl, settle: 5000 }).ask(credential)).status).toBe(503)
    expect(asked.hits).toBe(0)
    expect((await open({ settle: 5000 }).ask(credential)).status).toBe(200)
  } finally {
    vi.unstubAllGlobals()
    elsewhere.close()
    elsewhere.closeAllConnections()
  }
})

test('a payment that needs what is archived is refused', async () => {
  const shop = openFor('pulled')
  const credential = await shop.pay(local.customer(cent))
  const restorePreamble = { transactionData: 'AAAA', minResourceFee: '1' }
  using _ = local.chain.fault({
    method: 'simulateTransaction',
    fail: { result: { restorePreamble, transactionData: 'AAAA', results: [] } },
  })
  expect(await problem(await shop.ask(credential))).toEqual(refusal(/would fail/))
})

test('a full queue is waited for, and a node that lags behind too', async () => {
  for (const kind of ['pulled', 'sponsored'] as const) {
    const shop = open({
      ...(kind === 'sponsored' && { feePayer: local.chain.account() }),
      settle: 5000,
    })
    const payer = local.customer(cent)
    const credential = await shop.pay(payer)
    const later = { result: { status: 'TRY_AGAIN_LATER' } }
    const blind = { result: { status: 'NOT_FOUND' } }
    using _full = local.chain.fault({ method: 'sendTransaction', fail: later, times: 3 })
    using _blind = local.chain.fault({ method: 'getTransaction', fail: blind, times: 4 })
    expect((await shop.ask(credential)).status).toBe(200)
    expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
  }
})

test('a transaction that the node took and lost is sent again', { timeout: 30_000 }, async () => {
  const shop = open({ settle: 25_000 })
  const payer = local.customer(cent)
  const credential = await shop.pay(payer)
  const lie = { result: { status: 'PENDING' } }
  using _ = local.chain.fault({ method: 'sendTransaction', fail: lie, times: 1 })
  expect((await shop.ask(credential)).status).toBe(200)
  expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
})

test('a queue that stays full is a 503 with nothing moved', async () => {
  const shop = openFor('sponsored')
  const payer = local.customer(cent)
  const credential = await shop.pay(payer)
  const later = { result: { status: 'TRY_AGAIN_LATER' } }
  {
    using _ = local.chain.fault({ method: 'sendTransaction', fail: later })
    expect((await shop.ask(credential)).status).toBe(503)
  }
  expect(local.usdc.sent(payer.publicKey()).count).toBe(0)
  expect((await insist(shop, credential)).at(-1)).toBe(200)
  expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
})

test('[stellar-charge-050] what no ledger has taken in time is over, for certain', async () => {
  // Each on a network of its own: the time of the network runs away.
  const own = await start()
  try {
    const shop = shops(own)({ settle })
    const payer = own.customer(cent)
    const credential = await shop.pay(payer)
    own.chain.pause()
    expect((await shop.ask(credential)).status).toBe(503)
    own.chain.advance(400)
    own.chain.resume()
    expect(await problem(await shop.ask(credential))).toEqual(refusal(/over/, 'settlement-failed'))
    expect(own.usdc.sent(payer.publicKey()).count).toBe(0)
  } finally {
    await own.chain.stop()
  }
})

/** A payment that is made, and whose server does not hear of it. */
async function payUnheard(shop: ReturnType<typeof open>) {
  const payer = local.customer(2n * cent)
  const credential = await shop.pay(payer)
  using _ = local.chain.fault({ method: 'sendTransaction', fail: 'hang', executed: true })
  expect((await shop.ask(credential)).status).toBe(503)
  return { payer, credential }
}

test.each(['pulled', 'sponsored'] as const)(
  'a payment that is %s is not over because a new node has never heard of it',
  async (kind) => {
    const shop = openFor(kind)
    const { payer, credential } = await payUnheard(shop)
    // Its ledgers begin after the payment, and it takes none of what is over.
    const now = local.chain.now() + 1000
    const range = { latestLedgerCloseTime: String(now), oldestLedgerCloseTime: String(now - 900) }
    {
      const fresh = { result: { status: 'NOT_FOUND', ...range } }
      using _found = local.chain.fault({ method: 'getTransaction', fail: fresh })
      using _sent = local.chain.fault({ method: 'sendTransaction', fail: { status: 429 } })
      for (let visit = 0; visit < 3; visit++) {
        const answer = await shop.ask(credential)
        expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([503, false])
      }
    }
    expect((await insist(shop, credential)).at(-1)).toBe(200)
    expect([local.usdc.sent(payer.publicKey()).count, shop.served()]).toEqual([1, 1])
  },
)

test.each([
  ['says when it was made', undefined],
  ['does not', ['transaction']],
] as const)(
  'a payment is not over because a node has forgotten it by the end of a long challenge, which %s',
  async (_, credentialTypes) => {
    const shop = open({ settle, expires: 7200, credentialTypes })
    const { payer, credential } = await payUnheard(shop)
    const now = local.chain.now() + 7300
    const range = { latestLedgerCloseTime: String(now), oldestLedgerCloseTime: String(now - 5400) }
    {
      const forgetful = { result: { status: 'NOT_FOUND', ...range } }
      using _found = local.chain.fault({ method: 'getTransaction', fail: forgetful })
      using _sent = local.chain.fault({ method: 'sendTransaction', fail: { status: 429 } })
      expect((await shop.ask(credential)).status).toBe(503)
    }
    expect((await insist(shop, credential)).at(-1)).toBe(200)
    expect([local.usdc.sent(payer.publicKey()).count, shop.served()]).toEqual([1, 1])
  },
)

test('[stellar-charge-050] a payment that fails in its ledger is told so', async () => {
  for (const kind of ['pulled', 'sponsored'] as const) {
    const shop = open({
      ...(kind === 'sponsored' && { feePayer: local.chain.account() }),
      settle: 5000,
    })
    const payer = local.customer(cent)
    const credential = await shop.pay(payer)
    local.chain.pause()
    const answer = shop.ask(credential)
    while (local.chain.waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    local.usdc.trust(payer.publicKey(), { isAuthorized: false })
    local.chain.resume()
    expect(await problem(await answer)).toEqual(refusal(/failed/, 'settlement-failed'))
    expect(local.usdc.balance(payer.publicKey())).toBe(cent)
  }
})

test('a token that shows itself in the ledger alone buys no page', async () => {
  const thief = local.chain.account().publicKey()
  for (const kind of ['pulled', 'sponsored'] as const) {
    let tries = 0
    const trials = kind === 'pulled' ? 2 : 3
    const token = local.chain.token({
      onTransfer({ call, from, amount }) {
        if (++tries <= trials) return
        const topics = ['transfer', from, thief].map((text, index) =>
          nativeToScVal(text, { type: index === 0 ? 'symbol' : 'address' }),
        )
        call.emit(topics, nativeToScVal(amount, { type: 'i128' }))
      },
    })
    const payer = local.chain.account()
    token.mint(payer.publicKey(), cent)
    const currency = token.contract
    const feePayer = kind === 'sponsored' ? local.chain.account() : undefined
    const shop = open({ feePayer, currency, settle: 5000 })
    const credential = await shop.pay(payer, { currencies: [currency] })
    expect(await problem(await shop.ask(credential))).toEqual(refusal(/changed other balances/))
    expect(shop.served()).toBe(0)
  }
})

test('[stellar-charge-050] a sequence number that is used is told so', async () => {
  const shop = open({ settle: 5000 })
  const payer = local.customer(3n * cent)
  // With an end of its own, it is not the very same transaction.
  const [one, other] = [await shop.pay(payer), await open({ expires: 200 }).pay(payer)]
  expect((await shop.ask(one)).status).toBe(200)
  expect(await problem(await shop.ask(other))).toEqual(
    refusal(/sequence number/, 'settlement-failed'),
  )
  expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
})

test('a payer who sends the transaction besides pays once, and gets the page', async () => {
  const shop = open({ settle: 5000 })
  const payer = local.customer(2n * cent)
  const credential = await shop.pay(payer)
  const { payload } = read(credential)
  if (payload.type !== 'transaction') throw new Error('not a transaction')
  // It is in a ledger before the server's own sending comes through.
  using _ = local.chain.fault({ method: 'getTransaction', delay: 300, times: 1 })
  const asking = shop.ask(credential)
  await new Promise((resolve) => setTimeout(resolve, 150))
  await local.server.sendTransaction(new Transaction(payload.transaction, local.chain.passphrase))
  expect((await asking).status).toBe(200)
  expect([local.usdc.sent(payer.publicKey()).count, shop.served()]).toEqual([1, 1])
})

test('a fee bump whose transaction waits already, without it, buys the page once that is in a ledger', async () => {
  const shop = open({ settle: 5000 })
  const [payer, purse] = [local.customer(2n * cent), local.chain.account()]
  const challenge = await shop.challenge()
  const pay = call(local.usdc.contract, [payer.publicKey(), local.shop.publicKey(), cent])
  const inner = await prepare(local, payer.publicKey(), pay)
  inner.sign(payer)
  const { passphrase } = local.chain
  const outer = TransactionBuilder.buildFeeBumpTransaction(purse, '200', inner, passphrase)
  outer.sign(purse)
  local.chain.pause()
  try {
    await local.server.sendTransaction(inner)
    using sending = local.chain.fault({ method: 'sendTransaction', delay: 1 })
    const asking = shop.show({ type: 'transaction', transaction: outer.toXdr() }, challenge)
    await Promise.race([asking, vi.waitUntil(() => sending.hits > 1, { timeout: 5000 })])
    local.chain.resume()
    expect((await asking).status).toBe(200)
  } finally {
    local.chain.resume()
  }
  expect([local.usdc.sent(payer.publicKey()).count, shop.served()]).toEqual([1, 1])
})

test('a transaction that is in a ledger before it is shown buys nothing', async () => {
  const shop = open({ settle: 5000 })
  const payer = local.customer(2n * cent)
  const { payload } = read(await shop.pay(payer))
  if (payload.type !== 'transaction') throw new Error('not a transaction')
  const tx = new Transaction(payload.transaction, local.chain.passphrase)
  const { hash } = await local.server.sendTransaction(tx)
  await local.server.pollTransaction(hash, { attempts: 200, sleepStrategy: () => 10 })
  expect(await problem(await shop.show(payload))).toEqual(refusal(/in a ledger already/))
  expect(shop.served()).toBe(0)
})
