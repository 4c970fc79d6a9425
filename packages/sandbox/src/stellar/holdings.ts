/**
 * Where a token's balances are: in its own entries, in trustlines, or in the accounts themselves.
 *
 * @module
 */
import { type Asset, StrKey } from '@stellar/stellar-sdk'
import type { Call } from './call.js'
import { accountKey, balanceKey, trustlineKey } from './keys.js'
import { spendable, type State } from './state.js'
import { trap } from './trap.js'

/** The most that an i128 holds. */
const mostI128 = 2n ** 127n - 1n
/** The most that a classic account holds of an asset. */
export const mostI64 = 2n ** 63n - 1n

type Place = Pick<Call, 'state' | 'touch'>

/** Reads and changes what somebody holds. */
export type Holdings = {
  read: (place: Place, owner: string) => bigint
  /** Adds an amount, negative to take it away; a trap when that cannot be. */
  add: (place: Place, owner: string, amount: bigint) => void
}

const overdrawn = (has: bigint, amount: bigint): never =>
  trap('Contract, #10', `balance is not sufficient to spend: ${has} < ${-amount}`)

/** Balances that a contract keeps itself. */
export function ownHoldings(contract: string): Holdings {
  const read = ({ state, touch }: Place, owner: string) => {
    touch(balanceKey(contract, owner), 'read')
    return state.balances.get(`${contract} ${owner}`) ?? 0n
  }
  return {
    read,
    add(place, owner, amount) {
      const has = read(place, owner)
      if (has + amount < 0n) overdrawn(has, amount)
      if (has + amount > mostI128) trap('Object, ArithDomain', 'overflow')
      place.touch(balanceKey(contract, owner), 'write')
      place.state.balances.set(`${contract} ${owner}`, has + amount)
    },
  }
}

/** Balances of a Stellar asset: accounts hold it in trustlines, or as lumens; contracts in entries of the asset's contract. */
export function assetHoldings(contract: string, asset: Asset): Holdings {
  const own = ownHoldings(contract)
  const classic = asset.isNative() ? lumens : trustlines(asset)
  const of = (owner: string) => (StrKey.isValidEd25519PublicKey(owner) ? classic : own)
  return {
    read: (place, owner) => of(owner).read(place, owner),
    add: (place, owner, amount) => of(owner).add(place, owner, amount),
  }
}

const lumens: Holdings = {
  read({ state, touch }, owner) {
    touch(accountKey(owner), 'read')
    return state.accounts.get(owner)?.balance ?? 0n
  },
  add({ state, touch }, owner, amount) {
    touch(accountKey(owner), 'write')
    const account = state.accounts.get(owner)
    if (account === undefined) return trap('Contract, #6', `account entry is missing: ${owner}`)
    if (amount < 0n && spendable(state, owner) + amount < 0n)
      overdrawn(spendable(state, owner), amount)
    state.accounts.set(owner, { ...account, balance: account.balance + amount })
  },
}

function trustlines(asset: Asset): Holdings {
  const name = asset.toString()
  return {
    read({ state, touch }, owner) {
      if (owner === asset.issuer) return mostI64
      touch(trustlineKey(owner, asset), 'read')
      return state.trustlines.get(`${owner} ${name}`)?.balance ?? 0n
    },
    add({ state, touch }, owner, amount) {
      // Whoever issues an asset has no end of it.
      if (owner === asset.issuer) return
      touch(trustlineKey(owner, asset), 'write')
      const line = findLine(state, owner, name)
      const balance = line.balance + amount
      if (balance < 0n) overdrawn(line.balance, amount)
      if (balance > line.limit) trap('Contract, #10', 'balance exceeds the trustline limit')
      state.trustlines.set(`${owner} ${name}`, { ...line, balance })
    },
  }
}

function findLine(state: State, owner: string, name: string) {
  if (!state.accounts.has(owner)) trap('Contract, #6', `account entry is missing: ${owner}`)
  const line = state.trustlines.get(`${owner} ${name}`)
  if (line === undefined)
    return trap('Contract, #13', `trustline entry is missing for account ${owner}`)
  if (!line.isAuthorized) trap('Contract, #11', `balance of ${owner} is deauthorized`)
  return line
}
