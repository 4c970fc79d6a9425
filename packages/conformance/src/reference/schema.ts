/**
 * A Standard Schema for flat objects of strings, so that the reference rails need no library.
 *
 * @module
 */
import type { Method } from '@polyrail/core'

type Shape<field extends string, optional extends string> = Readonly<Record<field, string>> &
  Readonly<Partial<Record<optional, string>>>

/**
 * Declares an object whose named fields are non-empty strings; others are dropped.
 *
 * @example
 * const payload = strings(['token'])
 */
export function strings<const field extends string, const optional extends string = never>(
  required: readonly field[],
  optional: readonly optional[] = [],
): Method.Schema<Shape<field, optional>> {
  const validate = (value: unknown): Method.Result<Shape<field, optional>> => {
    if (typeof value !== 'object' || value === null) return { issues: [{ message: 'no object' }] }
    const given: Readonly<Record<string, unknown>> = { ...value }
    const kept: Record<string, string> = {}
    for (const name of [...required, ...optional]) {
      const text = given[name]
      if (typeof text === 'string' && text !== '') kept[name] = text
      else if (text !== undefined || required.includes(name as field))
        return { issues: [{ message: 'is not text', path: [name] }] }
    }
    return { value: kept as Shape<field, optional> }
  }
  return { '~standard': { version: 1, vendor: 'polyrail', validate } }
}
