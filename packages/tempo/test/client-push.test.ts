/**
 * Push: the client broadcasts itself, or has a wallet do it, and whatever answer is lost, money is neither lost nor paid twice.
 *
 * @module
 */
import { Expires } from '@polyrail/core'
import { createClient, custom, http, numberToHex, type EIP1193RequestFn } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Account, Transaction, walletNamespaceCompat } from 'viem/tempo'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createPaying, paymentsIn, type Asked, type Options } from './paying.ts'

let local: Awaited<ReturnType<typeof createPaying>>
beforeAll(async () => void (local = await createPaying()))
afterAll(() => local.chain.stop())

const faults: { clear: () => void }[] = []
const fault = (given: Parameters<typeof local.chain.fault>[0]) => {
  const injected = local.chain.fault(given)
  faults.push(injected)
  return injected
}
afterEach(() => faults.splice(0).forEach((injected) => injected.clear()))

const BROADCAST = 'eth_sendRawTransactionSync'
const pushing: Asked = { methodDetails: { supportedModes: ['push'] } }

/** Pushes a payment; how many there are of it on the chain can be counted by its recipient. */
async function push(asked: Asked = {}, options: Options = {}, expires = Expires.minutes(5)) {
  const recipient = Account.fromSecp256k1(generatePrivateKey()).address
  const challenge = local.challengeFor({ ...pushing, recipient, ...asked }, expires)
  const pushed = local.prove(challenge, options)
  const received = () => local.chain.balance(recipient)
  return { pushed, received, recipient }
}

const hashOf = async (pushed: ReturnType<typeof local.prove>) => {
  const { payload, ...rest } = await pushed
  if (payload.type !== 'hash') throw new Error(`a hash was due, and this is a ${payload.type}`)
  return { hash: payload.hash, ...rest }
}

const url = new URL('https://shop.example/')

describe('the mode', () => {
  test.each<[string, Details, Options, string]>([
    ['pull where both are', { supportedModes: ['pull', 'push'] }, {}, 'transaction'],
    ['pull where nothing is said', { supportedModes: undefined }, {}, 'transaction'],
    ['push where nothing else is', { supportedModes: ['push'] }, {}, 'hash'],
    ['push for an owner who says so', { supportedModes: undefined }, { mode: 'push' }, 'hash'],
  ])('is %s [tempo-charge-008 tempo-charge-046]', async (_, methodDetails, options, type) => {
    const { payload } = await local.prove(local.challengeFor({ methodDetails }), options)
    expect(payload.type).toBe(type)
  })

  test.each([
    ['push', ['pull']],
    ['pull', ['push']],
  ] as const)('%s is not left by an owner who insists on it', async (mode, supportedModes) => {
    const methodDetails = { supportedModes: [...supportedModes] }
    expect(await local.accepts({ methodDetails }, { mode })).toMatch(
      `The server does not take ${mode} mode`,
    )
  })

  test('does not matter for a proof', async () => {
    const challenge = local.challengeFor({ ...pushing, amount: '0' })
    expect((await local.prove(challenge, { mode: 'pull' })).payload.type).toBe('proof')
  })
})
type Details = NonNullable<Asked['methodDetails']>

describe('a push', () => {
  test('is in a block when its hash is given away, and counts as paid', async () => {
    const { pushed, received, recipient } = await push()
    const { hash, source, authorization } = await hashOf(pushed)
    expect(authorization).toBeUndefined()
    expect(source).toBe(`did:pkh:eip155:1337:${local.payer.address}`)
    const receipt = await local.receiptOf(hash)
    expect(receipt.status).toBe('success')
    expect(paymentsIn(receipt.logs)[0]).toMatchObject({ to: recipient, amount: 10_000n })
    expect(await received()).toBe(10_000n)
  })

  test('pays every split', async () => {
    const [one, two] = [generatePrivateKey(), generatePrivateKey()].map(
      (key) => Account.fromSecp256k1(key).address,
    ) as [`0x${string}`, `0x${string}`]
    const splits = [
      { amount: '10', recipient: one },
      { amount: '20', recipient: two },
    ]
    const { pushed, received } = await push({
      methodDetails: { supportedModes: ['push'], splits },
    })
    await pushed
    expect(await received()).toBe(9970n)
    expect(await local.chain.balance(one)).toBe(10n)
    expect(await local.chain.balance(two)).toBe(20n)
  })

  test.each([
    ['the answer is lost', { fail: 'drop', executed: true }],
    ['the request is lost', { fail: 'drop' }],
    ['the node says that it is overloaded', { fail: { code: -32005, message: 'limit exceeded' } }],
    ['a gateway fails', { fail: { status: 503 } }],
    ['a gateway fails after it was sent', { fail: { status: 502 }, executed: true }],
  ] as const)('pays once when %s', async (_, failure) => {
    const injected = fault({ method: BROADCAST, times: 1, ...failure })
    const { pushed, received } = await push()
    const { hash } = await hashOf(pushed)
    expect(injected.hits).toBe(1)
    expect((await local.receiptOf(hash)).status).toBe('success')
    expect(await received()).toBe(10_000n)
  })

  test('pays once when everything is lost for a while', async () => {
    const { pushed, received } = await push()
    fault({ method: BROADCAST, times: 1, fail: 'drop', executed: true })
    fault({ method: 'eth_getTransactionReceipt', times: 7, fail: 'drop' })
    expect((await local.receiptOf((await hashOf(pushed)).hash)).status).toBe('success')
    expect(await received()).toBe(10_000n)
  })

  test('that can never be in a block is no payment', { timeout: 30_000 }, async () => {
    const away = await createPaying()
    try {
      const challenge = away.challengeFor(pushing)
      const before = await away.settled()
      await away.chain.pause()
      const pushed = away.prove(challenge)
      const ended = pushed.then(
        () => undefined,
        (cause: unknown) => cause,
      )
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await away.chain.advance(60)
      expect(await ended).toMatchObject({
        code: 'verification-failed',
        message: expect.stringMatching(/never will be; nothing was paid/),
      })
      expect(await away.settled()).toBe(before)
    } finally {
      await away.chain.stop()
    }
  })

  test('that was lost and came too late is no payment', { timeout: 30_000 }, async () => {
    fault({ method: BROADCAST, times: 1, fail: 'drop' })
    const { pushed, received } = await push({}, {}, Expires.seconds(12))
    await expect(pushed).rejects.toMatchObject({
      code: 'verification-failed',
      message: expect.stringMatching(/never will be; nothing was paid/),
    })
    expect(await received()).toBe(0n)
  })

  test('of which nobody can tell says so, and names it', { timeout: 40_000 }, async () => {
    const { pushed } = await push({}, {}, Expires.seconds(11))
    fault({ method: BROADCAST, fail: 'drop', executed: true })
    fault({ method: 'eth_getTransactionReceipt', fail: 'drop' })
    await expect(pushed).rejects.toMatchObject({
      code: 'payment-indeterminate',
      message: expect.stringMatching(/0x[\da-f]{64}/),
    })
  })

  test('that the chain reverts is no payment', async () => {
    const account = await local.chain.account()
    const { pathUSD } = local.chain.tokens
    // The money goes while the payment is on its way.
    const client = local.chain.client({ account })
    const signing: Options['account'] = {
      address: account.address,
      async signTransaction(...given) {
        const raw = await account.signTransaction(...given)
        const left = await local.chain.balance(account.address)
        await client.token.transferSync({ token: pathUSD, to: local.shop.address, amount: left })
        return raw
      },
    }
    const { AlphaUSD } = local.chain.tokens
    const { pushed, received } = await push({}, { account: signing, feeToken: AlphaUSD })
    await expect(pushed).rejects.toMatchObject({
      code: 'verification-failed',
      message: expect.stringMatching(/was reverted/),
    })
    expect(await received()).toBe(0n)
  })

  test('that the chain refuses is no payment', async () => {
    fault({ method: BROADCAST, fail: { code: -32003, message: 'insufficient funds for gas' } })
    const { pushed, received } = await push()
    await expect(pushed).rejects.toMatchObject({ code: 'verification-failed' })
    expect(await received()).toBe(0n)
  })

  test('to a node that is not there is no payment', async () => {
    const { pushed } = await push({}, { rpcUrl: 'http://127.0.0.1:9' })
    await expect(pushed).rejects.not.toMatchObject({ code: 'payment-indeterminate' })
  })

  test('is void early enough to be shown before its challenge ends', async () => {
    const validities: number[] = []
    const account: Options['account'] = {
      address: local.payer.address,
      async signTransaction(fields, ...rest) {
        validities.push(Number((fields as { validBefore?: number }).validBefore))
        return local.payer.signTransaction(fields, ...rest)
      },
    }
    const expires = Expires.seconds(20)
    const { pushed } = await push({}, { account }, expires)
    await pushed
    const left = (Date.parse(expires) - validities[0]! * 1000) / 1000
    expect(left).toBeGreaterThanOrEqual(10)
    expect(left).toBeLessThan(12)
  })

  test('is not made for a challenge that ends before it could be shown', async () => {
    const reason = /ends too soon to send the payment and show it: push mode takes 10 seconds/
    const late = local.challengeFor(pushing, Expires.seconds(9))
    expect(await local.wallet().accepts?.({ challenge: late })).toMatch(reason)
    const { pushed, received } = await push({}, {}, Expires.seconds(9))
    await expect(pushed).rejects.toThrow(reason)
    expect(await received()).toBe(0n)
    const pulled = local.challengeFor({}, Expires.seconds(9))
    expect(await local.wallet().accepts?.({ challenge: pulled })).toBeUndefined()
  })

  test('that was called off before it was sent is not sent', async () => {
    const recipient = Account.fromSecp256k1(generatePrivateKey()).address
    const challenge = local.challengeFor({ ...pushing, recipient })
    const signal = AbortSignal.abort(new Error('gone'))
    const wallet = local.wallet()
    await expect(
      (async () => wallet.createCredential({ challenge, context: undefined, url, signal }))(),
    ).rejects.toThrow()
    expect(await local.chain.balance(recipient)).toBe(0n)
  })
})

describe('a wallet', () => {
  type Request = { method: string; params: unknown[] }
  type Untyped = { Method: string; Parameters: unknown[]; ReturnType: unknown }
  type Handler = (request: Request, next: () => Promise<unknown>) => unknown

  /** A wallet for one account, which a client reaches by EIP-1193; `handle` may answer in its place. */
  async function open(handle: Handler = (_, next) => next()) {
    const account = await local.chain.account()
    const { chain } = local.chain
    const transport = walletNamespaceCompat(http(local.chain.rpcUrl), { account })
    const compat = createClient({ chain, transport })
    const asked: Request[] = []
    const answer = async (request: Request) => {
      const [first, second] = request.params
      switch (request.method) {
        case 'eth_signTypedData_v4':
          return account.signTypedData(JSON.parse(String(second)))
        case 'eth_signTransaction':
          return account.signTransaction(fieldsOf(first as Wire))
        case 'eth_sendTransaction': {
          const { to, data } = first as { to: `0x${string}`; data: `0x${string}` }
          return local.chain.client({ account }).sendTransaction({ to, data })
        }
        default:
          return compat.request<Untyped>(request, { retryCount: 0 })
      }
    }
    const request = (async (given: Request) => {
      const whole = { ...given, params: given.params ?? [] }
      asked.push(whole)
      return handle(whole, () => answer(whole))
    }) as EIP1193RequestFn
    const client = createClient({
      account: account.address,
      chain,
      transport: custom({ request }),
      pollingInterval: 50,
    })
    return {
      client,
      account,
      options: { client, account: undefined, rpcUrl: undefined } satisfies Options,
      methods: () => asked.map(({ method }) => method),
      asked,
    }
  }

  type Wire = Record<'gas' | 'maxFeePerGas' | 'nonceKey' | 'validBefore', `0x${string}`> & {
    calls: { to: `0x${string}`; data: `0x${string}` }[]
    feeToken?: `0x${string}`
    feePayer?: boolean
  }
  const fieldsOf = ({ calls, feeToken, feePayer, ...wire }: Wire) => ({
    type: 'tempo' as const,
    chainId: 1337,
    calls: calls.map(({ to, data }) => ({ to, data })),
    gas: BigInt(wire.gas),
    maxFeePerGas: BigInt(wire.maxFeePerGas),
    nonceKey: BigInt(wire.nonceKey),
    nonce: 0,
    validBefore: Number(wire.validBefore),
    ...(feePayer ? { feePayerSignature: null } : { feeToken }),
  })

  const either: Asked = { methodDetails: { supportedModes: undefined } }
  const refuse = (code: number) => {
    throw Object.assign(new Error('no'), { code })
  }

  test('is asked to send where the server does not insist on sending', async () => {
    const { options, account, asked } = await open()
    const { pushed, received } = await push(either, options)
    const { hash, source, authorization } = await hashOf(pushed)
    expect(authorization).toBeUndefined()
    expect(source).toBe(`did:pkh:eip155:1337:${account.address}`)
    expect((await local.receiptOf(hash)).status).toBe('success')
    expect(await received()).toBe(10_000n)
    const batch = asked.find(({ method }) => method === 'wallet_sendCalls')?.params[0]
    expect(batch).toMatchObject({ chainId: '0x539', from: account.address, atomicRequired: false })
  })

  test('is asked for several calls at once, or not at all', async () => {
    const recipient = Account.fromSecp256k1(generatePrivateKey()).address
    const splits = [{ amount: '1', recipient }]
    const { options, asked } = await open()
    const { pushed } = await push({ methodDetails: { supportedModes: ['push'], splits } }, options)
    await pushed
    expect(await local.chain.balance(recipient)).toBe(1n)
    const batch = asked.find(({ method }) => method === 'wallet_sendCalls')?.params[0]
    expect(batch).toMatchObject({ atomicRequired: true, calls: [{}, {}] })

    const old = await open(({ method }, next) =>
      method === 'wallet_sendCalls' ? refuse(-32601) : next(),
    )
    const again = await push({ methodDetails: { supportedModes: ['push'], splits } }, old.options)
    await expect(again.pushed).rejects.not.toMatchObject({ code: 'payment-indeterminate' })
    expect(old.methods()).not.toContain('eth_sendTransaction')
  })

  test.each([-32601, 4200])('that knows no batches (%i) sends one call', async (code) => {
    const { options, methods } = await open(({ method }, next) =>
      method === 'wallet_sendCalls' ? refuse(code) : next(),
    )
    const { pushed, received } = await push(either, options)
    expect((await local.receiptOf((await hashOf(pushed)).hash)).status).toBe('success')
    expect(await received()).toBe(10_000n)
    expect(methods()).toContain('eth_sendTransaction')
  })

  test.each([4001, 4100, 5700, 5710, -32602])(
    'whose owner or rules say no (%i) has not paid',
    async (code) => {
      const { options, methods } = await open(({ method }, next) =>
        method === 'wallet_sendCalls' ? refuse(code) : next(),
      )
      const { pushed, received } = await push(either, options)
      await expect(pushed).rejects.not.toMatchObject({ code: 'payment-indeterminate' })
      expect(await received()).toBe(0n)
      expect(methods()).not.toContain('eth_sendTransaction')
    },
  )

  test('may be a node that keeps keys', async () => {
    const { chain, rpcUrl, accounts } = local.chain
    const client = createClient({ account: accounts[0]!.address, chain, transport: http(rpcUrl) })
    const { pushed, received } = await push({}, { client, account: undefined })
    await hashOf(pushed)
    expect(await received()).toBe(10_000n)
  })

  test('that loses the answer may have paid', async () => {
    const { options, methods } = await open(async ({ method }, next) => {
      if (method !== 'wallet_sendCalls') return next()
      await next()
      throw new Error('the connection is gone')
    })
    const { pushed } = await push(either, options)
    await expect(pushed).rejects.toMatchObject({ code: 'payment-indeterminate' })
    expect(methods().filter((method) => method === 'wallet_sendCalls')).toHaveLength(1)
  })

  test('that lives on another chain is told so, and not asked', async () => {
    const { options, methods } = await open(({ method }, next) =>
      method === 'eth_chainId' ? '0x1079' : next(),
    )
    const { pushed } = await push(either, options)
    await expect(pushed).rejects.toThrow(
      /wallet is on chain 4217, and payments here are on chain 1337/,
    )
    expect(methods()).not.toContain('wallet_sendCalls')
  })

  test('that is switched to another chain is not asked there, whenever that happens', async () => {
    let at = '0x539'
    const { options, methods } = await open(({ method }, next) => {
      if (method === 'eth_chainId') return at
      // Seen after the first look at the chain.
      if (method === 'eth_call' && methods().includes('wallet_sendCalls')) at = '0x1079'
      return next()
    })
    const wallet = local.wallet(options)
    const pay = async () =>
      wallet.createCredential({
        challenge: local.challengeFor(either),
        context: undefined,
        url,
        signal: new AbortController().signal,
      })
    await pay()
    await expect(pay()).rejects.toThrow(/wallet is on chain 4217/)
    at = '0x1079'
    await expect(pay()).rejects.toThrow(/wallet is on chain 4217/)
    expect(methods().filter((method) => method === 'wallet_sendCalls')).toHaveLength(1)
  })

  test('is told the chain, the fee token and the end in a single call too', async () => {
    const { AlphaUSD } = local.chain.tokens
    const { options, asked } = await open(({ method }, next) =>
      method === 'wallet_sendCalls' ? refuse(-32601) : next(),
    )
    const expires = Expires.minutes(2)
    const { pushed } = await push(either, { ...options, feeToken: AlphaUSD }, expires)
    await pushed
    const validBefore = Math.floor(Date.parse(expires) / 1000) - 10
    const of = (name: string) => asked.find(({ method }) => method === name)?.params[0]
    expect(of('eth_sendTransaction')).toMatchObject({
      chainId: '0x539',
      feeToken: AlphaUSD,
      validBefore: numberToHex(validBefore),
    })
    expect(of('wallet_sendCalls')).toMatchObject({
      capabilities: { feeToken: AlphaUSD, validBefore },
    })
  })

  test.each([
    ['wallet_sendCalls', 5700],
    ['eth_sendTransaction', -32602],
  ])('that does not take Tempo’s fields in %s is asked without', async (name, code) => {
    const { options } = await open(({ method, params: [given] }, next) => {
      if (method === 'wallet_sendCalls' && name !== method) return refuse(-32601)
      return method === name && JSON.stringify(given).includes('validBefore')
        ? refuse(code)
        : next()
    })
    const { pushed, received } = await push(either, options)
    await pushed
    expect(await received()).toBe(10_000n)
  })

  test('is not asked once the challenge ends too soon', async () => {
    let looked = false
    const { options, methods } = await open(async ({ method }, next) => {
      // The balance is asked after the offer was accepted, and its answer takes long.
      if (method === 'eth_call' && !looked) {
        looked = true
        await new Promise((resolve) => setTimeout(resolve, 1500))
      }
      return next()
    })
    const { pushed, received } = await push(either, options, Expires.seconds(11))
    await expect(pushed).rejects.toMatchObject({ code: 'payment-expired' })
    expect(looked).toBe(true)
    expect(methods()).not.toContain('wallet_sendCalls')
    expect(await received()).toBe(0n)
  })

  const HASH = `0x${'ab'.repeat(32)}`
  test.each([
    ['never sent it (400)', { status: 400, receipts: [] }, /failed to send .*; nothing was paid/],
    ['never sent it (404)', { status: 404 }, /failed to send .*; nothing was paid/],
    ['failed (500)', { status: 500, receipts: [] }, /failed to send .*; nothing was paid/],
    [
      'saw it reverted (500)',
      { status: 500, receipts: [{ transactionHash: HASH, status: '0x0' }] },
      new RegExp(`${HASH} was reverted; only its fee was paid`),
    ],
  ])('that says that it %s is believed at once', async (_, status, message) => {
    const { options } = await open(({ method }, next) => {
      if (method === 'wallet_sendCalls') return { id: '0xabc' }
      return method === 'wallet_getCallsStatus' ? { version: '2.0.0', ...status } : next()
    })
    const { pushed } = await push(either, options)
    await expect(pushed).rejects.toMatchObject({
      code: 'verification-failed',
      message: expect.stringMatching(message),
    })
  })

  test('that says that it failed, of what is in a block, has paid', async () => {
    const { options } = await open(async ({ method }, next) => {
      const answer = await next()
      return method === 'wallet_getCallsStatus' ? { ...(answer as object), status: 500 } : answer
    })
    const { pushed, received } = await push(either, options)
    await hashOf(pushed)
    expect(await received()).toBe(10_000n)
  })

  test('that holds too little is not asked', async () => {
    const { options, methods } = await open()
    const { pushed } = await push({ ...either, amount: '1000000001' }, options)
    await expect(pushed).rejects.toThrow(/more than the wallet holds/)
    expect(methods()).not.toContain('wallet_sendCalls')
  })

  test('signs proofs', async () => {
    const { options, account } = await open()
    const { payload } = await local.prove(local.challengeFor({ amount: '0' }), options)
    const challenge = local.challengeFor({ amount: '0' })
    const again = await local.prove(challenge, options)
    expect(payload).not.toEqual(again.payload)
    const valid = local.chain.client().verifyTypedData({
      address: account.address,
      domain: { name: 'MPP', version: '1', chainId: 1337 },
      types: { Proof: [{ name: 'challengeId', type: 'string' }] },
      primaryType: 'Proof',
      message: { challengeId: challenge.id },
      signature: (again.payload as { signature: `0x${string}` }).signature,
    })
    expect(await valid).toBe(true)
  })

  test('signs what only the server may send', async () => {
    const { options, account } = await open()
    const { raw, fields } = await local.pay({}, options)
    expect(fields.from).toBe(account.address.toLowerCase())
    expect((await local.send(raw)).status).toBe('success')
    const sponsored = await local.pay({ methodDetails: { feePayer: true } }, options)
    expect(sponsored.fields.feePayerSignature).toBeNull()
  })

  test('that signs something else has signed nothing', async () => {
    const { AlphaUSD } = local.chain.tokens
    const { options } = await open(async ({ method, params: [given] }, next) => {
      if (method !== 'eth_signTransaction') return next()
      const { calls } = given as { calls: { to: string }[] }
      for (const call of calls) call.to = AlphaUSD
      return next()
    })
    await expect(local.pay({}, options)).rejects.toThrow(/did not sign the transaction/)
    const { options: other } = await open(async ({ method }, next) =>
      method === 'eth_signTransaction'
        ? Transaction.serialize({ chainId: 1337, calls: [] })
        : next(),
    )
    await expect(local.pay({}, other)).rejects.toThrow(/did not sign the transaction/)
  })
})
