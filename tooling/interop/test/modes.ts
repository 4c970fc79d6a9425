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

const split = {
  amount: '0.03',
  splits: [
    { amount: '0.01', to: 'partner' },
    { amount: '0.005', to: 'affiliate', memo: `0x${'ab'.repeat(32)}` },
  ],
  pays: { shop: 15_000n, partner: 10_000n, affiliate: 5_000n },
} as const

const inPull = { type: 'transaction', fee: 'payer' } as const
const inPush = { type: 'hash', push: true, fee: 'payer' } as const
const sponsoring = { type: 'transaction', fee: 'sponsor' } as const

export const pull: Mode = { name: 'pull', ...whole, ...inPull }
export const push: Mode = { name: 'push', ...whole, ...inPush }
export const proof: Mode = { name: 'proof', amount: '0', pays: {}, type: 'proof' }
export const sponsored: Mode = { name: 'sponsored', ...whole, ...sponsoring }

export const modes: readonly Mode[] = [
  pull,
  push,
  proof,
  sponsored,
  { name: 'splits, pull', ...split, ...inPull },
  { name: 'splits, push', ...split, ...inPush },
  { name: 'splits, sponsored', ...split, ...sponsoring },
]
