/**
 * The rules that a transaction must keep to, one by one: what breaks one alone is refused, and nothing else would refuse it.
 *
 * @module
 */
import { Expires } from '@polyrail/core'
import { encodeFunctionData, maxUint256 } from 'viem'
import { generatePrivateKey } from 'viem/accounts'
import { Abis, Account, Transaction } from 'viem/tempo'
import { describe, expect, test } from 'vitest'
import { judge } from '../src/charge/judge.ts'
import { RULES, type Asked } from '../src/charge/rules.ts'
import { read } from '../src/charge/transaction.ts'

const account = Account.fromSecp256k1(generatePrivateKey())
const recipient = `0x${'12'.repeat(20)}` as const
const currency = `0x20c0${'00'.repeat(18)}` as const
const now = Math.floor(Date.now() / 1000)
const asked: Asked = {
  id: 'challenge',
  realm: 'shop.example',
  expires: Expires.minutes(5),
  request: {
    amount: '10000',
    currency,
    recipient,
    methodDetails: { chainId: 1337, supportedModes: ['pull'] },
  },
}

const transfer = (amount: bigint) => ({
  to: currency,
  data: encodeFunctionData({
    abi: Abis.tip20,
    functionName: 'transfer',
    args: [recipient, amount],
  }),
})

const honest = {
  type: 'tempo',
  chainId: 1337,
  calls: [transfer(10_000n)],
  feeToken: currency,
  gas: 500_000n,
  maxFeePerGas: 30n * 10n ** 9n,
  maxPriorityFeePerGas: 0n,
  nonceKey: maxUint256,
  nonce: 0,
  validBefore: now + 20,
} as const

async function judgeOf(change: object, rules: object = RULES, isKeyActive = true) {
  const raw = await account.signTransaction(
    { ...honest, ...change },
    { serializer: Transaction.serialize },
  )
  return judge({ type: 'transaction', signed: read(raw), isKeyActive, now }, asked, {
    rules: rules as typeof RULES,
  })
}

test('an honest transaction keeps to all of them', async () => {
  expect(await judgeOf({})).toMatchObject({
    type: 'transaction',
    sender: account.address.toLowerCase(),
  })
})

describe('a rule', () => {
  const broken: [keyof typeof RULES, object, RegExp][] = [
    ['chain', { chainId: 42431 }, /is for chain 42431, the payment for 1337/],
    ['feePayer', { feePayerSignature: null, feeToken: undefined }, /leave the fee payer empty/],
    ['validity', { validBefore: undefined }, /never expires/],
    ['validity', { validBefore: now + 3600, nonceKey: 0n }, /valid longer than the challenge/],
    ['validity', { validBefore: now - 1 }, /has expired/],
    ['validity', { validAfter: now + 10 }, /not valid yet/],
    ['calls', { calls: [transfer(10_000n), transfer(1n)] }, /and nothing else/],
    ['payment', { calls: [transfer(9_999n)] }, /below the price/],
  ]

  test.each(broken)(
    '`%s` stands against %o, and nothing else does',
    async (name, change, detail) => {
      expect(await judgeOf(change)).toMatchObject({
        status: 'rejected',
        problem: { detail: expect.stringMatching(detail) },
      })
      const { [name]: _, ...rest } = RULES
      expect(await judgeOf(change, rest)).toMatchObject({ type: 'transaction' })
    },
  )

  test('`sender` stands against a key that is not active', async () => {
    expect(await judgeOf({}, RULES, false)).toMatchObject({
      problem: { detail: expect.stringMatching(/not authorized by the account/) },
    })
    const { sender: _, ...rest } = RULES
    expect(await judgeOf({}, rest, false)).toMatchObject({ type: 'transaction', isProven: false })
  })

  test('`delegation` stands against accounts that are delegated by the way', async () => {
    const raw = await account.signTransaction(honest, { serializer: Transaction.serialize })
    const signed = read(raw)
    if (!signed) throw new Error('unreadable')
    const envelope = { ...signed.envelope, authorizationList: [{ address: recipient }] }
    const evidence = {
      type: 'transaction',
      signed: { ...signed, envelope: envelope as unknown as typeof signed.envelope },
      isKeyActive: true,
      now,
    } as const
    expect(judge(evidence, asked)).toMatchObject({
      problem: { detail: expect.stringMatching(/must not delegate/) },
    })
    const { delegation: _, ...rest } = RULES
    expect(judge(evidence, asked, { rules: rest })).toMatchObject({ type: 'transaction' })
  })
})
