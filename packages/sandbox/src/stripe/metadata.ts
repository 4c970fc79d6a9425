/**
 * Metadata, within Stripe's limits: 50 keys of 40 characters, values of 500.
 *
 * @module
 */
import type { Parameters } from './parameters.js'

const [mostKeys, longestKey, longestValue] = [50, 40, 500]

/** Reads metadata. A key with an empty text is left out. */
export function readMetadata(
  parameters: Parameters,
  key = 'metadata',
): Record<string, string> | undefined {
  const pairs = parameters.pairs(key)
  return pairs && checked(parameters, key, pairs)
}

/**
 * Reads what metadata is to become: keys are added and changed, one with an empty text is taken away, and an empty text in
 * place of the keys takes all away.
 */
export function changeMetadata(
  parameters: Parameters,
  current: Readonly<Record<string, string>>,
): Record<string, string> {
  const key = 'metadata'
  if (!parameters.has(key)) return { ...current }
  const pairs = parameters.pairs(key)
  return pairs ? checked(parameters, key, [...Object.entries(current), ...pairs]) : {}
}

function checked(
  parameters: Parameters,
  key: string,
  pairs: Iterable<readonly [string, string]>,
): Record<string, string> {
  const kept = [...new Map(pairs)].filter(([, value]) => value !== '')
  if (kept.length > mostKeys) {
    throw parameters.refuse(key, `Metadata can have at most ${mostKeys} keys.`)
  }
  for (const [name, value] of kept) {
    if (name.length > longestKey) {
      throw parameters.refuse(key, `Metadata keys can be up to ${longestKey} characters long.`)
    }
    if (value.length > longestValue) {
      throw parameters.refuse(key, `Metadata values can be up to ${longestValue} characters long.`)
    }
  }
  return Object.fromEntries(kept)
}
