/**
 * What the local Stripe knows: accounts, tokens, payments, charges, refunds, and the time.
 *
 * @module
 */
import { newId, randomLetters } from './identifiers.js'
import { findTestMethod, type TestMethod } from './test-methods.js'

/** A business at Stripe, with keys and a profile by which agents find it. */
export type Account = {
  /** `acct_…` */
  readonly id: string
  /** The profile that tokens are granted to: `profile_test_…`. */
  readonly networkId: string
  /** `sk_test_…` */
  readonly secretKey: string
  /** `pk_test_…` */
  readonly publishableKey: string
  /** The platform that may act for this account. */
  readonly platform?: Account
  /** Whether payments may be transferred to it. */
  readonly transfers: boolean
}

/** A payment method of one account, made from a test method. */
export type PaymentMethod = { id: string; created: number; account: Account; from: TestMethod }

/** A Shared Payment Token, which its issuer and its seller each see in a form of their own. */
export type Token = {
  id: string
  issuer: Account | undefined
  /** The seller's profile. */
  seller: string
  externalId: string | undefined
  method: TestMethod
  /** The payment method's id as its issuer named it. */
  methodId: string
  currency: string
  maxAmount: bigint
  /** Seconds since 1970; undefined never. */
  expiresAt: number | undefined
  created: number
  returnUrl: string | undefined
  metadata: Record<string, string>
  captured: bigint
  /** What its payments have taken of the limit: those under way and authorised as well as the captured. */
  spent: bigint
  deactivated: { at: number; reason: DeactivatedReason } | undefined
}

/** Why a token can no longer be used. */
export type DeactivatedReason = 'consumed' | 'expired' | 'resolved' | 'revoked'

/** Where a PaymentIntent stands. */
export type PaymentStatus =
  | 'canceled'
  | 'processing'
  | 'requires_action'
  | 'requires_capture'
  | 'requires_confirmation'
  | 'requires_payment_method'
  | 'succeeded'

/** What the creator of a payment asked for. */
export type PaymentTerms = {
  amount: bigint
  currency: string
  captureMethod: 'automatic' | 'automatic_async' | 'manual'
  confirmationMethod: 'automatic' | 'manual'
  /** The types that are taken; undefined when Stripe chooses. */
  types: readonly string[] | undefined
  allowRedirects: 'always' | 'never'
  metadata: Record<string, string>
  description: string | undefined
  receiptEmail: string | undefined
  returnUrl: string | undefined
  descriptor: string | undefined
  descriptorSuffix: string | undefined
  applicationFee: bigint | undefined
  onBehalfOf: string | undefined
  transfer: { destination: Account; amount: bigint | undefined } | undefined
  transferGroup: string | undefined
}

/** A PaymentIntent. */
export type Payment = PaymentTerms & {
  id: string
  secret: string
  account: Account
  created: number
  status: PaymentStatus
  token: Token | undefined
  method: PaymentMethod | undefined
  charges: Charge[]
  received: bigint
  /** The API's `last_payment_error`. */
  lastError: object | null
  canceled: { at: number; reason: string | null } | undefined
}

/** An attempt to charge. */
export type Charge = {
  id: string
  payment: Payment
  method: PaymentMethod
  token: Token | undefined
  amount: bigint
  created: number
  status: 'failed' | 'pending' | 'succeeded'
  isCaptured: boolean
  captured: bigint
  refunded: bigint
  failure: { code: string; message: string; network: string; reason: string } | undefined
  entry: Entry | undefined
  transferId: string | undefined
  feeId: string | undefined
}

/** Money given back. */
export type Refund = {
  id: string
  charge: Charge
  amount: bigint
  created: number
  reason: string | null
  metadata: Record<string, string>
  entry: Entry
}

/** A balance transaction: what an account gained or, when negative, lost. */
export type Entry = {
  id: string
  account: Account
  type:
    | 'application_fee'
    | 'application_fee_refund'
    | 'charge'
    | 'payment'
    | 'payment_refund'
    | 'refund'
    | 'transfer'
    | 'transfer_refund'
  amount: bigint
  /** What Stripe and the platform took of it. */
  fees: readonly { type: 'application_fee' | 'stripe_fee'; amount: bigint }[]
  currency: string
  source: string
  created: number
}

/** Everything there is. */
export type World = {
  accounts: Map<string, Account>
  tokens: Map<string, Token>
  methods: Map<string, PaymentMethod>
  payments: Map<string, Payment>
  charges: Map<string, Charge>
  refunds: Map<string, Refund>
  entries: Map<string, Entry>
  /** Seconds since 1970: this machine's, plus what {@link World.advance} added. */
  now: () => number
  advance: (seconds: number) => void
}

/** Opens a world without anybody in it. */
export function openWorld(): World {
  let travelled = 0
  return {
    accounts: new Map(),
    tokens: new Map(),
    methods: new Map(),
    payments: new Map(),
    charges: new Map(),
    refunds: new Map(),
    entries: new Map(),
    now: () => Math.floor(Date.now() / 1000) + travelled,
    advance: (seconds) => void (travelled += seconds),
  }
}

/** Opens an account. */
export function addAccount(world: World, options: Partial<Account> = {}): Account {
  const id = options.id ?? newId('account')
  const ending = `51${id.slice(6)}${randomLetters(60)}`
  const account: Account = {
    id,
    networkId: newId('profile'),
    secretKey: `sk_test_${ending}`,
    publishableKey: `pk_test_${ending}`,
    transfers: true,
    ...options,
  }
  world.accounts.set(account.id, account)
  return account
}

/** The test method behind a name of Stripe's, or behind a payment method that the account has made of one. */
export function findMethod(world: World, account: Account, id: string): TestMethod | undefined {
  const made = world.methods.get(id)
  return made?.account === account ? made.from : findTestMethod(id)
}

/** Makes a payment method of an account's own, as Stripe does whenever it is given one for tests. */
export function addMethod(world: World, account: Account, from: TestMethod): PaymentMethod {
  const method = { id: newId('paymentMethod'), created: world.now(), account, from }
  world.methods.set(method.id, method)
  return method
}

/** Books what an account gained or lost. */
export function addEntry(
  world: World,
  entry: Omit<Entry, 'id' | 'created' | 'fees'> & Partial<Pick<Entry, 'fees'>>,
): Entry {
  const booked: Entry = {
    fees: [],
    ...entry,
    id: newId('balanceTransaction'),
    created: world.now(),
  }
  world.entries.set(booked.id, booked)
  return booked
}
