/**
 * Opening accounts: classic ones, and contracts that are accounts.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { Keypair, StrKey } from '@stellar/stellar-sdk'
import { signersOf } from './authorization.js'
import type { Ledger } from './ledger.js'
import { trap } from './trap.js'

/** What a new account is like. */
export type AccountTerms = {
  /** Stroops. Default: 10,000 lumens. */
  stroops?: bigint
  /** Default: a new key. */
  key?: Keypair
  /** Others who sign for it, with their weights; its own key weighs 1. */
  signers?: readonly { key: Keypair; weight: number }[]
  /** The weight that is needed. Default 1. */
  threshold?: number
}

/** What friendbot gives, in stroops. */
const gift = 10_000n * 10_000_000n

/** Opens an account, and returns its key. */
export function addAccount(ledger: Ledger, terms: AccountTerms = {}): Keypair {
  const { stroops = gift, key = Keypair.random(), signers = [], threshold = 1 } = terms
  ledger.state.accounts.set(key.publicKey(), {
    balance: stroops,
    // Where the sequence numbers of a new account begin.
    sequence: BigInt(ledger.sequence) << 32n,
    signers: new Map([
      [key.publicKey(), 1],
      ...signers.map(({ key, weight }) => [key.publicKey(), weight] as const),
    ]),
    threshold,
  })
  return key
}

/**
 * Gives an address lumens.
 *
 * @throws Error for what is no account or contract.
 */
export function addLumens(ledger: Ledger, address: string, stroops = gift): void {
  const { state } = ledger
  const account = state.accounts.get(address)
  if (account) state.accounts.set(address, { ...account, balance: account.balance + stroops })
  else if (StrKey.isValidEd25519PublicKey(address))
    addAccount(ledger, { key: Keypair.fromPublicKey(address), stroops })
  else throw new Error(`Only accounts can be funded, not ${address}: use lumens.mint.`)
}

/** Opens an account that is a contract, and returns its address. All of its signers must sign. */
export function addContractAccount(ledger: Ledger, signers: readonly Keypair[]): string {
  const id = StrKey.encodeContract(randomBytes(32))
  const needed = new Set(signers.map((key) => key.publicKey()))
  ledger.contracts.set(id, {
    id,
    run: ({ name }) => trap('WasmVm, MissingValue', `there is no function ${name}`),
    checkAuth(asked) {
      const signed = new Set(signersOf(asked))
      if ([...needed].some((key) => !signed.has(key)) || signed.size !== needed.size)
        trap('Auth, InvalidAction', 'the account did not agree')
    },
  })
  return id
}
