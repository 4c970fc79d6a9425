/**
 * What Stripe takes of each currency: how many decimals, the least and the most, and which amounts are whole.
 *
 * @module
 */
import { type Parameters } from './parameters.js'

const zeroDecimal = words('bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf')

/** Of these the last digit must be 0. */
const threeDecimal = words('bhd jod kwd omr tnd')

/** Without decimals in fact, and with two on the wire, which must be 00. */
const padded = words('isk ugx')

const twoDecimal = words(`
  aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk
  dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr
  lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub
  sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw
`)

/** The least that can be charged, in minor units. Of other currencies it is 1: Stripe converts, this does not. */
const least = new Map<string, bigint>([
  ...[...words('ars aud brl cad chf cop eur inr jpy nzd sgd usd zar')].map(entry(50n)),
  ...[...words('aed myr pln ron')].map(entry(200n)),
  ...[...words('nok sek')].map(entry(300n)),
  ['bgn', 100n],
  ['czk', 1_500n],
  ['dkk', 250n],
  ['gbp', 30n],
  ['hkd', 400n],
  ['huf', 17_500n],
  ['mxn', 1_000n],
  ['thb', 1_000n],
])

/** The most that can be charged at once: eight digits, and twelve of rupiahs. */
const mostOf = (currency: string) => (currency === 'idr' ? 999_999_999_999n : 99_999_999n)

/** Decimals of a currency on the wire, or undefined when Stripe does not take it. */
export function decimalsOf(currency: string): number | undefined {
  if (zeroDecimal.has(currency)) return 0
  if (threeDecimal.has(currency)) return 3
  return twoDecimal.has(currency) || padded.has(currency) ? 2 : undefined
}

/** Reads the currency. Capital letters are taken, and told in small ones, as Stripe does. */
export function readCurrency(parameters: Parameters, key = 'currency'): string {
  const currency = parameters.textNeeded(key).toLowerCase()
  if (decimalsOf(currency) !== undefined) return currency
  throw parameters.refuse(key, `Invalid currency: ${currency}`)
}

/** Reads an amount that is at least 1, as limits of tokens and refunds are. */
export function readPositive(parameters: Parameters, key: string): bigint | undefined {
  const amount = parameters.integer(key)
  if (amount === undefined) return undefined
  if (amount < 1n) {
    const words = 'This value must be greater than or equal to 1.'
    throw parameters.refuse(key, words, 'parameter_invalid_integer')
  }
  return amount
}

/** Reads the amount of a payment, and refuses what Stripe would not charge. */
export function readAmount(parameters: Parameters, currency: string): bigint {
  parameters.integerNeeded('amount')
  const amount = readPositive(parameters, 'amount') ?? 0n
  const minimum = least.get(currency) ?? 1n
  if (amount < minimum) {
    const words = `Amount must be at least ${formatAmount(minimum, currency)}`
    throw parameters.refuse('amount', words, 'amount_too_small')
  }
  const most = mostOf(currency)
  if (amount > most) {
    const words = `Amount must be no more than ${formatAmount(most, currency)}`
    throw parameters.refuse('amount', words, 'amount_too_large')
  }
  const step = threeDecimal.has(currency) ? 10n : padded.has(currency) ? 100n : 1n
  if (amount % step !== 0n) {
    const words = `Invalid amount: in ${currency} it must be a multiple of ${step}`
    throw parameters.refuse('amount', words, 'invalid_charge_amount')
  }
  return amount
}

/** An amount for people: `0.50 usd`. */
export function formatAmount(amount: bigint, currency: string): string {
  const decimals = decimalsOf(currency) ?? 2
  const digits = String(amount).padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  return `${decimals === 0 ? whole : `${whole}.${digits.slice(-decimals)}`} ${currency}`
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/))
}

function entry(amount: bigint): (currency: string) => [string, bigint] {
  return (currency) => [currency, amount]
}
