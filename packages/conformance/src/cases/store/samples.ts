/**
 * What store cases put into a store, and how they compare it.
 *
 * @module
 */

export const VALUES: Readonly<Record<string, unknown>> = {
  'a text': 'text',
  'an empty text': '',
  'a text with NUL, a quote, an emoji and a line separator': 'a\0b"\'\\🧾\u2028\r\n',
  'half a surrogate pair': '\ud83e',
  zero: 0,
  'a small fraction': 5e-324,
  'the largest safe integer': Number.MAX_SAFE_INTEGER,
  false: false,
  null: null,
  'an empty list': [],
  'an empty object': {},
  'a nest': { a: [null, [], { b: { c: [1, 'two', true, { d: null }] } }] },
  'names that objects have': { constructor: 1, toString: 2, hasOwnProperty: 3, '': 4 },
  'a text of digits': '12345678901234567890',
  'a text that looks like a date': '2026-01-31T00:00:00.000Z',
  'a text that is JSON': '{"a":1}',
  'what looks like a bigint and is none': [
    { $bigint: 'five' },
    { $bigint: '5' },
    { $$bigint: '5' },
  ],
}

/** Made of what proofs may be made of: whatever a visitor sends. */
export const ODD_KEYS: readonly string[] = [
  ' ',
  'a',
  'A',
  'a ',
  'a\n',
  'a\0',
  'a\0b',
  '"a"',
  'a*',
  'a?[]',
  'a%_',
  '{a}',
  "a'; DROP TABLE polyrail_store; --",
  'a\\',
  'a/../b',
  'é',
  'e\u0301',
  '🧾',
  '\ud83e',
  '\ud83f',
  '\ufffd',
  '__proto__',
  'constructor',
  '$bigint',
  'x'.repeat(5000),
  `${'x'.repeat(4999)}y`,
]

/** Freezes all the way down. */
export function freeze<value>(value: value): value {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(freeze)
    Object.freeze(value)
  }
  return value
}

/** Compares JSON values, bigint among them, whatever the order of an object's fields. */
export function equal(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null)
    return Object.is(one, other)
  if (Array.isArray(one) !== Array.isArray(other)) return false
  const [names, others] = [Object.keys(one), Object.keys(other)]
  const [these, those] = [one, other] as Record<string, unknown>[]
  return (
    names.length === others.length &&
    names.every((name) => Object.hasOwn(other, name) && equal(these?.[name], those?.[name]))
  )
}

/** Milliseconds. */
export const sleep = (time: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, time))
