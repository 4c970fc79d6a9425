/**
 * Tempo charges on a real local chain: what is accepted, what is refused, and what becomes of money when the chain fails.
 *
 * @module
 */
import { Challenge, Receipt } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { Mpp, Store } from '@polyrail/core/server'
import { tempo as paying } from '@polyrail/tempo/client'
import { tempo } from '@polyrail/tempo/server'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { concat, createClient, fallback, http, numberToHex, slice } from 'viem'
import { Account, Transaction } from 'viem/tempo'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { lay } from './line.ts'
import { call, resign, start, unsigned } from './rail.ts'
import { problem, read, refusal, secretKey, shops, type Bytes, type Options } from './shop.ts'

let local: Awaited<ReturnType<typeof start>>
beforeAll(async () => {
  local = await start()
  open = shops(local)
})
afterAll(() => local.chain.stop())

let open: ReturnType<typeof shops>

describe('a payment over HTTP', () => {
  test('moves exactly the price, is named by its transaction, and brings the page [tempo-charge-001 tempo-charge-052]', async () => {
    const { chain, payer, shop, at } = local
    const methods = [tempo({ recipient: shop.address, ...at })]
    const mpp = Mpp.create({ methods, realm: '127.0.0.1', secretKey })
    const page = mpp.charge({ amount: '0.01', externalId: 'order-7' })(() => new Response('page'))
    const server = createServer(Mpp.toNodeListener(page))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const before = await chain.balance(shop.address)
    const wallet = Wallet.create({
      methods: [paying({ account: payer, ...at })],
      policy: { max: '0.01' },
    })
    const response = await wallet.fetch(`http://127.0.0.1:${port}/page`)
    server.close()
    expect(await response.text()).toBe('page')
    const receipt = Receipt.fromResponse(response)
    expect(receipt).toMatchObject({ method: 'tempo', status: 'success', externalId: 'order-7' })
    const hash = receipt?.reference as Bytes
    expect((await chain.client().getTransactionReceipt({ hash })).status).toBe('success')
    expect(await chain.balance(shop.address)).toBe(before + 10_000n)
  })

  test('is asked for as the draft says [tempo-charge-002 tempo-charge-003 tempo-charge-004 tempo-charge-005 tempo-charge-006 tempo-charge-008 tempo-charge-009 tempo-charge-010]', async () => {
    const asked = async (options: Options = {}) =>
      Challenge.parse((await open(options).ask()).headers)[0]?.request
    const { pathUSD } = local.chain.tokens
    const recipient = local.shop.address.toLowerCase() as Bytes
    const fields = { amount: '10000', currency: pathUSD, recipient }
    const memo: Bytes = `0x${'ab'.repeat(32)}`
    const bound = expect.stringMatching(/^0xef1ed71201[\da-f]{54}$/)
    const split = { amount: '0.0015', recipient: local.payer.address }
    const cases: [Options, object, object?][] = [
      [{}, { memo: bound }],
      [{ modes: ['pull'] }, { supportedModes: ['pull'] }],
      [{ modes: ['push'] }, { memo: bound, supportedModes: ['push'] }],
      [{ route: { memo } }, { memo, supportedModes: ['pull'] }],
      [{ feePayer: local.payer }, { feePayer: true, supportedModes: ['pull'] }],
      [{ feePayer: local.payer, route: { feePayer: false } }, { memo: bound }],
      [{ route: { amount: '0' }, feePayer: local.payer }, {}, { amount: '0' }],
      [
        { route: { splits: [split] } },
        { memo: bound, splits: [{ amount: '1500', recipient: split.recipient.toLowerCase() }] },
      ],
      [{ route: { externalId: 'order-7' } }, { memo: bound }, { externalId: 'order-7' }],
    ]
    for (const [options, methodDetails, more] of cases)
      expect(await asked(options)).toEqual({
        ...fields,
        ...more,
        methodDetails: { chainId: 1337, ...methodDetails },
      })
  })

  test('is asked for with another memo each time, where the client may broadcast', async () => {
    const shop = open()
    const memos = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const [challenge] = Challenge.parse((await shop.ask()).headers)
        return JSON.stringify(challenge?.request.methodDetails)
      }),
    )
    expect(new Set(memos).size).toBe(20)
  })
})

const RECIPIENT: Bytes = `0x${'12'.repeat(20)}`

describe('a route', () => {
  const define =
    (route: object, options: object = {}) =>
    () =>
      open({ ...options, route: route as tempo.charge.Route })

  test.each([
    [{ amount: '0.00000013' }, /finer than the smallest unit/],
    [{ amount: '0.0000001' }, /finer than the smallest unit/],
    [{ amount: '0', memo: `0x${'ab'.repeat(32)}` }, /no memo and no splits/],
    [{ amount: '0', splits: [{ amount: '0', recipient: RECIPIENT }] }, /no memo and no splits/],
    [{ splits: [] }, /1 to 10/],
    [
      { splits: Array.from({ length: 11 }, () => ({ amount: '0.0001', recipient: RECIPIENT })) },
      /1 to 10/,
    ],
    [{ splits: [{ amount: '0.01', recipient: RECIPIENT }] }, /less than the amount/],
    [{ splits: [{ amount: '0', recipient: RECIPIENT }] }, /above zero/],
    [{ splits: [{ amount: '0.0000001', recipient: RECIPIENT }] }, /finer than/],
    [{ splits: [{ amount: '0.001', recipient: `0x${'00'.repeat(20)}` }] }, /needs a recipient/],
    [{ splits: [{ amount: '0.001', recipient: RECIPIENT, memo: '0x12' }] }, /32 bytes/],
    [{ modes: [] }, /modes must name/],
    [{ modes: ['push'], memo: `0x${'ab'.repeat(32)}` }, /needs the mode 'pull'/],
    [{ amount: '1e3' }, /decimal string/],
    [{ amount: '-1' }, /decimal string/],
    [{ amount: '+1' }, /decimal string/],
    [{ amount: 0.01 }, /decimal string/],
    [{ recipient: '0x0000000000000000000000000000000000000000' }, /who is paid/],
    [{ recipient: 'bob' }, /address/],
    [{ recipient: '0x8ba1f109551bD432803012645Ac136ddd64DBa72' }, /recipient has a wrong checksum/],
    [{ modes: ['pul'] }, /modes must name/],
    [{ currency: 'usd' }, /address/],
    [{ memo: '0x1234' }, /32 bytes/],
  ])(
    'cannot be defined with %o [tempo-charge-012 tempo-charge-013 tempo-charge-014 tempo-charge-015 tempo-charge-016 tempo-charge-018 tempo-charge-019 tempo-charge-058]',
    (route, message) => {
      expect(define(route)).toThrow(TypeError)
      expect(define(route)).toThrow(message)
    },
  )

  test('asks for amounts of any size, to the last digit', async () => {
    const amounts = {
      '9007199254740993.000001': '9007199254740993000001',
      '0.000001': '1',
      '1.50': '1500000',
    }
    for (const [amount, units] of Object.entries(amounts)) {
      const [challenge] = Challenge.parse((await open({ route: { amount } }).ask()).headers)
      expect(challenge?.request.amount).toBe(units)
    }
  })

  test('needs an endpoint for a chain that is not public', () => {
    expect(() => tempo.charge({ recipient: local.shop.address, chainId: 1337 })).toThrow(
      /rpcUrl or client/,
    )
    expect(() => tempo.charge({ recipient: local.shop.address })).not.toThrow()
  })
})

describe('the server accepts', () => {
  const good = async (response: Response) => {
    expect(response).toMatchObject({ status: 200 })
    expect(Receipt.fromResponse(response)).toBeDefined()
  }

  test('a plain transfer, as the draft has it [tempo-charge-028 tempo-charge-030 tempo-charge-031]', async () => {
    const { shop, chain } = local
    await good(
      await open({ modes: ['pull'] }).present({
        calls: [call(chain.tokens.pathUSD, 'transfer', [shop.address, 10_000n])],
        validAfter: 1,
      }),
    )
  })

  test('an empty fee token, as deployed clients leave it', async () => {
    await good(await open().present({ feeToken: undefined }))
  })

  test.each(['did:key:z6MkpTHR8VNs', 'ann', ''])(
    'the source %j, which names no account',
    async (source) => {
      await good(await open().present({}, { source }))
    },
  )

  test('the sender’s address as its source', async () => {
    const account = await local.chain.account()
    await good(await open().present({}, { account, source: account.address.toLowerCase() }))
  })

  test('the protocol nonce', async () => {
    const account = await local.chain.account()
    await good(await open().present({ nonceKey: 0n, nonce: 0 }, { account }))
  })

  test('a P256 account', async () => {
    const account = Account.fromP256(numberToHex(77n, { size: 32 }))
    await local.chain.fund(account.address)
    await good(await open().ask(await open().pay(account)))
  })

  test('an access key of the payer, authorized before or by the very transaction', async () => {
    const root = await local.chain.account()
    const key = Account.fromP256(numberToHex(79n, { size: 32 }), { access: root })
    const keyAuthorization = await Account.signKeyAuthorization(root, { key, chainId: 1337n })
    const present = async (change: object) => {
      const shop = open()
      const credential = read(await shop.pay())
      const raw = await resign(credential.raw, { gas: 2_000_000n, ...change }, key)
      return shop.show(credential, raw, `did:pkh:eip155:1337:${root.address}`)
    }
    expect(await problem(await present({}))).toEqual(
      refusal('verification-failed', /not authorized by the account/),
    )
    await good(await present({ keyAuthorization }))
    await good(await present({}))
  })

  test('the memo that the route asks, and echoes it on the chain', async () => {
    const memo: Bytes = `0x${'ab'.repeat(32)}`
    const shop = open({ route: { memo } })
    const response = await shop.ask(await shop.pay())
    await good(response)
    const hash = Receipt.fromResponse(response)?.reference as Bytes
    const { logs } = await local.chain.client().getTransactionReceipt({ hash })
    expect(logs.flatMap(({ topics }) => topics)).toContain(memo)
  })
})

describe('the node', () => {
  test('may lack eth_sendRawTransactionSync', async () => {
    const shop = open()
    const authorization = await shop.pay()
    const message = 'method not found'
    using fault = local.chain.fault({
      method: 'eth_sendRawTransactionSync',
      fail: { code: -32601, message },
    })
    expect((await shop.ask(authorization)).status).toBe(200)
    expect(fault.hits).toBe(1)
  })

  test('may be any viem client', async () => {
    const client = local.chain.client()
    const shop = open({ client, rpcUrl: undefined, chainId: undefined })
    expect((await shop.ask(await shop.pay())).status).toBe(200)
  })

  test('may be one of several: when the last is out of reach, another may have the transaction', async () => {
    const closed = http('http://127.0.0.1:9', { retryCount: 0 })
    const live = http(local.chain.rpcUrl, { retryCount: 0 })
    const client = createClient({ transport: fallback([live, closed], { retryCount: 0 }) })
    const shop = open({ client })
    const authorization = await shop.pay(local.payer, { client: undefined })
    const fault = {
      method: 'eth_sendRawTransactionSync',
      times: 1,
      fail: 'drop',
      executed: true,
    } as const
    using _ = local.chain.fault(fault)
    const before = await local.settled()
    expect(await problem(await shop.ask(authorization))).toMatchObject({
      code: 'payment-indeterminate',
    })
    expect((await shop.ask(authorization)).status).toBe(200)
    expect(await local.settled()).toBe(before + 1)
  })
})

describe('the server refuses', () => {
  const refuses = async (response: Promise<Response>, code: string, detail: RegExp) => {
    const before = await local.settled()
    expect(await problem(await response)).toEqual(refusal(code, detail))
    expect(await local.settled()).toBe(before)
  }
  const failed = 'verification-failed'

  test('a transfer with a value [tempo-charge-048]', async () => {
    const { raw } = read(await open().pay())
    const [transfer] = Transaction.deserialize(raw as `0x76${string}`).calls
    await refuses(open().present({ calls: [{ ...transfer, value: 1n }] }), failed, /that are asked/)
  })

  test('a transfer whose bytes go on after its arguments', async () => {
    const { fields } = read(await open().pay())
    const [transfer] = fields.calls
    const longer = { ...transfer, data: concat([transfer?.data ?? '0x', '0x00']) }
    await refuses(open().present({ calls: [longer] }), failed, /that are asked/)
  })

  test('a memo that names another challenge', async () => {
    const shop = open({ modes: ['pull'] })
    const other = read(await shop.pay())
    await refuses(shop.show(read(await shop.pay()), other.raw), failed, /another challenge/)
  })

  test('the memo of another challenge', async () => {
    const shop = open()
    const other = read(await shop.pay())
    await refuses(shop.show(read(await shop.pay()), other.raw), failed, /memo that is asked/)
  })

  test('a plain transfer where a memo is asked', async () => {
    const { shop, chain } = local
    const calls = [call(chain.tokens.pathUSD, 'transfer', [shop.address, 10_000n])]
    await refuses(open().present({ calls }), failed, /memo that is asked/)
  })

  test('another memo than the one that the route asks [tempo-charge-048]', async () => {
    const shop = open({ route: { memo: `0x${'ab'.repeat(32)}` } })
    const { fields } = read(await open().pay())
    await refuses(shop.present({ calls: fields.calls }), failed, /memo that is asked/)
  })

  test('a sender who is the recipient', async () => {
    await refuses(open().present({}, { account: local.shop }), failed, /same account/)
  })

  test('a source that is not the sender [tempo-charge-027]', async () => {
    const source = `did:pkh:eip155:1337:${local.shop.address}`
    await refuses(open().present({}, { source }), failed, /another account/)
    const elsewhere = `did:pkh:eip155:1:${local.payer.address}`
    await refuses(open().present({}, { source: elsewhere }), failed, /another account/)
    const bare = local.shop.address.toLowerCase()
    await refuses(open().present({}, { source: bare }), failed, /another account/)
  })

  test('a transaction that waits for a sponsor', async () => {
    await refuses(
      open().present({ feePayerSignature: null, feeToken: undefined }),
      failed,
      /fee payer/,
    )
  })

  test('a transaction that is valid only later', async () => {
    const validAfter = Math.floor(Date.now() / 1000) + 10
    await refuses(open().present({ validAfter }), failed, /not valid yet/)
  })

  test('bytes that are no transaction, or more than one', async () => {
    const shop = open()
    const credential = read(await shop.pay())
    for (const raw of [
      '0x76c0',
      '0x7600',
      `${credential.raw}00`,
      credential.raw.replace('0x76', '0x78'),
    ])
      await refuses(shop.show(credential, raw), failed, /cannot be read|fee payer|signature/)
  })

  test('an empty transaction, by its shape', async () => {
    const shop = open()
    const answer = await shop.show(read(await shop.pay()), '0x76')
    expect(await problem(answer)).toMatchObject({ status: 402, code: 'malformed-credential' })
  })

  test('an unsigned transaction', async () => {
    const shop = open()
    const credential = read(await shop.pay())
    const raw = await Transaction.serialize(unsigned(credential.raw))
    await refuses(shop.show(credential, raw), failed, /signature/)
  })

  test('the twin of a signature, under which the same payment has another hash', async () => {
    const shop = open()
    const credential = read(await shop.pay())
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const bytes = slice(credential.raw, -65)
    const twin = concat([
      slice(credential.raw, 0, -65),
      slice(bytes, 0, 32),
      numberToHex(order - BigInt(slice(bytes, 32, 64)), { size: 32 }),
      slice(bytes, 64) === '0x1b' ? '0x1c' : '0x1b',
    ])
    expect(Transaction.deserialize(twin as `0x76${string}`).from).toBe(
      local.payer.address.toLowerCase(),
    )
    await refuses(shop.show(credential, twin), failed, /signature/)
  })

  test('a P256 signature that names a key it was not made with', async () => {
    const account = Account.fromP256(numberToHex(78n, { size: 32 }))
    await local.chain.fund(account.address)
    const shop = open()
    const credential = read(await shop.pay(account))
    // r is the first part of the 130 bytes of a P256 signature.
    const at = 2 + (credential.raw.length - 2 - 260) + 2
    const spoiled = credential.raw.slice(0, at) + '11'.repeat(32) + credential.raw.slice(at + 64)
    await refuses(shop.show(credential, spoiled), failed, /signature/)
  })
})

describe('one transaction', () => {
  const unbound = () => ({
    calls: [call(local.chain.tokens.pathUSD, 'transfer', [local.shop.address, 10_000n])],
    validAfter: ++salt,
  })
  let salt = 1000

  test('that names no challenge pays for one of many, presented at once', async () => {
    const shop = open({ modes: ['pull'] })
    const credentials = await Promise.all(
      Array.from({ length: 8 }, async () => read(await shop.pay())),
    )
    const raw = await resign(credentials[0]!.raw, unbound(), local.payer)
    const before = await local.settled()
    const answers = await Promise.all(credentials.map((credential) => shop.show(credential, raw)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(shop.served()).toBe(1)
    expect(await local.settled()).toBe(before + 1)
  })

  test('that names no challenge and was settled by another server pays for nothing here', async () => {
    const [one, two] = [open({ modes: ['pull'] }), open({ modes: ['pull'] })]
    const credential = read(await one.pay())
    const raw = await resign(credential.raw, unbound(), local.payer)
    expect((await one.show(credential, raw)).status).toBe(200)
    const answer = await two.show(read(await two.pay()), raw)
    expect(await problem(answer)).toEqual(refusal('verification-failed', /on the chain already/))
    expect(two.served()).toBe(0)
  })

  test('pays at one of two servers that share a store', async () => {
    const store = Store.memory()
    const [one, two] = [open({ store, modes: ['pull'] }), open({ store, modes: ['pull'] })]
    const credential = read(await one.pay())
    const raw = await resign(credential.raw, unbound(), local.payer)
    const other = read(await two.pay())
    const answers = await Promise.all([one.show(credential, raw), two.show(other, raw)])
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 402])
    expect(one.served() + two.served()).toBe(1)
  })
})

describe('the chain refuses', () => {
  test('a payer who spent the money meanwhile: reverted, nothing delivered [tempo-charge-053]', async () => {
    const account = await local.chain.account({ amount: 1_000_000n })
    const shop = open()
    const authorization = await shop.pay(account, { feeToken: local.chain.tokens.AlphaUSD })
    const { pathUSD } = local.chain.tokens
    await local.chain
      .client({ account })
      .token.transferSync({ amount: 999_999n, to: local.payer.address, token: pathUSD })
    const answer = await shop.ask(authorization)
    expect(await problem(answer)).toEqual(
      refusal('verification-failed', /reverted; nothing was paid/),
    )
    expect(shop.served()).toBe(0)
  })

  test('a payer who cannot pay the fee', async () => {
    const { pathUSD, BetaUSD } = local.chain.tokens
    const account = await local.chain.account({ tokens: [pathUSD] })
    const answer = await open().present({ feeToken: BetaUSD }, { account })
    expect(await problem(answer)).toEqual(
      refusal('verification-failed', /too little of the fee token/),
    )
  })

  test('a nonce that is used', async () => {
    const account = await local.chain.account()
    expect((await open().present({ nonceKey: 0n, nonce: 0 }, { account })).status).toBe(200)
    const answer = await open().present({ nonceKey: 0n, nonce: 0 }, { account })
    expect(await problem(answer)).toEqual(refusal('verification-failed', /nonce .* was used/))
  })

  test('a validity that ends too soon to be in a block', async () => {
    const validBefore = Math.floor(Date.now() / 1000) + 2
    const answer = await open().present({ validBefore })
    expect(await problem(answer)).toEqual(refusal('payment-expired', /expired/))
  })
})

describe('when the chain fails', () => {
  const method = 'eth_sendRawTransactionSync'

  test.each([
    ['before it has the transaction', { method, times: 1, fail: 'drop' }],
    ['after it has settled it', { method, times: 1, fail: 'drop', executed: true }],
    [
      'with a 503 after it has settled it',
      { method, times: 1, fail: { status: 503 }, executed: true },
    ],
    ['with an internal error', { method, times: 1, fail: { code: -32603, message: 'oops' } }],
    ['with a rate limit', { method, times: 1, fail: { code: -32005, message: 'limit exceeded' } }],
    [
      'for three calls of any kind, from then on',
      { method, times: 3, fail: 'drop', executed: true },
    ],
  ] as const)('%s, the same credential gets the page in the end, paid once', async (_, fault) => {
    const shop = open()
    const authorization = await shop.pay()
    const before = await local.settled()
    const injected = local.chain.fault(fault)
    const first = await shop.ask(authorization)
    expect(await problem(first)).toMatchObject({ status: 503, code: 'payment-indeterminate' })
    expect(first.headers.get('www-authenticate')).toBeNull()
    expect(Number(first.headers.get('retry-after'))).toBeGreaterThan(0)
    injected.clear()
    const second = await shop.ask(authorization)
    expect(second.status).toBe(200)
    expect(await local.settled()).toBe(before + 1)
    expect(shop.served()).toBe(1)
    expect(await (await shop.ask(authorization)).json()).toEqual({ served: 1 })
  })

  test('and answers after the deadline, the same credential gets the page, paid once', async () => {
    const shop = open({ settle: 300 })
    const authorization = await shop.pay()
    const before = await local.settled()
    using _ = local.chain.fault({ method, times: 1, delay: 1200, executed: true })
    expect((await shop.ask(authorization)).status).toBe(503)
    const answer = await until(() => shop.ask(authorization))
    expect(answer.status).toBe(200)
    expect(await local.settled()).toBe(before + 1)
    expect(shop.served()).toBe(1)
  })

  test('to answer reads before anything was sent, nothing is charged and the credential stays good', async () => {
    const shop = open()
    const authorization = await shop.pay()
    const injected = local.chain.fault({ fail: 'drop' })
    expect(await problem(await shop.ask(authorization))).toMatchObject({
      status: 503,
      code: 'settlement-unavailable',
    })
    injected.clear()
    expect((await shop.ask(authorization)).status).toBe(200)
  })

  test('to be reached at all, nothing is charged, and the credential is good when it is back', async () => {
    const line = await lay(local.chain.rpcUrl)
    const shop = open({ rpcUrl: line.url })
    // The first payment lets the server check the chain id, which it does once.
    expect((await shop.ask(await shop.pay())).status).toBe(200)
    const authorization = await shop.pay()
    await line.cut()
    // The other side must notice, so that the next call needs a connection.
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await problem(await shop.ask(authorization))).toMatchObject({
      status: 503,
      code: 'settlement-unavailable',
    })
    await line.mend()
    expect((await shop.ask(authorization)).status).toBe(200)
    await line.cut()
  })

  test('to be reached once it has the transaction, and cannot wait itself: nobody knows, and the page is owed', async () => {
    const line = await lay(local.chain.rpcUrl)
    const shop = open({ rpcUrl: line.url, settle: 3000 })
    expect((await shop.ask(await shop.pay())).status).toBe(200)
    const authorization = await shop.pay()
    const before = await local.settled()
    using _ = local.chain.fault({ method, fail: { code: -32601, message: 'no such method' } })
    await local.chain.pause()
    const asked = shop.ask(authorization)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await line.cut()
    expect(await problem(await asked)).toMatchObject({ code: 'payment-indeterminate' })
    await line.mend()
    await local.chain.resume()
    expect((await until(() => shop.ask(authorization))).status).toBe(200)
    expect(await local.settled()).toBe(before + 1)
    await line.cut()
  })

  test('on another chain than meant, nothing is judged', async () => {
    const shop = open({ chainId: 4242 })
    const wire = Challenge.scan((await shop.ask()).headers.get('www-authenticate') ?? '')[0]!
    const credential = { ...read(await open().pay()), challenge: wire }
    const answer = await shop.show(credential, credential.raw)
    expect(await problem(answer)).toMatchObject({
      status: 503,
      code: 'settlement-unavailable',
      detail: expect.stringContaining('chain 1337'),
    })
  })
})

describe('a transaction that no block took', () => {
  let own: Awaited<ReturnType<typeof start>>
  beforeEach(async () => void (own = await start()))
  afterEach(() => own.chain.stop())
  const elsewhere = () => ({ ...own.at, recipient: own.shop.address })

  test('is settled once blocks are made again', async () => {
    const shop = open({ ...elsewhere(), settle: 1500 })
    const authorization = await shop.pay(own.payer)
    await own.chain.pause()
    expect((await shop.ask(authorization)).status).toBe(503)
    await own.chain.resume()
    expect((await until(() => shop.ask(authorization))).status).toBe(200)
    expect(await own.settled()).toBe(1)
  })

  test('is refused once it can never be in one, also where no block shows the time', async () => {
    const shop = open(elsewhere())
    const authorization = await shop.pay(own.payer)
    own.chain.fault({ method: 'eth_sendRawTransactionSync', times: 1, fail: 'drop' })
    expect((await shop.ask(authorization)).status).toBe(503)
    await own.chain
      .client()
      .request({ method: 'evm_increaseTime', params: [40] } as Parameters<
        ReturnType<typeof own.chain.client>['request']
      >[0])
    expect((await shop.ask(authorization)).status).toBe(503)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 40_000 })
    const answer = await shop.ask(authorization).finally(() => vi.useRealTimers())
    expect(await problem(answer)).toEqual(refusal('payment-expired', /nothing was paid/))
    expect(shop.served()).toBe(0)
  })

  test('is refused once it can never be in one, and one that was in a block is found', async () => {
    const method = 'eth_sendRawTransactionSync'
    const shop = open(elsewhere())
    const [lost, found] = [await shop.pay(own.payer), await shop.pay(own.payer)]
    const before = await own.settled()
    for (const [authorization, executed] of [
      [lost, false],
      [found, true],
    ] as const) {
      own.chain.fault({ method, times: 1, fail: 'drop', executed })
      expect((await shop.ask(authorization)).status).toBe(503)
    }
    await own.chain.advance(26)
    expect((await shop.ask(found)).status).toBe(200)
    // A node that lags may still know of it.
    expect((await shop.ask(lost)).status).toBe(503)
    await own.chain.advance(10)
    const answer = await shop.ask(lost)
    expect(await problem(answer)).toEqual(refusal('payment-expired', /nothing was paid/))
    expect(await own.settled()).toBe(before + 1)
    expect(shop.served()).toBe(1)
  })
})

/** Asks again while the answer is that nobody knows yet. */
async function until(ask: () => Promise<Response>): Promise<Response> {
  for (let turns = 0; ; turns++) {
    const answer = await ask()
    if (![409, 503].includes(answer.status) || turns > 50) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
