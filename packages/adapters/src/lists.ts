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
  const begun = LISTS.has(name.toLowerCase()) ? String(there ?? '') : ''
  return ours.includes(begun) ? ours : `${begun}, ${ours}`
}
