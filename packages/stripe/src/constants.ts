/**
 * What Stripe asks of currencies and amounts, each table with its source.
 *
 * @module
 */

/** Currencies whose smallest unit is the whole. Stripe, Supported currencies: zero-decimal currencies. */
const WHOLE = 'bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf'

/** Currencies with a thousandth, of which Stripe takes tens. Stripe, Supported currencies: three-decimal currencies. */
const THOUSANDTHS = 'bhd jod kwd omr tnd'

/** Written with hundredths that must be zero. Stripe, Supported currencies: special cases. */
const WHOLE_IN_HUNDREDTHS = 'isk ugx'

/** The rest of what Stripe takes. Stripe, Supported currencies: presentment currencies. */
const HUNDREDTHS = `
  aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk
  dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd kzt lak lbp lkr
  lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub
  sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw`

const TAKEN: ReadonlySet<string> = new Set(
  [WHOLE, THOUSANDTHS, WHOLE_IN_HUNDREDTHS, HUNDREDTHS].join(' ').trim().split(/\s+/),
)

/** Whether Stripe can charge in a currency, as far as is known here. */
export const isTaken = (currency: string): boolean => TAKEN.has(currency)

const isIn = (list: string, currency: string): boolean => list.split(' ').includes(currency)

/** Decimal places between the smallest unit and the unit people read. */
export function decimalsOf(currency: string): number {
  if (isIn(WHOLE, currency)) return 0
  return isIn(THOUSANDTHS, currency) ? 3 : 2
}

/** What an amount in smallest units must be a multiple of. */
export function stepOf(currency: string): bigint {
  if (isIn(THOUSANDTHS, currency)) return 10n
  return isIn(WHOLE_IN_HUNDREDTHS, currency) ? 100n : 1n
}

/** The least that can be charged, in smallest units. Stripe, Minimum and maximum charge amounts. */
const LEAST: Readonly<Record<string, bigint>> = {
  usd: 50n,
  aed: 200n,
  ars: 50n,
  aud: 50n,
  bgn: 100n,
  brl: 50n,
  cad: 50n,
  chf: 50n,
  cop: 50n,
  czk: 1500n,
  dkk: 250n,
  eur: 50n,
  gbp: 30n,
  hkd: 400n,
  huf: 17_500n,
  inr: 50n,
  jpy: 50n,
  mxn: 1000n,
  myr: 200n,
  nok: 300n,
  nzd: 50n,
  pln: 200n,
  ron: 200n,
  sek: 300n,
  sgd: 50n,
  thb: 1000n,
  zar: 50n,
}

/** The least of a currency; of one that Stripe names no least for, the smallest unit. */
export const leastOf = (currency: string): bigint => LEAST[currency] ?? stepOf(currency)

/** The most of a currency: eight digits, and twelve of rupiahs. Stripe, Minimum and maximum charge amounts. */
export const mostOf = (currency: string): bigint =>
  currency === 'idr' ? 999_999_999_999n : 99_999_999n

/** The preview of Stripe's interface that knows Shared Payment Tokens, as deployed software names it. */
export const API_VERSION = '2026-07-29.preview'

/** Seconds that a token outlives its challenge: the server may ask Stripe at the last moment. */
export const TOKEN_MARGIN = 60
