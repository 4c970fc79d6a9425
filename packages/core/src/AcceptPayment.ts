/**
 * Client payment preferences: `Accept-Payment`, read, written and applied.
 *
 * @module
 */

/**
 * A method and intent, or `*` for any, with its weight from 0 (never) to 1.
 *
 * @see core draft, Client Payment Preferences
 */
export type Range = { method: string; intent: string; q: number }

/**
 * Reads an `Accept-Payment` value; `undefined` when it is malformed.
 *
 * @example
 * AcceptPayment.parse('tempo/*, stripe/charge;q=0.5')
 * // [{ method: 'tempo', intent: '*', q: 1 }, { method: 'stripe', intent: 'charge', q: 0.5 }]
 *
 * @see core draft, Client Payment Preferences
 */
export function parse(header: string): Range[] | undefined {
  const ranges: Range[] = []
  for (const element of header.split(',')) {
    const text = element.trim()
    if (text === '') continue
    const [, method, intent, weight = '1'] = pattern.exec(text) ?? []
    if (method === undefined || intent === undefined) return undefined
    ranges.push({ method, intent, q: Number(weight) })
  }
  return ranges
}

const pattern =
  /^([a-z]+|\*)\/([A-Za-z\d-]+|\*)(?:[ \t]*;[ \t]*[Qq]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/

export declare namespace serialize {
  /** A range, or a method by its name; the weight defaults to 1. */
  type Item =
    | { method: string; intent: string; q?: number }
    | { name: string; intent: string; q?: number }
}

/**
 * Writes an `Accept-Payment` value.
 *
 * @example
 * AcceptPayment.serialize([{ method: 'tempo', intent: 'charge' }, { method: '*', intent: '*', q: 0.1 }])
 * // 'tempo/charge, *\/*;q=0.1'
 *
 * @throws TypeError when a weight is not between 0 and 1.
 * @see core draft, Client Payment Preferences
 */
export function serialize(items: readonly serialize.Item[]): string {
  return items
    .map((item) => {
      const { intent, q = 1 } = item
      if (!(q >= 0 && q <= 1)) throw new TypeError('A weight is between 0 and 1.')
      const range = `${'method' in item ? item.method : item.name}/${intent}`
      return q === 1 ? range : `${range};q=${Number(q.toFixed(3))}`
    })
    .join(', ')
}

/**
 * Filters and orders offers by a client's preferences: only those with a weight above zero, the
 * highest first, equals in the server's order. The most specific range that matches an offer gives
 * its weight. Without a header, with a malformed one, or when nothing is left, all offers stand as
 * they were.
 *
 * @example
 * AcceptPayment.rank(offers, request.headers.get('accept-payment'))
 *
 * @see core draft, Client Payment Preferences
 */
export function rank<offer extends { readonly method: string; readonly intent: string }>(
  offers: readonly offer[],
  preferences: string | readonly Range[] | null | undefined,
): readonly offer[] {
  const ranges = typeof preferences === 'string' ? parse(preferences) : preferences
  if (!ranges?.length) return offers
  const ranked = offers
    .map((offer) => ({ offer, q: weigh(offer, ranges) }))
    .filter(({ q }) => q > 0)
    .toSorted((left, right) => right.q - left.q)
  return ranked.length > 0 ? ranked.map(({ offer }) => offer) : offers
}

/** The weight of the most specific matching range; a named method is more specific than a named intent. */
function weigh(offer: { method: string; intent: string }, ranges: readonly Range[]): number {
  let best = { specificity: -1, q: 0 }
  for (const { method, intent, q } of ranges) {
    const matches =
      (method === '*' || method === offer.method) && (intent === '*' || intent === offer.intent)
    const specificity = (method === '*' ? 0 : 2) + (intent === '*' ? 0 : 1)
    if (matches && specificity > best.specificity) best = { specificity, q }
  }
  return best.q
}
