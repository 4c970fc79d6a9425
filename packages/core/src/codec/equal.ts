/**
 * Comparison of secrets in a time that does not tell where they differ.
 *
 * @module
 */

/** Whether two texts are equal. Only a difference of length is visible in the time it takes. */
export function equal(left: string, right: string): boolean {
  if (left.length !== right.length) return false
  let difference = 0
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at)
  return difference === 0
}
