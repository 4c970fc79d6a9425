/**
 * The text of the repository: names, words and shortcuts that must not be in it.
 *
 * @module
 */
import { basename, extname } from 'node:path'
import { expect, test } from 'vitest'
import { files, matches, read } from '../repository.js'

const text = files.filter((file) =>
  /\.(ts|mts|mjs|js|json|md|ya?ml|sh)$|\/run$|^\.[^/]+$/.test(file),
)
const code = files.filter((file) => /\.(ts|mts|mjs)$/.test(file))
const sources = code.filter((file) => /^packages\/[^/]+\/src\//.test(file))
/** This file, which has to write the patterns down. */
const self = 'tooling/checks/test/text.test.ts'

const found = (among: readonly string[], pattern: RegExp) =>
  among.filter((file) => file !== self).flatMap((file) => matches(file, pattern))

test('files and folders are named after what they are', () => {
  const vague = new Set(['utils', 'util', 'shared', 'common', 'helpers', 'types'])
  const parts = (file: string) => file.split('/').map((part) => basename(part, extname(part)))
  expect(
    files.filter((file) => parts(file).some((part) => vague.has(part))),
    'a name that fits anything soon holds everything; say what the thing is',
  ).toEqual([])
})

test('every source file opens by saying what it is for', () => {
  const opened = /^(#!.*\n|\/\/\/ <reference.*\n)*\/\*\*[^]*?@module[^]*?\*\//
  const tools = code.filter(
    (file) => /^(tooling|examples)\//.test(file) && !file.includes('/test/'),
  )
  expect(
    [...sources, ...tools].filter((file) => !opened.test(read(file))),
    'a reader would have to guess: open with a sentence and @module',
  ).toEqual([])
})

test('no path of one machine', () => {
  expect(
    found(text, /(^|[\s"'`(=:])\/(home|Users|root|work)\//),
    'it would hold on no other machine',
  ).toEqual([])
})

test('nothing is left for later', () => {
  expect(found(code, /\b(TODO|FIXME|XXX)\b/), 'file an issue instead').toEqual([])
})

test('no test is focused, left out or retried in silence', () => {
  expect(
    found(code, /\b(it|test|describe)\.(only|todo|skip(?!\(.*left out: ))\b|\bretry: ?[1-9]/),
    'a green run would not mean what it says; a skip says in its title `left out: ` and why',
  ).toEqual([])
})

test('the compiler is not silenced', () => {
  const checked = code.filter((file) => !file.endsWith('.test-d.ts'))
  expect(
    found(checked, /@ts-(ignore|nocheck|expect-error)|\bas (any|never)\b(?! of)/).filter(
      notInMethod,
    ),
    'a wrong type would reach the user; casts live in Method.ts alone',
  ).toEqual([])
  expect(
    found(sources, /\bas unknown as\b/).filter(notInMethod),
    'a wrong type would reach the user; casts live in Method.ts alone',
  ).toEqual([])
})

test('core never names a rail', () => {
  const rails = /\b(tempo|stripe|lightning|stellar|card)\b/i
  const core = sources.filter((file) => file.startsWith('packages/core/'))
  const named = core.flatMap((file) =>
    withoutExamples(read(file))
      .split('\n')
      .flatMap((line, index) => (rails.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  )
  expect(named, 'core would know one rail better than the next; let the method declare it').toEqual(
    [],
  )
})

function notInMethod(line: string) {
  return !line.startsWith('packages/core/src/Method.ts:')
}

/** Blanks the `@example` parts of doc comments, keeping the line numbers. */
function withoutExamples(source: string) {
  return source.replaceAll(/@example[^]*?(?=\n\s*\* @|\*\/)/g, (example) =>
    example.replaceAll(/[^\n]/g, ''),
  )
}
