/**
 * The JSON Canonicalization Scheme of RFC 8785: one value, one text.
 *
 * @module
 */
import { maxDepth } from './json.js'

/**
 * Writes a JSON value in its canonical form. Members that are `undefined` are left out.
 *
 * @throws TypeError for what JSON cannot carry exactly: a non-finite number, a bigint, a lone
 * surrogate, `undefined` in an array, an instance of a class, a cycle or very deep nesting.
 */
export function canonicalize(value: unknown): string {
  return write(value, maxDepth)
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return writeString(value)
    case 'boolean':
      return String(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError('JSON has no NaN or Infinity.')
      return JSON.stringify(value)
    case 'object':
      return value === null ? 'null' : writeContainer(value, depth)
    default:
      throw new TypeError(`JSON has no ${typeof value}: write it as a string.`)
  }
}

function writeContainer(value: object, depth: number): string {
  if (depth === 0) throw new TypeError(`JSON is nested more than ${maxDepth} deep, or is a cycle.`)
  if (Array.isArray(value))
    return `[${Array.from(value, (item: unknown) => write(item, depth - 1)).join()}]`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw new TypeError('JSON has plain objects only: convert dates, maps and classes first.')
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, member]) => `${writeString(key)}:${write(member, depth - 1)}`)
  return `{${members.join()}}`
}

function writeString(text: string): string {
  if (/[\ud800-\udfff]/u.test(text)) throw new TypeError('JSON text has a lone surrogate.')
  return JSON.stringify(text)
}
