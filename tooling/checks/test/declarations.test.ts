/**
 * What the declarations of an entry lead to: with nothing but what an entry needs to run, its types must be readable.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isBuiltin } from 'node:module'
import { expect, test } from 'vitest'
import { packages, read, root } from '../repository.js'

/** Packages that their users install beside an entry only for a part of it, which others must not miss. */
const PARTIAL = ['nostr-tools', 'ws', '@buildonspark/spark-sdk', 'bolt11']

/** Every package that a declaration file names, whether in it or in those that it leads to. */
function reached(file: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(file)) return []
  seen.add(file)
  return [...read(file).matchAll(NAMED)].flatMap(([, name = '']) => {
    if (isBuiltin(name)) return []
    if (!name.startsWith('.')) return [name]
    return reached(join(dirname(file), name.replace(/js$/, 'd.ts')), seen)
  })
}

/** What is imported or exported from, also by `export * as` and `import(…)`. */
const NAMED = /\b(?:from|import\() ?['"]([^'"]+)['"]/g

const entries = packages.flatMap(({ folder, manifest }) =>
  Object.values((manifest as { exports?: Record<string, { types?: string }> }).exports ?? {})
    .flatMap((entry) => (entry?.types ? [join(folder, entry.types)] : []))
    .filter((file) => existsSync(join(root, file))),
)

test('there are entries to look at', () => {
  expect(entries.length).toBeGreaterThan(20)
})

test.each(entries)('%s can be read without what only a part of its package needs', (entry) => {
  const wrong = reached(entry).filter((name) =>
    PARTIAL.some((partial) => name === partial || name.startsWith(`${partial}/`)),
  )
  expect(wrong, 'a project without skipLibCheck and without these would not compile').toEqual([])
})
