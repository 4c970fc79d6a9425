/**
 * The paying side: what it signs, what it declines, and what it says when it cannot pay.
 *
 * @module
 */
import { tempo } from '@polyrail/tempo/client'
import { getAddress, keccak256, numberToHex } from 'viem'
import { Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createNonceMemo } from '../src/charge/attribution.ts'
import { checkFee } from '../src/charge/fee.ts'
import { createPaying, paymentsIn, type Asked, type Options } from './paying.ts'

let local: Awaited<ReturnType<typeof createPaying>>
beforeAll(async () => void (local = await createPaying()))
afterAll(() => local.chain.stop())

const SOMEONE = '0x00000000000000000000000000000000000000aa'
const OTHER = '0x00000000000000000000000000000000000000bb'

describe('the client signs', () => {
  test('a transaction that is the server’s to send, soon, by the account that it names [tempo-charge-025 tempo-charge-026 tempo-charge-027]', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { fields, source, authorization } = await local.pay()
    expect(authorization).toBe(true)
    expect(source).toBe(`did:pkh:eip155:1337:${local.payer.address}`)
    expect(fields).toMatchObject({ chainId: 1337, nonce: 0, nonceKey: 2n ** 256n - 1n })
    expect(fields.from).toBe(local.payer.address.toLowerCase())
    expect(fields.validBefore).toBeGreaterThanOrEqual(before + 25)
    expect(fields.validBefore).toBeLessThanOrEqual(before + 27)
    expect(await local.settled()).toBe(0)
  })

  test('nothing that outlives the challenge', async () => {
    const expires = new Date(Date.now() + 8000).toISOString()
    const { payload } = await local.prove(local.challengeFor({}, expires))
    const { signature } = payload as { signature: `0x76${string}` }
    const { validBefore } = Transaction.deserialize(signature)
    expect(Number(validBefore) * 1000).toBeLessThanOrEqual(Date.parse(expires))
  })

  test('two equal payments of one second as two, whatever the memo', async () => {
    const memo = numberToHex(1n, { size: 32 })
    const asked = { methodDetails: { memo } }
    const [one, two] = await Promise.all([local.pay(asked), local.pay(asked)])
    expect(one.raw).not.toBe(two.raw)
    expect((await local.pay()).raw).not.toBe((await local.pay()).raw)
  })

  test('the memo that deployed servers look for, bound to realm and challenge', async () => {
    const { fields, challenge } = await local.pay({}, { clientId: 'crawler' })
    const text = (value: string, bytes: number) =>
      keccak256(new TextEncoder().encode(value)).slice(2, 2 + bytes * 2)
    const memo =
      text('mpp', 4) + '01' + text('shop.example', 10) + text('crawler', 10) + text(challenge.id, 7)
    expect(fields.calls[0]?.data?.slice(-64)).toBe(memo)
    const anonymous = (await local.pay()).fields.calls[0]?.data?.slice(-64)
    expect(anonymous?.slice(30, 50)).toBe('0'.repeat(20))
  })
})

describe('the fee token', () => {
  test('is the currency when it suffices for both [tempo-charge-011 tempo-charge-040]', async () => {
    expect((await local.pay()).fields.feeToken).toBe(local.chain.tokens.pathUSD)
  })

  test('is the fullest other stablecoin when it does not', async () => {
    const { pathUSD, BetaUSD, ThetaUSD } = local.chain.tokens
    const account = await local.chain.account({ amount: 10_000n, tokens: [pathUSD] })
    await local.chain.fund(account.address, { amount: 1_000_000n, tokens: [BetaUSD] })
    await local.chain.fund(account.address, { amount: 2_000_000n, tokens: [ThetaUSD] })
    expect((await local.pay({}, { account })).fields.feeToken).toBe(ThetaUSD)
  })

  test('is the one that the owner chose', async () => {
    const { AlphaUSD } = local.chain.tokens
    expect((await local.pay({}, { feeToken: AlphaUSD })).fields.feeToken).toBe(AlphaUSD)
  })

  test('is missed before anything is signed [tempo-charge-043]', async () => {
    const { pathUSD, AlphaUSD } = local.chain.tokens
    const account = await local.chain.account({ amount: 10_000n, tokens: [pathUSD] })
    await expect(local.pay({}, { account })).rejects.toThrow(/No stablecoin that may pay the fee/)
    await expect(local.pay({}, { account, feeToken: AlphaUSD })).rejects.toThrow(
      /No stablecoin that may pay the fee/,
    )
    await expect(local.pay({ amount: '10001' }, { account })).rejects.toThrow(
      /more than the wallet holds/,
    )
  })
})

describe('a fee', () => {
  const GWEI = 10n ** 9n

  test('beyond all reason is not signed, whatever the node says of it', async () => {
    const client = local.priced(2_000_000n * GWEI)
    await expect(local.pay({}, { client })).rejects.toMatchObject({
      code: 'method-unsupported',
      message: expect.stringMatching(
        /^The fee may come to \d+\.\d+, and this client allows 0\.05: the option maxFee /,
      ),
    })
    const push = local.challengeFor({ methodDetails: { supportedModes: ['push'] } })
    await expect(local.prove(push, { client })).rejects.toThrow(/this client allows 0\.05/)
    const sponsored = { methodDetails: { feePayer: true } }
    expect((await local.pay(sponsored, { client })).fields.feeToken).toBeUndefined()
  })

  test('is no more than the owner says', async () => {
    const { fields } = await local.pay({}, { maxFee: '0.03' })
    expect((fields.gas! * fields.maxFeePerGas!) / 10n ** 12n).toBeLessThan(30_000n)
    await expect(local.pay({}, { maxFee: '0.001' })).rejects.toThrow(/client allows 0\.001/)
    const dear = await local.pay({}, { client: local.priced(200n * GWEI), maxFee: '1' })
    expect(dear.fields.maxPriorityFeePerGas).toBe(200n * GWEI)
  })

  const plain = { maxFee: undefined, transfers: 1, swaps: false, keys: false }
  test.each<[string, object, bigint]>([
    ['a payment', {}, 50_000n],
    ['each transfer more', { transfers: 3 }, 90_000n],
    ['a swap', { swaps: true }, 100_000n],
    ['a key to be registered', { keys: true }, 150_000n],
  ])('may be what is plenty for %s', (_, what, most) => {
    checkFee(most, { ...plain, ...what })
    expect(() => checkFee(most + 1n, { ...plain, ...what })).toThrow(/option maxFee/)
  })

  test('counts what the payment does', async () => {
    const client = local.priced(2_000n * GWEI)
    const splits = [{ amount: '1', recipient: SOMEONE }] as const
    await expect(local.pay({ methodDetails: { splits: [...splits] } }, { client })).rejects.toThrow(
      /this client allows 0\.07/,
    )
  })
})

describe('a memo that is asked for', () => {
  const [own, foreign] = ['shop.example', 'other.example'].map(createNonceMemo) as [Hex, Hex]
  type Hex = `0x${string}`
  const split = (memo: Hex) => [{ amount: '1', recipient: SOMEONE, memo }] as const

  test.each<[string, NonNullable<Asked['methodDetails']>]>([
    ['in pull mode', { memo: foreign }],
    ['in pull mode, in capitals', { memo: `0x${foreign.slice(2).toUpperCase()}` }],
    ['in push mode', { memo: foreign, supportedModes: ['push'] }],
    ['of a split', { memo: own, splits: [...split(foreign)] }],
  ])('and names another realm would buy there: declined %s', async (_, methodDetails) => {
    const reason = /another server than shop\.example asks for/
    expect(await local.accepts({ methodDetails })).toMatch(reason)
    await expect(local.pay({ methodDetails })).rejects.toThrow(reason)
  })

  test('and names the challenge’s own realm, or none, is carried', async () => {
    for (const memo of [own, numberToHex(7n, { size: 32 })]) {
      const { fields } = await local.pay({ methodDetails: { memo, splits: [...split(memo)] } })
      expect(fields.calls.map(({ data }) => `0x${data?.slice(-64)}`)).toEqual([memo, memo])
    }
  })
})

describe('the client declines', () => {
  test.each<[string, Asked, RegExp]>([
    [
      'another chain',
      { methodDetails: { chainId: 4217 } },
      /on chain 4217, and this wallet is on chain 1337/,
    ],
    [
      'a request that means the testnet',
      { methodDetails: { chainId: undefined } },
      /on chain 42431/,
    ],
    ['a currency that it does not know', { currency: SOMEONE }, /not one that this client pays in/],
    [
      'a sponsor who does not broadcast',
      { methodDetails: { feePayer: true, supportedModes: ['push'] } },
      /must broadcast the transaction itself/,
    ],
  ])('%s [tempo-charge-054]', async (_, asked, reason) => {
    expect(await local.accepts(asked)).toMatch(reason)
    await expect(local.pay(asked)).rejects.toThrow(reason)
  })

  test('to pay itself, first or last', async () => {
    const self = local.payer.address
    await expect(local.pay({ recipient: self })).rejects.toThrow(/same account/)
    const splits = [{ amount: '1', recipient: self.toLowerCase() as typeof self }]
    await expect(local.pay({ methodDetails: { splits } })).rejects.toThrow(/same account/)
  })

  test('a proof for another chain', async () => {
    const asked = { amount: '0', methodDetails: { chainId: 4217 } }
    await expect(local.pay(asked)).rejects.toThrow(/on chain 4217/)
  })

  test('nothing that it can pay', async () => {
    expect(await local.accepts({})).toBeUndefined()
    expect(await local.accepts({ methodDetails: { supportedModes: undefined } })).toBeUndefined()
    expect(await local.accepts({ methodDetails: { supportedModes: ['push'] } })).toBeUndefined()
    expect(await local.accepts({ amount: '0', currency: SOMEONE })).toBeUndefined()
  })

  test('a currency that its owner does not list', async () => {
    const { AlphaUSD } = local.chain.tokens
    await expect(local.pay({}, { currencies: [AlphaUSD] })).rejects.toThrow(
      /not one that this client pays in/,
    )
    const { fields } = await local.pay({ currency: AlphaUSD }, { currencies: [AlphaUSD] })
    expect(fields.calls[0]?.to).toBe(AlphaUSD)
  })
})

describe('a split payment', () => {
  const memo = numberToHex(5n, { size: 32 })

  test('reaches everyone in one transaction, in the order that is asked [tempo-charge-021 tempo-charge-023]', async () => {
    const splits = [
      { amount: '500', recipient: SOMEONE },
      { amount: '1500', recipient: OTHER, memo },
    ] as const
    const { raw, fields, challenge } = await local.pay({ methodDetails: { splits: [...splits] } })
    expect(fields.calls).toHaveLength(3)
    const receipt = await local.send(raw)
    expect(receipt.status).toBe('success')
    const payments = paymentsIn(receipt.logs)
    const own = payments.find((payment) => payment.to === local.shop.address && payment.memo)
    expect(own).toMatchObject({ amount: 8000n })
    const id = keccak256(new TextEncoder().encode(challenge.id)).slice(2, 16)
    expect(own?.memo?.endsWith(id)).toBe(true)
    expect(payments.filter(({ memo: given }) => !given).map(({ amount }) => amount)).toEqual([
      8000n,
      500n,
      1500n,
    ])
    expect(payments.find((payment) => payment.memo === memo)).toMatchObject({ amount: 1500n })
    expect(await local.chain.balance(SOMEONE)).toBe(500n)
    expect(await local.chain.balance(OTHER)).toBe(1500n)
  })

  test('has gas for ten recipients who never held the token', async () => {
    const splits = Array.from({ length: 10 }, (_, index) => ({
      amount: '1',
      recipient: numberToHex(0xa11ce000 + index, { size: 20 }),
    }))
    const { raw } = await local.pay({ methodDetails: { splits } })
    expect((await local.send(raw)).status).toBe('success')
    expect(await local.chain.balance(splits[9]!.recipient)).toBe(1n)
  })

  test('carries the memo that is asked on the recipient’s own transfer [tempo-charge-007 tempo-charge-024]', async () => {
    const splits = [{ amount: '1', recipient: SOMEONE }] as const
    const { fields } = await local.pay({ methodDetails: { memo, splits: [...splits] } })
    expect(fields.calls[0]?.data?.endsWith(memo.slice(2))).toBe(true)
    expect(fields.calls[1]?.data?.endsWith(memo.slice(2))).toBe(false)
  })

  const to = (...amounts: string[]) => ({
    methodDetails: { splits: amounts.map((amount) => ({ amount, recipient: SOMEONE }) as const) },
  })
  test.each<[string, Asked, RegExp]>([
    ['leaves nothing for the recipient', to('10000'), /leave nothing/],
    ['takes more than there is', to('10001'), /leave nothing/],
    ['takes more than there is in all', to('5000', '5000'), /leave nothing/],
    ['wraps around', to('1', String(2n ** 256n - 1n)), /leave nothing/],
    ['has a part of nothing', to('0'), /not above zero/],
    ['has no parts', to(), /empty/],
    ['has too many parts', to(...Array<string>(11).fill('1')), /split 11 ways/],
    ['comes with an amount of zero', { ...to('1'), amount: '0' }, /leave nothing/],
  ])('is declined when it %s [tempo-charge-017]', async (_, asked, reason) => {
    expect(await local.accepts(asked)).toMatch(reason)
    await expect(local.pay(asked)).rejects.toThrow(reason)
  })

  test('may have as many parts as its owner allows', async () => {
    const asked = to(...Array<string>(11).fill('1'))
    expect(await local.accepts(asked, { maxSplits: 11 })).toBeUndefined()
    expect(await local.accepts(to('1'), { maxSplits: 0 })).toMatch(/allows 0/)
  })
})

describe('an owner who names the recipients', () => {
  const split = { amount: '1', recipient: SOMEONE } as const

  test('pays them, in whatever case they are written', async () => {
    const recipients = [local.shop.address.toLowerCase() as typeof SOMEONE, SOMEONE] as const
    const asked = { methodDetails: { splits: [split] } }
    expect(await local.accepts(asked, { recipients })).toBeUndefined()
    expect((await local.pay(asked, { recipients })).fields.calls).toHaveLength(2)
  })

  test('pays nobody else', async () => {
    expect(await local.accepts({}, { recipients: [SOMEONE] })).toMatch(/recipient .* is not one/)
    const recipients = [local.shop.address]
    const asked = { methodDetails: { splits: [split] } }
    expect(await local.accepts(asked, { recipients })).toMatch(new RegExp(SOMEONE))
    await expect(local.pay(asked, { recipients })).rejects.toThrow(/is not one/)
    await expect(local.pay({}, { recipients: [] })).rejects.toThrow(/is not one/)
  })
})

describe('a sponsored payment', () => {
  test('leaves the fee, its token and its payer to the server [tempo-charge-042]', async () => {
    const { pathUSD, AlphaUSD } = local.chain.tokens
    const account = await local.chain.account({ amount: 10_000n, tokens: [pathUSD] })
    const { fields, payload } = await local.pay({ methodDetails: { feePayer: true } }, { account })
    expect(payload.type).toBe('transaction')
    expect(fields.feePayerSignature).toBeNull()
    expect(fields.feeToken).toBeUndefined()
    expect(fields.gas).toBeLessThan(1_000_000n)
    const sponsored = { ...fields, feePayer: local.payer, feeToken: AlphaUSD }
    const receipt = await local.send(await Transaction.serialize(sponsored))
    expect(receipt).toMatchObject({ status: 'success', from: account.address.toLowerCase() })
    expect(receipt.feePayer).toBe(local.payer.address.toLowerCase())
    expect(await local.chain.balance(account.address, pathUSD)).toBe(0n)
  })

  test('ignores the fee token of the owner', async () => {
    const { AlphaUSD } = local.chain.tokens
    const asked = { methodDetails: { feePayer: true } }
    expect((await local.pay(asked, { feeToken: AlphaUSD })).fields.feeToken).toBeUndefined()
  })

  test('is the server’s to send, whatever else it offers [tempo-charge-044]', async () => {
    const asked = { methodDetails: { feePayer: true, supportedModes: undefined } }
    expect((await local.pay(asked)).payload.type).toBe('transaction')
    expect(await local.accepts(asked, { mode: 'push' })).toMatch(/must broadcast/)
    await expect(local.pay(asked, { mode: 'push' })).rejects.toThrow(/must broadcast/)
  })

  test('still takes what is asked from the payer', async () => {
    const account = await local.chain.account({ amount: 1n })
    await expect(local.pay({ methodDetails: { feePayer: true } }, { account })).rejects.toThrow(
      /more than the wallet holds/,
    )
  })
})

describe('the client says what is wrong', () => {
  test('with an account that cannot sign', () => {
    const { address } = local.payer
    const account = { address, type: 'json-rpc' as const }
    expect(() => local.wallet({ account })).toThrow(/must sign transactions/)
  })

  test('with a mode that is none', () => {
    const mode = 'pul' as string as 'pull'
    expect(() => local.wallet({ mode })).toThrow(/mode is 'pull' or 'push'/)
  })

  test.each<[string, (address: `0x${string}`) => Options]>([
    ['recipients', (address) => ({ recipients: [SOMEONE, address] })],
    ['currencies', (address) => ({ currencies: [SOMEONE, address] })],
    ['feeToken', (feeToken) => ({ feeToken })],
    ['swap.from', (address) => ({ swap: { from: [address] } })],
  ])('with an address in %s that is mistyped', (option, write) => {
    const right = '0x742d35Cc6634C0532925a3b844Bc9e7595f8fE00'
    const checked = getAddress(right.toLowerCase())
    const last = checked.at(-3) === 'f' ? 'F' : 'f'
    const mistyped = `${checked.slice(0, -3)}${last}${checked.slice(-2)}` as const
    expect(() => local.wallet(write(mistyped as `0x${string}`))).toThrow(
      new RegExp(`^tempo/charge: ${option.replace('.', '\\.')} has a wrong checksum`),
    )
    local.wallet(write(checked))
    local.wallet(write(checked.toLowerCase() as `0x${string}`))
  })

  test('with a node that is on another chain', async () => {
    await expect(local.pay({ methodDetails: { chainId: 7 } }, { chainId: 7 })).rejects.toThrow(
      /node is on chain 1337, and payments here are on chain 7/,
    )
  })

  test('with a chain whose endpoint nobody knows', () => {
    expect(() => tempo.charge({ account: local.payer, chainId: 1337 })).toThrow(/rpcUrl or client/)
  })
})
