/**
 * Headers that are lists, where a framework or its middleware has begun them.
 *
 * @module
 */
const LISTS = new Set(['vary', 'access-control-expose-headers'])

/**
 * Adds what core says in a header to what is there already, such as CORS' part of `Vary`.
 *
 * @returns What the header is to be.
 */
export function extend(name: string, there: unknown, ours: string): string {
  if (there == null || !LISTS.has(name.toLowerCase())) return ours
  const said = entriesOf(ours)
  const missing = entriesOf(String(there)).filter((entry) => !said.includes(entry))
  return [...missing, ours].join(', ')
}

const entriesOf = (list: string): string[] => list.split(',').map((entry) => entry.trim())
