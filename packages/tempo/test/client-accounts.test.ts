/**
 * The accounts that can pay: each kind that viem knows signs a payment that the chain takes, and a proof that holds.
 *
 * @module
 */
import { hashTypedData, keccak256 } from 'viem'
import { generatePrivateKey, privateKeyToAccount, sign, toAccount } from 'viem/accounts'
import { Account, Actions, KeyAuthorizationManager, Store, Transaction } from 'viem/tempo'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPaying, paymentsIn, type Options } from './paying.ts'

let local: Awaited<ReturnType<typeof createPaying>>
beforeAll(async () => void (local = await createPaying()))
afterAll(() => local.chain.stop())

type Payer = NonNullable<Options['account']>

const passkey = { rpId: 'localhost', origin: 'http://localhost' }
const unsupported = () => Promise.reject(new Error('This signer is not supported: hashes only.'))

/** A signer elsewhere, whose key never comes here. */
const remote = () => {
  const privateKey = generatePrivateKey()
  const { address } = privateKeyToAccount(privateKey)
  const signHash = (hash: `0x${string}`) => sign({ hash, privateKey, to: 'hex' })
  return { address, signHash, signature: (hash: `0x${string}`) => sign({ hash, privateKey }) }
}

const ACCOUNTS: [string, () => Payer][] = [
  ['a private key', () => privateKeyToAccount(generatePrivateKey())],
  ['a Tempo account', () => Account.fromSecp256k1(generatePrivateKey())],
  ['a P256 key', () => Account.fromP256(generatePrivateKey())],
  ['a passkey', () => Account.fromHeadlessWebAuthn(generatePrivateKey(), passkey)],
  [
    'a signer elsewhere that signs transactions',
    () => {
      const { address, signHash, signature } = remote()
      return toAccount({
        address,
        sign: unsupported,
        signMessage: unsupported,
        signTypedData: (data) => signHash(hashTypedData(data)),
        async signTransaction(transaction, { serializer } = {}) {
          if (!serializer) throw new Error('no serializer')
          return serializer(transaction, await signature(keccak256(await serializer(transaction))))
        },
      })
    },
  ],
  [
    'a signer elsewhere that says that it signs hashes alone',
    () => {
      const { address, signHash } = remote()
      return toAccount({
        address,
        sign: ({ hash }) => signHash(hash),
        signMessage: unsupported,
        signTransaction: unsupported,
        signTypedData: unsupported,
      })
    },
  ],
  [
    'an address and a function that signs hashes',
    () => {
      const { address, signHash } = remote()
      return { address, sign: ({ hash }) => signHash(hash) }
    },
  ],
]

describe.each(ACCOUNTS)('%s', (_, create) => {
  test('pays', async () => {
    const account = create()
    await local.chain.fund(account.address)
    const { raw, source } = await local.pay({}, { account })
    const receipt = await local.send(raw)
    expect(receipt.status).toBe('success')
    expect(source).toBe(`did:pkh:eip155:1337:${account.address}`)
    expect(paymentsIn(receipt.logs)[0]).toMatchObject({
      from: account.address,
      to: local.shop.address,
      amount: 10_000n,
    })
  })

  test('proves itself', async () => {
    const account = create()
    const challenge = local.challengeFor({ amount: '0' })
    const { payload, source } = await local.prove(challenge, { account })
    expect(source).toBe(`did:pkh:eip155:1337:${account.address}`)
    const { signature } = payload as { signature: `0x${string}` }
    const client = local.chain.client()
    const valid = client.verifyTypedData({
      address: account.address,
      domain: { name: 'MPP', version: '1', chainId: 1337 },
      types: { Proof: [{ name: 'challengeId', type: 'string' }] },
      primaryType: 'Proof',
      message: { challengeId: challenge.id },
      signature,
    })
    expect(await valid).toBe(true)
  })
})

describe('an access key', () => {
  const KINDS = [
    ['secp256k1', (access: Access) => Account.fromSecp256k1(generatePrivateKey(), access)],
    ['P256', (access: Access) => Account.fromP256(generatePrivateKey(), access)],
    [
      'passkey',
      (access: Access) =>
        Account.fromHeadlessWebAuthn(generatePrivateKey(), { ...passkey, ...access }),
    ],
  ] as const
  type Access = { access: Account.RootAccount; keyAuthorizationManager: Manager }
  type Manager = KeyAuthorizationManager.KeyAuthorizationManager

  async function authorize(create: (typeof KINDS)[number][1]) {
    const root = await local.chain.account()
    const keyAuthorizationManager = KeyAuthorizationManager.from({ store: Store.memory() })
    const account = create({ access: root, keyAuthorizationManager }) as Account.AccessKeyAccount
    const { pathUSD, AlphaUSD, BetaUSD } = local.chain.tokens
    const authorization = await root.signKeyAuthorization(account, {
      chainId: 1337n,
      expiry: Math.floor(Date.now() / 1000) + 3600,
      limits: [pathUSD, AlphaUSD, BetaUSD].map((token) => ({ token, limit: 1_000_000n })),
    })
    const key = { address: root.address, accessKey: account.accessKeyAddress, chainId: 1337 }
    await keyAuthorizationManager.set(key, authorization)
    return { root, account, readPending: () => keyAuthorizationManager.get(key) }
  }

  test.each(KINDS)('(%s) registers itself with its first payment', async (_, create) => {
    const { root, account, readPending } = await authorize(create)
    const first = await local.pay({}, { account })
    expect(first.source).toBe(`did:pkh:eip155:1337:${root.address}`)
    expect(first.fields.keyAuthorization?.address.toLowerCase()).toBe(
      account.accessKeyAddress.toLowerCase(),
    )
    expect(await readPending()).toBeDefined()
    const receipt = await local.send(first.raw)
    expect(receipt.status).toBe('success')
    expect(paymentsIn(receipt.logs)[0]).toMatchObject({ from: root.address, amount: 10_000n })

    const second = await local.pay({}, { account })
    expect(second.fields.keyAuthorization).toBeUndefined()
    expect(await readPending()).toBeUndefined()
    expect((await local.send(second.raw)).status).toBe('success')
  })

  test('that the chain already knows signs without more', async () => {
    const root = await local.chain.account()
    const account = Account.fromP256(generatePrivateKey(), { access: root })
    const client = local.chain.client({ account: root })
    await Actions.accessKey.authorizeSync(client, { accessKey: account })
    const { raw, fields } = await local.pay({}, { account })
    expect(fields.signature?.type).toBe('keychain')
    expect((await local.send(raw)).status).toBe('success')
  })

  test('proves the account that it is for', async () => {
    const { root, account } = await authorize(KINDS[0][1])
    const { source } = await local.prove(local.challengeFor({ amount: '0' }), { account })
    expect(source).toBe(`did:pkh:eip155:1337:${root.address}`)
  })
})

describe('what a signer elsewhere signs is looked at', () => {
  const honest = privateKeyToAccount(generatePrivateKey())
  beforeAll(() => local.chain.fund(honest.address))

  test('when it is signed as another account', async () => {
    const { address } = await local.chain.account()
    await expect(local.pay({}, { account: { ...honest, address } })).rejects.toThrow(/did not sign/)
  })

  test.each([
    ['other calls', { calls: [] }],
    ['another chain', { chainId: 42431 }],
    ['a longer life', { validBefore: 2_000_000_000 }],
    ['more gas', { gas: 10_000_000n }],
  ])('when it is signed with %s', async (_, change) => {
    const account: Payer = {
      address: honest.address,
      signTransaction: (fields, options) =>
        honest.signTransaction(Object.assign({ ...fields }, change), options),
    }
    await expect(local.pay({}, { account })).rejects.toThrow(/did not sign/)
  })

  test('when it is no transaction', async () => {
    const account: Payer = { address: honest.address, signTransaction: async () => '0x1234' }
    await expect(local.pay({}, { account })).rejects.toThrow(/did not sign/)
  })

  test('and a signer that refuses a transaction is not asked for its hash', async () => {
    let hashes = 0
    const account: Payer = {
      address: honest.address,
      signTransaction: () => Promise.reject(new Error('over the limit of this key')),
      sign: async ({ hash }) => (hashes++, honest.sign({ hash })),
    }
    await expect(local.pay({}, { account })).rejects.toThrow(/over the limit/)
    expect(hashes).toBe(0)
  })

  test('and one that has no way to sign a proof says so', async () => {
    const account: Payer = { address: honest.address, signTransaction: honest.signTransaction }
    await expect(local.pay({ amount: '0' }, { account })).rejects.toThrow(/cannot sign this/)
  })
})

test('the two forms of a proof are the draft’s and the deployed one [tempo-charge-034 tempo-charge-038]', async () => {
  const challenge = local.challengeFor({ amount: '0' })
  const { payload, alternate, authorization } = await local.prove(challenge)
  expect(authorization).toBe(true)
  expect(payload.type).toBe('proof')
  const { address } = local.payer
  const check = (given: unknown, domain: object, types: object, message: object) =>
    local.chain.client().verifyTypedData({
      address,
      domain: { name: 'MPP', chainId: 1337, ...domain },
      types: types as { Proof: { name: string; type: string }[] },
      primaryType: 'Proof',
      message: { challengeId: challenge.id, ...message },
      signature: (given as { signature: `0x${string}` }).signature,
    })
  const id = { name: 'challengeId', type: 'string' }
  expect(await check(payload, { version: '1' }, { Proof: [id] }, {})).toBe(true)
  const deployed = [{ name: 'account', type: 'address' }, id, { name: 'realm', type: 'string' }]
  const message = { account: address, realm: 'shop.example' }
  expect(await check(alternate, { version: '3' }, { Proof: deployed }, message)).toBe(true)
})

test('a sponsored payment is signed by each kind of key', async () => {
  const sponsor = await local.chain.account()
  const { AlphaUSD, pathUSD } = local.chain.tokens
  for (const [, create] of ACCOUNTS) {
    const account = create()
    await local.chain.fund(account.address, { amount: 10_000n, tokens: [pathUSD] })
    const { fields } = await local.pay({ methodDetails: { feePayer: true } }, { account })
    expect(fields).toMatchObject({ feePayerSignature: null })
    expect(fields.feeToken).toBeUndefined()
    const sponsored = { ...fields, feePayer: sponsor, feeToken: AlphaUSD }
    const receipt = await local.send(await Transaction.serialize(sponsored))
    expect(receipt.status).toBe('success')
    expect(await local.chain.balance(account.address)).toBe(0n)
  }
})
