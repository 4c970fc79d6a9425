/**
 * Finds a Node of another major version: the one that runs this, or one from npm, kept in node_modules/.cache.
 *
 * @module
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { exec, root } from './steps.mjs'

/** The versions that every package must import on. */
const pinned = { 20: '20.19.0', 22: '22.23.3' }

/**
 * @param {20 | 22} major
 * @returns {Promise<string | undefined>} the path of the binary, or nothing where none could be had
 */
export async function node(major) {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const folder = join(root, 'node_modules', '.cache', 'polyrail', `node-${pinned[major]}`)
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  const binary = join(folder, 'node_modules', name, 'bin', file)
  if (existsSync(binary)) return binary
  mkdirSync(folder, { recursive: true })
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder]
  const { code, output } = await exec(['npm', 'install', ...options, `${name}@${pinned[major]}`])
  if (code === 0 && existsSync(binary)) return binary
  console.log(output)
  return undefined
}
