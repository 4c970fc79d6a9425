/**
 * Memory stays flat over 100,000 paid requests whose claims expire; and the test would notice if it did not.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const script = fileURLToPath(new URL('leak.mjs', import.meta.url))
/** A leak of 40 bytes a purchase shows; the heap's own breathing does not. */
const BREATH = 3 * 2 ** 20

async function measure(
  purchases: number,
  kind = 'sound',
): Promise<{ growth: number; keys: number }> {
  const node = ['--expose-gc', '--max-old-space-size=1024', script, String(purchases), kind]
  const { stdout } = await promisify(execFile)(process.execPath, node)
  const { heaps, keys }: { heaps: number[]; keys: number } = JSON.parse(stdout)
  return { growth: (heaps.at(-1) ?? Number.NaN) - (heaps[0] ?? Number.NaN), keys }
}

describe('memory', () => {
  it('stays flat over 100,000 paid requests', { timeout: 240_000 }, async () => {
    const { growth, keys } = await measure(100_000)
    expect(growth).toBeLessThan(BREATH)
    expect(keys).toBeLessThan(20_000)
  })

  it('grows, and is seen to, when claims do not expire', { timeout: 120_000 }, async () => {
    const { growth, keys } = await measure(10_000, 'leaky')
    expect(growth).toBeGreaterThan(BREATH)
    expect(keys).toBe(20_000)
  })
})
