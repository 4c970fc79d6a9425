/**
 * Pushed payments: a hash is its payer's, for one challenge, once, in its time.
 *
 * @module
 */
import { Receipt } from '@polyrail/core'
import { Store } from '@polyrail/core/server'
import type { ChargePayload, ChargeRequest } from '@polyrail/stellar'
import { type Keypair, Operation, TransactionBuilder } from '@stellar/stellar-sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call, prepare, relay, send, start, type Local } from './rail.ts'
import { problem, refusal, shops } from './shop.ts'

let local: Local
let open: ReturnType<typeof shops>
beforeAll(async () => {
  local = await start()
  open = shops(local)
})
afterAll(() => local.chain.stop())

const cent = 100_000n
const pay = (key: Keypair) =>
  call(local.usdc.contract, [key.publicKey(), local.shop.publicKey(), cent])

/** A hash as deployed clients show it. */
function sign(id: string, hash: string, key: Keypair): ChargePayload {
  const sourceSignature = Buffer.from(key.sign(Buffer.from(`${id}:${hash}`))).toString('hex')
  return { type: 'signedHash', hash, sourceSignature }
}

test('a deployed client pushes, and what it is asked for is what it reads', async () => {
  const key = local.customer()
  const shop = open()
  const challenge = await shop.challenge()
  const { methodDetails } = challenge.request
  expect(methodDetails).toMatchObject({
    network: 'stellar:testnet',
    credentialTypes: ['transaction', 'signedHash'],
  })
  expect(methodDetails.reference).toMatch(/^[\da-f-]{36}$/)
  expect(Date.parse(methodDetails.issuedAt ?? '')).toBeLessThanOrEqual(Date.now())
  const hash = await send(local, key, pay(key))
  const source = `did:pkh:stellar:testnet:${key.publicKey()}`
  const answer = await shop.show(sign(challenge.id, hash, key), challenge, source)
  expect(answer.status).toBe(200)
  expect(Receipt.fromResponse(answer)).toMatchObject({ method: 'stellar', reference: hash })
})

test('a hash may be written in capitals, and is the same one', async () => {
  const key = local.customer()
  const store = Store.memory()
  const [one, other] = [open({ store }), open({ store })]
  const [first, second] = [await one.challenge(), await other.challenge()]
  const hash = await send(local, key, pay(key))
  const loud = (payload: ChargePayload): ChargePayload =>
    payload.type === 'signedHash' ? { ...payload, hash: payload.hash.toUpperCase() } : payload
  expect((await one.show(loud(sign(first.id, hash, key)), first)).status).toBe(200)
  const again = await other.show(sign(second.id, hash, key), second)
  expect(await problem(again)).toEqual(refusal(/already paid/))
})

test('[stellar-charge-061] [stellar-charge-062] [stellar-charge-063] a hash buys once, however many ask at once', async () => {
  const key = local.customer()
  const shop = open({ store: Store.memory() })
  const challenges = await Promise.all(Array.from({ length: 20 }, () => shop.challenge()))
  const hash = await send(local, key, pay(key))
  const answers = await Promise.all(
    challenges.map((challenge) => shop.show(sign(challenge.id, hash, key), challenge)),
  )
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
  expect(shop.served()).toBe(1)
})

test('a fee bump has two hashes, and buys once', async () => {
  const key = local.customer()
  const [shop, store] = [local.chain.account(), Store.memory()]
  const [one, other] = [open({ store }), open({ store })]
  const [first, second] = [await one.challenge(), await other.challenge()]
  const inner = await prepare(local, key.publicKey(), pay(key))
  inner.sign(key)
  const outer = TransactionBuilder.buildFeeBumpTransaction(
    shop,
    '200',
    inner,
    local.chain.passphrase,
  )
  outer.sign(shop)
  await local.server.sendTransaction(outer)
  const [whole, within] = [outer, inner].map((tx) => Buffer.from(tx.hash()).toString('hex'))
  await local.server.pollTransaction(whole!, { attempts: 200, sleepStrategy: () => 10 })
  expect((await one.show(sign(first.id, whole!, key), first)).status).toBe(200)
  const again = await other.show(sign(second.id, within!, key), second)
  expect(await problem(again)).toEqual(refusal(/already paid/))
})

test('whoever puts the agreement of another beside their own payment does not take its name', async () => {
  const [key, thief] = [local.customer(), local.customer()]
  const shop = open({ store: Store.memory() })
  const [own, other] = [await shop.challenge(), await shop.challenge()]
  const payment = await relay(local, local.chain.account(), [pay(key), { signer: key }])
  const [agreed] = payment.operations
  const [call] = (await prepare(local, thief.publicKey(), pay(thief))).operations
  if (agreed?.type !== 'invokeHostFunction' || call?.type !== 'invokeHostFunction')
    throw new Error('not a call')
  const auth = [...(agreed.auth ?? []), ...(call.auth ?? [])]
  const both = Operation.invokeHostFunction({ func: call.func, auth })
  const theirs = await send(local, thief, both)
  expect((await shop.show(sign(other.id, theirs, thief), other)).status).toBe(200)
  const { hash } = await local.server.sendTransaction(payment)
  await local.server.pollTransaction(hash, { attempts: 200, sleepStrategy: () => 10 })
  expect((await shop.show(sign(own.id, hash, key), own)).status).toBe(200)
  expect(shop.served()).toBe(2)
})

test('what was pulled cannot be pushed, and what was pushed cannot be pulled', async () => {
  const key = local.customer()
  const store = Store.memory()
  const shop = open({ store })
  const challenge = await shop.challenge()
  expect((await shop.ask(await shop.pay(key))).status).toBe(200)
  const { hash } = local.chain.transactions.at(-1)!
  const pushed = await shop.show(sign(challenge.id, hash, key), challenge)
  expect(await problem(pushed)).toEqual(refusal(/already paid/))
  const tx = await prepare(local, key.publicKey(), pay(key))
  tx.sign(key)
  const next = await shop.challenge()
  const { hash: sent } = await local.server.sendTransaction(tx)
  await local.server.pollTransaction(sent, { attempts: 200, sleepStrategy: () => 10 })
  expect((await shop.show(sign(next.id, sent, key), next)).status).toBe(200)
  const pulled = await shop.show({ type: 'transaction', transaction: tx.toXdr() })
  expect(await problem(pulled)).toMatchObject({ status: 402, code: 'verification-failed' })
  expect([local.usdc.sent(key.publicKey()).count, shop.served()]).toEqual([2, 2])
})

test('a payment that is older than its challenge buys nothing', async () => {
  const own = await start()
  try {
    const key = own.customer()
    const shop = shops(own)()
    const hash = await send(
      own,
      key,
      call(own.usdc.contract, [key.publicKey(), own.shop.publicKey(), cent]),
    )
    const old = own.chain.transactions.at(-1)!
    // The ledger closed a minute before the challenge was made.
    old.createdAt -= 60
    const challenge = await shop.challenge()
    const answer = await shop.show(sign(challenge.id, hash, key), challenge)
    expect(await problem(answer)).toEqual(refusal(/older than the challenge/))
  } finally {
    await own.chain.stop()
  }
})

test(
  'a payment after the end of its challenge buys nothing, one before it does',
  { timeout: 20_000 },
  async () => {
    const own = await start()
    try {
      const key = own.customer()
      const shop = shops(own)({ expires: 5 })
      const send1 = () =>
        send(own, key, call(own.usdc.contract, [key.publicKey(), own.shop.publicKey(), cent]))
      const [first, second] = [await shop.challenge(), await shop.challenge()]
      const early = await send1()
      await new Promise((resolve) => setTimeout(resolve, 6100))
      const late = await send1()
      const answer = await shop.show(sign(second.id, late, key), second)
      expect(await problem(answer)).toMatchObject({ status: 402 })
      // It is shown late, and was paid in time.
      expect((await shop.show(sign(first.id, early, key), first)).status).toBe(200)
      expect(shop.served()).toBe(1)
    } finally {
      await own.chain.stop()
    }
  },
)

test('a hash that no ledger has yet is a 503, and the same credential brings the page', async () => {
  const key = local.customer()
  const shop = open()
  const challenge = await shop.challenge()
  const tx = await prepare(local, key.publicKey(), pay(key))
  tx.sign(key)
  const hash = Buffer.from(tx.hash()).toString('hex')
  const payload = sign(challenge.id, hash, key)
  const early = await shop.show(payload, challenge)
  expect(early.status).toBe(503)
  expect(early.headers.has('www-authenticate')).toBe(false)
  await local.server.sendTransaction(tx)
  await local.server.pollTransaction(hash, { attempts: 200, sleepStrategy: () => 10 })
  expect((await shop.show(payload, challenge)).status).toBe(200)
})

test('[stellar-charge-020] a hash that is not taken here is refused, even when no ledger has it', async () => {
  const hash = 'ab'.repeat(32)
  const sponsored = open({ feePayer: local.chain.account() })
  for (const payload of [{ type: 'hash', hash } as const, sign('any', hash, local.payer)])
    expect(await problem(await sponsored.show(payload))).toEqual(refusal(/server pays the fee/))
  expect(await problem(await open().show({ type: 'hash', hash }))).toEqual(
    refusal(/does not take this type/),
  )
})

/** What a node says of a transaction. */
const toldOf = ({
  envelope,
  meta,
  result,
  createdAt,
  ledger,
}: (typeof local.chain.transactions)[number]) => ({
  status: 'SUCCESS',
  createdAt: String(createdAt),
  ledger,
  envelopeXdr: envelope,
  resultXdr: result,
  resultMetaXdr: meta,
})

test.each(['envelopeXdr', 'resultMetaXdr'])(
  'a node that does not tell the %s is asked again, and the payer does not pay again',
  async (name) => {
    const key = local.customer()
    const shop = open()
    const challenge = await shop.challenge()
    const hash = await send(local, key, pay(key))
    const result = { ...toldOf(local.chain.transactions.at(-1)!), [name]: undefined }
    const payload = sign(challenge.id, hash, key)
    {
      using _ = local.chain.fault({ method: 'getTransaction', fail: { result } })
      const answer = await shop.show(payload, challenge)
      expect([answer.status, answer.headers.has('www-authenticate')]).toEqual([503, false])
    }
    expect((await shop.show(payload, challenge)).status).toBe(200)
  },
)

test('a node that answers for another transaction is not believed', async () => {
  const key = local.customer()
  const shop = open()
  const challenge = await shop.challenge()
  const hash = await send(local, key, pay(key))
  const lie = toldOf(local.chain.transactions.at(-1)!)
  const other = hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
  using _ = local.chain.fault({ method: 'getTransaction', fail: { result: lie } })
  const answer = await shop.show(sign(challenge.id, other, key), challenge)
  expect(await problem(answer)).toEqual(refusal(/another transaction/))
})

test('a bare hash is taken where the operator says so', async () => {
  const key = local.customer()
  const shop = open({ credentialTypes: ['transaction', 'hash'] })
  const challenge = await shop.challenge()
  const hash = await send(local, key, pay(key))
  expect((await shop.show({ type: 'hash', hash }, challenge)).status).toBe(200)
  const signed = sign(challenge.id, hash, key)
  expect(await problem(await shop.show(signed, challenge))).toMatchObject({ status: 402 })
})

test('our own client pushes to a server of the draft alone', async () => {
  const key = local.customer()
  const shop = open({ credentialTypes: ['hash'] })
  expect((await shop.ask(await shop.pay(key))).status).toBe(200)
  expect(local.usdc.sent(key.publicKey()).count).toBe(1)
})

test('nothing is issued where nobody pushes', async () => {
  const details = async (
    options: Parameters<typeof open>[0],
  ): Promise<ChargeRequest['methodDetails']> =>
    (await open(options).challenge()).request.methodDetails
  expect(await details({ credentialTypes: ['transaction'] })).toEqual({
    network: 'stellar:testnet',
    credentialTypes: ['transaction'],
  })
  expect(await details({ feePayer: local.chain.account() })).toEqual({
    network: 'stellar:testnet',
    feePayer: true,
    credentialTypes: ['transaction'],
  })
})
