/**
 * What is judged, a rule each: with it an attack is refused, and without it, it gets through.
 *
 * @module
 */
import {
  Account,
  Address,
  BASE_FEE,
  decodeAddressToMuxedAccount,
  encodeMuxedAccount,
  encodeMuxedAccountToAddress,
  Keypair,
  nativeToScVal,
  Operation,
  Transaction,
  TransactionBuilder,
  xdr,
} from '@stellar/stellar-sdk'
import type { ChargePayload } from '@polyrail/stellar'
import { Keypair as BaseKeypair } from '@stellar/stellar-sdk/base'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { HASH_RULES } from '../src/charge/judge.ts'
import { RULES } from '../src/charge/rules.ts'
import { createRail } from '../src/charge/server.ts'
import { agree, call, madeBy, prepare, relay, send, signed, start, type Local } from './rail.ts'
import { problem, refusal, shops, type Options } from './shop.ts'

let local: Local
let sponsor: Keypair
beforeAll(async () => {
  local = await start()
  sponsor = local.chain.account()
})
afterAll(() => local.chain.stop())

const cent = 100_000n
const here = () => [local.payer.publicKey(), local.shop.publicKey(), cent] as const
const usdc = () => local.usdc.contract
const transaction = (text: string) => ({ type: 'transaction' as const, transaction: text })

type Attack = {
  /** The rules that stand against it; the first of them says why. */
  rules: string[]
  title: string
  /** Whether the server pays the fee. */
  isSponsored?: true
  shop?: () => Options
  make: (shop: ReturnType<ReturnType<typeof shops>>) => Promise<ChargePayload>
  says: RegExp
  source?: () => string
}

/** Opens a shop without some of the rules. */
function open(
  { isSponsored, shop }: Pick<Attack, 'isSponsored' | 'shop'>,
  without: readonly string[] = [],
) {
  const paying = isSponsored && { feePayer: sponsor }
  const { route, ...options } = { ...local.terms, ...paying, ...shop?.() }
  const left = <rules extends object>(rules: rules) =>
    Object.fromEntries(Object.entries(rules).filter(([name]) => !without.includes(name)))
  const code = { rules: left(RULES), hashRules: left(HASH_RULES) }
  // Whether it is judged good is asked, and not what a network makes of it.
  const method = { ...createRail(options, code), settle: () => ({ reference: 'judged good' }) }
  return shops(local)({ method, route })
}

const own = async (operation: xdr.Operation, more: Parameters<typeof prepare>[3] = {}) =>
  transaction(signed(await prepare(local, local.payer.publicKey(), operation, more), local.payer))

const agreed = async (operation: xdr.Operation, more: Partial<Parameters<typeof agree>[2]> = {}) =>
  transaction(await agree(local, operation, { signer: local.payer, ...more }))

/** A token that does something besides each transfer. */
function malicious(onTransfer: Parameters<Local['chain']['token']>[0]) {
  const token = local.chain.token(onTransfer)
  token.mint(local.payer.publicKey(), 10n * cent)
  return token
}

let trickster: ReturnType<typeof malicious>
const thief = Keypair.random().publicKey()
const address = (text: string) => new Address(text).toScVal()

beforeAll(() => {
  trickster = malicious({
    onTransfer({ call, from, amount }) {
      const topics = [xdr.ScVal.scvSymbol('transfer'), address(from), address(thief)]
      call.emit(topics, nativeToScVal(amount, { type: 'i128' }))
    },
  })
})

/** The same transaction with another agreement. */
function reagreed(
  text: string,
  change: (entry: xdr.SorobanAuthorizationEntry) => xdr.SorobanAuthorizationEntry[],
) {
  const tx = new Transaction(text, local.chain.passphrase)
  const [invoke] = tx.operations
  if (invoke?.type !== 'invokeHostFunction') throw new Error('not a call')
  const auth = (invoke.auth ?? []).flatMap(change)
  const built = new TransactionBuilder(new Account(tx.source, String(BigInt(tx.sequence) - 1n)), {
    fee: BASE_FEE,
    networkPassphrase: local.chain.passphrase,
    timebounds: { minTime: 0, maxTime: local.chain.now() + 60 },
  })
    .addOperation(Operation.invokeHostFunction({ func: invoke.func, auth }))
    .build()
  return built
}

/** The same transaction by another account, or of a call by another. */
function remade(
  text: string,
  { source, caller }: { source?: string; caller?: string },
  ...keys: Keypair[]
): string {
  const envelope = xdr.TransactionEnvelope.fromXdr(text, 'base64')
  if (envelope.type !== 'envelopeTypeTx') throw new Error('not a transaction')
  const { sourceAccount, fee, seqNum, cond, memo, operations, ext } = envelope.v1.tx
  const tx = new xdr.Transaction({
    sourceAccount: source === undefined ? sourceAccount : decodeAddressToMuxedAccount(source),
    operations: operations.map((one) => (caller === undefined ? one : madeBy(caller, one))),
    fee,
    seqNum,
    cond,
    memo,
    ext,
  })
  const bare = new xdr.TransactionV1Envelope({ tx, signatures: [] })
  const built = new Transaction(
    xdr.TransactionEnvelope.envelopeTypeTx(bare),
    local.chain.passphrase,
  )
  return signed(built, ...keys)
}

/** The same transaction in a fee bump of somebody who pays its fee. */
function bump(text: string, inner = new Transaction(text, local.chain.passphrase)): string {
  const outer = TransactionBuilder.buildFeeBumpTransaction(
    sponsor,
    '200',
    inner,
    local.chain.passphrase,
  )
  outer.sign(sponsor)
  return outer.toXdr()
}

const nested = (entry: xdr.SorobanAuthorizationEntry) => [
  new xdr.SorobanAuthorizationEntry({
    credentials: entry.credentials,
    rootInvocation: new xdr.SorobanAuthorizedInvocation({
      function: entry.rootInvocation.function,
      subInvocations: [entry.rootInvocation],
    }),
  }),
]

const attacks: Attack[] = [
  {
    rules: ['token', 'effects'],
    title: 'a transfer of another token',
    async make() {
      const other = local.chain.token()
      other.mint(local.payer.publicKey(), cent)
      return own(call(other.contract, [...here()]))
    },
    says: /another contract/,
  },
  {
    rules: ['recipient'],
    title: 'a payment to somebody else',
    make: () => own(call(usdc(), [local.payer.publicKey(), local.customer(1n).publicKey(), cent])),
    says: /somebody else/,
  },
  {
    rules: ['recipient'],
    title: 'a sponsored payment to somebody else',
    isSponsored: true,
    make: () =>
      agreed(call(usdc(), [local.payer.publicKey(), local.customer(1n).publicKey(), cent])),
    says: /somebody else/,
  },
  {
    rules: ['amount'],
    title: 'too little',
    make: () => own(call(usdc(), [...here().slice(0, 2), cent - 1n] as [string, string, bigint])),
    says: /another amount/,
  },
  {
    rules: ['amount'],
    title: 'too little, sponsored',
    isSponsored: true,
    make: () =>
      agreed(call(usdc(), [...here().slice(0, 2), cent - 1n] as [string, string, bigint])),
    says: /another amount/,
  },
  {
    rules: ['self'],
    title: 'a payment to oneself',
    shop: () => ({ recipient: local.payer.publicKey() }),
    make: () => own(call(usdc(), [local.payer.publicKey(), local.payer.publicKey(), cent])),
    says: /same account/,
  },
  {
    rules: ['claim'],
    title: 'a source that is another',
    make: () => own(call(usdc(), [...here()])),
    source: () => `did:pkh:stellar:testnet:${local.shop.publicKey()}`,
    says: /names another account/,
  },
  {
    rules: ['source', 'authorization', 'trial', 'effects'],
    title: 'a sponsored payment with a source of its own',
    isSponsored: true,
    make: () => own(call(usdc(), [...here()])),
    says: /account of zeros/,
  },
  {
    rules: ['source'],
    title: 'a sponsored payment whose transaction is signed',
    isSponsored: true,
    async make() {
      const { transaction: text } = await agreed(call(usdc(), [...here()]))
      return transaction(signed(new Transaction(text, local.chain.passphrase), local.payer))
    },
    says: /and not the transaction/,
  },
  {
    rules: ['source'],
    title: 'a sponsored payment inside a fee bump',
    isSponsored: true,
    async make() {
      const { transaction: text } = await agreed(call(usdc(), [...here()]))
      return transaction(bump(text))
    },
    says: /and not the transaction/,
  },
  {
    rules: ['source'],
    title: 'a sponsored payment whose call has a source of its own',
    isSponsored: true,
    async make() {
      const { transaction: text } = await agreed(call(usdc(), [...here()]))
      return transaction(remade(text, { caller: sponsor.publicKey() }))
    },
    says: /account of zeros/,
  },
  {
    rules: ['source', 'authorization', 'network', 'trial', 'effects'],
    title: 'a call by a part of an account',
    async make() {
      const self = local.payer.publicKey()
      const caller = encodeMuxedAccountToAddress(encodeMuxedAccount(self, '7'))
      const { transaction: text } = await own(call(usdc(), [...here()]))
      return transaction(remade(text, { caller }, local.payer))
    },
    says: /by a plain account/,
  },
  {
    rules: ['authorization', 'trial', 'effects'],
    title: 'a payment out of an account that has not agreed',
    async make() {
      const thief = local.chain.account()
      const { transaction: text } = await own(call(usdc(), [...here()]))
      return transaction(remade(text, { source: thief.publicKey() }, thief))
    },
    says: /by another account/,
  },
  {
    rules: ['network'],
    title: 'a call by an account that has not signed',
    async make() {
      const [thief, self] = [local.chain.account(), local.payer.publicKey()]
      const take = madeBy(self, call(usdc(), [...here()]))
      return transaction(signed(await prepare(local, thief.publicKey(), take), thief))
    },
    says: /not signed by its payer/,
  },
  {
    rules: ['sponsor'],
    title: 'a payment by the sponsor itself',
    isSponsored: true,
    async make() {
      local.usdc.mint(sponsor.publicKey(), cent)
      const take = call(usdc(), [sponsor.publicKey(), local.shop.publicKey(), cent])
      return agreed(take, { signer: sponsor })
    },
    says: /takes from the account that pays the fee/,
  },
  {
    rules: ['authorization', 'trial', 'effects'],
    title: 'a payment that nobody agrees to',
    isSponsored: true,
    make: () => agreed(call(usdc(), [...here()]), { change: () => [] }),
    says: /one authorization entry/,
  },
  {
    rules: ['authorization'],
    title: 'an agreement in another form',
    isSponsored: true,
    make: () => agreed(call(usdc(), [...here()]), { isUpgraded: true }),
    says: /sorobanCredentialsAddress/,
  },
  {
    rules: ['authorization'],
    title: 'two agreements',
    isSponsored: true,
    make: () => agreed(call(usdc(), [...here()]), { change: (all) => [...all, ...all] }),
    says: /one authorization entry/,
  },
  {
    rules: ['nesting'],
    title: 'an agreement to other calls besides',
    isSponsored: true,
    make: () => agreed(call(usdc(), [...here()]), { change: (all) => all.flatMap(nested) }),
    says: /no calls besides/,
  },
  {
    rules: ['nesting'],
    title: 'a transaction of one’s own with an agreement to other calls',
    async make() {
      const { transaction: text } = await own(call(usdc(), [...here()]))
      return transaction(signed(reagreed(text, nested), local.payer))
    },
    says: /no calls besides/,
  },
  {
    rules: ['call', 'trial', 'effects'],
    title: 'an agreement to another call',
    isSponsored: true,
    async make() {
      const [from, to] = here()
      const { transaction: cheap } = await agreed(call(usdc(), [from, to, 1n]))
      const { transaction: dear } = await agreed(call(usdc(), [from, to, cent]))
      const [one] = new Transaction(cheap, local.chain.passphrase).operations
      if (one?.type !== 'invokeHostFunction') throw new Error('not a call')
      return transaction(reagreed(dear, () => [...(one.auth ?? [])]).toXdr())
    },
    says: /another call/,
  },
  {
    rules: ['network'],
    title: 'a signature for another network',
    async make() {
      const tx = await prepare(local, local.payer.publicKey(), call(usdc(), [...here()]))
      const foreign = new Transaction(tx.toXdr(), 'Standalone Network ; February 2017')
      return transaction(signed(foreign, local.payer))
    },
    says: /not signed by its payer for stellar:testnet/,
  },
  {
    rules: ['network', 'trial', 'effects'],
    title: 'an agreement for another network',
    isSponsored: true,
    make: () =>
      agreed(call(usdc(), [...here()]), { passphrase: 'Standalone Network ; February 2017' }),
    says: /not signed by its payer for stellar:testnet/,
  },
  {
    rules: ['network'],
    title: 'a transaction that nobody has signed',
    make: async () =>
      transaction(
        (await prepare(local, local.payer.publicKey(), call(usdc(), [...here()]))).toXdr(),
      ),
    says: /not signed/,
  },
  {
    rules: ['network'],
    title: 'a signature whose hint names another key',
    async make() {
      const tx = await prepare(local, local.payer.publicKey(), call(usdc(), [...here()]))
      const [hint, signature] = [local.shop.signatureHint(), local.payer.sign(tx.hash())]
      tx.addDecoratedSignature(new xdr.DecoratedSignature({ hint, signature }))
      return transaction(tx.toXdr())
    },
    says: /not signed/,
  },
  {
    rules: ['time'],
    title: 'a transaction that outlives the challenge',
    make: () =>
      own(call(usdc(), [...here()]), {
        timebounds: { minTime: 0, maxTime: local.chain.now() + 310 },
      }),
    says: /outlives the challenge/,
  },
  {
    rules: ['time'],
    title: 'a transaction that never ends',
    make: () => own(call(usdc(), [...here()]), { timebounds: { minTime: 0, maxTime: 0 } }),
    says: /never ends/,
  },
  {
    rules: ['expiration'],
    title: 'an agreement that outlives the challenge',
    isSponsored: true,
    make: () => agreed(call(usdc(), [...here()]), { life: 64 }),
    says: /outlives the challenge/,
  },
  {
    rules: ['trial', 'effects'],
    title: 'a payment that would fail',
    async make() {
      const poor = local.customer(cent)
      const tx = await prepare(
        local,
        poor.publicKey(),
        call(usdc(), [poor.publicKey(), local.shop.publicKey(), cent]),
      )
      local.usdc.trust(poor.publicKey(), { isAuthorized: false })
      return transaction(signed(tx, poor))
    },
    says: /would fail/,
  },
  {
    rules: ['trial', 'effects'],
    title: 'a sponsored payment that would fail',
    isSponsored: true,
    async make() {
      const poor = local.customer(cent)
      const pay = call(usdc(), [poor.publicKey(), local.shop.publicKey(), cent])
      const payload = await agreed(pay, { signer: poor })
      local.usdc.trust(poor.publicKey(), { isAuthorized: false })
      return payload
    },
    says: /would fail/,
  },
  {
    rules: ['effects'],
    title: 'a token that moves more than it is told',
    shop: () => ({ currency: trickster.contract }),
    make: () => own(call(trickster.contract, [...here()])),
    says: /other balances/,
  },
  {
    rules: ['effects'],
    title: 'a sponsored payment in such a token',
    isSponsored: true,
    shop: () => ({ currency: trickster.contract }),
    make: () => agreed(call(trickster.contract, [...here()])),
    says: /other balances/,
  },
  {
    rules: ['fee'],
    title: 'a fee above the cap',
    isSponsored: true,
    shop: () => ({ feePayer: { account: sponsor, maxFee: '0.006' } }),
    make: () => agreed(call(usdc(), [...here()])),
    says: /more than this server pays/,
  },
]

/** Of a payment that is in a ledger. */
async function pushed(
  shop: Parameters<Attack['make']>[0],
  hash: string,
  signer = local.payer,
): Promise<ChargePayload> {
  const challenge = await shop.challenge()
  answered.set(shop, challenge)
  const binding = Buffer.from(`${challenge.id}:${hash}`)
  const sourceSignature = Buffer.from(signer.sign(binding)).toString('hex')
  return { type: 'signedHash', hash, sourceSignature }
}
const answered = new Map<object, Awaited<ReturnType<Parameters<Attack['make']>[0]['challenge']>>>()

const hashAttacks: Attack[] = [
  {
    rules: ['sponsorship', 'type'],
    title: 'a hash where the server pays the fee',
    isSponsored: true,
    make: async (shop) => pushed(shop, await send(local, local.payer, call(usdc(), [...here()]))),
    says: /server pays the fee here/,
  },
  {
    rules: ['type'],
    title: 'a bare hash',
    make: async () => ({
      type: 'hash',
      hash: await send(local, local.payer, call(usdc(), [...here()])),
    }),
    says: /can be anybody's/,
  },
  {
    rules: ['status', 'effects'],
    title: 'a transaction that failed',
    async make(shop) {
      const key = local.customer(cent)
      const pay = call(usdc(), [key.publicKey(), local.shop.publicKey(), cent])
      const tx = await prepare(local, key.publicKey(), pay)
      tx.sign(key)
      local.usdc.trust(key.publicKey(), { isAuthorized: false })
      const { hash } = await local.server.sendTransaction(tx)
      await local.server.pollTransaction(hash, { attempts: 200, sleepStrategy: () => 10 })
      return pushed(shop, hash, key)
    },
    says: /failed/,
  },
  {
    rules: ['token', 'effects'],
    title: 'a transfer of another token, pushed',
    async make(shop) {
      const other = local.chain.token()
      other.mint(local.payer.publicKey(), cent)
      return pushed(shop, await send(local, local.payer, call(other.contract, [...here()])))
    },
    says: /no transfer of the currency/,
  },
  {
    rules: ['recipient'],
    title: 'a transfer to somebody else, pushed',
    async make(shop) {
      const to = local.customer(1n).publicKey()
      return pushed(
        shop,
        await send(local, local.payer, call(usdc(), [local.payer.publicKey(), to, cent])),
      )
    },
    says: /somebody else/,
  },
  {
    rules: ['amount'],
    title: 'a transfer of too little, pushed',
    async make(shop) {
      const [from, to] = here()
      return pushed(shop, await send(local, local.payer, call(usdc(), [from, to, cent - 1n])))
    },
    says: /another amount/,
  },
  {
    rules: ['self'],
    title: 'a transfer to oneself, pushed',
    shop: () => ({ recipient: local.payer.publicKey() }),
    async make(shop) {
      const self = local.payer.publicKey()
      return pushed(shop, await send(local, local.payer, call(usdc(), [self, self, cent])))
    },
    says: /same account/,
  },
  {
    rules: ['effects'],
    title: 'a token that moves more than it is told, pushed',
    shop: () => ({ currency: trickster.contract }),
    make: async (shop) =>
      pushed(shop, await send(local, local.payer, call(trickster.contract, [...here()]))),
    says: /other balances/,
  },
  {
    rules: ['claim'],
    title: 'a hash whose source is another',
    make: async (shop) => pushed(shop, await send(local, local.payer, call(usdc(), [...here()]))),
    source: () => `did:pkh:stellar:testnet:${local.shop.publicKey()}`,
    says: /names another account/,
  },
  {
    rules: ['signature'],
    title: 'a hash that another has signed',
    make: async (shop) =>
      pushed(shop, await send(local, local.payer, call(usdc(), [...here()])), local.shop),
    says: /not signed for this challenge/,
  },
  {
    rules: ['signature'],
    title: 'a hash that is signed for another challenge',
    async make(shop) {
      const hash = await send(local, local.payer, call(usdc(), [...here()]))
      const payload = await pushed(shop, hash)
      answered.set(shop, await shop.challenge())
      return payload
    },
    says: /not signed for this challenge/,
  },
]

/** Refused with the rules, and good without those that stand against it. */
const withAndWithout = (attack: Attack) => () => {
  const present = async (shop: ReturnType<typeof open>) => {
    const payload = await attack.make(shop)
    return shop.show(payload, answered.get(shop), attack.source?.())
  }

  test('is refused, with the reason', async () => {
    expect(await problem(await present(open(attack)))).toEqual(refusal(attack.says))
  })

  test(`gets through without ${attack.rules.join(', ')}`, async () => {
    expect((await present(open(attack, attack.rules))).status).toBe(200)
  })
}

describe('[stellar-charge-010 stellar-charge-016 stellar-charge-027 stellar-charge-030 stellar-charge-042 stellar-charge-043 stellar-charge-044 stellar-charge-045 stellar-charge-046 stellar-charge-047 stellar-charge-066] where the payer pays the fee', () => {
  for (const attack of attacks.filter(({ isSponsored }) => !isSponsored))
    describe(attack.title, withAndWithout(attack))
})

describe('[stellar-charge-014 stellar-charge-015 stellar-charge-028 stellar-charge-034 stellar-charge-035 stellar-charge-036 stellar-charge-037 stellar-charge-038 stellar-charge-039 stellar-charge-040 stellar-charge-041 stellar-charge-058] where the server does', () => {
  for (const attack of attacks.filter(({ isSponsored }) => isSponsored))
    describe(attack.title, withAndWithout(attack))
})

describe('[stellar-charge-007 stellar-charge-020 stellar-charge-021 stellar-charge-048 stellar-charge-049 stellar-charge-052] where the client sends it', () => {
  for (const attack of hashAttacks) describe(attack.title, withAndWithout(attack))
})

test('every rule stands against something', () => {
  const needed = (list: readonly Attack[]) => new Set(list.flatMap(({ rules }) => rules))
  expect([...needed(attacks)].toSorted()).toEqual(Object.keys(RULES).toSorted())
  // Time and network want a clock and a node that lies: see the tests of pushed payments.
  expect([...needed(hashAttacks), 'age', 'network', 'time'].toSorted()).toEqual(
    Object.keys(HASH_RULES).toSorted(),
  )
})

describe('what cannot be read as one transfer is refused', () => {
  const shop = () => shops(local)({})
  const cases: [string, () => Promise<string>][] = [
    ['nonsense', async () => 'AAAA'],
    ['base64 of another length', async () => 'AAA'],
    [
      'one that is cut off',
      async () => (await own(call(usdc(), [...here()]))).transaction.slice(0, -8),
    ],
    [
      'another function of the token',
      async () => {
        const tx = await prepare(
          local,
          local.payer.publicKey(),
          Operation.invokeContractFunction({
            contract: usdc(),
            function: 'burn',
            args: [address(local.payer.publicKey()), nativeToScVal(cent, { type: 'i128' })],
          }),
        )
        return signed(tx, local.payer)
      },
    ],
    [
      'a classic operation',
      async () => {
        const source = await local.server.getAccount(local.payer.publicKey())
        const built = new TransactionBuilder(source, {
          fee: BASE_FEE,
          networkPassphrase: local.chain.passphrase,
          timebounds: { minTime: 0, maxTime: local.chain.now() + 60 },
        })
          .addOperation(Operation.bumpSequence({ bumpTo: '9' }))
          .build()
        return signed(built, local.payer)
      },
    ],
    [
      'bytes that follow',
      async () => {
        const { transaction: text } = await own(call(usdc(), [...here()]))
        return Buffer.concat([Buffer.from(text, 'base64'), Buffer.alloc(6)]).toString('base64')
      },
    ],
  ]
  test.each(cases)('[stellar-charge-013] %s', async (_, make) => {
    const answer = await problem(await shop().show(transaction(await make())))
    expect(answer).toMatchObject({ status: 402 })
    expect(answer.code).toMatch(/^(verification-failed|malformed-credential)$/)
  })

  test('[stellar-charge-013] the same bytes in other letters', async () => {
    const { transaction: text } = await agreed(call(usdc(), [...here()]))
    const last = /(.)=+$/.exec(text)?.[1] ?? expect.fail('no bits are left over')
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    const other = text.replace(/.(?==+$)/, letters.charAt(letters.indexOf(last) + 1))
    expect(Buffer.from(other, 'base64')).toEqual(Buffer.from(text, 'base64'))
    expect(await problem(await shop().show(transaction(other)))).toEqual(refusal(/cannot be read/))
  })

  test('[stellar-charge-013] a contract that is made, and not called', async () => {
    const make = Operation.createCustomContract({
      address: new Address(local.payer.publicKey()),
      wasmHash: new Uint8Array(32),
      salt: new Uint8Array(32),
    })
    const source = await local.server.getAccount(local.payer.publicKey())
    const built = new TransactionBuilder(source, {
      fee: BASE_FEE,
      networkPassphrase: local.chain.passphrase,
      timebounds: { minTime: 0, maxTime: local.chain.now() + 60 },
    })
      .addOperation(make)
      .build()
    const answer = await problem(await shop().show(transaction(signed(built, local.payer))))
    expect(answer).toEqual(refusal(/must be one contract call/))
  })
})

describe('what is not one call of transfer(from, to, amount) is refused, though it would pay', () => {
  const whatever = () => local.chain.deploy({ run: () => {} })
  const invoke = (name: string, args: xdr.ScVal[], contract = usdc()) =>
    Operation.invokeContractFunction({ contract, function: name, args })
  const [from, to] = [0, 1].map((at) => () => address(String(here()[at])))
  const amount = nativeToScVal(cent, { type: 'i128' })
  const small = nativeToScVal(cent, { type: 'u64' })
  const built = async (...operations: xdr.Operation[]) => {
    const source = await local.server.getAccount(local.payer.publicKey())
    const builder = new TransactionBuilder(source, {
      fee: BASE_FEE,
      networkPassphrase: local.chain.passphrase,
      timebounds: { minTime: 0, maxTime: local.chain.now() + 60 },
    })
    for (const operation of operations) builder.addOperation(operation)
    return signed(builder.build(), local.payer)
  }
  const cases: [string, () => Promise<string>][] = [
    ['two of them', () => built(call(usdc(), [...here()]), call(usdc(), [...here()]))],
    ['none', async () => (await own(invoke('decimals', []))).transaction],
    [
      'another function of the same arguments',
      () => built(invoke('approve', [from!(), to!(), amount], whatever())),
    ],
    [
      'one more argument',
      () => built(invoke('transfer', [from!(), to!(), amount, amount], whatever())),
    ],
    ['one fewer', () => built(invoke('transfer', [from!(), to!()], whatever()))],
    ['an amount of another type', () => built(invoke('transfer', [from!(), to!(), small]))],
    [
      'a payer that is no address',
      () => built(invoke('transfer', [xdr.ScVal.scvString('me'), to!(), amount])),
    ],
    [
      'a recipient that is no address',
      () => built(invoke('transfer', [from!(), xdr.ScVal.scvString('you'), amount])),
    ],
  ]
  test.each(cases)('[stellar-charge-013] %s', async (_, make) => {
    const answer = await problem(await shops(local)({}).show(transaction(await make())))
    expect(answer).toEqual(refusal(/must be one contract call, transfer/))
  })

  test('[stellar-charge-048] pushed, too', async () => {
    const key = local.customer(2n * cent)
    const twin = local.chain.deploy({
      run(call) {
        const [, payer, payee, units] = [0, ...call.args]
        call.requireAuth(key.publicKey())
        // What it publishes is what a transfer of another name would.
        call.emit([xdr.ScVal.scvSymbol('transfer'), payer!, payee!], units!)
      },
    })
    const args = [address(key.publicKey()), to!(), amount]
    const hash = await send(local, key, invoke('give', args, twin))
    const shop = shops(local)({ currency: twin })
    const payload = await pushed(shop, hash, key)
    expect(await problem(await shop.show(payload, answered.get(shop)))).toEqual(
      refusal(/no transfer of the currency/),
    )
  })
})

test('an honest payment of each kind is judged good', async () => {
  const pay = () => call(usdc(), [...here()])
  expect((await open({}).show(await own(pay()))).status).toBe(200)
  expect((await open({ isSponsored: true }).show(await agreed(pay()))).status).toBe(200)
  const shop = open({})
  const payload = await pushed(shop, await send(local, local.payer, pay()))
  expect((await shop.show(payload, answered.get(shop))).status).toBe(200)
})

describe('whatever form of transaction the network takes of payers is theirs to choose', () => {
  const key = () => local.customer()
  const pay = (payer: Keypair) => call(usdc(), [payer.publicKey(), local.shop.publicKey(), cent])
  const cases: [string, (payer: Keypair) => Promise<Transaction | string>][] = [
    [
      'inside a fee bump of somebody else',
      async (payer) => bump(signed(await prepare(local, payer.publicKey(), pay(payer)), payer)),
    ],
    [
      'a call that names its source',
      async (payer) => {
        const named = madeBy(payer.publicKey(), pay(payer))
        return signed(await prepare(local, payer.publicKey(), named), payer)
      },
    ],
    [
      'a call in a transaction of another account',
      async (payer) => {
        const other = local.chain.account()
        const named = madeBy(payer.publicKey(), pay(payer))
        return signed(await prepare(local, other.publicKey(), named), payer, other)
      },
    ],
    [
      'by an agreement',
      (payer) => relay(local, local.chain.account(), [pay(payer), { signer: payer }]),
    ],
    [
      'by an agreement of its own sender',
      (payer) => relay(local, payer, [pay(payer), { signer: payer }]),
    ],
    [
      'by an agreement in the newer form',
      (payer) =>
        relay(local, local.chain.account(), [pay(payer), { signer: payer, isUpgraded: true }]),
    ],
    [
      'by an agreement that lasts longer than the transaction',
      (payer) => relay(local, local.chain.account(), [pay(payer), { signer: payer, life: 5000 }]),
    ],
  ]
  const textOf = (made: Transaction | string) => (typeof made === 'string' ? made : made.toXdr())

  test.each(cases)('%s', async (_, make) => {
    const payer = key()
    const made = transaction(textOf(await make(payer)))
    const shop = shops(local)()
    const answer = await shop.show(made)
    expect(answer.status).toBe(200)
    expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
    expect(local.chain.transactions.at(-1)?.envelope).toBe(made.transaction)
    // What it is known by is the same in whichever form it is shown.
    expect(await problem(await shop.show(made))).toEqual(refusal(/already/))
  })

  test.each(cases)('%s, pushed', async (_, make) => {
    const payer = key()
    const shop = shops(local)()
    const challenge = await shop.challenge()
    const tx = TransactionBuilder.fromXdr(textOf(await make(payer)), local.chain.passphrase)
    const { hash } = await local.server.sendTransaction(tx)
    await local.server.pollTransaction(hash, { attempts: 200, sleepStrategy: () => 10 })
    const binding = Buffer.from(`${challenge.id}:${hash}`)
    const sourceSignature = Buffer.from(payer.sign(binding)).toString('hex')
    const payload = { type: 'signedHash', hash, sourceSignature } as const
    expect((await shop.show(payload, challenge)).status).toBe(200)
  })
})

test('a source that names no account is nobody else’s, and one in any form that does must be the payer’s', async () => {
  const show = async (source: string) =>
    open({}).show(await own(call(usdc(), [...here()])), undefined, source)
  const [self, other] = here()
  for (const source of ['did:key:z6MkpTHR8VNs', 'ann', '', self])
    expect((await show(source)).status).toBe(200)
  for (const source of [other, `did:pkh:stellar:pubnet:${self}`, 'did:pkh:eip155:1:0xab'])
    expect(await problem(await show(source))).toEqual(refusal(/names another account/))
})

test('a muxed recipient is paid, and no other part of the same account', async () => {
  const muxed = (id: string) =>
    encodeMuxedAccountToAddress(encodeMuxedAccount(local.shop.publicKey(), id))
  const shop = shops(local)({ recipient: muxed('42') })
  const pay = (to: string) => own(call(usdc(), [local.payer.publicKey(), to, cent]))
  expect(await problem(await shop.show(await pay(muxed('43'))))).toEqual(refusal(/somebody else/))
  expect(await problem(await shop.show(await pay(local.shop.publicKey())))).toEqual(
    refusal(/somebody else/),
  )
  const before = local.settled()
  expect((await shop.ask(await shop.pay())).status).toBe(200)
  expect(local.settled()).toBe(before + 1)
})

describe('signatures by the hundred cost few checks', () => {
  const checks = async (options: Pick<Attack, 'isSponsored'>, payload: ChargePayload) => {
    const checking = vi.spyOn(BaseKeypair.prototype, 'verify')
    try {
      expect((await open(options).show(payload)).status).toBe(402)
      return checking.mock.calls.length
    } finally {
      checking.mockRestore()
    }
  }
  const entryWith = (
    { credentials, rootInvocation }: xdr.SorobanAuthorizationEntry,
    many: number,
  ) => {
    if (credentials.type !== 'sorobanCredentialsAddress') throw new Error('not by address')
    const { address, nonce, signatureExpirationLedger, signature } = credentials.address
    const [one] = (signature.type === 'scvVec' && signature.value) || []
    const all = xdr.ScVal.scvVec(Array.from({ length: many }, () => one!))
    const parts = { address, nonce, signatureExpirationLedger, signature: all }
    const { SorobanCredentials: Credentials } = xdr
    return new xdr.SorobanAuthorizationEntry({
      credentials: Credentials.sorobanCredentialsAddress(new xdr.SorobanAddressCredentials(parts)),
      rootInvocation,
    })
  }

  test('around a transaction of an account that has many signers', async () => {
    const signers = Array.from({ length: 20 }, () => ({ key: Keypair.random(), weight: 1 }))
    const key = local.customer(cent, { signers })
    const pay = call(usdc(), [key.publicKey(), local.shop.publicKey(), cent])
    const tx = await prepare(local, key.publicKey(), pay)
    const signature = new Uint8Array(64)
    for (const { key: other } of signers)
      tx.addDecoratedSignature(
        new xdr.DecoratedSignature({ hint: other.signatureHint(), signature }),
      )
    expect(await checks({}, transaction(tx.toXdr()))).toBeLessThanOrEqual(20)
  })

  test.each([
    ['in one agreement', 1, 200],
    ['in many agreements', 60, 1],
  ])('%s', async (_, entries, each) => {
    const { transaction: text } = await agreed(call(usdc(), [...here()]))
    const built = reagreed(text, (entry) =>
      Array.from({ length: entries }, () => entryWith(entry, each)),
    )
    expect(await checks({ isSponsored: true }, transaction(built.toXdr()))).toBe(0)
  })
})
