/**
 * Identifiers in Stripe's shapes.
 *
 * @module
 */
import { randomInt } from 'node:crypto'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Random letters and digits. */
export function randomLetters(length: number): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

/** Begins of ids, by what they name. */
const prefixes = {
  account: 'acct_1',
  applicationFee: 'fee_1',
  balanceTransaction: 'txn_3',
  charge: 'ch_3',
  paymentIntent: 'pi_3',
  paymentMethod: 'pm_1',
  profile: 'profile_test_6',
  refund: 're_3',
  request: 'req_',
  token: 'spt_1',
  transfer: 'tr_3',
} as const

/** A new id. */
export function newId(kind: keyof typeof prefixes): string {
  return prefixes[kind] + randomLetters(kind === 'request' ? 14 : kind === 'account' ? 15 : 23)
}
