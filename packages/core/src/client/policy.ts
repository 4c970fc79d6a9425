/**
 * What a client may spend: the limits that its owner states, compiled once, and what counts against them.
 *
 * @module
 */
import type * as Challenge from '../Challenge.js'
import type * as Method from '../Method.js'
import type { Store } from '../Store.js'

/**
 * Amounts as decimal strings, in the unit people read (by the decimals that the method declares),
 * by method (`points`), by method and intent (`points/charge`) or by method and currency
 * (`points:usd`). A string alone is for the first method. What is not named cannot be paid.
 */
export type Amounts = string | { readonly [what: string]: string }

/** What a client may pay. Without `max` or `approve` it pays nothing. */
export type Policy = {
  /** Most for one payment. A ceiling: `approve` cannot lift it. */
  max?: Amounts | undefined
  /**
   * Asked before every payment, after all other rules agreed. Only `true` agrees; another answer
   * passes on to the next offer; a throw or no answer in time ends the payment.
   */
  approve?: ((question: Question) => boolean | Promise<boolean>) | undefined
  /** Milliseconds that `approve` has, within the challenge's own life (default 300,000). */
  approveTimeout?: number | undefined
  /** Most for one host (name and port), over all payments of a period. */
  perHost?: Amounts | undefined
  /** Most in all, over all payments of a period. */
  total?: Amounts | undefined
  /** Seconds after which budgets start afresh. Left out, they never do. */
  period?: number | undefined
  /** Where budgets are counted when processes share them (default: in this client). */
  store?: Ledger | undefined
  /** Most seconds that a challenge may still be valid (default 3600). */
  maxExpiry?: number | undefined
  /** Realms to accept although they name another host than the URL. */
  realms?: readonly string[] | undefined
  /** Currencies to pay in, as they stand in the request; all methods' in one list. */
  currencies?: readonly string[] | undefined
  /** Recipients to pay, as they stand in the request; all methods' in one list. */
  recipients?: readonly string[] | undefined
}

/** What `approve` is asked. */
export type Question = {
  url: string
  /** In the unit people read, such as `'0.01'`. */
  amount: string
  price: Method.Price
  /** Whose `method`, `intent`, `realm` and `request` say what would be paid; its `description` proves nothing. */
  challenge: Challenge.Challenge
}

type Rail = { readonly name: string; readonly intent: string }
type Limits = ReadonlyMap<string, bigint>

/** A policy, read. A rule that is not stated is `undefined`; one that is must cover what is paid. */
export type Rules = {
  policy: Policy
  max: Limits | undefined
  perHost: Limits | undefined
  total: Limits | undefined
}

/** Decimal places in which amounts of any method are compared and summed. */
const scale = 36

/**
 * Reads a policy once.
 *
 * @throws TypeError for an amount that is not a decimal string.
 */
export function compile(policy: Policy, [first]: readonly Rail[]): Rules {
  const read = (rule: 'max' | 'perHost' | 'total'): Limits | undefined => {
    const given = policy[rule]
    if (given === undefined) return undefined
    const amounts = typeof given === 'object' ? given : { [first?.name ?? '']: given }
    return new Map(
      Object.entries(amounts).map(([name, amount]) => {
        const [, whole, part = ''] = /^(\d+)(?:\.(\d{1,36}))?$/.exec(amount) ?? []
        if (!whole || typeof amount !== 'string')
          throw new TypeError(`policy.${rule}.${name} must be a decimal string like '0.10'`)
        return [fold(name), BigInt(whole + part.padEnd(scale, '0'))]
      }),
    )
  }
  return { policy, max: read('max'), perHost: read('perHost'), total: read('total') }
}

/** What a limit may be stated for, the closest first. */
export function keyOf(
  limits: Limits,
  { name, intent }: Rail,
  currency: string,
): string | undefined {
  return [`${name}:${fold(currency)}`, `${name}/${intent}`, name].find((key) => limits.has(key))
}

/** Whether a list that is stated names a value. */
export function isListed(list: readonly string[] | undefined, value: unknown): boolean {
  return !list || list.some((item) => fold(item) === fold(`${value}`))
}

/** A price in the common scale. */
export function scaled({ amount, decimals }: Method.Price): bigint {
  return amount * 10n ** BigInt(scale - decimals)
}

/** A price in the unit people read. */
export function format({ amount, decimals }: Method.Price): string {
  const digits = `${amount}`.padStart(decimals + 1, '0')
  return digits.replace(new RegExp(`(?=.{${decimals}}$)`), decimals ? '.' : '')
}

/** Hexadecimal addresses and ISO 4217 codes are the same in either case; other names may differ by it. */
const fold = (name: string): string =>
  name.replace(/(^|:)(0x[\da-f]+|[a-z]{3})$/i, (match) => match.toLowerCase())

/** Where budgets are counted. */
export type Ledger = Pick<Store, 'update'>
type Spent = { window: number; spent: string }

/** Long enough for "never", and short enough for every store. */
const never = 315_360_000

/**
 * Counts a price against every budget that it falls under, or against none.
 *
 * @returns What takes it back, once, for payments that certainly did not happen; `undefined` when it does not fit.
 */
export async function reserve(
  rules: Rules,
  spending: { method: Rail; price: Method.Price; host: string },
  ledger: Ledger,
): Promise<(() => Promise<undefined>) | undefined> {
  const { perHost, total } = rules
  const { method, price, host } = spending
  const { period } = rules.policy
  const window = period ? Math.floor(Date.now() / 1000 / period) : 0
  const undo: (() => Promise<unknown>)[] = []
  const release = async (): Promise<undefined> => {
    while (undo[0]) await undo.pop()!()
  }
  for (const [limits, scope] of [
    [perHost, host],
    [total, '*'],
  ] as const) {
    if (!limits) continue
    const name = keyOf(limits, method, price.currency) ?? ''
    const add = async (amount: bigint): Promise<boolean> => {
      let fits = false
      const change = (value: unknown): Spent | undefined => {
        const last = value as Spent | undefined
        const spent = (last?.window === window ? BigInt(last.spent) : 0n) + amount
        // Below zero: what is taken back was of a window that has passed.
        fits = spent >= 0n && spent <= (limits.get(name) ?? -1n)
        return fits ? { window, spent: `${spent}` } : undefined
      }
      await ledger.update(`mpp:spent:${name}:${scope}`, change, { ttl: period ?? never })
      return fits
    }
    const amount = scaled(price)
    if (!(await add(amount))) return release()
    undo.push(() => add(-amount))
  }
  return release
}

/** The budgets of one client. */
export function createLedger(): Ledger {
  const values = new Map<string, unknown>()
  return {
    async update(key, change) {
      const value = change(values.get(key))
      if (value) values.set(key, value)
      return value
    },
  }
}
