/**
 * Paying the fees of others: from which accounts, how much at most, and how much of that in an hour.
 *
 * @module
 */
import { Errors, type Store } from '@polyrail/core'
import { BID, DECIMALS } from '../constants.js'
import type { Network } from '../network.js'
import { checkSigner, type Signer } from '../signer.js'
import { toBaseUnits } from './price.js'
import { createTurns, type Turns } from './turns.js'

/** Who pays fees, and how much at most. Amounts are stroops. */
export interface Sponsor {
  /** Whose sequence numbers are used. */
  sources: readonly Signer[]
  /** Who pays the fees of the sources by fee bumps, if somebody does. */
  feeBump: Signer | undefined
  /** All of them. */
  addresses: readonly string[]
  bid: bigint
  /** Most that one transaction may cost. */
  maxFee: bigint
  budget: Budget
  /** Each source sends one transaction at a time: the network takes one a ledger. */
  turns: Turns<Signer>
  /** The last sequence numbers that are known to be used. */
  sequences: Map<string, bigint>
}

export declare namespace Sponsor {
  type Options = {
    /** Whose sequence numbers are used, and who pays the fees unless `feeBump` does. Each of them sends one payment a ledger. */
    account: Signer | readonly Signer[]
    /** Pays the fees by fee bumps around the transactions of `account`. */
    feeBump?: Signer | undefined
    /** Stroops bid for being in a ledger: 1,000. More than others bid is not charged. */
    bid?: bigint | undefined
    /** Most lumens that one transaction may cost: '0.1'. */
    maxFee?: string | undefined
    /** Most lumens that all transactions, and those of one payer, may cost in so many seconds: `{ total: '10', payer: '0.5', seconds: 3600 }`. */
    budget?: { total?: string; payer?: string; seconds?: number } | undefined
  }
}

/** Stroops in any `seconds` on end. */
type Budget = { total: bigint; payer: bigint; seconds: number }

/**
 * Reads the options of who pays fees.
 *
 * @throws TypeError for an account that cannot sign, or an amount that is none.
 */
export function createSponsor(given: Sponsor.Options | Signer): Sponsor {
  const options: Sponsor.Options =
    typeof given === 'object' && given !== null && 'account' in given ? given : { account: given }
  const { account, feeBump, bid = BID, maxFee = '0.1', budget = {} } = options
  const sources: readonly Signer[] = Array.isArray(account) ? account : [account]
  if (typeof bid !== 'bigint' || bid < 100n)
    throw new TypeError('stellar/charge: feePayer.bid is 100 stroops or more, as bigint: 1000n.')
  return {
    sources,
    feeBump,
    addresses: addressesOf(feeBump ? [...sources, feeBump] : sources),
    // A fee bump counts as an operation of its own.
    bid: feeBump ? bid * 2n : bid,
    maxFee: stroopsOf(maxFee, 'feePayer.maxFee'),
    budget: budgetOf(budget),
    turns: createTurns(sources),
    sequences: new Map(),
  }
}

function addressesOf(signers: readonly Signer[]): readonly string[] {
  for (const signer of signers) checkSigner(signer, 'feePayer')
  const addresses = new Set(signers.map((signer) => signer.publicKey()))
  if (addresses.size === 0 || addresses.size < signers.length)
    throw new TypeError(
      'stellar/charge: feePayer must name one account, or several different ones.',
    )
  return [...addresses]
}

function budgetOf({
  total = '10',
  payer = '0.5',
  seconds = 3600,
}: NonNullable<Sponsor.Options['budget']>): Budget {
  if (!(seconds >= 1))
    throw new TypeError('stellar/charge: feePayer.budget.seconds must be 1 or more.')
  return {
    total: stroopsOf(total, 'feePayer.budget.total'),
    payer: stroopsOf(payer, 'feePayer.budget.payer'),
    seconds,
  }
}

const stroopsOf = (lumens: string, option: string): bigint =>
  BigInt(toBaseUnits(lumens, DECIMALS, option))

/** Money set aside for a fee that is not known yet; JSON, to be written down. */
export type Reservation = { payer: string; most: string; slot: number }

/** The budget counts by sixtieths of its time, one more than fit, so that it never counts too little. */
const SLOTS = 60

/**
 * Sets aside what a transaction may cost.
 *
 * @param most - Stroops.
 * @returns `undefined` when the budget, or the payer's part of it, does not hold it.
 */
export async function reserve(
  sponsor: Sponsor,
  { payer, most, store }: { payer: string; most: bigint; store: Store.Store },
): Promise<Reservation | undefined> {
  const slot = Math.floor((Date.now() / 1000 / sponsor.budget.seconds) * SLOTS)
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
function accountsOf({ addresses, budget }: Sponsor, { payer, slot }: Reservation) {
  const key = `fees:${addresses[addresses.length - 1]}`
  const rest = { slot, ttl: budget.seconds * 2 }
  return [
    { key: `${key}:${payer}`, limit: budget.payer, ...rest },
    { key: `${key}:all`, limit: budget.total, ...rest },
  ] as const
}

type Entry = { key: string; limit: bigint; amount: bigint; slot: number; ttl: number }

/** Adds an amount to what was spent, if the limit allows it; what is given back always is. */
async function enter(
  store: Store.Store,
  { key, limit, amount, slot, ttl }: Entry,
): Promise<boolean> {
  let isWithin = false
  const change = (current: unknown) => {
    const parts = Object.entries(Object(current ?? {})).flatMap(([at, part]) =>
      Number(at) >= slot - SLOTS ? [[at, BigInt(String(part))] as const] : [],
    )
    const sum = parts.reduce((total, [, part]) => total + part, amount)
    isWithin = amount <= 0n || sum <= limit
    if (!isWithin) return undefined
    const spent = new Map<string, bigint>(parts)
    spent.set(String(slot), (spent.get(String(slot)) ?? 0n) + amount)
    return Object.fromEntries([...spent].map(([at, part]) => [at, String(part)]))
  }
  await store.update(key, change, { ttl })
  return isWithin
}

/** Milliseconds for which a balance is believed. */
const FRESH = 10_000

/**
 * Watches what the fee payer still holds.
 *
 * @returns A check that rejects with `settlement-unavailable` when it is less than one transaction may cost.
 * @see Stellar charge draft, Server-Sponsored Fees
 */
export function watchBalance(
  { feeBump, sources, maxFee }: Sponsor,
  network: Network,
): () => Promise<void> {
  const payers = feeBump ? [feeBump] : sources
  let seen: { stroops: Promise<bigint>; until: number } | undefined
  /** What the poorest of them holds. */
  const look = async (): Promise<bigint> => {
    // The SDK is needed only where fees are paid.
    const { readAccount } = await import('./account.js')
    const accounts = await Promise.all(
      payers.map((payer) => readAccount(payer.publicKey(), network, {})),
    )
    const held = accounts.map((account) => account?.spendable ?? 0n)
    return held.reduce((least, one) => (one < least ? one : least))
  }
  return async () => {
    if (!seen || seen.until < Date.now()) {
      const looking = { stroops: look(), until: Date.now() + FRESH }
      seen = looking
      looking.stroops.catch(() => (looking.until = 0))
    }
    if ((await seen.stroops) < maxFee)
      throw new Errors.PaymentError('settlement-unavailable', {
        detail: 'This server cannot pay fees at the moment.',
      })
  }
}
