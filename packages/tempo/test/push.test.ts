/**
 * Push mode: a transaction that the client has broadcast is accepted once, from its payer, for its challenge, after its
 * challenge, and by its effects.
 *
 * @module
 */
import { Receipt, type Challenge } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import type { Tempo } from '@polyrail/sandbox/tempo'
import type { ChargeRequest } from '@polyrail/tempo'
import { encodeFunctionData, keccak256, toHex, slice, concat } from 'viem'
import { Abis, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRail } from '../src/charge/server.ts'
import { call, start } from './rail.ts'
import { problem, read, realm, refusal, shops, type Bytes, type Options } from './shop.ts'

let local: Awaited<ReturnType<typeof start>>
let open: (options?: Options) => ReturnType<ReturnType<typeof shops>>
beforeAll(async () => {
  local = await start()
  open = (options = {}) => shops(local)({ modes: ['push'], ...options })
})
afterAll(() => local.chain.stop())

type Asked = Challenge.Challenge<ChargeRequest>
const failed = 'verification-failed'
const push = (hash: Bytes) => ({ type: 'hash', hash })
const payerOf = (address: Bytes) => `did:pkh:eip155:1337:${address}`

type Change = { memo?: Bytes; currency?: Bytes; recipient?: Bytes; amount?: string }

function transfer({ request }: Asked, change: Change = {}) {
  const memo = change.memo ?? request.methodDetails?.memo ?? '0x'
  const { currency, recipient, amount } = { ...request, ...change }
  const args = [recipient, BigInt(amount), memo] as const
  const data = encodeFunctionData({ abi: Abis.tip20, functionName: 'transferWithMemo', args })
  return { to: currency, data }
}

let salt = 0

/** Broadcasts calls of the payer's; resolves to the transaction's hash once it is in a block. */
async function send(
  calls: readonly { to: Bytes; data: Bytes }[],
  account: Tempo.LocalAccount = local.payer,
) {
  const raw = await account.signTransaction(
    {
      type: 'tempo',
      chainId: 1337,
      calls,
      feeToken: local.chain.tokens.AlphaUSD,
      gas: 1_000_000n,
      maxFeePerGas: 40_000_000_000n,
      maxPriorityFeePerGas: 0n,
      nonceKey: 2n ** 256n - 1n,
      nonce: 0,
      validAfter: ++salt,
      validBefore: local.chain.now() + 25,
    },
    { serializer: Transaction.serialize },
  )
  const params = [raw] as [Bytes]
  const client = local.chain.client()
  const receipt = await client.request({ method: 'eth_sendRawTransactionSync', params })
  return receipt.transactionHash
}

describe('a pushed transaction', () => {
  test('with the memo that is asked brings the page, and is the reference of the receipt [tempo-charge-032 tempo-charge-033 tempo-charge-050]', async () => {
    const shop = open({ route: { externalId: 'order-7' } })
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge)])
    const answer = await shop.answer(challenge.wire, push(hash), payerOf(local.payer.address))
    expect(answer.status).toBe(200)
    expect(Receipt.fromResponse(answer)).toMatchObject({
      method: 'tempo',
      status: 'success',
      reference: hash,
      externalId: 'order-7',
    })
  })

  test('may bind itself with the memo of deployed clients instead', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const digest = (text: string, size: number) => slice(keccak256(toHex(text)), 0, size)
    const client = digest('some client', 10)
    const memo = concat([
      digest('mpp', 4),
      '0x01',
      digest(realm, 10),
      client,
      digest(challenge.id, 7),
    ])
    const hash = await send([transfer(challenge, { memo })])
    expect((await shop.answer(challenge.wire, push(hash))).status).toBe(200)
    const other = await shop.challenge()
    expect(await problem(await shop.answer(other.wire, push(hash)))).toEqual(
      refusal(failed, /transfers that are asked/),
    )
  })

  test('is written in any case', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge)])
    const upper = `0x${hash.slice(2).toUpperCase()}` as Bytes
    expect((await shop.answer(challenge.wire, push(upper))).status).toBe(200)
  })

  test('counts by its effects, whatever else it does', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const other = call(local.chain.tokens.BetaUSD, 'approve', [local.shop.address, 1n])
    const hash = await send([other, transfer(challenge)])
    expect((await shop.answer(challenge.wire, push(hash))).status).toBe(200)
  })
})

describe('a pushed transaction is accepted', () => {
  test('once: again it brings the recorded answer, and under another challenge nothing', async () => {
    const store = Store.memory()
    const shop = open({ store })
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge)])
    const copies = await Promise.all(
      Array.from({ length: 20 }, () => shop.answer(challenge.wire, push(hash))),
    )
    for (const copy of copies) expect(await copy.json()).toEqual({ served: 1 })
    const other = await shop.challenge()
    expect(await problem(await shop.answer(other.wire, push(hash)))).toEqual(
      refusal(failed, /transfers that are asked/),
    )
    expect(shop.served()).toBe(1)
  })

  test('from its payer: who saw it on the chain has another challenge', async () => {
    const shop = open()
    const [mine, theirs] = [await shop.challenge(), await shop.challenge()]
    const hash = await send([transfer(mine)])
    const stolen = await shop.answer(theirs.wire, push(hash), payerOf(local.payer.address))
    expect(await problem(stolen)).toEqual(refusal(failed, /transfers that are asked/))
    const lied = await shop.answer(mine.wire, push(hash), payerOf(local.shop.address))
    expect(await problem(lied)).toEqual(refusal(failed, /another account/))
    expect((await shop.answer(mine.wire, push(hash))).status).toBe(200)
  })

  test('for its challenge: a plain transfer, or one with another memo, names none', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const { pathUSD } = local.chain.tokens
    const plain = await send([call(pathUSD, 'transfer', [local.shop.address, 10_000n])])
    const noted = await send([transfer(challenge, { memo: `0x${'ab'.repeat(32)}` })])
    for (const hash of [plain, noted])
      expect(await problem(await shop.answer(challenge.wire, push(hash)))).toEqual(
        refusal(failed, /transfers that are asked/),
      )
  })

  test('after its challenge: an older one has no memo that it could have known', async () => {
    const shop = open()
    const earlier = await shop.challenge()
    const hash = await send([transfer(earlier)])
    const later = await shop.challenge()
    expect(await problem(await shop.answer(later.wire, push(hash)))).toMatchObject({ status: 402 })
    expect(shop.served()).toBe(0)
  })
})

describe('a pushed transaction is refused', () => {
  test.each<[string, () => Change]>([
    ['to another recipient', () => ({ recipient: local.payer.address })],
    ['of less', () => ({ amount: '9999' })],
    ['of more', () => ({ amount: '10001' })],
    ['in another token', () => ({ currency: local.chain.tokens.AlphaUSD })],
  ])('%s [tempo-charge-050]', async (_, change) => {
    const shop = open()
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge, change())])
    expect(await problem(await shop.answer(challenge.wire, push(hash)))).toEqual(
      refusal(failed, /transfers that are asked/),
    )
  })

  test('when it was reverted [tempo-charge-049]', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const dear = transfer(challenge, { amount: String(10n ** 18n) })
    const hash = await send([transfer(challenge), dear])
    expect(await problem(await shop.answer(challenge.wire, push(hash)))).toEqual(
      refusal(failed, /reverted; nothing was paid/),
    )
  })

  test('when payer and recipient are one', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    await local.chain.fund(local.shop.address, { amount: 1_000_000n })
    const hash = await send([transfer(challenge)], local.shop)
    expect(await problem(await shop.answer(challenge.wire, push(hash)))).toEqual(
      refusal(failed, /same account/),
    )
  })

  const memo: Bytes = `0x${'ab'.repeat(32)}`
  test.each<[string, () => Options]>([
    ['where only the server broadcasts', () => ({ modes: ['pull'] })],
    ['where the route has a memo of its own', () => ({ modes: ['pull', 'push'], route: { memo } })],
    ['where the server pays the fee', () => ({ modes: ['pull', 'push'], feePayer: local.payer })],
  ])('%s [tempo-charge-045 tempo-charge-047 tempo-charge-051]', async (_, options) => {
    const shop = open(options())
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge, { memo })])
    expect(await problem(await shop.answer(challenge.wire, push(hash)))).toEqual(
      refusal(failed, /pull mode/),
    )
  })

  test('where only the client broadcasts, when it comes signed', async () => {
    const pulling = open({ modes: ['pull', 'push'] })
    const signed = await pulling.pay(local.payer, { mode: 'pull' })
    const { raw } = read(signed)
    const shop = open()
    const challenge = await shop.challenge()
    const answer = await shop.show({ challenge: challenge.wire }, raw)
    expect(await problem(answer)).toEqual(refusal(failed, /send it, and its hash/))
  })
})

test('a pushed transaction that was in a block before the end of its challenge may come a little later, and no other', async () => {
  const shop = open({ route: { expires: 2 } as Options['route'] })
  const [early, late] = [await shop.challenge(), await shop.challenge()]
  const inTime = await send([transfer(early)])
  await new Promise((resolve) => setTimeout(resolve, 3200))
  const tooLate = await send([transfer(late)])
  expect(await problem(await shop.answer(late.wire, push(tooLate)))).toMatchObject({
    status: 402,
    code: 'invalid-challenge',
  })
  for (let turn = 0; turn < 2; turn++)
    expect(await (await shop.answer(early.wire, push(inTime))).json()).toEqual({ served: 1 })
  const now = Date.now() + 62_000
  const other = open({ route: { expires: 2 } as Options['route'] })
  const missed = await other.challenge()
  const hash = await send([transfer(missed)])
  vi.useFakeTimers({ toFake: ['Date'], now })
  const answer = await other.answer(missed.wire, push(hash)).finally(() => vi.useRealTimers())
  expect(await problem(answer)).toMatchObject({ code: 'invalid-challenge' })
})

test('a proof does not come later', async () => {
  const account = local.payer
  const shop = open({ route: { amount: '0', expires: 2 } as Options['route'] })
  const { wire, id } = await shop.challenge()
  const signature = await account.signTypedData({
    domain: { name: 'MPP', version: '1', chainId: 1337 },
    types: { Proof: [{ name: 'challengeId', type: 'string' }] },
    primaryType: 'Proof',
    message: { challengeId: id },
  })
  await new Promise((resolve) => setTimeout(resolve, 2200))
  const answer = await shop.answer(wire, { type: 'proof', signature }, payerOf(account.address))
  expect(await problem(answer)).toMatchObject({ code: 'invalid-challenge' })
})

test('half of an equally split payment does not count twice', async () => {
  const splits = [{ amount: '0.005', recipient: local.shop.address }]
  const shop = open({ route: { splits } })
  const challenge = await shop.challenge()
  const half = transfer(challenge, { amount: '5000' })
  const short = await send([half])
  expect(await problem(await shop.answer(challenge.wire, push(short)))).toEqual(
    refusal(failed, /transfers that are asked/),
  )
  const other = await shop.challenge()
  const rest = call(local.chain.tokens.pathUSD, 'transfer', [local.shop.address, 5000n])
  const whole = await send([transfer(other, { amount: '5000' }), rest])
  expect((await shop.answer(other.wire, push(whole))).status).toBe(200)
})

test('who sends another’s money by their leave is not taken for them', async () => {
  const { chain, payer: alice, shop: recipient } = local
  const bob = await chain.account()
  const { pathUSD: token, AlphaUSD: feeToken } = chain.tokens
  const spender = bob.address
  await chain
    .client({ account: alice })
    .token.approveSync({ token, spender, amount: 10n ** 9n, feeToken })
  const method = createRail({ recipient: recipient.address, ...local.at, modes: ['push'] })
  const payers: unknown[] = []
  const seen = {
    ...method,
    payer: async (presented: Parameters<NonNullable<typeof method.payer>>[0]) => {
      const payer = await method.payer?.(presented)
      payers.push(payer)
      return payer
    },
  }
  const shop = open({ method: seen })
  for (const [account, functionName] of [
    [alice, 'transferWithMemo'],
    [bob, 'transferFromWithMemo'],
  ] as const) {
    const challenge = await shop.challenge()
    const memo = challenge.request.methodDetails?.memo ?? '0x'
    const to = recipient.address
    const data =
      functionName === 'transferWithMemo'
        ? encodeFunctionData({ abi: Abis.tip20, functionName, args: [to, 10_000n, memo] })
        : encodeFunctionData({
            abi: Abis.tip20,
            functionName,
            args: [alice.address, to, 10_000n, memo],
          })
    const hash = await send([{ to: token, data }], account)
    expect((await shop.answer(challenge.wire, push(hash))).status).toBe(200)
  }
  expect(payers).toEqual([payerOf(alice.address).toLowerCase(), undefined])
})

describe('a pushed transaction that the node does not know', () => {
  test('yet, keeps its credential: a fresh challenge would make its payer pay twice', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const answer = await shop.answer(challenge.wire, push(`0x${'11'.repeat(32)}`))
    expect(await problem(answer)).toMatchObject({ status: 503, code: 'settlement-unavailable' })
    expect(answer.headers.get('www-authenticate')).toBeNull()
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  test('before its challenge expires, is good when it is back after that', async () => {
    const shop = open({ route: { expires: 2 } as Options['route'] })
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge)])
    const fault = local.chain.fault({ fail: 'drop' })
    expect((await shop.answer(challenge.wire, push(hash))).status).toBe(503)
    fault.clear()
    // Beyond the time within which any may come.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 65_000 })
    onTestFinished(() => void vi.useRealTimers())
    const other = await shop.answer(challenge.wire, { ...push(hash), more: 'another credential' })
    expect(await problem(other)).toMatchObject({ code: 'invalid-challenge' })
    for (let turn = 0; turn < 2; turn++) {
      const answer = await shop.answer(challenge.wire, push(hash))
      expect([answer.status, await answer.json()]).toEqual([200, { served: 1 }])
    }
  })

  test('for want of a connection, is good when it is back', async () => {
    const shop = open()
    const challenge = await shop.challenge()
    const hash = await send([transfer(challenge)])
    const fault = local.chain.fault({ fail: 'drop' })
    expect((await shop.answer(challenge.wire, push(hash))).status).toBe(503)
    fault.clear()
    expect((await shop.answer(challenge.wire, push(hash))).status).toBe(200)
  })
})
