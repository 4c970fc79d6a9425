/**
 * Packs every publishable package and meets it as a stranger would: from its tarball, in an empty project, with npm.
 *
 * Each must pass publint and attw, type-check under `nodenext` and `bundler`, and import at every entry on Node 20 and 22.
 *
 * @module
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec, root } from './steps.mjs'
import { node } from './node.mjs'

/**
 * @typedef {{ name: string, private?: boolean, exports: Record<string, unknown>,
 *   dependencies?: Record<string, string>, peerDependencies?: Record<string, string>,
 *   peerDependenciesMeta?: Record<string, { optional?: boolean }> }} Manifest
 * @typedef {{ folder: string, manifest: Manifest, tarball: string }} Package
 */

const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
const npmInstall = ['npm', 'install', '--ignore-scripts', '--prefer-offline', ...quiet]

/** @type {string[]} */
const failures = []

const workplace = mkdtempSync(join(tmpdir(), 'polyrail-consumer-'))
try {
  const runtimes = await findRuntimes()
  const packages = await Promise.all(publishable().map(pack))
  // Two at a time: each spends most of its time in programs that keep one processor busy.
  const queue = [...packages]
  await Promise.all([meet(queue, packages, runtimes), meet(queue, packages, runtimes)])
} finally {
  rmSync(workplace, { recursive: true, force: true })
}
for (const failure of failures) console.log(failure)
process.exitCode = failures.length === 0 ? 0 : 1

/**
 * @param {Package[]} queue what is left to do
 * @param {readonly Package[]} packages
 * @param {readonly string[]} runtimes
 */
async function meet(queue, packages, runtimes) {
  for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
    await lint(one)
    await consume(one, packages, runtimes)
  }
}

/** The folders under packages/ that npm will get. */
function publishable() {
  return readdirSync(join(root, 'packages'))
    .filter((name) => existsSync(join(root, 'packages', name, 'package.json')))
    .map((name) => join(root, 'packages', name))
    .filter((folder) => manifestOf(folder).private !== true)
}

/** @param {string} folder @returns {Manifest} */
function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

/** @param {string} folder @returns {Promise<Package>} */
async function pack(folder) {
  const manifest = manifestOf(folder)
  const { code, output } = await exec(['pnpm', 'pack', '--json', '--pack-destination', workplace], {
    cwd: folder,
  })
  if (code !== 0) throw new Error(`pnpm pack failed in ${folder}:\n${output}`)
  const { filename, files } = JSON.parse(output.slice(output.indexOf('{')))
  const paths = files.map((/** @type {{ path: string }} */ file) => file.path)
  const stray = paths.filter((/** @type {string} */ path) =>
    /tsbuildinfo|\.test\.|\.test-d\./.test(path),
  )
  expect(
    stray.length === 0,
    `${manifest.name}: the tarball carries build leftovers: ${stray.join(', ')}`,
  )
  for (const path of paths) {
    const source = /^dist\/(.*)\.js$/.exec(path)?.[1]
    if (source === undefined) continue
    expect(
      paths.includes(`src/${source}.ts`),
      `${manifest.name}: ${path} has no source; delete dist and build again`,
    )
  }
  return { folder, manifest, tarball: filename }
}

/** @param {Package} one */
async function lint({ manifest, tarball }) {
  await check(`${manifest.name}: publint`, ['publint', 'run', tarball, '--strict'])
  const attw = ['attw', tarball, '--profile=esm-only', '--no-definitely-typed', '--format=ascii']
  await check(`${manifest.name}: attw`, attw)
}

/**
 * @param {Package} one
 * @param {readonly Package[]} packages
 * @param {readonly string[]} runtimes
 */
async function consume(one, packages, runtimes) {
  const { manifest } = one
  const project = join(workplace, manifest.name.replaceAll('/', '-'))
  mkdirSync(project)
  const tarballs = [...closure(one, packages)].map(({ tarball }) => tarball)
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  const install = [...npmInstall, ...tarballs]
  if (!(await check(`${manifest.name}: npm install`, install, project))) return
  if (manifest.name === '@polyrail/core') expectAlone(project)
  for (const needed of ['README.md', 'LICENSE']) {
    const there = existsSync(join(project, 'node_modules', manifest.name, needed))
    expect(there, `${manifest.name}: the tarball has no ${needed}`)
  }
  const entries = Object.keys(manifest.exports).filter((entry) => entry !== './package.json')
  const specifiers = entries.map((entry) => manifest.name + entry.slice(1))
  writeFileSync(join(project, 'use.js'), importAll(specifiers))
  await addWanted(manifest, project)
  await typecheck(manifest.name, project, specifiers)
  for (const runtime of runtimes) {
    await check(`${manifest.name}: import on ${runtime}`, [runtime, 'use.js'], project)
  }
}

/**
 * A package with the siblings that its own dependencies name, and no others: an undeclared one must be missed.
 *
 * @param {Package} one
 * @param {readonly Package[]} packages
 * @returns {Set<Package>}
 */
function closure(one, packages, found = new Set()) {
  found.add(one)
  const { dependencies, peerDependencies } = one.manifest
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    const sibling = packages.find(({ manifest }) => manifest.name === name)
    if (sibling !== undefined && !found.has(sibling)) closure(sibling, packages, found)
  }
  return found
}

/** @param {string} project */
function expectAlone(project) {
  const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8'))
  const installed = Object.keys(packages).filter((path) => path !== '')
  const alone = installed.length === 1 && installed[0] === 'node_modules/@polyrail/core'
  expect(alone, `npm i @polyrail/core must bring one package; it brought ${installed.join(', ')}`)
}

/**
 * @param {string} name
 * @param {string} project
 * @param {readonly string[]} specifiers
 */
async function typecheck(name, project, specifiers) {
  const lines = specifiers.map((specifier, index) => `export * as _${index} from '${specifier}'\n`)
  writeFileSync(join(project, 'use.ts'), lines.join(''))
  const ways = { nodenext: ['nodenext', 'nodenext'], bundler: ['esnext', 'bundler'] }
  for (const [way, [module, moduleResolution]] of Object.entries(ways)) {
    const options = {
      module,
      moduleResolution,
      target: 'es2023',
      lib: ['es2023', 'dom', 'dom.iterable', 'esnext.disposable'],
    }
    const config = {
      compilerOptions: { ...options, strict: true, noEmit: true, types: [] },
      files: ['use.ts'],
    }
    writeFileSync(join(project, `${way}.json`), JSON.stringify(config))
    const tsc = ['tsc', '-p', `${way}.json`, '--pretty', 'false']
    const { code, output } = await exec(tsc, { cwd: project })
    // What a third party's own declarations get wrong is not ours to fail on.
    const foreign = output.split('\n').filter((line) => /^node_modules\/(?!@polyrail\/)/.test(line))
    const clean = code === 0 || foreign.length === output.match(/error TS/g)?.length
    expect(clean, `${name}: types under ${way} resolution\n${output}`)
  }
}

/**
 * Installs the optional peers that some entry cannot be imported without: who imports `…/vitest` has vitest.
 *
 * @param {Manifest} manifest
 * @param {string} project
 */
async function addWanted({ name, peerDependencies = {}, peerDependenciesMeta = {} }, project) {
  const optional = new Set(Object.keys(peerDependenciesMeta))
  while (optional.size > 0) {
    const { output } = await exec([process.execPath, 'use.js'], { cwd: project })
    const wanted = /Cannot find package '([^']+)'/.exec(output)?.[1] ?? ''
    if (!optional.delete(wanted)) return
    const peer = `${wanted}@${peerDependencies[wanted]}`
    await check(`${name}: npm install ${peer}`, [...npmInstall, peer], project)
  }
}

/** @param {readonly string[]} specifiers */
function importAll(specifiers) {
  return `for (const specifier of ${JSON.stringify(specifiers)}) {
  const entry = await import(specifier)
  if (Object.keys(entry).length === 0) throw new Error(specifier + ' exports nothing')
}
`
}

async function findRuntimes() {
  const found = []
  for (const major of /** @type {const} */ ([20, 22])) {
    const binary = await node(major)
    if (binary !== undefined) found.push(binary)
    else if (process.env['POLYRAIL_REQUIRE_SERVICES'] === '1')
      failures.push(`Node ${major} could not be had from npm`)
    else console.log(`!!! LEFT OUT: imports on Node ${major}: it could not be had from npm`)
  }
  return found
}

/**
 * @param {string} title
 * @param {readonly string[]} command
 * @param {string} [cwd]
 */
async function check(title, command, cwd = root) {
  const { code, output } = await exec(command, { cwd })
  expect(code === 0, `${title} failed\n${output}`)
  return code === 0
}

/**
 * @param {boolean} holds
 * @param {string} message
 */
function expect(holds, message) {
  if (!holds) failures.push(message)
}
