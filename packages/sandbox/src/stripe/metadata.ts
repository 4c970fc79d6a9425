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
  if (pairs === undefined) return undefined
  const kept = [...pairs].filter(([, value]) => value !== '')
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
