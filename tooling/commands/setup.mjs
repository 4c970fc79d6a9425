/**
 * Makes a fresh clone ready: fetches the pinned pnpm, installs what the lockfile names, and builds every package.
 *
 * It needs Node and npm alone, and is quick when there is nothing to do.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, step } from './steps.mjs'

const stamp = join(root, 'node_modules', '.polyrail-setup')

/**
 * Installs and builds.
 *
 * @returns {Promise<boolean>} whether the repository is ready
 */
export async function setup() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Polyrail needs Node 20.19 or newer; this is ${process.version}.`)
    return false
  }
  return (
    (await install()) &&
    (await step('build the packages', ['turbo', 'run', 'build', '--output-logs=errors-only']))
  )
}

async function install() {
  const wanted = fingerprint()
  if (read(stamp) === wanted) return true
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const command = [
    'npx',
    '--yes',
    packageManager,
    'install',
    '--frozen-lockfile',
    '--prefer-offline',
  ]
  if (
    !(await step('install the pinned packages', [...command, '--config.confirmModulesPurge=false']))
  )
    return false
  writeFileSync(stamp, wanted)
  return true
}

/** A digest of all that decides what stands in node_modules. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = (await setup()) ? 0 : 1
}
