/**
 * The other ways to run the suite: Node's own runner, the plain runner and its reports, and what they leave out.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  applies,
  line,
  must,
  reference,
  run,
  suite,
  summary,
  wireCases,
  type Case,
} from '@polyrail/conformance'
import { describe, expect, it } from 'vitest'

const toy: readonly Case<{ good: boolean }>[] = [
  {
    id: 'toy/good',
    requirements: ['core-001'],
    title: 'the toy is good',
    run: async ({ good }) => must(good, 'the toy is bad'),
  },
  { id: 'toy/extra', requirements: [], title: 'extra', needs: ['extra'], run: async () => {} },
  { id: 'toy/plain', requirements: [], title: 'plain', needs: ['!extra'], run: async () => {} },
]

describe('the plain runner', () => {
  it('reports what passed, what failed and why, and what was left out and why', async () => {
    const good = await run(toy, {
      context: { good: true },
      exempt: { 'toy/plain': 'no plain toys' },
    })
    expect(summary(good)).toBe('1 passed, 0 failed, 1 left out')
    const bad = await run(toy, { context: { good: false } })
    expect(bad).toMatchObject({ passed: 1, failed: 1, leftOut: 0 })
    expect(bad.results.map(line)).toEqual([
      '✗ toy/good: the toy is good [core-001]\n    the toy is bad',
      '✓ toy/plain: plain',
    ])
  })

  it('ends a case that hangs', async () => {
    const stuck = [
      { id: 'toy/stuck', requirements: [], title: 'stuck', run: () => new Promise<void>(() => {}) },
    ]
    const report = await run(stuck, { context: {}, timeout: 20 })
    expect(report.results[0]?.reason).toContain('no end within 20 ms')
  })

  it('refuses an exemption that exempts nothing or gives no reason', async () => {
    const none = run(toy, { context: { good: true }, exempt: { 'toy/gone': 'it was hard' } })
    await expect(none).rejects.toThrow('no case "toy/gone"')
    const mute = run(toy, { context: { good: true }, exempt: { 'toy/good': ' ' } })
    await expect(mute).rejects.toThrow('gives no reason')
    expect(() => suite({ ...reference.token(), exempt: { 'no/case': 'x' } })).toThrow('no case')
  })
})

describe('the cases', () => {
  it('have ids of their own, and titles', () => {
    const tests = [reference.order(), reference.invoice()].flatMap((rail) => suite(rail))
    const ids = suite(reference.order()).map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(tests.every(({ id, title }) => /^[a-z]+\/[\w-]+$/i.test(id) && title !== '')).toBe(true)
  })

  it('apply by what is declared, and every declaration has a case for yes and a case for no', () => {
    expect(applies(['pay', '!pushes'], { pay: true, pushes: false })).toBe(true)
    expect(applies(['pay', '!pushes'], { pay: true, pushes: true })).toBe(false)
    const { capabilities } = reference.order()
    for (const name of Object.keys(capabilities)) {
      const with_ = suite({ ...reference.order(), capabilities: { ...capabilities, [name]: true } })
      const without = suite({
        ...reference.order(),
        capabilities: { ...capabilities, [name]: false },
      })
      const [yes, no] = [with_, without].map((tests) => new Set(tests.map(({ id }) => id)))
      expect(
        [...(yes ?? [])].some((id) => !no?.has(id)),
        `${name}: yes`,
      ).toBe(true)
      expect(
        [...(no ?? [])].some((id) => !yes?.has(id)),
        `${name}: no`,
      ).toBe(true)
    }
  })

  it('say what would have broken', async () => {
    const page = async () => new Response('free')
    const shop = suite(reference.order(), { seams: { serve: () => page } })
    const failing = shop.filter(({ id }) => wireCases.some((one) => one.id === id))
    const failures = await Promise.all(
      failing.map(({ run }) => run().catch((error: Error) => error.message)),
    )
    expect(failures.filter((message) => message !== undefined).length).toBeGreaterThan(20)
    for (const message of failures) expect(message ?? 'none').not.toMatch(/undefined|Cannot read/)
  })
})

describe('node:test', () => {
  it('runs the same suite', { timeout: 60_000 }, async () => {
    const file = fileURLToPath(new URL('node-runner.mjs', import.meta.url))
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--test', '--test-reporter=tap', file],
      {
        env: { ...process.env, NODE_OPTIONS: '' },
      },
    )
    expect(Number(/# pass (\d+)/.exec(stdout)?.[1])).toBe(suite(reference.order()).length)
    expect(stdout).toContain('# fail 0')
  })
})
