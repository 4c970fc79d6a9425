/**
 * Sponsored charges: the server pays the fee, of nothing but the payment, and never more than it set aside.
 *
 * @module
 */
import { Tempo } from '@polyrail/sandbox/tempo'
import { numberToHex, serializeSignature } from 'viem'
import { generatePrivateKey, privateKeyToAccount, toAccount } from 'viem/accounts'
import { Account, Actions, Secp256k1, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect } from '../src/network.ts'
import { createRail } from '../src/charge/server.ts'
import { RULES } from '../src/charge/rules.ts'
import { call, resign, start, unsigned } from './rail.ts'
import { problem, read, refusal, shops, type Bytes, type Options } from './shop.ts'

let local: Awaited<ReturnType<typeof start>>
let sponsor: Tempo.LocalAccount
/** Holds what it pays with, and nothing for fees. */
let poor: Tempo.LocalAccount
let open: (options?: Options) => ReturnType<ReturnType<typeof shops>>
beforeAll(async () => {
  local = await start()
  sponsor = await local.chain.account()
  poor = await local.chain.account({ amount: 10_000_000n, tokens: [local.chain.tokens.pathUSD] })
  open = (options = {}) => shops(local)({ feePayer: sponsor, ...options })
})
afterAll(() => local.chain.stop())

const failed = 'verification-failed'
const soon = () => local.chain.now() + 20

/** What an honest client signs, for the sponsor to complete. */
const honest = () => ({
  feePayerSignature: null,
  feeToken: undefined,
  gas: 400_000n,
  maxPriorityFeePerGas: 0n,
  validBefore: soon(),
  validAfter: ++salt,
})
let salt = 0

/** A transaction of the poor payer, with something changed, in answer to a challenge of the shop. */
async function forge(shop: ReturnType<typeof open>, change: object = {}, account = poor) {
  const credential = read(await shop.pay(local.payer))
  const { calls } = Transaction.deserialize(credential.raw as `0x76${string}`)
  const raw = await resign(credential.raw, { calls, ...honest(), ...change }, account)
  return { ...credential, raw }
}

describe('a sponsored payment', () => {
  test('costs the payer the price and the sponsor the fee', async () => {
    const { chain, shop: recipient } = local
    const { pathUSD } = chain.tokens
    const shop = open()
    const before = await Promise.all(
      [poor, recipient, sponsor].map(({ address }) => chain.balance(address, pathUSD)),
    )
    const { challenge, raw } = await forge(shop)
    expect((await shop.show({ challenge }, raw)).status).toBe(200)
    const after = await Promise.all(
      [poor, recipient, sponsor].map(({ address }) => chain.balance(address, pathUSD)),
    )
    const [paid, got, fee] = after.map((balance, index) => balance - before[index]!)
    expect([paid, got]).toEqual([-10_000n, 10_000n])
    expect(fee).toBeLessThan(0n)
    expect(fee).toBeGreaterThan(-50_000n)
  })

  test('is handed over in either form', async () => {
    const shop = open()
    const { challenge, raw } = await forge(shop)
    const { serialize } = Transaction.z_TxEnvelopeTempo
    const envelope = Transaction.z_TxEnvelopeTempo.deserialize(raw as `0x76${string}`)
    const handover = serialize(envelope, { format: 'feePayer', sender: poor.address })
    expect([raw.slice(0, 4), handover.slice(0, 4)]).toEqual(['0x76', '0x78'])
    expect((await shop.show({ challenge }, handover)).status).toBe(200)
    // It is the same payment, whatever its form.
    const again = await shop.challenge()
    expect((await shop.show({ challenge: again.wire }, raw)).status).toBe(402)
    expect(shop.served()).toBe(1)
  })

  test('may be one whose payer pays the fee after all', async () => {
    const shop = open()
    const credential = read(await shop.pay(local.payer))
    const raw = await resign(
      credential.raw,
      { feePayerSignature: undefined, feeToken: local.chain.tokens.AlphaUSD },
      local.payer,
    )
    const before = await local.chain.balance(sponsor.address)
    expect((await shop.show(credential, raw)).status).toBe(200)
    expect(await local.chain.balance(sponsor.address)).toBe(before)
  })

  test('is signed by a fee payer that signs hashes only, elsewhere', async () => {
    const refuse = () => Promise.reject(new Error('signs hashes only'))
    const remote = toAccount({
      address: sponsor.address,
      sign: ({ hash }) => sponsor.sign({ hash }),
      signMessage: refuse,
      signTransaction: refuse,
      signTypedData: refuse,
    })
    const shop = open({ feePayer: remote })
    const { challenge, raw } = await forge(shop)
    expect((await shop.show({ challenge }, raw)).status).toBe(200)
  })
})

/** What would drain a sponsor, with the rules that stand against it; the first of them says why. */
const attacks: [(keyof typeof RULES)[], string, () => Change | Promise<Change>, RegExp][] = [
  [['calls'], 'a call beside the payment', () => withCall('approve'), /and nothing else/],
  [['calls'], 'a second payment', () => withCall('transfer'), /and nothing else/],
  [
    ['payment', 'calls'],
    'an approval in place of the payment',
    () => ({ calls: [call(pathUSD(), 'approve', [local.shop.address, 10_000n])] }),
    /transfer/,
  ],
  [['gas', 'fee'], 'much gas', () => ({ gas: 5_000_000n }), /gas limit/],
  [
    ['fee'],
    'a high fee',
    () => ({ gas: 800_000n, maxFeePerGas: 90n * GWEI }),
    /greater fee than the 0.05/,
  ],
  [
    ['price'],
    'a high price for gas',
    () => ({ gas: 200_000n, maxFeePerGas: 150n * GWEI }),
    /may offer 100000000000 for gas/,
  ],
  [
    ['tip'],
    'a tip',
    () => ({ gas: 200_000n, maxFeePerGas: 90n * GWEI, maxPriorityFeePerGas: 60n * GWEI }),
    /may tip 10000000000 at most/,
  ],
  [
    ['accessList'],
    'an access list',
    () => ({ accessList: [{ address: local.shop.address, storageKeys: [] }] }),
    /access list/,
  ],
  [['keyAuthorization'], 'a key authorization', authorizeKey, /authorize keys/],
  [
    ['window', 'nonce'],
    'a long validity',
    () => ({ validBefore: local.chain.now() + 250, ...ordinary(++lane) }),
    /60 seconds at most/,
  ],
  [['nonce'], 'a nonce lane of its own', () => ordinary(++lane), /expiring nonce/],
]

const GWEI = 10n ** 9n
let lane = 0
const ordinary = (key: number) => ({ nonceKey: BigInt(key), nonce: 0, validAfter: undefined })

const pathUSD = () => local.chain.tokens.pathUSD

/** The payment goes first, its memo still to be filled in. */
const withCall = (name: 'approve' | 'transfer') => ({
  append: call(pathUSD(), name, [local.shop.address, 10_000n]),
})

async function authorizeKey() {
  const key = Account.fromSecp256k1(numberToHex(92n, { size: 32 }), { access: poor })
  return { keyAuthorization: await Account.signKeyAuthorization(poor, { key, chainId: 1337n }) }
}

type Change = {
  append?: object
  account?: Pick<Tempo.LocalAccount, 'signTransaction'>
  [field: string]: unknown
}

/** Presents an attack to a shop; tells what came of it, and what it cost the sponsor. */
async function attack(shop: ReturnType<typeof open>, { append, account, ...change }: Change) {
  const credential = read(await shop.pay(local.payer))
  const { calls } = Transaction.deserialize(credential.raw as `0x76${string}`)
  const all = { calls: append ? [...calls, append] : calls, ...honest(), ...change }
  const raw = await resign(credential.raw, all, account ?? poor)
  const before = await local.chain.balance(sponsor.address)
  const answer = await shop.show(credential, raw)
  return { answer, cost: before - (await local.chain.balance(sponsor.address)) }
}

describe('a sponsor is not drained (threat 20)', () => {
  test.each(attacks)('%s: %s is refused, and costs nothing', async (_, __, change, detail) => {
    const { answer, cost } = await attack(open(), await change())
    expect(await problem(answer)).toEqual(refusal(failed, detail))
    expect(cost).toBe(0n)
  })

  test.each(attacks)('without the rules %s, %s is paid for', async (names, _, change) => {
    const rules = Object.fromEntries(
      Object.entries(RULES).filter(([name]) => !names.some((removed) => removed === name)),
    )
    const { address: recipient } = local.shop
    const method = createRail({ recipient, feePayer: sponsor, ...local.at }, rules)
    const { cost } = await attack(open({ method }), await change())
    expect(cost).toBeGreaterThan(0n)
  })

  test('an access key that may not spend is refused, and costs nothing', async () => {
    const root = await local.chain.account()
    const feeToken = local.chain.tokens.AlphaUSD
    const account = Account.fromSecp256k1(numberToHex(93n, { size: 32 }), { access: root })
    const limits = [{ token: pathUSD(), limit: 9_999n }]
    const client = local.chain.client({ account: root })
    const more = { feeToken, gas: 3_000_000n }
    await Actions.accessKey.authorizeSync(client, { accessKey: account, limits, ...more })
    const { answer, cost } = await attack(open(), { account })
    expect(await problem(answer)).toEqual(refusal(failed, /would fail/))
    expect(cost).toBe(0n)
    const limit = 10_000n
    const accessKey = account.accessKeyAddress
    await Actions.accessKey.updateLimitSync(client, { accessKey, token: pathUSD(), limit, ...more })
    expect((await attack(open(), { account })).answer.status).toBe(200)
  })

  test('one cent is not promised a dozen times', async () => {
    const { pathUSD: token } = local.chain.tokens
    const account = await local.chain.account({ amount: 10_000n, tokens: [token] })
    const shop = open()
    const forged = await Promise.all(Array.from({ length: 12 }, () => forge(shop, {}, account)))
    const before = await local.chain.balance(sponsor.address)
    const answers = await Promise.all(
      forged.map(({ challenge, raw }) => shop.show({ challenge }, raw)),
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array(11).fill(503)])
    expect(before - (await local.chain.balance(sponsor.address))).toBeLessThan(10_000n)
  })

  test('a payment that is reverted all the same costs its payer the part of the budget that it might have', async () => {
    // As if it could be paid when it was tried out.
    const network = {
      ...connect(local.at),
      simulate: async () => true,
      readBalance: async () => 10n ** 9n,
    }
    const shop = open({ network, feePayer: { account: sponsor, budget: { payer: '0.015' } } })
    const account = Account.fromSecp256k1(numberToHex(95n, { size: 32 }))
    const show = async () => {
      const { challenge, raw } = await forge(shop, {}, account)
      return problem(await shop.show({ challenge }, raw))
    }
    expect(await show()).toEqual(refusal(failed, /reverted/))
    expect(await show()).toMatchObject({ status: 503 })
  })

  test('nobody ties up the budget with what no block takes', async () => {
    const shop = open({ feePayer: { account: sponsor, budget: { total: '0.02' } }, settle: 1500 })
    const lost = await forge(shop, { validBefore: local.chain.now() + 6 })
    using fault = local.chain.fault({ method: 'eth_sendRawTransactionSync', fail: 'drop' })
    expect((await shop.show(lost, lost.raw)).status).toBe(503)
    const other = await forge(shop)
    expect((await shop.show(other, other.raw)).status).toBe(503)
    fault.clear()
    await local.chain.advance(20)
    expect((await problem(await shop.show(lost, lost.raw))).code).toBe('payment-expired')
    await local.chain.advance(1)
    const late = await forge(shop, { validBefore: local.chain.now() + 20 })
    expect((await shop.show(late, late.raw)).status).toBe(200)
  })

  test('a signer that fails once ties up neither the payer’s money nor the budget', async () => {
    let isDown = true
    const feePayer = {
      account: {
        address: sponsor.address,
        sign: ({ hash }: { hash: Bytes }) =>
          isDown ? Promise.reject(new Error('away')) : sponsor.sign({ hash }),
      },
      budget: { total: '0.015' },
    }
    const account = await local.chain.account({ amount: 10_000n, tokens: [pathUSD()] })
    const shop = open({ feePayer })
    const { challenge, raw } = await forge(shop, {}, account)
    expect((await shop.show({ challenge }, raw)).status).toBe(503)
    isDown = false
    expect((await shop.show({ challenge }, raw)).status).toBe(200)
  })

  test('one plain transfer does not buy at two shops of one sponsor', async () => {
    const [one, two] = [open(), open()]
    const { challenge, raw } = await forge(one, {
      calls: [call(pathUSD(), 'transfer', [local.shop.address, 10_000n])],
    })
    expect((await one.show({ challenge }, raw)).status).toBe(200)
    const answer = await two.show({ challenge: (await two.challenge()).wire }, raw)
    expect(await problem(answer)).toEqual(refusal(failed, /on the chain already/))
    expect(two.served()).toBe(0)
  })

  test('a payment that its payer cannot make is refused, and costs nothing', async () => {
    const account = Account.fromSecp256k1(numberToHex(91n, { size: 32 }))
    const { answer, cost } = await attack(open(), { account })
    expect(await problem(answer)).toEqual(refusal(failed, /would fail/))
    expect(cost).toBe(0n)
  })

  test('no sender’s signature is refused, and one of somebody else', async () => {
    const shop = open()
    const { challenge, raw } = await forge(shop)
    const { serialize, deserialize } = Transaction.z_TxEnvelopeTempo
    const envelope = deserialize(raw as `0x76${string}`)
    const { signature: _, ...bare } = envelope
    const others = deserialize((await forge(shop, {}, local.payer)).raw as `0x76${string}`)
    const before = await local.chain.balance(sponsor.address)
    for (const forged of [
      serialize(bare),
      serialize(bare, { format: 'feePayer', sender: poor.address }),
      serialize(others, { format: 'feePayer', sender: poor.address }),
    ])
      expect(await problem(await shop.show({ challenge }, forged))).toEqual(
        refusal(failed, /signature does not prove|cannot be read/),
      )
    expect(await local.chain.balance(sponsor.address)).toBe(before)
  })

  test('without the rule `sender`, a key that the account never authorized is signed for', async () => {
    const { sender: _, ...rules } = RULES
    const { address: recipient } = local.shop
    const signed: unknown[] = []
    const feePayer = {
      address: sponsor.address,
      sign: ({ hash }: { hash: Bytes }) => (signed.push(hash), sponsor.sign({ hash })),
    }
    const account = Account.fromSecp256k1(numberToHex(94n, { size: 32 }), { access: poor })
    const honestShop = open({ feePayer })
    const { answer } = await attack(honestShop, { account })
    expect(await problem(answer)).toEqual(refusal(failed, /not authorized by the account/))
    expect(signed).toEqual([])
    const method = createRail({ recipient, feePayer, ...local.at }, rules)
    await attack(open({ method }), { account })
    expect(signed).toHaveLength(1)
  })

  test('a fee payer that has signed already is not ours', async () => {
    const shop = open()
    const { challenge, raw } = await forge(shop)
    const complete = await Transaction.serialize({
      ...unsigned(raw),
      ...Transaction.deserialize(raw as `0x76${string}`),
      feePayer: local.payer,
      feeToken: pathUSD(),
    } as Parameters<typeof Transaction.serialize>[0])
    expect(await problem(await shop.show({ challenge }, complete))).toEqual(
      refusal(failed, /leave the fee payer empty/),
    )
  })
})

describe('the budget for fees', () => {
  /** Most that the honest transaction may cost: 400,000 gas at 24 gwei or so. */
  const spent = async (before: bigint) => before - (await local.chain.balance(sponsor.address))

  test('holds under 200 requests at once [tempo-charge-059]', async () => {
    const total = 60_000n
    const shop = open({
      feePayer: { account: sponsor, budget: { total: '0.06', payer: '0.06' } },
      settle: 20_000,
    })
    const forged = []
    for (let index = 0; index < 200; index++) forged.push(await forge(shop))
    const [before, settled] = [await local.chain.balance(sponsor.address), await local.settled()]
    const answers = await Promise.all(
      forged.map(({ challenge, raw }) => shop.show({ challenge }, raw)),
    )
    const served = answers.filter(({ status }) => status === 200)
    const refused = answers.filter(({ status }) => status !== 200)
    expect(served.length).toBeGreaterThan(0)
    expect(refused.length).toBeGreaterThan(0)
    expect(await local.settled()).toBe(settled + served.length)
    expect(await spent(before)).toBeLessThanOrEqual(total)
    for (const answer of refused)
      expect([answer.status, Number(answer.headers.get('retry-after')) > 0]).toEqual([503, true])
  }, 60_000)

  test('is a payer’s own too, and comes back with time', async () => {
    const shop = open({
      feePayer: { account: sponsor, budget: { total: '1', payer: '0.015', seconds: 2 } },
    })
    const show = async (account?: Tempo.LocalAccount) => {
      const { challenge, raw } = await forge(shop, {}, account)
      return shop.show({ challenge }, raw)
    }
    const statuses = []
    for (let index = 0; index < 8; index++) statuses.push((await show()).status)
    expect(new Set(statuses)).toEqual(new Set([200, 503]))
    expect((await show(local.payer)).status).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 2200))
    expect((await show()).status).toBe(200)
  })

  test('is given back by a payment that never came about', async () => {
    const shop = open({ feePayer: { account: sponsor, budget: { total: '0.015' } } })
    for (let index = 0; index < 5; index++) {
      const { challenge, raw } = await forge(shop, { validBefore: local.chain.now() + 2 })
      expect(await problem(await shop.show({ challenge }, raw))).toMatchObject({ status: 402 })
    }
    const { challenge, raw } = await forge(shop)
    expect((await shop.show({ challenge }, raw)).status).toBe(200)
  })
})

describe('a sponsored payment whose answer is lost', () => {
  test.each([
    ['signs alike twice', false],
    ['never signs alike twice', true],
  ])('is found again where the fee payer %s, and settled once', async (_, extraEntropy) => {
    const privateKey = generatePrivateKey()
    const { address } = privateKeyToAccount(privateKey)
    await local.chain.fund(address)
    const signed = new Set<string>()
    const feePayer = {
      address,
      async sign({ hash }: { hash: Bytes }) {
        const { r, s, yParity } = Secp256k1.sign({ payload: hash, privateKey, extraEntropy })
        const [one, other] = [r, s].map((part) => numberToHex(part, { size: 32 }))
        signed.add(one!)
        return serializeSignature({ r: one!, s: other!, yParity })
      },
    }
    const shop = open({ feePayer })
    const { challenge, raw } = await forge(shop)
    const before = await local.settled()
    const method = 'eth_sendRawTransactionSync'
    using fault = local.chain.fault({ method, times: 1, fail: 'drop', executed: true })
    expect((await shop.show({ challenge }, raw)).status).toBe(503)
    expect(fault.hits).toBe(1)
    expect((await shop.show({ challenge }, raw)).status).toBe(200)
    expect(await local.settled()).toBe(before + 1)
    expect(signed.size).toBe(1)
  })

  test('and was never sent, is sent', async () => {
    const shop = open()
    const { challenge, raw } = await forge(shop)
    const before = await local.settled()
    using fault = local.chain.fault({
      method: 'eth_sendRawTransactionSync',
      times: 1,
      fail: 'drop',
    })
    expect((await shop.show({ challenge }, raw)).status).toBe(503)
    expect(fault.hits).toBe(1)
    expect((await shop.show({ challenge }, raw)).status).toBe(200)
    expect(await local.settled()).toBe(before + 1)
  })
})

describe('a sponsor', () => {
  test('that runs low is not offered [tempo-charge-041 tempo-charge-060]', async () => {
    const broke = await local.chain.account({ amount: 10n })
    const answer = await open({ feePayer: broke }).ask()
    expect(await problem(answer)).toMatchObject({ status: 503, code: 'offer-unavailable' })
  })

  test('whose signer signs as somebody else is nobody’s fault who pays', async () => {
    const sign = ({ hash }: { hash: Bytes }) => local.payer.sign({ hash })
    const shop = open({ feePayer: { address: sponsor.address, sign } })
    const { challenge, raw } = await forge(shop)
    const before = await local.settled()
    const answer = await shop.show({ challenge }, raw)
    expect(await problem(answer)).toMatchObject({ status: 503, code: 'settlement-unavailable' })
    expect(await local.settled()).toBe(before)
  })

  test('must be able to sign, within limits that make sense', () => {
    const account = { address: sponsor.address }
    expect(() => open({ feePayer: account })).toThrow(/must sign hashes/)
    const key = generatePrivateKey()
    const given = { feePayer: key } as unknown as Options
    expect(() => open(given)).toThrow(/must be a viem account/)
    expect(() => open(given)).not.toThrow(key)
    expect(() => open({ feePayer: Account.fromP256(key) })).toThrow(/secp256k1 signatures/)
    expect(() => open({ feePayer: { account: sponsor, maxFee: '1e3' } })).toThrow(/decimal string/)
    expect(() => open({ feePayer: { account: sponsor, budget: { seconds: 0 } } })).toThrow(
      /1 or more/,
    )
  })

  test('pays for each of many transfers [tempo-charge-057]', async () => {
    const others = Array.from({ length: 3 }, (_, index) => ({
      amount: '0.001',
      recipient: numberToHex(1000 + index, { size: 20 }),
    }))
    const shop = open({ route: { splits: others } })
    const challenge = await shop.challenge()
    const pay = (to: Bytes, amount: bigint) => call(pathUSD(), 'transfer', [to, amount])
    const calls = [
      ...others.map(({ recipient }) => pay(recipient, 1000n)),
      pay(local.shop.address, 7000n),
    ]
    const { raw } = await forge(open(), { calls, gas: 1_500_000n })
    expect((await shop.show({ challenge: challenge.wire }, raw)).status).toBe(200)
    for (const { recipient } of others)
      expect(await local.chain.balance(recipient, pathUSD())).toBe(1000n)
  })
})
