/**
 * The paying side: what it signs, for how long, for whom, and what it declines.
 *
 * @module
 */
import { Challenge, Expires } from '@polyrail/core'
import type { ChargePayload, ChargeRequest } from '@polyrail/stellar'
import { stellar } from '@polyrail/stellar/client'
import {
  encodeMuxedAccount,
  encodeMuxedAccountToAddress,
  inspectAuthEntry,
  Keypair,
  Transaction,
  xdr,
} from '@stellar/stellar-sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { push } from '../src/charge/push.ts'
import type { Network } from '../src/network.ts'
import { nobody, start, type Local } from './rail.ts'
import { shops } from './shop.ts'

let local: Local
beforeAll(async () => void (local = await start()))
afterAll(() => local.chain.stop())

type Details = ChargeRequest['methodDetails']
type Asked = Partial<Omit<ChargeRequest, 'methodDetails'>> & { methodDetails?: Partial<Details> }
type Options = Partial<Parameters<typeof stellar.charge>[0]>

let issued = 0

/** A challenge for a cent, but for what is changed. */
function challengeFor(
  { methodDetails, ...rest }: Asked = {},
  expires: string | undefined = Expires.minutes(5),
) {
  const request: ChargeRequest = {
    amount: '100000',
    currency: local.usdc.contract,
    recipient: local.shop.publicKey(),
    ...rest,
    methodDetails: { network: 'stellar:testnet', ...methodDetails },
  }
  const named = { realm: 'shop.example', method: 'stellar', intent: 'charge' }
  const id = `challenge-${++issued}`
  const ends = expires === undefined ? {} : { expires }
  return { ...Challenge.from({ id, ...named, request, ...ends }), request }
}

const wallet = (options: Options = {}) => stellar.charge({ ...local.wallet, ...options })

async function prove(challenge: ReturnType<typeof challengeFor>, options: Options = {}) {
  const { signal } = new AbortController()
  const url = new URL('https://shop.example/')
  return wallet(options).createCredential({ challenge, context: undefined, url, signal })
}

function read(payload: ChargePayload) {
  if (payload.type !== 'transaction') throw new Error('not a transaction')
  const tx = new Transaction(payload.transaction, local.chain.passphrase)
  const [operation, ...more] = tx.operations
  if (operation?.type !== 'invokeHostFunction' || more.length > 0) throw new Error('not one call')
  const [entry] = operation.auth ?? []
  return { tx, entry: inspectAuthEntry(entry!) }
}

const sponsored = { methodDetails: { feePayer: true } }
const secondsOf = (expires: string) => Math.floor((Expires.parse(expires) ?? 0) / 1000)

describe('what is signed', () => {
  test('[stellar-charge-022] [stellar-charge-024] [stellar-charge-025] an agreement ends with the ledger that the draft computes', async () => {
    for (const seconds of [12, 60, 300, 3600]) {
      const challenge = challengeFor(sponsored, Expires.seconds(seconds))
      using asked = local.chain.fault({ method: 'getLatestLedger', delay: 0 })
      const left = secondsOf(challenge.expires!) - Date.now() / 1000
      const ledger = local.chain.ledger
      const { entry } = read((await prove(challenge)).payload)
      expect(asked.hits).toBe(1)
      const [soonest, latest] = [Math.ceil((left - 1) / 5), Math.ceil(left / 5)]
      const life = (entry.signatureExpirationLedger ?? 0) - ledger
      expect(life).toBeGreaterThanOrEqual(soonest)
      expect(life).toBeLessThanOrEqual(latest + (local.chain.ledger - ledger))
    }
  })

  test('[stellar-charge-010] [stellar-charge-014] [stellar-charge-015] [stellar-charge-028] an agreement is all that is signed for a sponsor', async () => {
    const { payload, source } = await prove(challengeFor(sponsored))
    const { tx, entry } = read(payload)
    expect([tx.source, tx.signatures]).toEqual([nobody, []])
    expect(entry).toMatchObject({
      credentialType: 'address',
      address: local.payer.publicKey(),
      signed: true,
    })
    expect(entry.invocation.subInvocations).toEqual([])
    expect(source).toBe(`did:pkh:stellar:testnet:${local.payer.publicKey()}`)
  })

  test('[stellar-charge-006] [stellar-charge-016] [stellar-charge-026] a whole transaction otherwise, which ends with the challenge', async () => {
    const challenge = challengeFor()
    const { payload } = await prove(challenge)
    const { tx, entry } = read(payload)
    expect(tx.source).toBe(local.payer.publicKey())
    expect(tx.timeBounds?.maxTime).toBe(String(secondsOf(challenge.expires!)))
    expect(entry.credentialType).toBe('sourceAccount')
    expect(tx.signatures).toHaveLength(1)
    expect((await local.server.sendTransaction(tx)).status).toBe('PENDING')
  })

  test('[stellar-charge-023] without an end of the challenge, in five minutes', async () => {
    const { expires: _, ...endless } = challengeFor()
    const before = Math.floor(Date.now() / 1000)
    const { payload } = await prove(endless as ReturnType<typeof challengeFor>)
    const maxTime = Number(read(payload).tx.timeBounds?.maxTime)
    expect(maxTime - before).toBeGreaterThanOrEqual(300)
    expect(maxTime - before).toBeLessThanOrEqual(302)
  })

  test('[stellar-charge-012] canonical XDR in base64', async () => {
    const { payload } = await prove(challengeFor())
    if (payload.type !== 'transaction') throw new Error('not a transaction')
    expect(Buffer.from(payload.transaction, 'base64').toString('base64')).toBe(payload.transaction)
  })

  test('by an account whose key is elsewhere, even for a hash', async () => {
    const key = local.customer()
    const account = {
      publicKey: () => key.publicKey(),
      sign: async (bytes: Uint8Array) => key.sign(bytes),
    }
    const shop = shops(local)({ credentialTypes: ['signedHash'] })
    for (const asked of [challengeFor(), challengeFor(sponsored)])
      expect((await prove(asked, { account })).payload.type).toBe('transaction')
    const methods = { account, mode: 'push' as const }
    expect((await shop.ask(await shop.pay(key, methods))).status).toBe(200)
  })
})

describe('what is handed over', () => {
  const types = async (credentialTypes: string[] | undefined, options: Options = {}) =>
    (await prove(challengeFor({ methodDetails: { credentialTypes } as Partial<Details> }), options))
      .payload.type

  test('is a transaction where the server takes it, else a hash, signed if it may be', async () => {
    expect(await types(undefined)).toBe('transaction')
    expect(await types(['hash', 'signedHash', 'transaction'])).toBe('transaction')
    expect(await types(['signedHash', 'hash'])).toBe('signedHash')
    expect(await types(['hash'])).toBe('hash')
    expect(await types(['transaction', 'signedHash'], { mode: 'push' })).toBe('signedHash')
    // A server of the draft alone knows no other.
    expect(await types(undefined, { mode: 'push' })).toBe('hash')
  })

  test('[stellar-charge-018] [stellar-charge-019] of a push is the hash of a payment that is made', async () => {
    const before = local.settled()
    const { payload, authorization } = await prove(challengeFor(), { mode: 'push' })
    expect(payload).toEqual({ type: 'hash', hash: expect.stringMatching(/^[\da-f]{64}$/) })
    expect([authorization, local.settled()]).toEqual([undefined, before + 1])
  })
})

describe('[stellar-charge-064] [stellar-charge-065] a challenge is declined', () => {
  const says = (asked: Asked, options: Options = {}, expires?: string) =>
    wallet(options).accepts?.({ challenge: challengeFor(asked, expires) })

  test.each<[string, Asked, Options, RegExp]>([
    [
      'on another network',
      { methodDetails: { network: 'stellar:pubnet' } },
      {},
      /this wallet is on stellar:testnet/,
    ],
    [
      'in another currency',
      { currency: 'CBIELTK6YBZJU5UP2WWQEUCYKLPU6AUNZ2BQ4WWFEIE3USCIHMXQDAMA' },
      {},
      /option currencies/,
    ],
    ['for a stranger', {}, { recipients: [Keypair.random().publicKey()] }, /option recipients/],
    ['of nothing', { amount: '0' }, {}, /of nothing/],
    [
      'that only takes what is not known',
      { methodDetails: { credentialTypes: ['promise'] } },
      {},
      /no credential/,
    ],
    [
      'to be pushed, with the fee paid',
      { methodDetails: { feePayer: true } },
      { mode: 'push' },
      /must send the transaction itself/,
    ],
    [
      'to be pulled, by a server that does not',
      { methodDetails: { credentialTypes: ['signedHash'] } },
      { mode: 'pull' },
      /option mode/,
    ],
    [
      'by a contract account that would pay the fee',
      {},
      { payer: 'CBIELTK6YBZJU5UP2WWQEUCYKLPU6AUNZ2BQ4WWFEIE3USCIHMXQDAMA' },
      /only where the server pays the fee/,
    ],
  ])('%s', async (_, asked, options, why) => {
    expect(await says(asked, options)).toMatch(why)
    await expect(prove(challengeFor(asked), options)).rejects.toMatchObject({
      code: 'method-unsupported',
    })
  })

  test('by the payer to the payer, muxed or not', async () => {
    const self = local.payer.publicKey()
    const muxed = encodeMuxedAccountToAddress(encodeMuxedAccount(self, '7'))
    for (const recipient of [self, muxed]) expect(await says({ recipient })).toMatch(/same account/)
  })

  test('that ends too soon to be pushed, or is over', async () => {
    expect(await says({}, { mode: 'push' }, Expires.seconds(14))).toMatch(/too soon/)
    expect(await says({}, { mode: 'push' }, Expires.seconds(17))).toBeUndefined()
    expect(await says({}, {}, Expires.seconds(-1))).toMatch(/too soon/)
  })
})

describe('nothing is signed', () => {
  const refused = async (why: RegExp, asked: Asked, options: Options = {}) =>
    expect(prove(challengeFor(asked), options)).rejects.toThrow(why)

  test('that would fail', async () => {
    const stranger = local.chain.account().publicKey()
    for (const asked of [{}, sponsored]) {
      await refused(/would fail/, { ...asked, amount: String(2n ** 120n) })
      await refused(/cannot receive/, { ...asked, recipient: stranger })
    }
    await refused(/needs lumens first/, {}, { account: Keypair.random() })
  })

  test('that would do more than pay', async () => {
    const token = local.chain.token({
      onTransfer: ({ call, from }) => {
        const [, , amount] = call.args
        if (from) call.emit([xdr.ScVal.scvSymbol('burn'), call.args[0]!], amount!)
      },
    })
    token.mint(local.payer.publicKey(), 1_000_000n)
    const [currency, currencies] = [token.contract, [token.contract]]
    for (const asked of [{ currency }, { currency, ...sponsored }])
      await refused(/other balances/, asked, { currencies })
  })

  test('that costs more than maxFee', async () => {
    await refused(/above maxFee/, {}, { maxFee: '0.006' })
  })

  test('where the node is on another network, or away', async () => {
    const passphrase = 'Public Global Stellar Network ; September 2015'
    {
      using _ = local.chain.fault({ method: 'getNetwork', fail: { result: { passphrase } } })
      await refused(/another network/, {})
    }
    using _ = local.chain.fault({ fail: 'drop' })
    await refused(/./, {})
  })
})

describe('a push', () => {
  const pushed = (key: Keypair) => prove(challengeFor(), { account: key, mode: 'push' })

  test('whose answer gets lost is found, and paid once', async () => {
    const key = local.customer()
    using _ = local.chain.fault({
      method: 'sendTransaction',
      executed: true,
      fail: 'drop',
      times: 1,
    })
    expect((await pushed(key)).payload.type).toBe('hash')
    expect(local.usdc.sent(key.publicKey()).count).toBe(1)
  })

  test('that does not come through at first is sent again', async () => {
    const key = local.customer()
    using _ = local.chain.fault({ method: 'sendTransaction', fail: 'drop', times: 2 })
    expect((await pushed(key)).payload.type).toBe('hash')
    expect(local.usdc.sent(key.publicKey()).count).toBe(1)
  })

  test.each(['refuses', 'signs as another'])(
    'whose signer %s in the end is not made',
    async (how) => {
      const [key, other] = [local.customer(), Keypair.random()]
      let signatures = 0
      const account = {
        publicKey: () => key.publicKey(),
        sign(bytes: Uint8Array) {
          if (++signatures === 1) return key.sign(bytes)
          if (how === 'refuses') throw new Error('no')
          return other.sign(bytes)
        },
      }
      const methodDetails = { credentialTypes: ['signedHash'] }
      await expect(prove(challengeFor({ methodDetails }), { account })).rejects.toThrow()
      expect([signatures, local.usdc.sent(key.publicKey()).count]).toEqual([2, 0])
    },
  )

  test('of which nobody says what became of it is shown all the same: the server asks for itself', async () => {
    const tx = { hash: () => new Uint8Array(32), toXdr: () => '', timeBounds: { maxTime: '1' } }
    const node = (find: Partial<Network>['find']) =>
      ({ send: async () => ({ status: 'unknown' }), find }) as unknown as Network
    const { signal } = new AbortController()
    const away = node(async () => Promise.reject(new Error('away')))
    await expect(push(tx as Transaction, away, signal)).resolves.toBeUndefined()
    // A node that says that no ledger has it, and none will, is believed.
    const sure = node(async () => ({ status: 'NOT_FOUND', closeTime: 2, oldestTime: -3599 }))
    await expect(push(tx as Transaction, sure, signal)).rejects.toMatchObject({
      code: 'verification-failed',
    })
  })

  test('that nobody takes is said to be unpaid', async () => {
    const key = local.customer()
    using _ = local.chain.fault({ method: 'sendTransaction', fail: { status: 429 } })
    await expect(pushed(key)).rejects.toMatchObject({ code: 'verification-failed' })
    expect(local.usdc.sent(key.publicKey()).count).toBe(0)
  })
})

test(
  'payments of one account use its sequence numbers one after the other',
  { timeout: 60_000 },
  async () => {
    const key = local.customer()
    const shop = shops(local)()
    const client = stellar.charge({ ...local.wallet, account: key })
    const { Mpp } = await import('@polyrail/core/client')
    const fetch = (input: RequestInfo | URL, init?: RequestInit) =>
      shop.fetch(new Request(input, init))
    const mpp = Mpp.create({ methods: [client], policy: { max: '1' }, fetch })
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => mpp.fetch('https://shop.example/page')),
    )
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(local.usdc.sent(key.publicKey()).count).toBe(4)
  },
)

test('a wallet that never answers holds up one payment, and not those after it', async () => {
  const key = local.customer()
  let asked = 0
  const account = {
    publicKey: () => key.publicKey(),
    sign: (bytes: Uint8Array) => (++asked === 1 ? new Promise<never>(() => {}) : key.sign(bytes)),
  }
  const client = wallet({ account })
  const url = new URL('https://shop.example/')
  const pay = async (milliseconds: number) =>
    client.createCredential({
      challenge: challengeFor(),
      context: undefined,
      url,
      signal: AbortSignal.timeout(milliseconds),
    })
  await expect(pay(200)).rejects.toThrow(/timeout/)
  expect((await pay(4000)).payload.type).toBe('transaction')
})

describe('what cannot be is told at once', () => {
  test.each<[string, object, RegExp]>([
    ['a secret in place of a key', { account: Keypair.random().secret() }, /must sign/],
    ['no account', { account: undefined }, /must sign/],
    ['a mode that is none', { mode: 'shove' }, /'pull' or 'push'/],
    ['a payer that is no contract', { payer: Keypair.random().publicKey() }, /contract account/],
    ['a currency that is none', { currencies: ['USDC'] }, /contracts of tokens/],
    [
      'a recipient that is mistyped',
      { recipients: [`${nobody.slice(0, -1)}G`] },
      /Stellar addresses/,
    ],
    ['a network that is none', { network: 'stellar:moonnet' }, /stellar:pubnet/],
    ['a fee that is none', { maxFee: 'much' }, /maxFee must be a decimal/],
  ])('%s', (_, options, why) => {
    expect(() => wallet(options as Options)).toThrow(why)
  })
})
