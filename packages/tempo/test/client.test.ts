/**
 * The paying side: what it signs, what it declines, and what it says when it cannot pay.
 *
 * @module
 */
import { Challenge, Expires } from '@polyrail/core'
import type { ChargeRequest } from '@polyrail/tempo'
import { tempo } from '@polyrail/tempo/client'
import { keccak256, numberToHex } from 'viem'
import { generatePrivateKey, privateKeyToAccount, sign, toAccount } from 'viem/accounts'
import { Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { start } from './rail.ts'

let local: Awaited<ReturnType<typeof start>>
beforeAll(async () => void (local = await start()))
afterAll(() => local.chain.stop())

type Details = NonNullable<ChargeRequest['methodDetails']>
type Asked = Partial<Omit<ChargeRequest, 'methodDetails'>> & { methodDetails?: Partial<Details> }

let issued = 0

/** A challenge for a cent, but for what is changed. */
function challengeFor(asked: Asked = {}, expires = Expires.minutes(5)) {
  const { methodDetails, ...rest } = asked
  const request = {
    amount: '10000',
    currency: local.chain.tokens.pathUSD,
    recipient: local.shop.address,
    ...rest,
    methodDetails: { chainId: 1337, supportedModes: ['pull'] as const, ...methodDetails },
  } as ChargeRequest
  const id = `challenge-${++issued}`
  const challenge = Challenge.from({
    id,
    realm: 'shop.example',
    method: 'tempo',
    intent: 'charge',
    request,
    expires,
  })
  return { ...challenge, request }
}

type Options = Partial<Parameters<typeof tempo.charge>[0]>
const wallet = (options: Options = {}) =>
  tempo.charge({ account: local.payer, ...local.at, ...options })

async function pay(asked: Asked = {}, options: Options = {}) {
  const challenge = challengeFor(asked)
  const { signal } = new AbortController()
  const proof = await wallet(options).createCredential({ challenge, context: undefined, signal })
  const { signature: raw } = proof.payload as { signature: `0x76${string}` }
  return { ...proof, raw, challenge, fields: Transaction.deserialize(raw) }
}

describe('the client signs', () => {
  test('a transaction that is the server’s to send, soon, by the account that it names', async () => {
    const before = Math.floor(Date.now() / 1000)
    const { fields, source, authorization } = await pay()
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
    const challenge = challengeFor({}, expires)
    const { signal } = new AbortController()
    const { payload } = await wallet().createCredential({ challenge, context: undefined, signal })
    const { signature } = payload as { signature: `0x76${string}` }
    const { validBefore } = Transaction.deserialize(signature)
    expect(Number(validBefore) * 1000).toBeLessThanOrEqual(Date.parse(expires))
  })

  test('two equal payments of one second as two, whatever the memo', async () => {
    const memo = numberToHex(1n, { size: 32 })
    const asked = { methodDetails: { memo } }
    const [one, two] = await Promise.all([pay(asked), pay(asked)])
    expect(one.raw).not.toBe(two.raw)
    expect((await pay()).raw).not.toBe((await pay()).raw)
  })

  test('the memo that deployed servers look for, bound to realm and challenge', async () => {
    const { fields, challenge } = await pay({}, { clientId: 'crawler' })
    const text = (value: string, bytes: number) =>
      keccak256(new TextEncoder().encode(value)).slice(2, 2 + bytes * 2)
    const memo =
      text('mpp', 4) + '01' + text('shop.example', 10) + text('crawler', 10) + text(challenge.id, 7)
    expect(fields.calls[0]?.data?.slice(-64)).toBe(memo)
    const anonymous = (await pay()).fields.calls[0]?.data?.slice(-64)
    expect(anonymous?.slice(30, 50)).toBe('0'.repeat(20))
  })

  test('with a plain viem account, and with one whose key is elsewhere and signs hashes alone', async () => {
    const privateKey = generatePrivateKey()
    const plain = privateKeyToAccount(privateKey)
    await local.chain.fund(plain.address)
    const remote = toAccount({
      address: plain.address,
      signMessage: () => Promise.reject(new Error('not this')),
      signTypedData: () => Promise.reject(new Error('not this')),
      async signTransaction(transaction, { serializer } = {}) {
        if (!serializer) throw new Error('no serializer')
        const hash = keccak256(await serializer(transaction))
        return serializer(transaction, await sign({ hash, privateKey }))
      },
    })
    for (const account of [plain, remote])
      expect((await pay({}, { account })).fields.from).toBe(plain.address.toLowerCase())
  })
})

describe('the fee token', () => {
  test('is the currency when it suffices for both', async () => {
    expect((await pay()).fields.feeToken).toBe(local.chain.tokens.pathUSD)
  })

  test('is the fullest other stablecoin when it does not', async () => {
    const { pathUSD, BetaUSD, ThetaUSD } = local.chain.tokens
    const account = await local.chain.account({ amount: 10_000n, tokens: [pathUSD] })
    await local.chain.fund(account.address, { amount: 1_000_000n, tokens: [BetaUSD] })
    await local.chain.fund(account.address, { amount: 2_000_000n, tokens: [ThetaUSD] })
    expect((await pay({}, { account })).fields.feeToken).toBe(ThetaUSD)
  })

  test('is the one that the owner chose', async () => {
    const { AlphaUSD } = local.chain.tokens
    expect((await pay({}, { feeToken: AlphaUSD })).fields.feeToken).toBe(AlphaUSD)
  })

  test('is missed before anything is signed', async () => {
    const { pathUSD, AlphaUSD } = local.chain.tokens
    const account = await local.chain.account({ amount: 10_000n, tokens: [pathUSD] })
    await expect(pay({}, { account })).rejects.toThrow(/No stablecoin that may pay the fee/)
    await expect(pay({}, { account, feeToken: AlphaUSD })).rejects.toThrow(
      /No stablecoin that may pay the fee/,
    )
    await expect(pay({ amount: '10001' }, { account })).rejects.toThrow(
      /more than the wallet holds/,
    )
  })
})

describe('the client declines', () => {
  const SOMEONE = '0x00000000000000000000000000000000000000aa'

  test.each([
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
      'a server that only looks',
      { methodDetails: { supportedModes: ['push'] } },
      /does not broadcast/,
    ],
    ['an amount of zero', { amount: '0' }, /zero/],
    ['a sponsored payment', { methodDetails: { feePayer: true } }, /sponsored/],
    [
      'several recipients',
      { methodDetails: { splits: [{ amount: '1', recipient: SOMEONE }] } },
      /several/,
    ],
  ] as const)('%s', async (_, asked, reason) => {
    const challenge = challengeFor(asked as Asked)
    expect(await wallet().accepts?.({ challenge })).toMatch(reason)
    await expect(pay(asked as Asked)).rejects.toThrow(reason)
  })

  test('to pay itself', async () => {
    await expect(pay({ recipient: local.payer.address })).rejects.toThrow(/same account/)
  })

  test('nothing that it can pay', async () => {
    expect(await wallet().accepts?.({ challenge: challengeFor() })).toBeUndefined()
    const anyMode = challengeFor({ methodDetails: { supportedModes: undefined } })
    expect(await wallet().accepts?.({ challenge: anyMode })).toBeUndefined()
  })

  test('a currency that its owner does not list', async () => {
    const { AlphaUSD } = local.chain.tokens
    await expect(pay({}, { currencies: [AlphaUSD] })).rejects.toThrow(
      /not one that this client pays in/,
    )
    const { fields } = await pay({ currency: AlphaUSD }, { currencies: [AlphaUSD] })
    expect(fields.calls[0]?.to).toBe(AlphaUSD)
  })
})

describe('the client says what is wrong', () => {
  test('with an account that cannot sign', () => {
    const account = { address: local.payer.address, type: 'json-rpc' }
    expect(() => wallet({ account: account as object as typeof local.payer })).toThrow(
      /must sign transactions/,
    )
  })

  test('with a signer that signs as another', async () => {
    const { address } = await local.chain.account()
    const account = { ...local.payer, address }
    await expect(pay({}, { account })).rejects.toThrow(/did not sign/)
  })

  test('with a node that is on another chain', async () => {
    await expect(pay({ methodDetails: { chainId: 7 } }, { chainId: 7 })).rejects.toThrow(
      /node is on chain 1337, and payments here are on chain 7/,
    )
  })

  test('with a chain whose endpoint nobody knows', () => {
    expect(() => tempo.charge({ account: local.payer, chainId: 1337 })).toThrow(/rpcUrl or client/)
  })
})
