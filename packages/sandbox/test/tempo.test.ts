import { Tempo } from '@polyrail/sandbox/tempo'
import { encodeFunctionData, type Hex, keccak256, maxUint256, pad, parseEventLogs } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Abis, Account, Actions, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

let chain: Tempo.Chain
let payer: Tempo.LocalAccount
let shop: Tempo.LocalAccount

beforeAll(async () => {
  chain = await Tempo.start({ quiet: true })
  payer = await chain.account()
  shop = await chain.account({ amount: 1n })
})
afterAll(() => chain.stop())

const transfer = (to: Hex, amount: bigint) => ({
  to: chain.tokens.pathUSD as Hex,
  data: encodeFunctionData({ abi: Abis.tip20, functionName: 'transfer', args: [to, amount] }),
})

let salt = 0

/** Signs offline, as a pull-mode payer does. */
function sign(
  overrides: Record<string, unknown> = {},
  account: Tempo.LocalAccount = payer,
): Promise<Transaction.TransactionSerializedTempo> {
  return account.signTransaction(
    {
      type: 'tempo',
      chainId: chain.chainId,
      calls: [transfer(shop.address, 10n)],
      feeToken: chain.tokens.AlphaUSD,
      gas: 600_000n,
      maxFeePerGas: 40_000_000_000n,
      maxPriorityFeePerGas: 0n,
      nonceKey: maxUint256,
      nonce: 0,
      validAfter: ++salt,
      validBefore: chain.now() + 20,
      ...overrides,
    },
    { serializer: Transaction.serialize },
  ) as Promise<Transaction.TransactionSerializedTempo>
}

const broadcast = (serializedTransaction: Hex, timeout?: number) =>
  chain.client().sendRawTransactionSync({ serializedTransaction, ...(timeout ? { timeout } : {}) })

async function rpc(method: string, params: unknown[] = []) {
  return post({ jsonrpc: '2.0', id: 1, method, params })
}

async function post(body: unknown) {
  const response = await fetch(chain.rpcUrl, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(3_000),
  })
  return response.status === 200 ? await response.json() : response.status
}

describe('accounts and balances', () => {
  test('a new account holds the amount asked for, of each token', async () => {
    const rich = await chain.account({ amount: 42n })
    for (const token of Object.values(chain.tokens)) {
      expect(await chain.balance(rich.address, token)).toBe(42n)
    }
  })

  test('a new account holds only the tokens asked for', async () => {
    const { pathUSD, AlphaUSD } = chain.tokens
    const poor = await chain.account({ amount: 7n, tokens: [pathUSD] })
    expect(await chain.balance(poor.address)).toBe(7n)
    expect(await chain.balance(poor.address, AlphaUSD)).toBe(0n)
  })

  test('funds the same address many times at once without losing any', async () => {
    const { address } = await chain.account({ amount: 1n })
    await Promise.all(Array.from({ length: 8 }, () => chain.fund(address, { amount: 5n })))
    expect(await chain.balance(address)).toBe(41n)
  })

  test('answers tempo_fundAddress, which viem calls', async () => {
    const address = pad('0xf00d', { size: 20 })
    const receipts = await chain.client().faucet.fundSync({ account: address })
    expect(receipts.map(({ status }) => status)).toEqual(['success'])
    expect(await chain.balance(address, chain.tokens.ThetaUSD)).toBe(1_000_000_000n)
    expect(await rpc('tempo_fundAddress', ['nobody'])).toMatchObject({ error: { code: -32602 } })
  })

  test('names ten dev accounts that hold every token', async () => {
    expect(chain.accounts).toHaveLength(10)
    expect(await chain.balance(chain.accounts[9]!.address, chain.tokens.BetaUSD)).toBe(
      2n ** 64n - 1n,
    )
  })
})

describe('payments with a viem client', () => {
  test('a transfer with a memo moves exactly its amount and logs the memo', async () => {
    const before = await chain.balance(payer.address)
    const memo = keccak256('0x1234')
    const { receipt } = await chain
      .client({ account: payer })
      .token.transferSync({ amount: 25n, memo, to: shop.address, token: chain.tokens.pathUSD })
    expect(receipt.status).toBe('success')
    expect(await chain.balance(payer.address)).toBe(before - 25n)
    const [log] = parseEventLogs({
      abi: Abis.tip20,
      eventName: 'TransferWithMemo',
      logs: receipt.logs,
    })
    expect(log?.args).toEqual({ from: payer.address, to: shop.address, amount: 25n, memo })
  })

  test('transfers sent at once by one account all succeed', async () => {
    const client = chain.client({ account: payer })
    const before = await chain.balance(shop.address)
    await Promise.all(
      Array.from({ length: 6 }, () =>
        client.token.transferSync({ amount: 3n, to: shop.address, token: chain.tokens.pathUSD }),
      ),
    )
    expect(await chain.balance(shop.address)).toBe(before + 18n)
  })

  test('a transfer beyond the balance is refused with the reason, before it is sent', async () => {
    const client = chain.client({ account: payer })
    await expect(
      client.token.transferSync({
        amount: 10n ** 30n,
        to: shop.address,
        token: chain.tokens.pathUSD,
      }),
    ).rejects.toThrow(/Insufficient balance/)
  })

  test('a sponsored transfer is paid for by the sponsor, and the receipt says so', async () => {
    const { pathUSD, AlphaUSD } = chain.tokens
    const poor = await chain.account({ amount: 100n, tokens: [pathUSD] })
    const sponsor = await chain.account()
    const { receipt } = await chain.client({ account: poor }).token.transferSync({
      amount: 100n,
      feePayer: sponsor,
      to: shop.address,
      token: pathUSD,
    })
    expect(receipt.status).toBe('success')
    expect(receipt).toMatchObject({
      feePayer: sponsor.address.toLowerCase(),
      feeToken: AlphaUSD,
    })
    expect(await chain.balance(sponsor.address, AlphaUSD)).toBeLessThan(1_000_000_000n)
  })
})

describe('gas of a batch of calls', () => {
  const fresh = (n: number) => pad(`0xabc${n}`, { size: 20 })
  const lanes = {
    protocol: 0n,
    expiring: maxUint256,
    '2D': 77n,
  }

  test.each(Object.entries(lanes))('suffices on a %s nonce', async (_name, nonceKey) => {
    const account = await chain.account()
    const calls = [1, 2, 3].map((n) => transfer(fresh(n + Number(nonceKey % 97n) * 10), 1n))
    const receipt = await chain.client({ account }).sendTransactionSync({ calls, nonceKey })
    const { gas } = await chain.client().getTransaction({ hash: receipt.transactionHash })
    expect(receipt.status).toBe('success')
    expect(gas).toBeGreaterThan(receipt.gasUsed)
    expect(gas).toBeLessThan(receipt.gasUsed * 2n)
  })

  const recipients = [fresh(1), fresh(2)]
  test.each([
    ['without limits', {}],
    ['with limits', { limits: Object.values(Tempo.tokens).map((token) => ({ token, limit: 5n })) }],
    ['for some tokens', { scopes: Object.values(Tempo.tokens).map((address) => ({ address })) }],
    [
      'for some recipients',
      { scopes: [{ address: Tempo.tokens.AlphaUSD, selector: '0xa9059cbb', recipients }] },
    ],
  ])('suffices to register an access key %s', async (_name, rules) => {
    const root = await chain.account()
    const accessKey = Account.fromP256(generatePrivateKey(), { access: root })
    const expiry = chain.now() + 3600
    const client = chain.client({ account: root })
    const { receipt } = await Actions.accessKey.authorizeSync(client, {
      accessKey,
      expiry,
      ...(rules as object),
    })
    const { gas } = await chain.client().getTransaction({ hash: receipt.transactionHash })
    expect(receipt.status).toBe('success')
    expect(gas).toBeGreaterThan(receipt.gasUsed)
    expect(gas).toBeLessThan(receipt.gasUsed * 2n)
  })

  test('follows the number of calls', async () => {
    const estimate = async (count: number) => {
      const calls = Array.from({ length: count }, () => transfer(shop.address, 1n))
      const { result } = await rpc('eth_estimateGas', [{ from: payer.address, calls }])
      return Number(result)
    }
    const [one, two] = [await estimate(1), await estimate(2)]
    expect(two).toBeGreaterThan(one)
    expect(two).toBeLessThan(one + 100_000)
  })

  test.each(['eth_call', 'eth_estimateGas', 'eth_fillTransaction'])(
    '%s of a batch that fails is error 3 with the revert data',
    async (method) => {
      const calls = [transfer(shop.address, 1n), transfer(shop.address, 10n ** 30n)]
      const { error } = await rpc(method, [{ from: payer.address, calls }])
      expect(error.code).toBe(3)
      expect(error.data).toMatch(/^0x832f98b5/) // InsufficientBalance(uint256,uint256,address)
    },
  )

  test('eth_call of a batch returns what its last call returns', async () => {
    const calls = [transfer(shop.address, 1n)]
    expect(await rpc('eth_call', [{ from: payer.address, calls }, 'latest'])).toMatchObject({
      result: pad('0x1'),
    })
  })

  test('eth_fillTransaction keeps the calls', async () => {
    const calls = [transfer(shop.address, 1n)]
    const { result } = await rpc('eth_fillTransaction', [{ from: payer.address, calls }])
    expect(result.tx.calls).toEqual([{ to: calls[0]!.to, input: calls[0]!.data }])
    expect(Number(result.tx.gas)).toBeLessThan(400_000)
  })
})

test('the price of gas stays where Tempo fixes it', async () => {
  await using other = await Tempo.start({ quiet: true })
  const client = other.client({ account: await other.account() })
  await other.advance(1)
  await other.advance(1)
  for (let round = 0; round < 3; round++) {
    const { receipt } = await client.token.transferSync({
      amount: 1n,
      to: shop.address,
      token: other.tokens.pathUSD,
    })
    expect(receipt.status).toBe('success')
    expect((await client.getBlock()).baseFeePerGas).toBe(20_000_000_000n)
  }
})

describe('a transaction signed offline and broadcast raw', () => {
  test('settles; the sender is recovered from the bytes', async () => {
    const raw = await sign()
    expect(raw.slice(0, 4)).toBe('0x76')
    expect(Transaction.deserialize(raw).from).toBe(payer.address.toLowerCase())
    const before = await chain.balance(shop.address)
    const receipt = await broadcast(raw)
    expect(receipt).toMatchObject({
      status: 'success',
      transactionHash: keccak256(raw),
      feePayer: payer.address.toLowerCase(),
      feeToken: chain.tokens.AlphaUSD,
    })
    expect(await chain.balance(shop.address)).toBe(before + 10n)
  })

  test('identical bytes, at once and later, settle once and get one receipt', async () => {
    const raw = await sign()
    const before = await chain.balance(shop.address)
    const receipts = await Promise.all(Array.from({ length: 20 }, () => broadcast(raw)))
    receipts.push(await broadcast(raw))
    expect(new Set(receipts.map(({ blockHash }) => blockHash)).size).toBe(1)
    expect(await chain.balance(shop.address)).toBe(before + 10n)
  })

  test.each([
    ['beyond the window', { validBefore: 200 }, /validBefore is 2\d\d s ahead/],
    ['without validBefore', { validBefore: undefined }, /needs validBefore/],
    ['with a random nonce', { nonce: 5 }, /must have nonce 0/],
    ['with too little gas', { gas: 30_000n }, /gas is below the intrinsic cost/],
    ['that is expired', { validBefore: -5 }, /valid_before .* must be > current time/],
    ['of another chain', { chainId: 42431 }, /invalid chain id/],
    ['in a lane that is not there yet', { nonceKey: 9n, nonce: 3, validBefore: undefined }, /lane/],
  ])('%s is rejected, not left hanging', async (_name, overrides, reason) => {
    const life = 'validBefore' in overrides ? overrides.validBefore : 20
    const validBefore = life && chain.now() + life
    const raw = await sign({ ...overrides, validBefore })
    const begun = performance.now()
    await expect(broadcast(raw)).rejects.toMatchObject({
      details: expect.stringMatching(reason),
      cause: { code: -32003 },
    })
    expect(performance.now() - begun).toBeLessThan(2_000)
  })

  test('a used nonce is rejected with the next one', async () => {
    const account = await chain.account()
    const lane = { nonceKey: 0n, nonce: 0, validBefore: undefined }
    await broadcast(await sign(lane, account))
    await expect(broadcast(await sign(lane, account))).rejects.toThrow(
      /nonce 0 is used, the next is 1/,
    )
  })

  test('one that must wait longer than asked is error 4 with its hash', async () => {
    const raw = await sign({ validAfter: chain.now() + 15 })
    expect(await rpc('eth_sendRawTransactionSync', [raw, 100])).toMatchObject({
      error: { code: 4, data: keccak256(raw) },
    })
  })

  test('one that its sender cannot pay the fee for is rejected', async () => {
    const poor = await chain.account({ amount: 50n, tokens: [chain.tokens.pathUSD] })
    await expect(broadcast(await sign({}, poor))).rejects.toThrow(/insufficient fee token balance/)
  })

  test('one whose transfer fails settles as reverted and moves nothing but the fee', async () => {
    const before = await chain.balance(payer.address)
    const raw = await sign({ calls: [transfer(shop.address, 10n ** 30n)] })
    expect((await broadcast(raw)).status).toBe('reverted')
    expect(await chain.balance(payer.address)).toBe(before)
  })

  test('bytes that are no transaction are an error', async () => {
    for (const raw of ['0x76c0', '0x', 'zz', 7, null]) {
      expect(await rpc('eth_sendRawTransactionSync', [raw])).toMatchObject({
        error: { code: -32602 },
      })
    }
  })
})

describe('time', () => {
  test('moves forward, and expires what was signed before', async () => {
    await using other = await Tempo.start({ quiet: true })
    const account = await other.account()
    const raw = await sign({}, account)
    await other.advance(3_600)
    const { timestamp } = await other.client().getBlock()
    expect(Math.abs(Number(timestamp) - other.now())).toBeLessThan(2)
    expect(Number(timestamp) - Date.now() / 1_000).toBeGreaterThan(3_590)
    const client = other.client({ account })
    await expect(client.sendRawTransactionSync({ serializedTransaction: raw })).rejects.toThrow(
      /valid_before/,
    )
    const { receipt } = await client.token.transferSync({
      amount: 1n,
      nonceKey: 'expiring',
      to: shop.address,
      token: other.tokens.pathUSD,
    })
    expect(receipt.status).toBe('success')
  })

  test('stands still between pause and resume: transactions wait', async () => {
    await using other = await Tempo.start({ quiet: true })
    const raw = await sign({}, await other.account())
    const client = other.client()
    await other.pause()
    await expect(
      client.sendRawTransactionSync({ serializedTransaction: raw, timeout: 100 }),
    ).rejects.toMatchObject({ cause: { code: 4 } })
    const waiting = client.sendRawTransactionSync({ serializedTransaction: raw })
    await other.resume()
    expect((await waiting).status).toBe('success')
  })
})

describe('faults', () => {
  const method = 'eth_sendRawTransactionSync'

  test('an error, for as many calls as asked', async () => {
    const fault = chain.fault({
      method: 'eth_chainId',
      times: 2,
      fail: { code: -32005, message: 'limit exceeded' },
    })
    expect(await rpc('eth_chainId')).toMatchObject({ error: { code: -32005 } })
    expect(await rpc('eth_blockNumber')).toHaveProperty('result')
    expect(await rpc('eth_chainId')).toHaveProperty('error')
    expect(await rpc('eth_chainId')).toMatchObject({ result: '0x539' })
    expect(fault.hits).toBe(2)
  })

  test('an HTTP status', async () => {
    using _ = chain.fault({ fail: { status: 503 } })
    expect(await rpc('eth_chainId')).toBe(503)
  })

  test('a cut connection: nothing was carried out', async () => {
    using fault = chain.fault({ method, fail: 'drop' })
    const before = await chain.balance(shop.address)
    const raw = await sign()
    await expect(broadcast(raw)).rejects.toThrow(/HTTP request failed/)
    expect(fault.hits).toBe(1)
    expect(await chain.balance(shop.address)).toBe(before)
    fault.clear()
    expect((await broadcast(raw)).status).toBe('success')
  })

  test('a lost answer: it was carried out', async () => {
    using _ = chain.fault({ method, executed: true, fail: 'drop' })
    const before = await chain.balance(shop.address)
    const raw = await sign()
    await expect(broadcast(raw)).rejects.toThrow(/HTTP request failed/)
    expect(await chain.balance(shop.address)).toBe(before + 10n)
    const receipt = await chain.client().getTransactionReceipt({ hash: keccak256(raw) })
    expect(receipt.status).toBe('success')
  })

  test('a late answer', async () => {
    using _ = chain.fault({ method: 'eth_chainId', delay: 150 })
    const begun = performance.now()
    expect(await rpc('eth_chainId')).toMatchObject({ result: '0x539' })
    expect(performance.now() - begun).toBeGreaterThan(145)
  })

  test('no answer, until the fault is cleared', async () => {
    const fault = chain.fault({ method: 'eth_chainId', fail: 'hang' })
    const silent = fetch(chain.rpcUrl, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId' }),
    }).then(
      () => 'answered',
      () => 'cut',
    )
    const timer = new Promise((resolve) => setTimeout(resolve, 100, 'silent'))
    expect(await Promise.race([silent, timer])).toBe('silent')
    fault.clear()
    expect(await silent).toBe('cut')
  })
})

describe('JSON-RPC', () => {
  const chainId = { jsonrpc: '2.0', id: 'x', method: 'eth_chainId' }

  test('a batch is answered in order, each call by itself', async () => {
    expect(await post([chainId, 7, { ...chainId, id: 2, method: 'no_such' }])).toMatchObject([
      { id: 'x', result: '0x539' },
      { id: null, error: { code: -32600 } },
      { id: 2, error: { code: -32601 } },
    ])
  })

  test('a notification gets no answer', async () => {
    expect(await post({ jsonrpc: '2.0', method: 'eth_chainId' })).toBe(204)
  })

  test.each(['{oops', '', '\u0000', '[]', '{}', 'null', '"x"', '{"id":1,"method":7}', '[[]]'])(
    'nonsense is an error object: %j',
    async (body) => {
      const reply = await post(body)
      const [first] = Array.isArray(reply) ? reply : [reply]
      expect([-32700, -32600]).toContain(first.error.code)
    },
  )

  test.each([
    'eth_call',
    'eth_estimateGas',
    'eth_fillTransaction',
    'eth_sendRawTransactionSync',
    'eth_getTransactionReceipt',
    'tempo_fundAddress',
  ])('%s takes any params without harm', async (method) => {
    const odd = [undefined, null, {}, 7, [], [null], [{}], [{ calls: [] }], [{ calls: [7] }]]
    for (const params of [
      ...odd,
      [{ calls: [{}] }],
      [{ calls: [{ to: 'x', data: 9 }], from: 4 }],
    ]) {
      const reply = await post({ jsonrpc: '2.0', id: 1, method, params })
      expect('result' in reply !== 'error' in reply).toBe(true)
    }
    expect(await rpc('eth_chainId')).toMatchObject({ result: '0x539' })
  })

  test('other HTTP methods and huge bodies are refused', async () => {
    expect((await fetch(chain.rpcUrl)).status).toBe(405)
    const body = `"${'x'.repeat(9_000_000)}"`
    const outcome = await fetch(chain.rpcUrl, { method: 'POST', body }).then(
      ({ status }) => status,
      () => 'cut',
    )
    expect([413, 'cut']).toContain(outcome)
    expect(await rpc('eth_chainId')).toMatchObject({ result: '0x539' })
  })
})

test('an account that the sandbox did not make can be funded and pay', async () => {
  const own = Account.fromSecp256k1(`0x${'5a'.repeat(32)}`)
  await chain.fund(own.address, { amount: 1_000_000n })
  expect((await broadcast(await sign({}, own))).status).toBe('success')
})
