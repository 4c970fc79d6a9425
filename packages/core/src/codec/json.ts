/**
 * JSON objects from peers, refused where they could hurt whoever walks or copies them.
 *
 * @module
 */

/** Deeper nesting than any draft needs, and shallow enough for every recursive reader. */
export const maxDepth = 64

/** Whether a value is an object that is neither `null` nor an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Parses the text of a JSON object; `undefined` for any other text, for nesting beyond
 * {@link maxDepth} and for a member named `__proto__`.
 */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) && isSafe(value, maxDepth) ? value : undefined
  } catch {
    return undefined
  }
}

function isSafe(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  for (const key in value)
    if (key === '__proto__' || !isSafe((value as Record<string, unknown>)[key], depth - 1))
      return false
  return true
}
