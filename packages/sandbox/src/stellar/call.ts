/**
 * A contract call as the contract sees it.
 *
 * @module
 */
import type { xdr } from '@stellar/stellar-sdk'
import type { State } from './state.js'

/** A call under way. What it does is undone when it, or what called it, fails. */
export type Call = {
  /** The contract that is called. */
  readonly contract: string
  readonly name: string
  readonly args: readonly xdr.ScVal[]
  /** The contract that calls it, if one does. */
  readonly caller: Call | undefined
  readonly state: State
  /** The ledger in which it runs. */
  readonly ledger: number
  /** Demands that an address has agreed to this very call. */
  requireAuth: (address: string) => void
  /** Publishes an event of this contract. */
  emit: (topics: readonly xdr.ScVal[], data: xdr.ScVal) => void
  /** Calls another contract. One that is at work already cannot be entered again. */
  invoke: (contract: string, name: string, args: readonly xdr.ScVal[]) => xdr.ScVal
  /** Says which entry it reads or writes. */
  touch: (key: xdr.LedgerKey, access: 'read' | 'write') => void
  /** Books that money of this token has moved. */
  book: (moved: Moved) => void
}

/** Money of a token that went from one address to another. */
export type Moved = { from: string; to: string; amount: bigint }

/** Code on the ledger. */
export type Contract = {
  readonly id: string
  /** Carries out a call; a {@link Trap} ends it. */
  run: (call: Call) => xdr.ScVal | void
  /** For contracts that are accounts: whether they agree, by a trap if not. */
  checkAuth?: (asked: { payload: Uint8Array; signature: xdr.ScVal }) => void
}
