import { Stellar } from '@polyrail/sandbox/stellar'
import {
  Account,
  Address,
  Asset,
  BASE_FEE,
  Contract,
  encodeMuxedAccountToAddress,
  encodeMuxedAccount,
  FeeBumpTransaction,
  Keypair,
  Memo,
  MuxedAccount,
  nativeToScVal,
  Networks,
  Operation,
  rpc,
  scValToNative,
  Transaction,
  TransactionBuilder,
  xdr,
} from '@stellar/stellar-sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  agree,
  connect,
  nobody,
  pay,
  prepare,
  send,
  sponsor,
  transfer,
  until,
} from './stellar-client.js'

let network: Stellar.Network
let usdc: Stellar.Token
let payer: Keypair
let shop: Keypair
beforeAll(async () => {
  network = await Stellar.start({ quiet: true, closeAfter: 5 })
  usdc = network.asset()
  payer = network.account()
  shop = network.account()
  usdc.mint(payer.publicKey(), 1_000_0000000n)
  usdc.trust(shop.publicKey())
})
afterAll(() => network.stop())

/** Somebody with ten units of USDC. */
function customer(terms: Stellar.AccountTerms = {}) {
  const key = network.account(terms)
  usdc.mint(key.publicKey(), 10_0000000n)
  return key
}

const resources = ({ tx }: Transaction) =>
  'ext' in tx && tx.ext.type === 'sorobanData' ? tx.ext.sorobanData : ''

const order = (amount = 1_0000000n) => ({ token: usdc, to: shop.publicKey(), amount })

describe('a start', () => {
  test('tells where the node is, and the SDK reads what it says of itself', async () => {
    const lines: string[] = []
    await using own = await Stellar.start({ log: (line) => lines.push(line) })
    expect(lines).toEqual([
      expect.stringMatching(/^Stellar network at http:\/\/127\.0\.0\.1:\d+, ready in \d+ ms$/),
    ])
    const server = connect(own)
    expect((await server.getNetwork()).passphrase).toBe(Networks.TESTNET)
    expect((await server.getHealth()).status).toBe('healthy')
    const latest = await server.getLatestLedger()
    expect(latest.sequence).toBe(own.ledger)
    expect(latest.headerXdr.ledgerSeq).toBe(own.ledger)
    expect(Number(latest.closeTime)).toBeLessThanOrEqual(own.now())
    expect((await server.getFeeStats()).sorobanInclusionFee.p50).toBe('100')
    expect((await server.getVersionInfo()).protocolVersion).toBe(27)
  })

  test('is refused for the public network', async () => {
    await expect(Stellar.start({ passphrase: Networks.PUBLIC })).rejects.toThrow(/public network/)
  })

  test('may have a passphrase of its own, under which the signatures of others are worth nothing', async () => {
    await using own = await Stellar.start({ quiet: true, passphrase: Networks.STANDALONE })
    const token = own.asset()
    const key = own.account()
    token.mint(key.publicKey(), 5n)
    const tx = await prepare(own, { token, from: key.publicKey(), to: key.publicKey(), amount: 5n })
    const foreign = new Transaction(tx.toXdr(), Networks.TESTNET)
    foreign.sign(key)
    const sent = await send(own, new Transaction(foreign.toXdr(), Networks.STANDALONE))
    expect(sent).toMatchObject({ status: 'ERROR', code: 'txBadAuth' })
  })
})

describe('a payment', () => {
  test('moves the amount to the unit, tells it by an event and costs its fee', async () => {
    const key = customer()
    const got = usdc.received(shop.publicKey())
    const paid = await pay(network, key, order(1_2345678n))
    expect(paid).toMatchObject({ status: 'SUCCESS', code: 'txSuccess' })
    expect(usdc.balance(key.publicKey())).toBe(8_7654322n)
    expect(usdc.received(shop.publicKey())).toEqual({
      count: got.count + 1,
      sum: got.sum + 1_2345678n,
    })
    expect(usdc.transfers({ from: key.publicKey() })).toMatchObject([
      { to: shop.publicKey(), amount: 1_2345678n, hash: paid.hash },
    ])
    expect(usdc.sent(key.publicKey())).toEqual({ count: 1, sum: 1_2345678n })
    const [event, ...more] = paid.found?.events.contractEventsXdr.flat() ?? []
    expect(more).toEqual([])
    expect(event?.body.value.topics.map(scValToNative)).toEqual([
      'transfer',
      key.publicKey(),
      shop.publicKey(),
      usdc.asset?.toString(),
    ])
    expect(scValToNative(event!.body.value.data)).toBe(1_2345678n)
    const [fee] = paid.found?.events.transactionEventsXdr ?? []
    expect(scValToNative(fee!.event.body.value.data)).toBe(60_100n)
    expect(network.stroops(key.publicKey())).toBe(100_000_000_000n - 60_100n)
  })

  test('of amounts beyond 64 bits is exact', async () => {
    const token = network.token()
    const whole = 2n ** 100n + 1n
    token.mint(payer.publicKey(), whole)
    const to = shop.publicKey()
    const paid = await pay(network, payer, { token, to, amount: whole - 1n })
    expect(paid.status).toBe('SUCCESS')
    expect([token.balance(payer.publicKey()), token.balance(to)]).toEqual([1n, whole - 1n])
  })

  test('can be of lumens', async () => {
    const before = network.stroops(shop.publicKey())
    const paid = await pay(network, customer(), { ...order(25n), token: network.lumens })
    expect(paid.status).toBe('SUCCESS')
    expect(network.stroops(shop.publicKey()) - before).toBe(25n)
  })

  test('is known by its hash, and cannot be made again', async () => {
    const key = customer()
    const tx = await prepare(network, { ...order(), from: key.publicKey() })
    tx.sign(key)
    network.pause()
    const server = connect(network)
    expect((await server.sendTransaction(tx)).status).toBe('PENDING')
    expect((await server.sendTransaction(tx)).status).toBe('DUPLICATE')
    expect(network.waiting).toBe(1)
    const hash = Buffer.from(tx.hash()).toString('hex')
    expect((await server.getTransaction(hash)).status).toBe('NOT_FOUND')
    network.resume()
    const found = await server.pollTransaction(hash, { attempts: 100, sleepStrategy: () => 10 })
    expect(found.status).toBe('SUCCESS')
    expect(await send(network, tx)).toMatchObject({ status: 'ERROR', code: 'txBadSeq' })
    expect(usdc.sent(key.publicKey()).count).toBe(1)
  })

  test('is one for each account and ledger', async () => {
    const key = customer()
    const server = connect(network)
    const from = key.publicKey()
    const first = await prepare(network, { ...order(), from })
    const next = new Account(from, first.sequence)
    network.pause()
    const second = await server.prepareTransaction(
      new TransactionBuilder(next, {
        fee: BASE_FEE,
        networkPassphrase: network.passphrase,
        timebounds: until(network),
      })
        .addOperation(transfer(usdc.contract, from, shop.publicKey(), 1n))
        .build(),
    )
    first.sign(key)
    second.sign(key)
    expect((await server.sendTransaction(first)).status).toBe('PENDING')
    expect((await server.sendTransaction(second)).status).toBe('TRY_AGAIN_LATER')
    network.resume()
    network.close()
    expect((await send(network, second)).status).toBe('SUCCESS')
    expect(usdc.sent(from).count).toBe(2)
  })

  test('that fails costs its fee and its sequence number, and moves nothing', async () => {
    const key = customer()
    const from = key.publicKey()
    const tx = await prepare(network, { ...order(10_0000000n), from })
    tx.sign(key)
    const server = connect(network)
    network.pause()
    await server.sendTransaction(tx)
    usdc.trust(from, { isAuthorized: false })
    network.resume()
    const found = await server.pollTransaction(Buffer.from(tx.hash()).toString('hex'), {
      attempts: 100,
      sleepStrategy: () => 10,
    })
    expect(found.status).toBe('FAILED')
    expect(network.transactions.at(-1)?.why).toMatch(/deauthorized/)
    expect(usdc.balance(from)).toBe(10_0000000n)
    expect(network.stroops(from)).toBe(100_000_000_000n - 60_100n)
    expect((await server.getAccount(from)).sequenceNumber()).toBe(tx.sequence)
  })

  test('that nobody can make is refused when it is tried out', async () => {
    const from = payer.publicKey()
    const stranger = network.account().publicKey()
    const nowhere = Keypair.random().publicKey()
    const tried = (more: object) => prepare(network, { ...order(), from, ...more })
    await expect(tried({ amount: 2n ** 100n })).rejects.toThrow(/not sufficient/)
    await expect(tried({ amount: -1n })).rejects.toThrow(/negative/)
    await expect(tried({ to: stranger })).rejects.toThrow(/trustline entry is missing/)
    await expect(tried({ to: nowhere })).rejects.toThrow(/account entry is missing/)
    await expect(
      tried({ token: { contract: new Address(network.contractAccount([])).toString() } }),
    ).rejects.toThrow(/no function transfer/)
  })
})

describe('what is not valid never is in a ledger', () => {
  const from = () => payer.publicKey()
  const refusals: [string, string, () => Promise<Transaction>][] = [
    ['unsigned', 'txBadAuth', async () => prepare(network, { ...order(), from: from() })],
    [
      'signed by another',
      'txBadAuth',
      async () => {
        const tx = await prepare(network, { ...order(), from: from() })
        tx.sign(shop)
        return tx
      },
    ],
    [
      'signed by others too',
      'txBadAuthExtra',
      async () => {
        const tx = await prepare(network, { ...order(), from: from() })
        tx.sign(payer, shop)
        return tx
      },
    ],
    ['with a memo', 'txSorobanInvalid', () => signed({ memo: Memo.text('order 7') })],
    [
      'from a muxed source',
      'txSorobanInvalid',
      async () => {
        const plain = await prepare(network, { ...order(), from: from() })
        const account = new Account(from(), String(BigInt(plain.sequence) - 1n))
        const options = { fee: BASE_FEE, networkPassphrase: network.passphrase }
        const tx = new TransactionBuilder(new MuxedAccount(account, '7'), {
          ...options,
          timebounds: until(network),
        })
          .addOperation(transfer(usdc.contract, from(), shop.publicKey(), 1n))
          .setSorobanData(resources(plain))
          .build()
        tx.sign(payer)
        return tx
      },
    ],
    [
      'too late',
      'txTooLate',
      () => signed({ timebounds: { minTime: 0, maxTime: network.now() - 1 } }),
    ],
    [
      'too early',
      'txTooEarly',
      () => signed({ timebounds: { minTime: network.now() + 60, maxTime: 0 } }),
    ],
    [
      'of a ledger gone by',
      'txTooLate',
      () => signed({ ledgerbounds: { minLedger: 0, maxLedger: 5 } }),
    ],
    [
      'of a later ledger',
      'txTooEarly',
      () => signed({ ledgerbounds: { minLedger: 999_999, maxLedger: 0 } }),
    ],
    [
      'with too low a fee',
      'txInsufficientFee',
      async () => {
        const tx = await prepare(network, { ...order(), from: from() })
        const low = TransactionBuilder.cloneFrom(tx, { fee: '99' }).setSorobanData(resources(tx))
        return sign(low.build())
      },
    ],
    [
      'with a used sequence number',
      'txBadSeq',
      async () => {
        const tx = await prepare(network, { ...order(), from: from() })
        const builder = TransactionBuilder.cloneFrom(tx, { fee: BASE_FEE }).setSorobanData(
          resources(tx),
        )
        builder.source = new Account(from(), '7')
        return sign(builder.build())
      },
    ],
    [
      'without resources',
      'txMalformed',
      async () =>
        sign(
          new TransactionBuilder(await connect(network).getAccount(from()), {
            fee: BASE_FEE,
            networkPassphrase: network.passphrase,
            timebounds: until(network),
          })
            .addOperation(transfer(usdc.contract, from(), shop.publicKey(), 1n))
            .build(),
        ),
    ],
    [
      'of another kind',
      'txNotSupported',
      async () =>
        sign(
          new TransactionBuilder(await connect(network).getAccount(from()), {
            fee: BASE_FEE,
            networkPassphrase: network.passphrase,
            timebounds: until(network),
          })
            .addOperation(Operation.bumpSequence({ bumpTo: '9' }))
            .build(),
        ),
    ],
    [
      'of an account that is not there',
      'txNoAccount',
      async () => {
        const tx = await prepare(network, { ...order(), from: from() })
        const stranger = Keypair.random()
        const builder = TransactionBuilder.cloneFrom(tx, { fee: BASE_FEE })
        builder.source = new Account(stranger.publicKey(), '1')
        const other = builder.setSorobanData(resources(tx)).build()
        other.sign(stranger)
        return other
      },
    ],
  ]
  const sign = (tx: Transaction) => (tx.sign(payer), tx)
  const signed = async (more: object) =>
    sign(await prepare(network, { ...order(), from: from() }, more))

  test.each(refusals)('%s: %s', async (_, code, make) => {
    const moved = network.transfers.length
    const sent = await send(network, await make())
    expect(sent).toMatchObject({ status: 'ERROR', code })
    expect(network.transfers.length).toBe(moved)
  })

  test('by an account that cannot pay for it: txInsufficientBalance', async () => {
    const poor = network.account({ stroops: 15_000_000n + 60_099n })
    usdc.mint(poor.publicKey(), 5n)
    const tx = await prepare(network, { ...order(5n), from: poor.publicKey() })
    tx.sign(poor)
    expect(await send(network, tx)).toMatchObject({ code: 'txInsufficientBalance' })
    network.fund(poor.publicKey(), 1n)
    expect((await send(network, tx)).status).toBe('SUCCESS')
  })

  test('and what becomes so while it waits is dropped without a trace', async () => {
    const key = customer()
    const tx = await prepare(
      network,
      { ...order(), from: key.publicKey() },
      { timebounds: { minTime: 0, maxTime: network.now() + 10 } },
    )
    tx.sign(key)
    network.pause()
    const server = connect(network)
    expect((await server.sendTransaction(tx)).status).toBe('PENDING')
    network.advance(30)
    network.resume()
    expect([network.waiting, usdc.sent(key.publicKey()).count]).toEqual([0, 0])
    const hash = Buffer.from(tx.hash()).toString('hex')
    expect((await server.getTransaction(hash)).status).toBe('NOT_FOUND')
  })

  test('an entry outside of the footprint ends the call', async () => {
    const key = customer()
    const tx = await prepare(network, { ...order(), from: key.publicKey() })
    const other = customer()
    const server = connect(network)
    const forOther = await server.prepareTransaction(
      new TransactionBuilder(await server.getAccount(key.publicKey()), {
        fee: BASE_FEE,
        networkPassphrase: network.passphrase,
        timebounds: until(network),
      })
        .addOperation(transfer(usdc.contract, key.publicKey(), other.publicKey(), 1n))
        .build(),
    )
    const mixed = TransactionBuilder.cloneFrom(tx, { fee: BASE_FEE })
      .setSorobanData(resources(forOther))
      .build()
    mixed.sign(key)
    expect((await send(network, mixed)).status).toBe('FAILED')
    expect(network.transactions.at(-1)?.why).toMatch(/footprint/)
  })
})

describe('accounts', () => {
  test('of several signers need enough weight', async () => {
    const second = Keypair.random()
    const key = customer({ signers: [{ key: second, weight: 1 }], threshold: 2 })
    const tx = await prepare(network, { ...order(), from: key.publicKey() })
    tx.sign(key)
    expect(await send(network, tx)).toMatchObject({ code: 'txBadAuth' })
    tx.sign(second)
    expect((await send(network, tx)).status).toBe('SUCCESS')
  })

  test('of several signers take no signature more than they need', async () => {
    const second = Keypair.random()
    const key = customer({ signers: [{ key: second, weight: 1 }] })
    const tx = await prepare(network, { ...order(), from: key.publicKey() })
    tx.sign(second, key)
    expect(await send(network, tx)).toMatchObject({ code: 'txBadAuthExtra' })
    tx.signatures.pop()
    expect((await send(network, tx)).status).toBe('SUCCESS')
  })

  test('are read as the SDK reads them', async () => {
    const key = customer()
    const server = connect(network)
    const entry = await server.getAccountEntry(key.publicKey())
    expect([entry.balance, entry.numSubEntries]).toEqual([100_000_000_000n, 1])
    const { balanceEntry } = await server.getAssetBalance(key.publicKey(), usdc.asset!)
    expect(balanceEntry).toMatchObject({ amount: '100000000', authorized: true })
    await expect(server.getAccount(Keypair.random().publicKey())).rejects.toThrow(/not found/)
    const holder = network.contractAccount([key])
    usdc.mint(holder, 7n)
    const held = await server.getAssetBalance(holder, usdc.asset!, network.passphrase)
    expect(held.balanceEntry?.amount).toBe('7')
  })

  test('keep a reserve', async () => {
    const key = network.account({ stroops: 10_000_000n + 100_000n })
    const to = shop.publicKey()
    const from = key.publicKey()
    await expect(
      prepare(network, { token: network.lumens, from, to, amount: 100_001n }),
    ).rejects.toThrow(/not sufficient/)
  })

  test('can be paid by a muxed address', async () => {
    const to = encodeMuxedAccountToAddress(encodeMuxedAccount(shop.publicKey(), '42'))
    const before = usdc.balance(shop.publicKey())
    const paid = await pay(network, payer, { ...order(3n), to })
    expect(paid.status).toBe('SUCCESS')
    const [event] = paid.found?.events.contractEventsXdr.flat() ?? []
    expect(scValToNative(event!.body.value.topics[2]!)).toBe(shop.publicKey())
    expect(scValToNative(event!.body.value.data)).toEqual({ amount: 3n, to_muxed_id: 42n })
    expect(usdc.balance(shop.publicKey()) - before).toBe(3n)
    const older = network.token({ isMuxed: false })
    older.mint(payer.publicKey(), 5n)
    const from = payer.publicKey()
    await expect(prepare(network, { token: older, from, to, amount: 3n })).rejects.toThrow(
      /no muxed accounts/,
    )
  })
})

describe('an agreement', () => {
  const someone = () => {
    const key = customer()
    return { key, call: transfer(usdc.contract, key.publicKey(), shop.publicKey(), 2n) }
  }

  test('lets a sponsor make the payment, for the fee', async () => {
    const { key, call } = someone()
    const helper = network.account()
    const paid = await sponsor(network, helper, await agree(network, call, { signer: key }))
    expect(paid.status).toBe('SUCCESS')
    expect(usdc.sent(key.publicKey())).toEqual({ count: 1, sum: 2n })
    expect(network.stroops(key.publicKey())).toBe(100_000_000_000n)
    expect(network.stroops(helper.publicKey())).toBe(100_000_000_000n - 60_100n)
    expect(network.transactions.at(-1)).toMatchObject({ payer: helper.publicKey(), fee: 60_100n })
  })

  test('comes in the newer form when it is asked for', async () => {
    const { key, call } = someone()
    const [older, newer] = await Promise.all([
      agree(network, call, { signer: key }),
      agree(network, call, { signer: key, isUpgraded: true }),
    ])
    expect(older.auth[0]?.credentials.type).toBe('sorobanCredentialsAddress')
    expect(newer.auth[0]?.credentials.type).toBe('sorobanCredentialsAddressV2')
    expect((await sponsor(network, payer, newer)).status).toBe('SUCCESS')
  })

  test('counts once', async () => {
    const { key, call } = someone()
    const agreed = await agree(network, call, { signer: key })
    expect((await sponsor(network, payer, agreed)).status).toBe('SUCCESS')
    expect((await sponsor(network, payer, agreed)).code).toMatch(/nonce already exists/)
    // After its end too: the nonce is forgotten, and the signature is over.
    network.advance(120)
    expect((await sponsor(network, payer, agreed)).code).toMatch(/expired/)
    expect(usdc.sent(key.publicKey()).count).toBe(1)
  })

  test('is void for anything else, unsigned, by another, too late or for too long', async () => {
    const { key, call } = someone()
    const refused = async (agreed: Awaited<ReturnType<typeof agree>>) =>
      (await sponsor(network, payer, agreed)).code
    const good = await agree(network, call, { signer: key })
    const dearer = transfer(usdc.contract, key.publicKey(), shop.publicKey(), 3n)
    const other = await agree(network, dearer)
    expect(await refused({ ...good, func: other.func })).toMatch(/Unauthorized function call/)
    expect(await refused(await agree(network, call))).toMatch(/Auth, InvalidInput/)
    expect(await refused(await agree(network, call, { signer: key, life: -1 }))).toMatch(/expired/)
    expect(await refused(await agree(network, call, { signer: key, life: 4_000_000 }))).toMatch(
      /too late/,
    )
    // The SDK asks for entries where there are none, and those are not signed.
    expect(await refused({ ...good, auth: [] })).toBe('txFailed')
    expect(usdc.sent(key.publicKey()).count).toBe(0)
  })

  test('of a contract account is what its code takes', async () => {
    const [one, two] = [Keypair.random(), Keypair.random()]
    const wallet = network.contractAccount([one])
    usdc.mint(wallet, 10n)
    const call = transfer(usdc.contract, wallet, shop.publicKey(), 4n)
    const by = async (signer: Keypair) =>
      sponsor(network, payer, await agree(network, call, { signer }))
    expect((await by(two)).code).toMatch(/did not agree/)
    expect((await by(one)).status).toBe('SUCCESS')
    expect([usdc.balance(wallet), usdc.sent(wallet).count]).toEqual([6n, 1])
    const plain = transfer(usdc.contract, usdc.contract, shop.publicKey(), 0n)
    const none = await agree(network, plain, { signer: one })
    expect((await sponsor(network, payer, none)).code).toMatch(/is no account/)
  })
})

describe('a fee bump', () => {
  const bumped = (fee: string, by: Keypair) => (tx: Transaction) => {
    const outer = TransactionBuilder.buildFeeBumpTransaction(by, fee, tx, network.passphrase)
    outer.sign(by)
    return outer
  }

  test('pays in place of the source, and is found by either hash', async () => {
    const key = customer()
    const [channel, purse] = [network.account(), network.account()]
    const call = transfer(usdc.contract, key.publicKey(), shop.publicKey(), 2n)
    const agreed = await agree(network, call, { signer: key })
    const paid = await sponsor(network, channel, agreed, bumped('100', purse))
    expect(paid).toMatchObject({ status: 'SUCCESS', code: 'txFeeBumpInnerSuccess' })
    expect(network.stroops(channel.publicKey())).toBe(100_000_000_000n)
    expect(network.stroops(purse.publicKey())).toBe(100_000_000_000n - 60_200n)
    const inner = network.transactions.at(-1)!
    expect(inner.isFeeBump).toBe(true)
    const server = connect(network)
    const { envelopeXdr } = await server
      ._getTransaction(inner.hash)
      .then((raw) => raw as { envelopeXdr: string })
    const outer = TransactionBuilder.fromXdr(envelopeXdr, network.passphrase)
    if (!('innerTransaction' in outer)) throw new Error('no fee bump')
    const innerHash = Buffer.from(outer.innerTransaction.hash()).toString('hex')
    for (const hash of [innerHash, innerHash.toUpperCase()])
      expect((await server.getTransaction(hash)).status).toBe('SUCCESS')
    expect(usdc.sent(key.publicKey()).count).toBe(1)
  })

  test('must bid no less than what is inside it, and be signed', async () => {
    const purse = network.account()
    const key = customer()
    const from = key.publicKey()
    const tx = await prepare(network, { ...order(), from }, { fee: '500' })
    tx.sign(key)
    const low = TransactionBuilder.buildFeeBumpTransaction(purse, '500', tx, network.passphrase)
    const cheap = new FeeBumpTransaction(lowered(low, 60_999n), network.passphrase)
    cheap.sign(purse)
    expect(await send(network, cheap)).toMatchObject({ code: 'txInsufficientFee' })
    expect(await send(network, low)).toMatchObject({ code: 'txBadAuth' })
    low.sign(purse)
    expect((await send(network, low)).status).toBe('SUCCESS')
  })
})

test('of a fee bump, what is wrong is told of what is inside, or of what is around it', async () => {
  const [purse, key] = [network.account(), customer()]
  const bump = (tx: Transaction) => {
    const outer = TransactionBuilder.buildFeeBumpTransaction(purse, '200', tx, network.passphrase)
    outer.sign(purse)
    return outer
  }
  const tx = await prepare(network, { ...order(), from: key.publicKey() })
  const unsigned = await connect(network).sendTransaction(bump(tx))
  const result = unsigned.errorResult?.result
  if (result?.type !== 'txFeeBumpInnerFailed') throw new Error(`not inside: ${result?.type}`)
  const { transactionHash, result: inside } = result.innerResultPair
  expect(Buffer.from(transactionHash.toBytes())).toEqual(Buffer.from(tx.hash()))
  expect(inside.result.type).toBe('txBadAuth')
  tx.sign(key)
  expect((await send(network, bump(tx))).status).toBe('SUCCESS')
})

test('what comes while another of its account waits is a copy, too old, or too early, whatever else it is', async () => {
  const [purse, key] = [network.account(), customer()]
  const from = key.publicKey()
  const server = connect(network)
  const old = await prepare(network, { ...order(1n), from })
  old.sign(key)
  expect((await pay(network, key, order(1n))).status).toBe('SUCCESS')
  const tx = await prepare(network, { ...order(1n), from })
  tx.sign(key)
  const outer = TransactionBuilder.buildFeeBumpTransaction(purse, '200', tx, network.passphrase)
  outer.sign(purse)
  const unsigned = await prepare(network, { ...order(2n), from })
  network.pause()
  try {
    expect((await server.sendTransaction(outer)).status).toBe('PENDING')
    expect((await server.sendTransaction(tx)).status).toBe('DUPLICATE')
    expect((await server.sendTransaction(unsigned)).status).toBe('TRY_AGAIN_LATER')
    expect(await send(network, old)).toMatchObject({ status: 'ERROR', code: 'txBadSeq' })
  } finally {
    network.resume()
  }
})

test('a fee bump takes the place of what waits for its sequence number when it bids ten times as much', async () => {
  const key = customer()
  const server = connect(network)
  const tx = await prepare(network, { ...order(1n), from: key.publicKey() })
  const bump = (fee: string) => {
    const purse = network.account()
    const outer = TransactionBuilder.buildFeeBumpTransaction(purse, fee, tx, network.passphrase)
    outer.sign(purse)
    return outer
  }
  tx.sign(key)
  network.pause()
  // What another test has left waiting.
  network.close()
  try {
    expect((await server.sendTransaction(tx)).status).toBe('PENDING')
    expect(await send(network, bump('999'))).toMatchObject({ code: 'txInsufficientFee' })
    expect((await server.sendTransaction(bump('1000'))).status).toBe('PENDING')
    expect(await send(network, bump('9999'))).toMatchObject({ code: 'txInsufficientFee' })
    const last = bump('10000')
    expect((await server.sendTransaction(last)).status).toBe('PENDING')
    expect(network.waiting).toBe(1)
    network.close()
    const hash = Buffer.from(last.hash()).toString('hex')
    expect(network.transactions.at(-1)).toMatchObject({ hash, status: 'SUCCESS' })
  } finally {
    network.resume()
  }
})

/** The same fee bump with another fee, which the SDK would not build. */
function lowered(outer: FeeBumpTransaction, fee: bigint) {
  const { feeSource, innerTx, ext } = outer.tx
  const tx = new xdr.FeeBumpTransaction({ feeSource, fee, innerTx, ext })
  return xdr.TransactionEnvelope.envelopeTypeTxFeeBump(
    new xdr.FeeBumpTransactionEnvelope({ tx, signatures: [] }),
  )
}

test('a contract that calls others needs an agreement to the whole of it', async () => {
  const key = customer()
  const router = network.deploy({
    run: (call) => {
      const [from] = call.args
      if (from) call.requireAuth(Address.fromScVal(from).toString())
      for (const amount of [1n, 2n]) {
        const args = [
          from!,
          new Address(shop.publicKey()).toScVal(),
          nativeToScVal(amount, { type: 'i128' }),
        ]
        call.invoke(usdc.contract, 'transfer', args)
      }
    },
  })
  const operation = new Contract(router).call('twice', new Address(key.publicKey()).toScVal())
  const agreed = await agree(network, operation, { signer: key })
  expect(agreed.auth).toHaveLength(1)
  expect(agreed.auth[0]?.rootInvocation.subInvocations).toHaveLength(2)
  expect((await sponsor(network, payer, agreed)).status).toBe('SUCCESS')
  expect(usdc.sent(key.publicKey())).toEqual({ count: 2, sum: 3n })
})

describe('a simulation', () => {
  test('tells calls and returns beside the events, and changes nothing', async () => {
    const key = customer()
    const server = connect(network)
    const built = new TransactionBuilder(new Account(nobody, '0'), {
      fee: BASE_FEE,
      networkPassphrase: network.passphrase,
      timebounds: until(network),
    })
      .addOperation(transfer(usdc.contract, key.publicKey(), shop.publicKey(), 2n))
      .build()
    const simulated = await server.simulateTransaction(built)
    if (!rpc.Api.isSimulationSuccess(simulated)) throw new Error(simulated.error)
    expect(
      simulated.events.map(({ event }) => [
        event.type.name,
        scValToNative(event.body.value.topics[0]!),
      ]),
    ).toEqual([
      ['diagnostic', 'fn_call'],
      ['contract', 'transfer'],
      ['diagnostic', 'fn_return'],
    ])
    expect(simulated.minResourceFee).toBe('60000')
    expect(usdc.balance(key.publicKey())).toBe(10_0000000n)
  })

  test('reads what a token says', async () => {
    const server = connect(network)
    const ask = async (name: string, ...args: Parameters<Contract['call']>[1][]) => {
      const built = new TransactionBuilder(new Account(nobody, '0'), {
        fee: BASE_FEE,
        networkPassphrase: network.passphrase,
        timebounds: until(network),
      })
        .addOperation(new Contract(usdc.contract).call(name, ...args))
        .build()
      const simulated = await server.simulateTransaction(built)
      if (!rpc.Api.isSimulationSuccess(simulated)) return simulated.error
      return scValToNative(simulated.result!.retval)
    }
    expect(await ask('decimals')).toBe(7)
    expect(await ask('symbol')).toBe('USDC')
    expect(await ask('name')).toBe(usdc.asset?.toString())
    const holder = new Address(customer().publicKey()).toScVal()
    expect(await ask('balance', holder)).toBe(10_0000000n)
    expect(await ask('mint', holder)).toMatch(/no function mint/)
  })
})

describe('a malicious token', () => {
  const open = (onTransfer: Stellar.TokenOptions['onTransfer'] & object) => {
    const token = network.token({ onTransfer })
    token.mint(payer.publicKey(), 100n)
    return token
  }

  test('may say more than it does', async () => {
    const thief = network.account().publicKey()
    const token = open(({ call, from, amount }) => {
      const topics = ['transfer', from, thief].map((value, index) =>
        nativeToScVal(value, { type: index === 0 ? 'symbol' : 'address' }),
      )
      call.emit(topics, nativeToScVal(amount, { type: 'i128' }))
    })
    const paid = await pay(network, payer, { ...order(5n), token })
    expect(paid.found?.events.contractEventsXdr.flat()).toHaveLength(2)
    expect([token.balance(thief), token.received(thief).count]).toEqual([0n, 0])
  })

  test('may do more than it says', async () => {
    const thief = network.account().publicKey()
    const token = open(({ from, move }) => move(from, thief, 7n))
    const paid = await pay(network, payer, { ...order(5n), token })
    expect(paid.found?.events.contractEventsXdr.flat()).toHaveLength(1)
    expect(token.balance(thief)).toBe(7n)
    expect(token.transfers({ to: thief })).toMatchObject([{ amount: 7n, from: payer.publicKey() }])
  })

  test('may show itself only in the ledger', async () => {
    let isArmed = false
    const thief = network.account().publicKey()
    const token = open(({ from, move }) => isArmed && move(from, thief, 7n))
    const tx = await prepare(network, { ...order(5n), token, from: payer.publicKey() })
    isArmed = true
    tx.sign(payer)
    // What it did not touch when it was tried out it cannot touch now.
    expect((await send(network, tx)).status).toBe('FAILED')
    expect(network.transactions.at(-1)?.why).toMatch(/footprint/)
  })

  test('cannot be entered again', async () => {
    const token = open(({ call }) => void call.invoke(call.contract, 'transfer', call.args))
    await expect(
      prepare(network, { ...order(5n), token, from: payer.publicKey() }),
    ).rejects.toThrow(/re-entry is not allowed/)
    const router = network.deploy({
      run: (call) => call.invoke(twoStep.contract, 'transfer', call.args),
    })
    const twoStep = open(({ call }) => void call.invoke(router, 'again', call.args))
    await expect(
      prepare(network, { ...order(5n), token: twoStep, from: payer.publicKey() }),
    ).rejects.toThrow(/re-entry is not allowed/)
  })
})

describe('other functions of a token', () => {
  const ask = async (key: Keypair, name: string, ...args: Parameters<Contract['call']>[1][]) => {
    const server = connect(network)
    const tx = await server.prepareTransaction(
      new TransactionBuilder(await server.getAccount(key.publicKey()), {
        fee: BASE_FEE,
        networkPassphrase: network.passphrase,
        timebounds: until(network),
      })
        .addOperation(new Contract(usdc.contract).call(name, ...args))
        .build(),
    )
    tx.sign(key)
    return send(network, tx)
  }
  const address = (key: Keypair) => new Address(key.publicKey()).toScVal()
  const i128 = (amount: bigint) => nativeToScVal(amount, { type: 'i128' })
  const u32 = (value: number) => nativeToScVal(value, { type: 'u32' })

  test('let others spend, as far as it was allowed', async () => {
    const [owner, spender] = [customer(), customer()]
    const allow = [address(owner), address(spender), i128(5n), u32(network.ledger + 100)] as const
    expect((await ask(owner, 'approve', ...allow)).status).toBe('SUCCESS')
    const spend = (amount: bigint) =>
      ask(spender, 'transfer_from', address(spender), address(owner), address(shop), i128(amount))
    expect((await spend(3n)).status).toBe('SUCCESS')
    await expect(spend(3n)).rejects.toThrow(/not enough allowance/)
    expect(usdc.sent(owner.publicKey())).toEqual({ count: 1, sum: 3n })
  })

  test('burn, as does paying the issuer', async () => {
    const owner = customer()
    expect((await ask(owner, 'burn', address(owner), i128(3n))).status).toBe('SUCCESS')
    const to = usdc.asset!.issuer!
    const paid = await pay(network, owner, { ...order(2n), to })
    const [event] = paid.found?.events.contractEventsXdr.flat() ?? []
    expect(scValToNative(event!.body.value.topics[0]!)).toBe('burn')
    expect(usdc.balance(owner.publicKey())).toBe(10_0000000n - 5n)
  })
})

test('time moves forward, and the ledgers with it', () => {
  const [ledger, now] = [network.ledger, network.now()]
  network.advance(60)
  expect(network.ledger - ledger).toBe(12)
  expect(network.now() - now).toBeGreaterThanOrEqual(60)
})

test('lumens are given to accounts, and to nothing else', () => {
  const key = Keypair.random().publicKey()
  network.fund(key)
  network.fund(key, 5n)
  expect(network.stroops(key)).toBe(100_000_000_005n)
  expect(() => network.fund(usdc.contract)).toThrow(/Only accounts/)
  expect(() => network.lumens.trust(key)).toThrow(/no trustlines/)
  expect(new Asset('USDC', usdc.asset!.issuer).contractId(network.passphrase)).toBe(usdc.contract)
})
