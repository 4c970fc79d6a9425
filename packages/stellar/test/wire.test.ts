/**
 * What travels: requests, payloads, receipts and addresses, as the draft has them; and what cannot be asked.
 *
 * @module
 */
import { Challenge, Credential, Receipt, type Method } from '@polyrail/core'
import { Mpp as Wallet } from '@polyrail/core/client'
import { charge, PUBNET, TESTNET, USDC } from '@polyrail/stellar'
import { stellar as stellarClient } from '@polyrail/stellar/client'
import { stellar } from '@polyrail/stellar/server'
import {
  Asset,
  encodeMuxedAccount,
  encodeMuxedAccountToAddress,
  Keypair,
  StrKey,
} from '@stellar/stellar-sdk'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { baseOf, kindOf } from '../src/address.ts'
import { endOf, lastLedger } from '../src/charge/expiry.ts'
import { createRequest, toBaseUnits } from '../src/charge/price.ts'
import { PASSPHRASES } from '../src/constants.ts'
import { call, prepare, signed, start, type Local } from './rail.ts'
import { problem, read, shops } from './shop.ts'

let local: Local
beforeAll(async () => void (local = await start()))
afterAll(() => local.chain.stop())

const recipient = Keypair.random().publicKey()
const currency = USDC[TESTNET]
const request = { amount: '1', currency, recipient, methodDetails: { network: TESTNET } }

async function isGood(schema: Method.Schema, value: unknown) {
  return !(await schema['~standard'].validate(value)).issues
}

describe('a request', () => {
  const good = (value: unknown) => isGood(charge.schema.request, value)

  test('[stellar-charge-002] has an amount of digits, up to what an i128 holds', async () => {
    for (const amount of ['0', '1', String(2n ** 127n - 1n)])
      expect(await good({ ...request, amount })).toBe(true)
    for (const amount of [
      1,
      '-1',
      '+1',
      '01',
      '1.0',
      '1e3',
      ' 1',
      '',
      String(2n ** 127n),
      undefined,
    ])
      expect(await good({ ...request, amount })).toBe(false)
  })

  test('[stellar-charge-003] has a contract for a currency', async () => {
    for (const wrong of [
      recipient,
      'usd',
      currency.toLowerCase(),
      `${currency.slice(0, -1)}B`,
      undefined,
    ])
      expect(await good({ ...request, currency: wrong })).toBe(false)
  })

  test('[stellar-charge-004] has an address for a recipient: of an account, a part of one, or a contract', async () => {
    const muxed = encodeMuxedAccountToAddress(encodeMuxedAccount(recipient, '7'))
    for (const right of [recipient, muxed, currency])
      expect(await good({ ...request, recipient: right })).toBe(true)
    for (const wrong of ['', 'GABC', `${recipient.slice(0, -1)}!`, undefined])
      expect(await good({ ...request, recipient: wrong })).toBe(false)
  })

  test('[stellar-charge-005] names one of two networks', async () => {
    expect(await good({ ...request, methodDetails: { network: PUBNET } })).toBe(true)
    for (const methodDetails of [
      undefined,
      {},
      { network: 'stellar:futurenet' },
      { network: 'testnet' },
    ])
      expect(await good({ ...request, methodDetails })).toBe(false)
  })

  test('[stellar-charge-001] is canonical JSON in base64url', async () => {
    const { wire, request } = await shops(local)({ route: { externalId: 'ü' } }).challenge()
    const text = Buffer.from(wire.request, 'base64url').toString()
    expect(wire.request).toMatch(/^[\w-]+$/)
    expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(JSON.parse(text)).toSorted())
    expect(JSON.parse(text)).toEqual(request)
    expect(text).not.toMatch(/[:,] /)
  })
})

describe('a credential', () => {
  const good = (value: unknown) => isGood(charge.schema.credential.payload, value)
  const hash = 'a1'.repeat(32)

  test('[stellar-charge-009] [stellar-charge-011] [stellar-charge-018] [stellar-charge-031] has a payload of a known type', async () => {
    expect(await good({ type: 'transaction', transaction: 'AAAA' })).toBe(true)
    expect(await good({ type: 'hash', hash })).toBe(true)
    for (const wrong of [undefined, {}, { type: 'proof' }, { hash }, { transaction: 'AAAA' }])
      expect(await good(wrong)).toBe(false)
  })

  test('[stellar-charge-012] [stellar-charge-019] has base64 or 64 hexadecimal characters', async () => {
    for (const transaction of ['', 'a b', 7, undefined, 'A'.repeat(70_000)])
      expect(await good({ type: 'transaction', transaction })).toBe(false)
    for (const wrong of ['', hash.slice(1), `${hash}0`, `0x${hash}`, 7, undefined])
      expect(await good({ type: 'hash', hash: wrong })).toBe(false)
    for (const sourceSignature of ['', hash, undefined])
      expect(await good({ type: 'signedHash', hash, sourceSignature })).toBe(false)
  })

  test('[stellar-charge-008] echoes its challenge', async () => {
    const shop = shops(local)()
    const { challenge } = read(await shop.pay())
    const asked = await shop.challenge()
    expect(Object.keys(challenge).toSorted()).toEqual(Object.keys(asked.wire).toSorted())
    expect(challenge.method).toBe('stellar')
  })

  test('[stellar-charge-031] [stellar-charge-032] of nonsense is a 402, whatever it is', async () => {
    const shop = shops(local)()
    const { wire } = await shop.challenge()
    const payloads: object[] = [
      {},
      { type: 'proof', signature: '0x00' },
      { type: 'transaction', transaction: 7 },
      { type: 'transaction', transaction: 'AAAAAgAAAAA=' },
      { type: 'hash', hash: 'zz' },
      { type: 'signedHash', hash, sourceSignature: 'zz' },
    ]
    for (const payload of payloads) {
      const answer = await shop.ask(Credential.serialize({ challenge: wire, payload }))
      expect(await problem(answer)).toMatchObject({
        status: 402,
        code: expect.stringMatching(/^(malformed-credential|verification-failed)$/),
      })
    }
  })
})

test('[stellar-charge-053] [stellar-charge-054] [stellar-charge-055] [stellar-charge-056] [stellar-charge-057] a receipt names the transaction and its time', async () => {
  const shop = shops(local)({ route: { externalId: 'order 7' } })
  const answer = await shop.ask(await shop.pay())
  const { hash, createdAt } = local.chain.transactions.at(-1)!
  const receipt = Receipt.fromResponse(answer)
  expect(receipt).toEqual({
    method: 'stellar',
    reference: hash,
    status: 'success',
    timestamp: new Date(createdAt * 1000).toISOString(),
    externalId: 'order 7',
  })
})

test('amounts beyond 64 bits are paid to the unit', async () => {
  const token = local.chain.token({ decimals: 18 })
  const key = local.chain.account()
  token.mint(key.publicKey(), 2n ** 100n)
  const price = { amount: '123456789012.000000000000000001', decimals: 18 }
  const units = 123_456_789_012n * 10n ** 18n + 1n
  const shop = shops(local)({ currency: token.contract, route: price })
  const { request } = await shop.challenge()
  expect(request.amount).toBe(String(units))
  const client = stellarClient.charge({
    ...local.wallet,
    account: key,
    currencies: [token.contract],
  })
  const wallet = Wallet.create({
    methods: [client],
    policy: { approve: () => true, max: String(2n ** 90n) },
    fetch: (input, init) => shop.fetch(new Request(input, init)),
  })
  expect((await wallet.fetch('https://shop.example/page')).status).toBe(200)
  expect(token.transfers()).toMatchObject([{ amount: units, to: local.shop.publicKey() }])
})

test('a contract can be paid, by its payer’s fee and by the server’s', async () => {
  const recipient = local.chain.contractAccount([Keypair.random()])
  for (const feePayer of [undefined, local.chain.account()]) {
    const shop = shops(local)({ recipient, feePayer })
    expect((await shop.ask(await shop.pay())).status).toBe(200)
  }
  expect(local.usdc.received(recipient)).toEqual({ count: 2, sum: 200_000n })
})

test('[stellar-charge-017] [stellar-charge-051] what the payer has signed is what is sent, to the byte', async () => {
  const shop = shops(local)()
  const credential = await shop.pay()
  expect((await shop.ask(credential)).status).toBe(200)
  const { payload } = read(credential)
  expect(payload).toEqual({
    type: 'transaction',
    transaction: local.chain.transactions.at(-1)?.envelope,
  })
})

test(
  '[stellar-charge-060] a challenge that is over or settled buys nothing more',
  { timeout: 20_000 },
  async () => {
    const shop = shops(local)()
    const key = local.customer()
    const credential = await shop.pay(key)
    expect((await shop.ask(credential)).status).toBe(200)
    const { challenge } = read(credential)
    // Of a later challenge it might end a second after this one.
    const pay = call(local.usdc.contract, [key.publicKey(), local.shop.publicKey(), 100_000n])
    const transaction = signed(await prepare(local, key.publicKey(), pay), key)
    const known = { ...(await shop.challenge()), wire: challenge }
    expect(
      await problem(await shop.show({ type: 'transaction', transaction }, known)),
    ).toMatchObject({
      status: 402,
      code: 'invalid-challenge',
    })
    const brief = shops(local)({ expires: 3 })
    const late = await brief.pay(key)
    await new Promise((resolve) => setTimeout(resolve, 4100))
    expect(await problem(await brief.ask(late))).toMatchObject({ status: 402 })
    expect(brief.served()).toBe(0)
  },
)

test('the ledgers that the draft computes', () => {
  expect(lastLedger(1000, 300)).toBe(1060)
  expect(lastLedger(1000, 301)).toBe(1061)
  expect(lastLedger(1000, 0.2)).toBe(1001)
  expect(lastLedger(1000, -5)).toBe(1000)
  expect(endOf('2026-01-01T00:00:00.900Z', 0)).toBe(1_767_225_600)
  expect(endOf(undefined, 1000.5)).toBe(1300)
})

describe('a price', () => {
  test('is exact', () => {
    expect(toBaseUnits('0.01')).toBe('100000')
    expect(toBaseUnits('0.0000001')).toBe('1')
    expect(toBaseUnits('1', 0)).toBe('1')
    expect(toBaseUnits('1.50', 18)).toBe('1500000000000000000')
  })

  test.each([
    '0',
    '0.0',
    '0.00000001',
    '1e3',
    '-1',
    '+1',
    '',
    '1,5',
    ' 1',
    '1'.padEnd(41, '0'),
    String(2n ** 127n),
  ])('is no %j', (amount) => {
    expect(() => toBaseUnits(amount, 7)).toThrow(TypeError)
  })

  test('needs a recipient and a contract', () => {
    const terms = { amount: '1' }
    expect(() => createRequest(terms, TESTNET)).toThrow(/who is paid/)
    expect(() => createRequest({ ...terms, recipient: 'me' }, TESTNET)).toThrow(/Stellar address/)
    expect(() => createRequest({ ...terms, recipient, currency: 'USDC' }, TESTNET)).toThrow(
      /contract/,
    )
    expect(createRequest({ ...terms, recipient }, PUBNET).currency).toBe(USDC[PUBNET])
  })

  test('needs something that is taken', () => {
    const terms = { amount: '1', recipient }
    expect(() => createRequest({ ...terms, credentialTypes: [] }, TESTNET)).toThrow(/one or more/)
    expect(() =>
      createRequest({ ...terms, credentialTypes: ['hash'], feePayer: true }, TESTNET),
    ).toThrow(/needs the credential type 'transaction'/)
  })

  test('is told wrong at once', () => {
    expect(() => stellar.charge({ recipient: 'me' })).toThrow(/Stellar address/)
    for (const decimals of [1.5, -1, 39]) {
      expect(() => stellar.charge({ recipient, decimals })).toThrow(/whole number/)
      const terms = { amount: '1.23', recipient, decimals }
      expect(() => createRequest(terms, TESTNET)).toThrow(/whole number/)
    }
  })
})

test('addresses are read as the SDK reads them', () => {
  for (let turn = 0; turn < 50; turn++) {
    const account = Keypair.random().publicKey()
    const muxed = encodeMuxedAccountToAddress(encodeMuxedAccount(account, String(turn * 7919)))
    const contract = StrKey.encodeContract(Keypair.random().rawPublicKey())
    expect([account, muxed, contract].map(kindOf)).toEqual(['account', 'muxed', 'contract'])
    expect([account, muxed, contract].map(baseOf)).toEqual([account, account, contract])
    for (const address of [account, muxed, contract]) {
      const at = turn % address.length
      const letter = address[at] === 'A' ? 'B' : 'A'
      const mistyped = address.slice(0, at) + letter + address.slice(at + 1)
      expect(kindOf(mistyped)).toBeUndefined()
    }
  }
  for (const wrong of ['', 'G', 7, undefined, Keypair.random().secret()])
    expect(kindOf(wrong)).toBeUndefined()
  expect(() => baseOf('me')).toThrow(TypeError)
})

test('USDC is the contract of the asset that Circle issues', () => {
  const issuers = {
    [PUBNET]: 'GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN',
    [TESTNET]: 'GBBD47IF6LWK7P7MDEVSCWR7DPUWV3NY3DTQEVFL4NAT4AQH3ZLLFLA5',
  } as const
  for (const network of [PUBNET, TESTNET] as const)
    expect(new Asset('USDC', issuers[network]).contractId(PASSPHRASES[network])).toBe(USDC[network])
})

test('what the README shows of the wire is what travels', async () => {
  const text = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const { request } = await shops(local)().challenge()
  for (const name of Object.keys(request.methodDetails).filter((name) => name !== 'network'))
    expect(text).toContain(name)
  expect(Challenge.parse((await shops(local)().ask()).headers)).toHaveLength(1)
})
