/**
 * What the ledger holds. Every value is replaced, never changed, so that a shallow copy is a snapshot.
 *
 * @module
 */

/** A classic account. */
export type Account = {
  readonly sequence: bigint
  /** Stroops. */
  readonly balance: bigint
  /** Weights by public key; the account's own key is one of them. */
  readonly signers: ReadonlyMap<string, number>
  /** The weight that a payment, or an authorization of a contract call, needs. */
  readonly threshold: number
}

/** What an account holds of an issued asset. */
export type Trustline = {
  readonly balance: bigint
  readonly limit: bigint
  readonly isAuthorized: boolean
}

/** What somebody may spend for somebody else. */
export type Allowance = { readonly amount: bigint; readonly liveUntil: number }

/** The entries of the ledger. */
export type State = {
  accounts: Map<string, Account>
  /** By `<account> <asset>`. */
  trustlines: Map<string, Trustline>
  /** What contracts keep of balances, by `<contract> <owner>`. */
  balances: Map<string, bigint>
  /** By `<contract> <owner> <spender>`. */
  allowances: Map<string, Allowance>
  /** Used nonces by `<address> <nonce>`, with the ledger in which they are forgotten. */
  nonces: Map<string, number>
}

/** A ledger without entries. */
export function createState(): State {
  return {
    accounts: new Map(),
    trustlines: new Map(),
    balances: new Map(),
    allowances: new Map(),
    nonces: new Map(),
  }
}

/** A copy that can be changed without the original. */
export function fork(state: State): State {
  return {
    accounts: new Map(state.accounts),
    trustlines: new Map(state.trustlines),
    balances: new Map(state.balances),
    allowances: new Map(state.allowances),
    nonces: new Map(state.nonces),
  }
}

/** Half a lumen, of which an account must keep two, and one more for each trustline and further signer. */
const baseReserve = 5_000_000n

/** Stroops that an account can spend. */
export function spendable(state: State, address: string): bigint {
  const account = state.accounts.get(address)
  if (account === undefined) return 0n
  return account.balance - BigInt(2 + entriesOf(state, address)) * baseReserve
}

/** How many entries of others hang on an account. */
export function entriesOf(state: State, address: string): number {
  const lines = [...state.trustlines.keys()].filter((key) => key.startsWith(`${address} `))
  return lines.length + (state.accounts.get(address)?.signers.size ?? 1) - 1
}
