/**
 * What is judged by itself, at its edges: events that lie, and a transaction that is a second or a ledger off.
 *
 * @module
 */
import {
  Address,
  encodeMuxedAccount,
  encodeMuxedAccountToAddress,
  Keypair,
  nativeToScVal,
  StrKey,
  xdr,
} from '@stellar/stellar-sdk/base'
import { describe, expect, test } from 'vitest'
import { isOnly } from '../src/charge/effects.ts'
import { RULES, type Case } from '../src/charge/rules.ts'

const [payer, shop, thief] = [0, 1, 2].map(() => Keypair.random().publicKey()) as [
  string,
  string,
  string,
]
const [token, other] = [1, 2].map((byte) =>
  StrKey.encodeContract(new Uint8Array(32).fill(byte)),
) as [string, string]
const due = { token, from: payer, to: shop, amount: 5n }

const units = (amount: bigint) => nativeToScVal(amount, { type: 'i128' })

/** An event as a token publishes it. */
function event(name: string, addresses: readonly string[], data = units(5n), contract = token) {
  const topics = [xdr.ScVal.scvSymbol(name), ...addresses.map((one) => new Address(one).toScVal())]
  return new xdr.ContractEvent({
    ext: xdr.ExtensionPoint.v0(),
    contractId: new xdr.ContractId(new Address(contract).toBuffer()),
    type: xdr.ContractEventType.contract,
    body: xdr.ContractEventBody.v0(new xdr.ContractEventV0({ topics, data })),
  })
}

/** An amount for a part of an account. */
const marked = (id: bigint) =>
  nativeToScVal(
    { amount: 5n, to_muxed_id: id },
    { type: { amount: ['symbol', 'i128'], to_muxed_id: ['symbol', 'u64'] } },
  )

describe('a payment by its events', () => {
  const honest = event('transfer', [payer, shop])
  const muxed = encodeMuxedAccountToAddress(encodeMuxedAccount(shop, '7'))

  test('is the one transfer that is due', () => {
    expect(isOnly([honest], due)).toBe(true)
    expect(isOnly([event('approve', [payer, thief]), honest], due)).toBe(true)
    expect(isOnly([event('transfer', [payer, shop], marked(7n))], { ...due, to: muxed })).toBe(true)
  })

  test.each<[string, xdr.ContractEvent[]]>([
    ['nothing', []],
    ['another token', [event('transfer', [payer, shop], units(5n), other)]],
    ['another payer', [event('transfer', [thief, shop])]],
    ['another recipient', [event('transfer', [payer, thief])]],
    ['less', [event('transfer', [payer, shop], units(4n))]],
    ['more', [event('transfer', [payer, shop], units(6n))]],
    ['an amount of another type', [event('transfer', [payer, shop], xdr.ScVal.scvU32(5))]],
    ['a part of the recipient', [event('transfer', [payer, shop], marked(7n))]],
    ['it twice', [honest, honest]],
    ...['mint', 'burn', 'clawback'].map((name): [string, xdr.ContractEvent[]] => [
      `a ${name} besides`,
      [honest, event(name, [payer], units(1n), other)],
    ]),
  ])('is not %s', (_, events) => {
    expect(isOnly(events, due)).toBe(false)
  })

  test('to a part of an account is to no other part, and not to the whole', () => {
    const asked = { ...due, to: muxed }
    expect(isOnly([event('transfer', [payer, shop], marked(8n))], asked)).toBe(false)
    expect(isOnly([honest], asked)).toBe(false)
  })
})

describe('a rule at its edge', () => {
  const [now, ledger] = [1_000_000, 500]
  type Entry = { kind?: string; address?: string; expiration?: number }
  const given = (
    { maxTime = now + 60, isSponsored = true, left = 60 },
    entry: Entry = {},
    from = payer,
  ) =>
    ({
      now,
      ledger,
      transfer: { ...due, from },
      asked: {
        expires: new Date((now + left) * 1000).toISOString(),
        request: { methodDetails: { feePayer: isSponsored } },
      },
      signed: {
        tx: { source: payer, timeBounds: { maxTime: String(maxTime) } },
        auth: [{ kind: 'address', address: payer, expiration: ledger + 1, ...entry }],
      },
      sponsor: { addresses: [thief] },
    }) as unknown as Case

  test('of an agreement that is over with this ledger, or not yet', () => {
    expect(RULES.expiration(given({}, { expiration: ledger }))).toMatch(/is over/)
    expect(RULES.expiration(given({}, { expiration: ledger + 1 }))).toBeUndefined()
  })

  test('[stellar-charge-040] of an agreement that ends with the ledger of the draft, or after what may go by until it is looked at', () => {
    const [last, leeway] = [ledger + 12, 2]
    expect(RULES.expiration(given({}, { expiration: last }))).toBeUndefined()
    expect(RULES.expiration(given({}, { expiration: last + leeway }))).toBeUndefined()
    expect(RULES.expiration(given({}, { expiration: last + leeway + 1 }))).toMatch(/outlives/)
  })

  test('of a transaction that ends with its challenge, or a second later', () => {
    const own = { isSponsored: false }
    expect(RULES.time(given({ ...own, maxTime: now + 60 }))).toBeUndefined()
    expect(RULES.time(given({ ...own, maxTime: now + 61 }))).toMatch(/outlives/)
    expect(RULES.time(given({ ...own, maxTime: now - 1 }))).toMatch(/transaction is over/)
    expect(RULES.time(given({ left: 0 }))).toMatch(/challenge is over/)
  })

  test('of an agreement by another than who pays', () => {
    expect(RULES.authorization(given({}))).toBeUndefined()
    expect(RULES.authorization(given({}, { address: shop }))).toMatch(/another account/)
  })

  test('of a sponsor that pays, or only agrees', () => {
    expect(RULES.sponsor(given({}))).toBeUndefined()
    expect(RULES.sponsor(given({}, {}, thief))).toMatch(/takes from/)
    expect(RULES.sponsor(given({}, { address: thief }))).toMatch(/takes from/)
  })
})
