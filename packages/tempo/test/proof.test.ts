/**
 * Zero-amount charges: a proof of who the visitor is, in the draft's form and in the deployed one.
 *
 * @module
 */
import { Receipt, type Challenge } from '@polyrail/core'
import type { ChargeRequest } from '@polyrail/tempo'
import { numberToHex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { Account, Actions, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { start } from './rail.ts'
import { problem, read, refusal, shops, type Bytes, type Options } from './shop.ts'

let local: Awaited<ReturnType<typeof start>>
let open: (options?: Options) => ReturnType<ReturnType<typeof shops>>
beforeAll(async () => {
  local = await start()
  open = (options = {}) => shops(local)({ route: { amount: '0' }, ...options })
})
afterAll(() => local.chain.stop())

type Asked = Challenge.Challenge<ChargeRequest>
type Signer = Pick<ReturnType<typeof privateKeyToAccount>, 'address' | 'signTypedData'>
const failed = 'verification-failed'
const sourceOf = (address: string, chainId = 1337) => `did:pkh:eip155:${chainId}:${address}`

/** As the draft has it. */
const drafted = (account: Signer, { id }: Asked, chainId = 1337) =>
  account.signTypedData({
    domain: { name: 'MPP', version: '1', chainId },
    types: { Proof: [{ name: 'challengeId', type: 'string' }] },
    primaryType: 'Proof',
    message: { challengeId: id },
  })

/** As deployed software has it. */
const deployed = (account: Signer, { id, realm }: Asked, payer: Bytes = account.address) =>
  account.signTypedData({
    domain: { name: 'MPP', version: '3', chainId: 1337 },
    types: {
      Proof: [
        { name: 'account', type: 'address' },
        { name: 'challengeId', type: 'string' },
        { name: 'realm', type: 'string' },
      ],
    },
    primaryType: 'Proof',
    message: { account: payer, challengeId: id, realm },
  })

async function prove(
  sign: (challenge: Asked) => Promise<Bytes>,
  source: string | undefined,
  shop = open(),
) {
  const challenge = await shop.challenge()
  const payload = { type: 'proof', signature: await sign(challenge) }
  return { shop, challenge, payload, answer: await shop.answer(challenge.wire, payload, source) }
}

const anna = privateKeyToAccount(generatePrivateKey())
const bert = privateKeyToAccount(generatePrivateKey())

describe('a proof', () => {
  test.each([
    ['in the draft’s form', drafted],
    ['in the deployed form', deployed],
  ])(
    '%s brings the page, with the challenge as the reference [tempo-charge-035 tempo-charge-036 tempo-charge-038 tempo-charge-039]',
    async (_, form) => {
      const { answer, challenge } = await prove(
        (asked) => form(anna, asked),
        sourceOf(anna.address),
      )
      expect(answer.status).toBe(200)
      expect(Receipt.fromResponse(answer)).toMatchObject({
        method: 'tempo',
        status: 'success',
        reference: challenge.id,
      })
    },
  )

  test('brings the recorded answer again, and nothing under another challenge', async () => {
    const source = sourceOf(anna.address)
    const { shop, challenge, payload } = await prove((asked) => drafted(anna, asked), source)
    const again = await shop.answer(challenge.wire, payload, source)
    expect(await again.json()).toEqual({ served: 1 })
    const other = await shop.challenge()
    expect(await problem(await shop.answer(other.wire, payload, source))).toEqual(
      refusal(failed, /not signed by the account/),
    )
  })

  test('moves nothing', async () => {
    const before = await local.settled()
    await prove((asked) => drafted(anna, asked), sourceOf(anna.address))
    expect(await local.settled()).toBe(before)
  })

  test.each([
    ['P256', () => Account.fromP256(numberToHex(79n, { size: 32 }))],
    [
      'passkey',
      () =>
        Account.fromHeadlessWebAuthn(numberToHex(80n, { size: 32 }), {
          rpId: 'example.com',
          origin: 'https://example.com',
        }),
    ],
  ])('is signed by a %s account', async (_, create) => {
    const account = create()
    for (const form of [drafted, deployed]) {
      const { answer } = await prove((asked) => form(account, asked), sourceOf(account.address))
      expect(answer.status).toBe(200)
    }
  })

  test.each([
    ['P256', Account.fromP256],
    ['secp256k1', Account.fromSecp256k1],
  ])(
    'is signed by an access key (%s) that the account authorized, until it is revoked',
    async (_, create) => {
      const root = await local.chain.account()
      const accessKey = create(numberToHex(81n, { size: 32 }), { access: root })
      const client = local.chain.client({ account: root })
      const sign = (asked: Asked) => deployed(accessKey, asked, root.address)
      const refused = await prove(sign, sourceOf(root.address))
      expect(await problem(refused.answer)).toEqual(refusal(failed, /not signed by the account/))
      const feeToken = local.chain.tokens.AlphaUSD
      await Actions.accessKey.authorizeSync(client, { accessKey, feeToken, gas: 2_000_000n })
      expect((await prove(sign, sourceOf(root.address))).answer.status).toBe(200)
      await Actions.accessKey.revokeSync(client, {
        accessKey: accessKey.accessKeyAddress,
        feeToken,
      })
      const late = await prove(sign, sourceOf(root.address))
      expect(await problem(late.answer)).toEqual(refusal(failed, /not signed by the account/))
    },
  )
})

test('a proof by an access key that has expired is refused', async () => {
  const root = await local.chain.account()
  const accessKey = Account.fromP256(numberToHex(82n, { size: 32 }), { access: root })
  const client = local.chain.client({ account: root })
  const feeToken = local.chain.tokens.AlphaUSD
  const expiry = local.chain.now() + 3
  await Actions.accessKey.authorizeSync(client, { accessKey, feeToken, gas: 2_000_000n, expiry })
  const sign = (asked: Asked) => deployed(accessKey, asked, root.address)
  expect((await prove(sign, sourceOf(root.address))).answer.status).toBe(200)
  await new Promise((resolve) => setTimeout(resolve, 3500))
  const late = await prove(sign, sourceOf(root.address))
  expect(await problem(late.answer)).toEqual(refusal(failed, /not signed by the account/))
})

describe('a proof is refused', () => {
  const refuses = async (
    sign: (challenge: Asked) => Promise<Bytes>,
    source: string | undefined,
    detail: RegExp,
  ) => {
    const { answer, shop } = await prove(sign, source)
    expect(await problem(answer)).toEqual(refusal(failed, detail))
    expect(shop.served()).toBe(0)
  }
  const honest = (asked: Asked) => drafted(anna, asked)

  test('without a source [tempo-charge-037]', () =>
    refuses(honest, undefined, /needs the payer as its source/))

  test.each([
    'did:key:z6Mk',
    'did:pkh:eip155:1337:0x12',
    `did:pkh:solana:1337:${anna.address}`,
    `${sourceOf(anna.address)}:more`,
  ])('with a source that is no payer: %s', (source) =>
    refuses(honest, source, /needs the payer as its source/),
  )

  test('with a source on another chain', () =>
    refuses(
      (asked) => drafted(anna, asked, 42431),
      sourceOf(anna.address, 42431),
      /on chain 42431, the charge on 1337/,
    ))

  test('signed by another than its source [tempo-charge-039]', () =>
    refuses(honest, sourceOf(bert.address), /not signed by the account/))

  test('signed for another chain', () =>
    refuses((asked) => drafted(anna, asked, 1), sourceOf(anna.address), /not signed/))

  test('signed for another realm', () =>
    refuses(
      (asked) => deployed(anna, { ...asked, realm: 'elsewhere.example' }),
      sourceOf(anna.address),
      /not signed/,
    ))

  test('by an account in place of which somebody else signed', () =>
    refuses((asked) => deployed(bert, asked, anna.address), sourceOf(anna.address), /not signed/))

  test('when its signature is none', async () => {
    for (const signature of ['0x00', `0x${'11'.repeat(65)}`, `0x03${'22'.repeat(90)}`] as const)
      await refuses(async () => signature, sourceOf(anna.address), /not signed/)
  })

  test('where money is asked [tempo-charge-034]', async () => {
    const { answer } = await prove(honest, sourceOf(anna.address), open({ route: undefined }))
    expect(await problem(answer)).toEqual(refusal(failed, /A proof pays nothing/))
  })

  test('when a transaction comes in its place', async () => {
    const { raw } = read(await open({ route: undefined }).pay())
    expect(Transaction.deserialize(raw as `0x76${string}`).calls).toHaveLength(1)
    const shop = open()
    const challenge = await shop.challenge()
    const answer = await shop.show({ challenge: challenge.wire }, raw)
    expect(await problem(answer)).toEqual(refusal(failed, /sign a proof in place/))
  })
})
