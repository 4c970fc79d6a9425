/**
 * The manifests: what npm and its users will see of every package.
 *
 * @module
 */
import { describe, expect, test } from 'vitest'
import { files, packages, published, read } from '../repository.js'

const engines = JSON.parse(read('package.json')).engines

/** The front matter of every change that waits for a release. */
const changesets = files
  .filter((file) => /^\.changeset\/(?!README)[^/]+\.md$/.test(file))
  .map((file) => read(file).split('---')[1] ?? '')
  .join('\n')

describe.each(published)('$folder', ({ folder, manifest }) => {
  test('can be understood and used by a stranger', () => {
    expect(files, 'its page on npm would be empty').toContain(`${folder}/README.md`)
    expect(manifest.description, 'a search on npm would show no description').toMatch(/\S/)
    expect(manifest.license, 'nobody may use a package without a license').toBe('MIT')
    expect(manifest.type, 'Node would read its files as CommonJS').toBe('module')
  })

  test('exports types and code at every entry, from what it publishes', () => {
    const entries = Object.entries(manifest.exports ?? {})
    expect(entries, 'its package.json could not be read by tools').toContainEqual([
      './package.json',
      './package.json',
    ])
    for (const [entry, target] of entries.filter(([name]) => name !== './package.json')) {
      expect(
        target,
        `${manifest.name}${entry.slice(1)} would import without types, or not at all`,
      ).toEqual({
        types: expect.stringMatching(/^\.\/dist\/.+\.d\.ts$/),
        default: expect.stringMatching(/^\.\/dist\/.+\.js$/),
      })
    }
    expect(
      manifest.files,
      'its tarball would miss the code, or the sources of its source maps',
    ).toEqual(expect.arrayContaining(['dist', '!dist/.tsbuildinfo', 'src']))
  })

  test('runs nothing while it is installed', () => {
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare']
    expect(
      Object.keys(manifest.scripts ?? {}).filter((name) => hooks.includes(name)),
      'npm would run our code on a machine that only asked for a package',
    ).toEqual([])
  })

  test('has a changeset while it is unreleased', () => {
    if (manifest.version !== '0.0.0') return
    expect(changesets, 'its first release would be forgotten').toContain(`'${manifest.name}':`)
  })
})

test('every package asks for the same Node', () => {
  const other = packages.filter(({ manifest }) => manifest.engines?.node !== engines.node)
  expect(
    other.map(({ folder, manifest }) => `${folder}: ${manifest.engines?.node}`),
    `npm would let it into a project on a Node where its siblings refuse (${engines.node})`,
  ).toEqual([])
})
