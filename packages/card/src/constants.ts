/**
 * What the draft and the card networks fix: names, sizes, currencies, each with its source.
 *
 * @module
 */

/** Card charge draft, Payload Fields: the networks that a payload can name. */
export const NETWORKS = ['visa', 'mastercard', 'amex', 'discover'] as const

/** A card network. */
export type CardNetwork = (typeof NETWORKS)[number]

/** Card charge draft, Encryption Key and Encrypted Payload Format. */
export const ALGORITHM = 'RSA-OAEP-256'
export const ENCRYPTION = 'A256GCM'

/** Bits of an RSA modulus. The draft names the least; the most keeps a hostile key from costing its reader minutes. */
export const LEAST_BITS = 2048
export const MOST_BITS = 8192

/** Characters of a JWE: about 4 KB of plaintext under the largest key. Network tokens take some 300 bytes. */
export const LONGEST_JWE = 8192

/** Characters of a `kid`. */
export const LONGEST_KID = 200

/** Minor units: twelve digits. ISO 8583, field 4. */
export const MOST = 999_999_999_999n

/** ISO 4217, list one: active currencies without a minor unit, with thousandths, and with ten-thousandths. */
const WHOLE = 'bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf'
const THOUSANDTHS = 'bhd iqd jod kwd lyd omr tnd'
const TEN_THOUSANDTHS = 'clf uyw'

/** ISO 4217, list one: the rest, with hundredths. Funds, metals and test codes are left out. */
const HUNDREDTHS = `
  aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf cny cop crc cup
  cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gtq gyd hkd hnl htg huf idr ils inr irr jmd kes kgs khr
  kpw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen
  pgk php pkr pln qar ron rsd rub sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt top try ttd twd
  tzs uah usd uyu uzs ved ves wst xcd xcg yer zar zmw zwg`

const DECIMALS: ReadonlyMap<string, number> = new Map(
  [HUNDREDTHS, WHOLE, THOUSANDTHS, TEN_THOUSANDTHS].flatMap((list, at) =>
    list
      .trim()
      .split(/\s+/)
      .map((code) => [code, [2, 0, 3, 4][at] ?? 2] as const),
  ),
)

/**
 * Decimal places between the minor unit of a currency and the unit that people read.
 *
 * @param currency - ISO 4217, in lower case.
 * @returns `undefined` for what is no currency.
 * @example
 * decimalsOf('jpy') // 0
 */
export const decimalsOf = (currency: string): number | undefined => DECIMALS.get(currency)
