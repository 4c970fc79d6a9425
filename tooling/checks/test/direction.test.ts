/**
 * The direction of dependencies: what may know what, in manifests and in imports.
 *
 * @module
 */
import { isBuiltin } from 'node:module'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { files, packages, read, type Package } from '../repository.js'

/** For each tag of turbo.json: what it may need at run time, and what its tests may need besides. */
const allowed: Record<string, { runs: readonly string[]; tests: readonly string[] }> = {
  core: { runs: [], tests: ['settings'] },
  conformance: { runs: ['core'], tests: ['settings'] },
  rail: { runs: ['core'], tests: ['settings', 'conformance', 'sandbox', 'street'] },
  sandbox: { runs: [], tests: ['settings'] },
  store: { runs: ['core'], tests: ['settings', 'conformance', 'street'] },
  ledger: { runs: ['core'], tests: ['settings', 'store', 'street'] },
  edge: { runs: ['core', 'conformance'], tests: ['settings', 'sandbox', 'store', 'street'] },
  cli: { runs: ['core', 'conformance', 'edge'], tests: ['settings', 'sandbox'] },
}

/** SDKs of others that do what this project does: measured against and talked to, never built upon. */
const peers = /^(mppx|x402|@x402|@coinbase\/x402)([-/]|$)/

const tagOf = (name: string) => packages.find(({ manifest }) => manifest.name === name)?.tag

/** The names of the packages that a file imports, statically or dynamically. */
function imported(file: string): readonly string[] {
  return ts
    .preProcessFile(read(file))
    .importedFiles.map(({ fileName }) => fileName)
    .filter((specifier) => !/^[.#]/.test(specifier) && !isBuiltin(specifier))
    .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'))
}

describe.each(packages.filter(({ folder }) => folder.startsWith('packages/')))('$folder', (one) => {
  const { dependencies, devDependencies, peerDependencies, name } = one.manifest

  test('has a tag that says its place in the house', () => {
    expect(
      Object.keys(allowed),
      `${one.folder}/turbo.json needs a known tag, else nothing guards its direction`,
    ).toContain(one.tag)
  })

  test('depends only on what stands below it', () => {
    const { runs, tests } = allowed[one.tag ?? ''] ?? { runs: [], tests: [] }
    const wrong = (names: object, may: readonly string[]) =>
      Object.keys(names).filter(
        (other) => other.startsWith('@polyrail/') && !may.includes(tagOf(other) ?? ''),
      )
    expect(
      wrong({ ...dependencies, ...peerDependencies }, runs),
      `who installs ${name} would get packages that it must not know`,
    ).toEqual([])
    expect(
      wrong({ ...devDependencies }, [...runs, ...tests]),
      `the tests of ${name} would tie it to packages that it must not know`,
    ).toEqual([])
  })

  test('imports at run time only what it declares', () => {
    const declared = new Set([name, ...Object.keys({ ...dependencies, ...peerDependencies })])
    const missing = sourcesOf(one).flatMap((file) =>
      imported(file)
        .filter((other) => !declared.has(other))
        .map((other) => `${file} imports ${other}`),
    )
    expect(missing, 'these would be missing from a user’s node_modules').toEqual([])
  })
})

test('core has no runtime dependencies', () => {
  const core = packages.find(({ folder }) => folder === 'packages/core')
  const { dependencies, peerDependencies, optionalDependencies } = core?.manifest ?? {}
  expect(
    Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies }),
    '`npm i @polyrail/core` would bring more than one package',
  ).toEqual([])
})

test('SDKs of peers stay in the bench and the interop tests', () => {
  const elsewhere = packages.filter(({ folder }) => !/^tooling\/(bench|interop)$/.test(folder))
  const named = elsewhere.flatMap(({ folder, manifest }) =>
    Object.keys({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.peerDependencies,
    })
      .filter((name) => peers.test(name))
      .map((name) => `${folder} depends on ${name}`),
  )
  const root = Object.keys(JSON.parse(read('package.json')).devDependencies).filter((name) =>
    peers.test(name),
  )
  expect([...named, ...root], 'our code would stand on an SDK that it should replace').toEqual([])
})

function sourcesOf({ folder }: Package) {
  return files.filter((file) => file.startsWith(`${folder}/src/`) && file.endsWith('.ts'))
}
