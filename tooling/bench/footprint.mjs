/**
 * What a subject weighs before it does anything: import time, packages and bytes installed, and its part of a browser's bundle.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { median } from './rounds.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

/**
 * Imports modules in fresh processes, round after round each of them in turn.
 *
 * @param {Record<string, Record<string, string>>} entries for each entry and subject its module
 * @param {number} rounds
 * @returns {Record<string, Record<string, { cpu: number, wall: number }>>} medians in ms, without Node's own start
 */
export function importTimes(entries, rounds) {
  const runs = Object.values(entries)
    .flatMap((of) => Object.values(of))
    .map((specifier) => ({ specifier, times: /** @type {{ cpu: number, wall: number }[]} */ ([]) }))
  for (let round = 0; round < rounds; round++)
    for (const { specifier, times } of runs) times.push(importOnce(specifier))
  const medianOf = (/** @type {string} */ specifier) => {
    const { times } = runs.find((run) => run.specifier === specifier) ?? { times: [] }
    return { cpu: median(times.map(({ cpu }) => cpu)), wall: median(times.map(({ wall }) => wall)) }
  }
  const mapValues = (
    /** @type {Record<string, any>} */ of,
    /** @type {(value: any) => any} */ change,
  ) => Object.fromEntries(Object.entries(of).map(([key, value]) => [key, change(value)]))
  return mapValues(entries, (of) => mapValues(of, medianOf))
}

/** @param {string} specifier */
function importOnce(specifier) {
  const code = `const cpu = process.cpuUsage(), start = performance.now()
await import('${specifier}')
const wall = performance.now() - start, { user, system } = process.cpuUsage(cpu)
console.log(JSON.stringify({ wall, cpu: (user + system) / 1000 }))`
  const args = ['--input-type=module', '-e', code]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: here, encoding: 'utf8' }))
}

/**
 * Packs a package of this repository as npm would get it and installs the tarball, without a network.
 *
 * @param {string} folder
 * @returns {{ packages: number, kilobytes: number }}
 */
export function installedFromTarball(folder) {
  const place = mkdtempSync(join(tmpdir(), 'polyrail-bench-'))
  try {
    const run = (/** @type {string} */ command, /** @type {string[]} */ args, cwd = place) =>
      execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    run('npm', ['pack', '--pack-destination', place], folder)
    const tarball = readdirSync(place).find((file) => file.endsWith('.tgz'))
    writeFileSync(join(place, 'package.json'), '{ "private": true }')
    run('npm', ['install', '--offline', '--no-audit', '--no-fund', `./${tarball}`])
    const { packages } = JSON.parse(readFileSync(join(place, 'package-lock.json'), 'utf8'))
    return {
      packages: Object.keys(packages).filter((path) => path !== '').length,
      kilobytes: Math.round(sizeOf(join(place, 'node_modules')) / 1024),
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/**
 * Adds up a package that is installed here with all that it cannot run without: dependencies and peers but optional ones.
 *
 * @param {readonly string[]} names
 * @returns {{ packages: number, kilobytes: number }}
 */
export function installedHere(names) {
  /** @type {Map<string, number>} */
  const sizes = new Map()
  const visit = (/** @type {string} */ name, /** @type {string} */ from) => {
    const folder = findPackage(name, from)
    if (folder === undefined || sizes.has(folder)) return
    sizes.set(folder, sizeOf(folder))
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifest
    const needed = Object.keys(peerDependencies).filter(
      (peer) => !peerDependenciesMeta[peer]?.optional,
    )
    for (const one of [...Object.keys(dependencies), ...needed]) visit(one, folder)
  }
  for (const name of names) visit(name, here)
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  return { packages: sizes.size, kilobytes: Math.round(bytes / 1024) }
}

/** @param {string} name @param {string} from */
function findPackage(name, from) {
  const places = createRequire(join(from, 'package.json')).resolve.paths(name) ?? []
  for (const place of places) {
    try {
      return dirname(realpathSync(join(place, name, 'package.json')))
    } catch {
      continue
    }
  }
  return undefined
}

/** Bytes of all files below, but for what is installed deeper down. @param {string} path @returns {number} */
function sizeOf(path, top = true) {
  const entry = lstatSync(path)
  if (entry.isSymbolicLink()) return 0
  if (!entry.isDirectory()) return entry.size
  let size = 0
  for (const name of readdirSync(path))
    if (top || name !== 'node_modules') size += sizeOf(join(path, name), false)
  return size
}

/**
 * Bundles a piece of code for browsers.
 *
 * @param {string} code
 * @returns {Promise<{ minified: number, gzip: number, brotli: number }>} bytes
 */
export async function bundle(code) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: here },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  })
  const bytes = outputFiles[0]?.contents ?? new Uint8Array()
  return {
    minified: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes).length,
  }
}
