/**
 * Shows where a case spends its time and its memory: by function, and by the nearest function that is not the platform's.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { prepare } from './worker.mjs'

/** @typedef {{ functionName: string, url: string, lineNumber: number }} CallFrame */

const batches = 20
const batch = 1000
const operations = batches * batch
const shown = 30

/**
 * Runs one case under V8's samplers; what is not timed is not sampled either.
 *
 * @param {string} subject
 * @param {string} path group and name of the case
 * @returns {Promise<string>} a report; the `.cpuprofile` that it names opens in a browser's developer tools
 */
export async function profile(subject, path) {
  setFlagsFromString('--expose-gc')
  globalThis.gc = runInNewContext('gc')
  const [group, name = ''] = path.split('/')
  const { cases } = await import(`./subjects/${subject}/${group}.mjs`)
  const one = await cases[name]()
  for (let turn = 0; turn < batches; turn++) await (await prepare(one, batch))()
  const session = new Session()
  session.connect()
  const spent = await sampleTime(session, await prepare(one, operations))
  const held = await sampleMemory(session, await prepare(one, batch))
  const file = save(spent.profile, `${subject}-${path}`)
  return [
    `${subject} ${path}: ${spent.micros.toFixed(1)} µs, ${(held.bytes / 1024).toFixed(1)} kB allocated; ${file}`,
    `\nBy function, its own time:\n${list(byFunction(spent.profile), spent.micros, 'µs')}`,
    `\nBy function, with what it has the platform do:\n${list(byCaller(spent.profile), spent.micros, 'µs')}`,
    `\nAllocated, by function, with what it has the platform do:\n${list(held.shares, held.bytes, 'B')}`,
  ].join('\n')
}

/**
 * @param {Session} session
 * @param {() => Promise<number>} run
 */
async function sampleTime(session, run) {
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 100 })
  await session.post('Profiler.start')
  const micros = await run()
  const { profile } = await session.post('Profiler.stop')
  return { micros, profile }
}

/**
 * @param {Session} session
 * @param {() => Promise<number>} run a batch
 */
async function sampleMemory(session, run) {
  const options = {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  }
  await session.post('HeapProfiler.startSampling', options)
  await run()
  const { profile } = await session.post('HeapProfiler.stopSampling')
  /** @type {Map<string, number>} */
  const sizes = new Map()
  const visit = (
    /** @type {any} */ { callFrame, selfSize, children },
    /** @type {string} */ outer,
  ) => {
    const owner = isPlatform(callFrame) ? outer : nameOf(callFrame)
    sizes.set(owner, (sizes.get(owner) ?? 0) + selfSize)
    for (const child of children) visit(child, owner)
  }
  visit(profile.head, '(outside)')
  const whole = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  return { bytes: whole / batch, shares: sizes }
}

/** @param {import('node:inspector').Profiler.Profile} profile */
function byFunction(profile) {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  return sum(profile, names)
}

/** @param {import('node:inspector').Profiler.Profile} profile */
function byCaller(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const owners = new Map()
  const visit = (/** @type {number} */ id, /** @type {string} */ outer) => {
    const node = nodes.get(id)
    if (!node) return
    const { callFrame, children = [] } = node
    const owner = isPlatform(callFrame) && outer !== '(root)' ? outer : nameOf(callFrame)
    owners.set(id, owner)
    for (const child of children) visit(child, owner)
  }
  visit(profile.nodes[0]?.id ?? 0, '(root)')
  return sum(profile, owners)
}

/** @param {CallFrame} frame */
const isPlatform = ({ url, functionName }) =>
  url.startsWith('node:') || (url === '' && functionName !== '(garbage collector)')

/**
 * @param {import('node:inspector').Profiler.Profile} profile
 * @param {Map<number, string>} names
 */
function sum({ samples = [], timeDeltas = [] }, names) {
  /** @type {Map<string, number>} */
  const sums = new Map()
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? ''
    if (name !== '(idle)') sums.set(name, (sums.get(name) ?? 0) + (timeDeltas[index] ?? 0))
  }
  return sums
}

/** @param {Map<string, number>} sums @param {number} whole @param {string} unit */
function list(sums, whole, unit) {
  const total = [...sums.values()].reduce((sum, value) => sum + value, 0)
  return [...sums]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, shown)
    .map(([name, value]) => {
      const share = value / total
      const absolute = (share * whole).toFixed(unit === 'B' ? 0 : 2)
      return `${(share * 100).toFixed(1).padStart(6)} % ${absolute.padStart(7)} ${unit}  ${name}`
    })
    .join('\n')
}

/** @param {CallFrame} frame */
function nameOf({ functionName, url, lineNumber }) {
  const file = url
    .replace(/^.*\/(?:node_modules|packages)\/(?!.*\/node_modules\/)/, '')
    .replace(/^.*\/tooling\//, '')
  return file === '' ? functionName : `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
}

/** @param {unknown} profile @param {string} title */
function save(profile, title) {
  const folder = fileURLToPath(new URL('profiles/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const file = `${folder}${title.replaceAll('/', '-')}.cpuprofile`
  writeFileSync(file, JSON.stringify(profile))
  return file
}
