/**
 * Paying the fees of others: what is signed as their fee payer, how much it may cost, and how much of that in an hour.
 *
 * @module
 */
import { Errors, type Store } from '@polyrail/core'
import { recoverAddress } from '#secp256k1'
import { isAddressEqual, keccak256, parseSignature, type LocalAccount } from 'viem'
import { Transaction } from 'viem/tempo'
import { currencyOf, type Address, type Hex } from '../constants.js'
import type { Network } from '../network.js'
import { toBaseUnits } from './price.js'
import type { Envelope, Signed } from './transaction.js'

const { z_TxEnvelopeTempo: TxEnvelope } = Transaction

/** Who pays fees, and how much at most. */
export interface Sponsor {
  account: Sponsor.Account
  feeToken: Address
  limits: Sponsor.Limits
  budget: Budget
}

export declare namespace Sponsor {
  /** As much of a viem account as is used: it may sign elsewhere, and needs no more than a hash. */
  type Account = Pick<LocalAccount, 'address'> & {
    sign?: ((parameters: { hash: Hex }) => Promise<Hex>) | undefined
  }
  type Options = {
    account: Account
    /** TIP-20 token that pays fees. Left out: USDC.e on mainnet, pathUSD elsewhere. */
    feeToken?: Address | undefined
    /** Most that one transaction may cost, in whole units: `'0.05'`. */
    maxFee?: string | undefined
    /** Most gas of one transaction. Left out: 500,000, 350,000 for each transfer and 900,000 for a swap. */
    maxGas?: bigint | undefined
    /** Most seconds that a transaction may be valid for: 60. */
    maxValidity?: number | undefined
    /** Most that all transactions, and those of one payer, may cost in so many seconds: `{ total: '10', payer: '0.5', seconds: 3600 }`. */
    budget?: { total?: string; payer?: string; seconds?: number } | undefined
  }
  type Limits = {
    /** Base units of the fee token. */
    maxFee: bigint
    maxGas: bigint | undefined
    /** Seconds. */
    maxValidity: number
  }
}

/** Base units of the fee token, in any `seconds` on end. */
type Budget = { total: bigint; payer: bigint; seconds: number }

/**
 * Reads the options of a fee payer.
 *
 * @throws TypeError for an account that cannot sign, or an amount that is none.
 */
export function createSponsor(given: Sponsor.Options | Sponsor.Account, chainId: number): Sponsor {
  const options = 'account' in given ? given : { account: given }
  const { account, maxFee = '0.05', maxGas, maxValidity = 60, feeToken } = options
  if (typeof account?.sign !== 'function')
    throw new TypeError(
      'tempo/charge: feePayer must sign hashes: make it with privateKeyToAccount, or with toAccount and a `sign` of its own.',
    )
  if (!(maxValidity > 0)) throw new TypeError('tempo/charge: feePayer.maxValidity must be above 0.')
  return {
    account,
    feeToken: feeToken ?? currencyOf(chainId),
    limits: { maxFee: BigInt(toBaseUnits(maxFee)), maxGas, maxValidity },
    budget: budgetOf(options.budget ?? {}),
  }
}

/** @throws TypeError for an amount that is none, or no time. */
function budgetOf({
  total = '10',
  payer = '0.5',
  seconds = 3600,
}: NonNullable<Sponsor.Options['budget']>): Budget {
  if (!(seconds >= 1))
    throw new TypeError('tempo/charge: feePayer.budget.seconds must be 1 or more.')
  return { total: BigInt(toBaseUnits(total)), payer: BigInt(toBaseUnits(payer)), seconds }
}

/** A transaction as it may be broadcast. */
export type Complete = { raw: Hex; hash: Hex }

/**
 * Signs a transaction as its fee payer.
 *
 * @see Tempo charge draft, Server-Paid Fees
 */
export async function cosign(
  { envelope, signer }: Signed,
  { account, feeToken }: Sponsor,
): Promise<Complete> {
  if (!signer || !account.sign) throw new TypeError('A sender and a signer are needed to cosign.')
  const unsigned: Envelope = { ...envelope, feeToken, feePayerSignature: null }
  const payload = TxEnvelope.getFeePayerSignPayload(TxEnvelope.from(unsigned), {
    sender: signer.account,
  })
  const { r, s, yParity } = parseSignature(await account.sign({ hash: payload }))
  const feePayerSignature = { r: BigInt(r), s: BigInt(s), yParity }
  // A signer elsewhere may be at fault; the payer, whom the chain would refuse for it, is not.
  if (!isAddressEqual(recoverAddress(payload, feePayerSignature), account.address))
    throw new Error(`tempo/charge: the fee payer ${account.address} did not sign as itself.`)
  const signed: Envelope = { ...envelope, feeToken, feePayerSignature }
  const raw = TxEnvelope.serialize(signed)
  return { raw, hash: keccak256(raw) }
}

/** Money set aside for a fee that is not known yet. */
export type Reservation = {
  /** Gives back what is above the fee that it came to be. */
  settle(fee: bigint): Promise<void>
}

/** The budget counts by sixtieths of its time, one more than fit, so that it never counts too little. */
const SLOTS = 60

/**
 * Sets aside what a transaction may cost.
 *
 * @param most - Base units of the fee token.
 * @returns `undefined` when the budget, or the payer's part of it, does not hold it.
 */
export async function reserve(
  { account, budget }: Sponsor,
  { payer, most, store }: { payer: Address; most: bigint; store: Store.Store },
): Promise<Reservation | undefined> {
  const slot = Math.floor((Date.now() / 1000 / budget.seconds) * SLOTS)
  const key = `fees:${account.address.toLowerCase()}`
  const book = (name: string, limit: bigint, amount: bigint): Promise<boolean> =>
    enter(store, { key: `${key}:${name}`, limit, amount, slot, ttl: budget.seconds * 2 })
  const entries = [
    [payer.toLowerCase(), budget.payer],
    ['all', budget.total],
  ] as const
  for (const [index, [name, limit]] of entries.entries()) {
    if (await book(name, limit, most)) continue
    for (const [earlier, its] of entries.slice(0, index)) await book(earlier, its, -most)
    return undefined
  }
  return {
    async settle(fee) {
      if (fee < most) for (const [name, limit] of entries) await book(name, limit, fee - most)
    },
  }
}

type Entry = { key: string; limit: bigint; amount: bigint; slot: number; ttl: number }

/** Adds an amount to what was spent, if the limit allows it; what is given back always is. */
async function enter(
  store: Store.Store,
  { key, limit, amount, slot, ttl }: Entry,
): Promise<boolean> {
  let fits = false
  await store.update(
    key,
    (current) => {
      const spent = new Map(
        Object.entries((current ?? {}) as Record<string, string>).filter(
          ([at]) => Number(at) >= slot - SLOTS,
        ),
      )
      const sum = [...spent.values()].reduce((total, part) => total + BigInt(part), amount)
      fits = amount <= 0n || sum <= limit
      if (!fits) return undefined
      spent.set(String(slot), String(BigInt(spent.get(String(slot)) ?? 0) + amount))
      return Object.fromEntries(spent)
    },
    { ttl },
  )
  return fits
}

/** Milliseconds for which a balance is believed. */
const FRESH = 10_000

/**
 * Watches what the fee payer still holds.
 *
 * @returns A check that rejects with `settlement-unavailable` when it is less than one transaction may cost.
 * @see Tempo charge draft, Server Requirements
 */
export function watchBalance(
  { account, feeToken, limits }: Sponsor,
  network: Network,
): (signal: AbortSignal) => Promise<void> {
  let seen: { balance: bigint; until: number } | undefined
  return async (signal) => {
    if (!seen || seen.until < Date.now()) {
      const balance = await network.readBalance(
        { token: feeToken, owner: account.address },
        { signal },
      )
      seen = { balance, until: Date.now() + FRESH }
    }
    if (seen.balance < limits.maxFee)
      throw new Errors.PaymentError('settlement-unavailable', {
        detail: 'This server cannot pay fees at the moment.',
      })
  }
}
