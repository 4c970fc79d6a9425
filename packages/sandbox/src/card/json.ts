/**
 * How a JSON text is written, which is lost when it is read, and what is in it.
 *
 * @module
 */

const STRING = /"(?:[^"\\]|\\.)*"/g
const NAME = /"(?:[^"\\]|\\.)*"(?=\s*:)/g

/** Whether no object of a text has a name twice: as many are written as were read. */
export const isEachOnce = (text: string, value: unknown): boolean =>
  (text.match(NAME) ?? []).length === countNames(value)

/** Whether there is no white space but in strings. */
export const isMinified = (text: string): boolean => !/\s/.test(text.replaceAll(STRING, ''))

/** Whether a value is a text of a form. */
export const isOfForm = (value: unknown, form: RegExp): value is string =>
  typeof value === 'string' && form.test(value)

function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const parts: unknown[] = Object.values(value)
  const own = Array.isArray(value) ? 0 : parts.length
  return parts.reduce<number>((sum, part) => sum + countNames(part), own)
}
