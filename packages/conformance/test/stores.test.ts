/**
 * The store cases on the core's own stores, and on stores that are broken on purpose.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createStoreBench, run, storeCases, storeSuite, summary } from '@polyrail/conformance'
import { huntStore, storeMutants } from '@polyrail/conformance/mutants'
import { storeConformance } from '@polyrail/conformance/vitest'
import { Store } from '@polyrail/core'
import { describe, expect, it } from 'vitest'

const memory = Store.memory()
storeConformance(() => memory, { name: 'memory', capabilities: { wakes: true, volatile: true } })

/** A backend that can do no more than compare and set, one key at a time, each step taking its time. */
const shelf = Store.memory()
storeConformance(
  () =>
    Store.from({
      name: 'shelf',
      volatile: true,
      get: async (key) => (await shelf.get(key)) as string | undefined,
      set: (key, value, options) => shelf.set(key, value, options),
      delete: (key) => shelf.delete(key),
      async compareAndSet(key, expected, next, options) {
        await new Promise((turn) => setTimeout(turn, Math.random() * 3))
        let done = false
        const change = (current: unknown) => {
          done = current === expected
          return done ? next : undefined
        }
        await shelf.update(key, change, options)
        return done
      },
    }),
  { name: 'compare and set', capabilities: { wakes: false, volatile: true } },
)

describe('broken stores', () => {
  for (const mutant of storeMutants)
    it.concurrent(
      `${mutant.id} is caught by ${mutant.caughtBy.join(', ')}`,
      { timeout: 60_000 },
      async () => {
        expect(mutant.caughtBy.length).toBeGreaterThan(0)
        for (const { id, failure } of await huntStore(mutant))
          expect((failure as Error | undefined)?.name, `${id} on: ${mutant.breaks}`).toMatch(
            mutant.id === 'stock/writes-values' ? 'TypeError' : 'ConformanceFailure',
          )
        for (const { id, failure } of await huntStore(mutant, { cured: true }))
          expect(failure, `${id} fails on the real thing`).toBeUndefined()
      },
    )

  it('every case that a store can fail catches one of them', () => {
    const catching = new Set(storeMutants.flatMap(({ caughtBy }) => caughtBy))
    const idle = storeCases.map(({ id }) => id).filter((id) => !catching.has(id))
    expect(idle).toEqual([
      'key/apart',
      'update/changes',
      'claim/given-back',
      'life/long',
      'wait/none',
    ])
    expect(new Set(storeMutants.map(({ id }) => id)).size).toBe(storeMutants.length)
  })
})

describe('the runners', () => {
  it('leave out what a store exempts, with the reason, and refuse to exempt what is not there', () => {
    const capabilities = { wakes: false, volatile: true }
    const exempt = { 'key/odd': 'keys are numbers here' }
    const tests = storeSuite(() => memory, { capabilities, exempt })
    expect(tests.find(({ id }) => id === 'key/odd')?.leftOut).toBe('keys are numbers here')
    expect(() => storeSuite(() => memory, { capabilities, exempt: { 'key/gone': 'x' } })).toThrow(
      'no case "key/gone"',
    )
  })

  it('are three: plain, vitest, and node:test', { timeout: 60_000 }, async () => {
    const store = Store.memory()
    const report = await run(storeCases, {
      context: createStoreBench(() => store),
      has: { volatile: true, wakes: true },
      timeout: 20_000,
    })
    expect(report.failed).toBe(0)
    const file = fileURLToPath(new URL('node-store-runner.mjs', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--test', '--test-reporter=tap', file],
      { env: { ...process.env, NODE_OPTIONS: '' } },
    )
    expect(summary(report)).toContain(`${/# pass (\d+)/.exec(stdout)?.[1]} passed`)
    expect(stdout).toContain('# fail 0')
  })
})
