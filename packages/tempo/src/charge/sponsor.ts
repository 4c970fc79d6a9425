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
import { checkChecksum, toBaseUnits } from './price.js'
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
    /** Tempo's fee payers sign with secp256k1. */
    keyType?: string | undefined
  }
  type Options = {
    account: Account
    /** TIP-20 token that pays fees. Left out: USDC.e on mainnet, pathUSD elsewhere. */
    feeToken?: Address | undefined
    /** Most that one transaction may cost, in whole units. Left out: 0.05, 0.02 for each transfer after the first and 0.05 for a swap. */
    maxFee?: string | undefined
    /** Most gas of one transaction. Left out: 500,000, 350,000 for each transfer and 900,000 for a swap. */
    maxGas?: bigint | undefined
    /** Most that gas may cost, and of that the tip, in 10^-18 units: 100 and 10 · 10^9. The chain's own price is 20 · 10^9. */
    maxFeePerGas?: bigint | undefined
    maxPriorityFeePerGas?: bigint | undefined
    /** Most seconds that a transaction may be valid for: 60. */
    maxValidity?: number | undefined
    /** Most that all transactions, and those of one payer, may cost in so many seconds: `{ total: '10', payer: '0.5', seconds: 3600 }`. */
    budget?: { total?: string; payer?: string; seconds?: number } | undefined
  }
  type Limits = {
    /** Base units of the fee token; what grows with the payment, where it is left out. */
    maxFee: bigint | undefined
    maxGas: bigint | undefined
    maxFeePerGas: bigint
    maxPriorityFeePerGas: bigint
    /** Seconds. */
    maxValidity: number
  }
}

/** Base units of the fee token, in any `seconds` on end. */
type Budget = { total: bigint; payer: bigint; seconds: number }

const GWEI = 10n ** 9n

/**
 * Reads the options of a fee payer.
 *
 * @throws TypeError for an account that cannot sign, or an amount that is none. It repeats nothing that it was given: that
 * may be a private key.
 */
export function createSponsor(given: Sponsor.Options | Sponsor.Account, chainId: number): Sponsor {
  if (typeof given !== 'object')
    throw new TypeError(
      'tempo/charge: feePayer must be a viem account, such as privateKeyToAccount makes of a key.',
    )
  const options: Sponsor.Options = 'account' in given ? given : { account: given }
  const { account, feeToken = currencyOf(chainId), maxFee } = options
  checkAccount(account)
  checkChecksum(feeToken, 'feePayer.feeToken')
  return {
    account,
    feeToken,
    limits: { ...limitsOf(options), maxFee: maxFee === undefined ? undefined : unitsOf(maxFee) },
    budget: budgetOf(options.budget ?? {}),
  }
}

function checkAccount({ sign, keyType = 'secp256k1' }: Sponsor.Account): void {
  if (typeof sign !== 'function')
    throw new TypeError(
      'tempo/charge: feePayer must sign hashes: make it with privateKeyToAccount, or with toAccount and a `sign` of its own.',
    )
  if (keyType !== 'secp256k1')
    throw new TypeError(
      `tempo/charge: feePayer signs with ${keyType}, and the chain takes secp256k1 signatures of fee payers only.`,
    )
}

function limitsOf({
  maxGas,
  maxFeePerGas = 100n * GWEI,
  maxPriorityFeePerGas = 10n * GWEI,
  maxValidity = 60,
}: Sponsor.Options) {
  if (!(maxValidity > 0)) throw new TypeError('tempo/charge: feePayer.maxValidity must be above 0.')
  return { maxGas, maxFeePerGas, maxPriorityFeePerGas, maxValidity }
}

/** @throws TypeError for an amount that is none, or no time. */
function budgetOf({
  total = '10',
  payer = '0.5',
  seconds = 3600,
}: NonNullable<Sponsor.Options['budget']>): Budget {
  if (!(seconds >= 1))
    throw new TypeError('tempo/charge: feePayer.budget.seconds must be 1 or more.')
  return { total: unitsOf(total), payer: unitsOf(payer), seconds }
}

const unitsOf = (amount: string): bigint => BigInt(toBaseUnits(amount))

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

/** Money set aside for a fee that is not known yet; JSON, to be written down. */
export type Reservation = { payer: Address; most: string; slot: number }

/** The budget counts by sixtieths of its time, one more than fit, so that it never counts too little. */
const SLOTS = 60

/**
 * Sets aside what a transaction may cost.
 *
 * @param most - Base units of the fee token.
 * @returns `undefined` when the budget, or the payer's part of it, does not hold it.
 */
export async function reserve(
  sponsor: Sponsor,
  { payer, most, store }: { payer: Address; most: bigint; store: Store.Store },
): Promise<Reservation | undefined> {
  const { seconds } = sponsor.budget
  const slot = Math.floor((Date.now() / 1000 / seconds) * SLOTS)
  const reservation = { payer, most: String(most), slot }
  const [own, all] = accountsOf(sponsor, reservation)
  if (!(await enter(store, { ...own, amount: most }))) return undefined
  if (await enter(store, { ...all, amount: most })) return reservation
  await enter(store, { ...own, amount: -most })
  return undefined
}

/** Gives back what was set aside above the fee that it came to be. */
export async function giveBack(
  sponsor: Sponsor,
  { reservation, fee, store }: { reservation: Reservation; fee: bigint; store: Store.Store },
): Promise<void> {
  const amount = fee - BigInt(reservation.most)
  if (amount >= 0n) return
  for (const account of accountsOf(sponsor, reservation)) await enter(store, { ...account, amount })
}

/** The payer's part of the budget, and the whole. */
function accountsOf({ account, budget }: Sponsor, { payer, slot }: Reservation) {
  const key = `fees:${account.address.toLowerCase()}`
  const rest = { slot, ttl: budget.seconds * 2 }
  return [
    { key: `${key}:${payer.toLowerCase()}`, limit: budget.payer, ...rest },
    { key: `${key}:all`, limit: budget.total, ...rest },
  ] as const
}

/** Seconds for which a payment counts as on its way; longer than it can be. */
const UNDER_WAY = 90
/** Seconds for which the account of them is kept, whatever the challenge's life. */
const KEPT = 86_400

/**
 * Keeps a payer from promising the same money twice: what is on its way already is not there to be paid.
 *
 * @param has - What the payer has to pay with, in base units of the currency.
 * @returns What ends it, or `undefined` when there is too little.
 */
export async function hold(
  store: Store.Store,
  { payer, token, amount, has }: { payer: Address; token: Address; amount: bigint; has: bigint },
): Promise<(() => Promise<unknown>) | undefined> {
  const slot = Math.floor((Date.now() / 1000 / UNDER_WAY) * SLOTS)
  const key = `held:${payer.toLowerCase()}:${token.toLowerCase()}`
  const account = { key, limit: has, slot, ttl: KEPT }
  const isHeld = await enter(store, { ...account, amount })
  return isHeld ? () => enter(store, { ...account, amount: -amount }) : undefined
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

/** Base units that a fee payer without a limit of its own must hold: what one plain payment may cost. */
const LEAST = 50_000n

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
    if (seen.balance < (limits.maxFee ?? LEAST))
      throw new Errors.PaymentError('settlement-unavailable', {
        detail: 'This server cannot pay fees at the moment.',
      })
  }
}
