import { Stellar } from '@polyrail/sandbox/stellar'
import type { Keypair } from '@stellar/stellar-sdk'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, pay, prepare } from './stellar-client.js'

const run = promisify(execFile)

let network: Stellar.Network
let usdc: Stellar.Token
let payer: Keypair
let shop: string
beforeAll(async () => {
  network = await Stellar.start({ quiet: true, closeAfter: 5 })
  usdc = network.asset()
  payer = network.account()
  shop = network.account().publicKey()
  usdc.mint(payer.publicKey(), 1_000n)
  usdc.trust(shop)
})
afterAll(() => network.stop())

const method = 'sendTransaction'

async function signed() {
  const from = payer.publicKey()
  const tx = await prepare(network, { token: usdc, from, to: shop, amount: 1n })
  tx.sign(payer)
  const hash = Buffer.from(tx.hash()).toString('hex')
  const server = connect(network)
  return {
    send: () => server.sendTransaction(tx),
    poll: () => server.pollTransaction(hash, { attempts: 100, sleepStrategy: () => 5 }),
    find: async () => (await server.getTransaction(hash)).status,
  }
}

describe('a call that is struck', () => {
  test('before it is carried out leaves no trace', async () => {
    const { send, find, poll } = await signed()
    using fault = network.fault({ method, fail: 'drop', times: 1 })
    await expect(send()).rejects.toThrow()
    network.close()
    expect([fault.hits, await find()]).toEqual([1, 'NOT_FOUND'])
    expect((await send()).status).toBe('PENDING')
    expect((await poll()).status).toBe('SUCCESS')
  })

  test('after it has lost its answer, and the payment is made', async () => {
    const { send, poll } = await signed()
    const before = usdc.received(shop).count
    using _ = network.fault({ method, executed: true, fail: 'drop', times: 1 })
    await expect(send()).rejects.toThrow()
    expect((await poll()).status).toBe('SUCCESS')
    expect(usdc.received(shop).count).toBe(before + 1)
  })

  test.each([429, 500, 503])('gets status %i', async (status) => {
    const { send } = await signed()
    using _ = network.fault({ method, fail: { status }, times: 1 })
    await expect(send()).rejects.toThrow(String(status))
    expect((await send()).status).toBe('PENDING')
    network.close()
  })

  test('gets an error of the node', async () => {
    const { find } = await signed()
    using _ = network.fault({ fail: { code: -32603, message: 'no database' }, times: 1 })
    await expect(find()).rejects.toMatchObject({ code: -32603, message: 'no database' })
  })

  test('gets another answer, whether it was carried out or not', async () => {
    const { send, find, poll } = await signed()
    const full = { result: { status: 'TRY_AGAIN_LATER' } }
    using _full = network.fault({ method, fail: full, times: 1 })
    expect((await send()).status).toBe('TRY_AGAIN_LATER')
    using _lie = network.fault({ method, executed: true, fail: full, times: 1 })
    expect((await send()).status).toBe('TRY_AGAIN_LATER')
    expect((await poll()).status).toBe('SUCCESS')
    const blind = { result: { status: 'NOT_FOUND' } }
    using _blind = network.fault({ method: 'getTransaction', fail: blind, times: 1 })
    expect(await find()).toBe('NOT_FOUND')
    expect(await find()).toBe('SUCCESS')
  })

  test('is late', async () => {
    const { find } = await signed()
    using _ = network.fault({ method: 'getTransaction', delay: 60, times: 1 })
    const begun = performance.now()
    expect(await find()).toBe('NOT_FOUND')
    expect(performance.now() - begun).toBeGreaterThanOrEqual(55)
  })

  test('hangs until the fault is cleared', async () => {
    const { find } = await signed()
    const fault = network.fault({ method: 'getTransaction', fail: 'hang' })
    const asking = find().then(
      () => 'answered',
      () => 'lost',
    )
    const soon = new Promise((resolve) => setTimeout(resolve, 60, 'waiting'))
    expect(await Promise.race([asking, soon])).toBe('waiting')
    fault.clear()
    expect(await asking).toBe('lost')
  })
})

test('an outage is of every call, until it is over', async () => {
  const outage = network.fault({ fail: 'drop' })
  const server = connect(network)
  await expect(server.getHealth()).rejects.toThrow()
  await expect(server.getLatestLedger()).rejects.toThrow()
  outage.clear()
  expect(outage.hits).toBe(2)
  expect((await server.getHealth()).status).toBe('healthy')
})

test('nonsense is refused', async () => {
  const ask = async (method: string, params: unknown) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(network.rpcUrl, { method: 'POST', headers, body })
    return (await response.json()) as { error?: { code: number }; result?: { error?: string } }
  }
  const codes = await Promise.all([
    ask('mint', {}),
    ask('sendTransaction', {}),
    ask('sendTransaction', { transaction: 'AAAA' }),
    ask('sendTransaction', [1]),
    ask('getTransaction', { hash: 'x' }),
    ask('getLedgerEntries', { keys: ['AAAA=='] }),
    ask('getLedgerEntries', {}),
  ])
  expect(codes.map(({ error }) => error?.code)).toEqual([
    -32601,
    ...Array.from({ length: 6 }, () => -32602),
  ])
  expect((await ask('simulateTransaction', { transaction: 'AAAA' })).result?.error).toMatch(
    /unmarshal/,
  )
})

test('any number of networks run at once', async () => {
  const networks = await Promise.all([1, 2, 3].map(() => Stellar.start({ quiet: true })))
  const key = networks[0]!.account()
  expect(networks.map((one) => one.stroops(key.publicKey()))).toEqual([100_000_000_000n, 0n, 0n])
  expect(new Set(networks.map(({ rpcUrl }) => rpcUrl)).size).toBe(3)
  await Promise.all(networks.map((one) => one.stop()))
})

test('fifty pay at once, each in the next ledger', async () => {
  const payers = Array.from({ length: 50 }, () => network.account())
  for (const key of payers) usdc.mint(key.publicKey(), 5n)
  const before = usdc.received(shop)
  const order = { token: usdc, to: shop, amount: 5n }
  const paid = await Promise.all(payers.map((key) => pay(network, key, order)))
  expect(new Set(paid.map(({ status }) => status))).toEqual(new Set(['SUCCESS']))
  const after = usdc.received(shop)
  expect([after.count - before.count, after.sum - before.sum]).toEqual([50, 250n])
})

test('the process ends after stop', async () => {
  const owner = fileURLToPath(new URL('stellar-owner.mjs', import.meta.url))
  const { stdout } = await run(process.execPath, ['--no-warnings', owner], { timeout: 20_000 })
  expect(stdout).toMatch(/^Stellar network at .*\nhealthy\n$/)
})
