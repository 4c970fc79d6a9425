/**
 * What the entries lead to: a merchant’s process, and a payer’s, has nothing that could open a payload.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const dist = fileURLToPath(new URL('../dist', import.meta.url))

/** All that a file imports, and what that imports. */
function reached(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/\bfrom '([^']+)'/g))
    if (name.startsWith('.')) reached(join(dirname(file), name), seen)
    else seen.add(name)
  return seen
}

test.each([
  ['index', false],
  ['client', false],
  ['server', false],
  ['enabler', true],
])(
  'the entry %s has what decrypts: %s [card-charge-033] [card-charge-050] [card-charge-052]',
  (entry, expected) => {
    const all = [...reached(join(dist, `${entry}.js`))]
    expect(all.length).toBeGreaterThan(3)
    expect(all.includes('jose')).toBe(expected)
    expect(all.some((name) => name.endsWith('/jwe/decrypt.js'))).toBe(expected)
    expect(all.filter((name) => name.startsWith('node:'))).toEqual([])
  },
)

test('the index asks nobody anything', () => {
  expect(
    [...reached(join(dist, 'index.js'))].filter((name) => name.endsWith('network.js')),
  ).toEqual([])
})
