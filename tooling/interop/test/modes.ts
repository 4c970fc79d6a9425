/**
 * The ways in which a Tempo charge is paid.
 *
 * @module
 */
import type { Hex } from 'viem'
import type { Name } from './ledger.js'

/** What a route asks, how it is paid, and what must come of it. */
export type Mode = {
  name: string
  amount: string
  splits?: readonly { amount: string; to: Name; memo?: Hex }[]
  /** Whether the payer broadcasts. Left out: the server does. */
  push?: true
  /** The payload of the credential. */
  type: 'transaction' | 'hash' | 'proof'
  /** Who gets what, in base units, in the order of the transfers. */
  pays: Partial<Record<Name, bigint>>
  /** Who pays the fee; nobody does for what stays off the chain. */
  fee?: 'payer' | 'sponsor'
}

const whole = { amount: '0.03', pays: { shop: 30_000n } }

const inPull = { type: 'transaction', fee: 'payer' } as const

export const pull: Mode = { name: 'pull', ...whole, ...inPull }

export const modes: readonly Mode[] = [pull]
