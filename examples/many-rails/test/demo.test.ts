/**
 * The demo runs to its end and shows what it promises.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const demo = fileURLToPath(new URL('../dist/demo.js', import.meta.url))

test(
  'the page is bought over Tempo, over Lightning, over Stripe, by card, on Stellar and for points',
  { timeout: 60_000 },
  async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [demo])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/402 Payment Required/)
    expect(stdout).toMatch(
      /challenge: tempo\/charge[^]*challenge: lightning\/charge[^]*challenge: stripe\/charge[^]*challenge: card\/charge[^]*challenge: stellar\/charge[^]*challenge: points\/charge/,
    )
    expect(stdout).toMatch(/type: transaction\n\s+signature: 0x76[\da-f]+… \(\d+ characters\)/)
    expect(stdout).toMatch(/method: tempo\n[^]*reference: (0x[\da-f]{64})[^]*hash +\1/)
    expect(stdout).toMatch(/block +\d+, success/)
    expect(stdout).toMatch(/fee +\$0\.00\d+/)
    expect(stdout).toMatch(/payer +\$1 → \$0\.98\d+ pathUSD/)
    expect(stdout).toMatch(/shop +\$5 → \$5\.01 pathUSD/)
    expect(stdout).toMatch(/method: lightning\n[^]*reference: [\da-f]{64}/)
    expect(stdout).toMatch(/payer +50000000 sat → 49999990 sat/)
    expect(stdout).toMatch(/shop +50000000 sat → 50000010 sat/)
    expect(stdout).toMatch(/method: stripe\n[^]*reference: pi_\w+/)
    expect(stdout).toMatch(/token +50 cents allowed, 50 taken/)
    expect(stdout).toMatch(/shop +50 cents captured/)
    expect(stdout).toMatch(/method: card\n[^]*reference: visa_test_[\da-f]{16}/)
    expect(stdout).toMatch(/acquirer +50 cents captured of visa/)
    expect(stdout).toMatch(/method: stellar\n[^]*reference: [\da-f]{64}/)
    expect(stdout).toMatch(/payer +10000000 → 9900000 units of USDC/)
    expect(stdout).toMatch(/shop +0 → 100000 units of USDC/)
    expect(stdout).toMatch(/ada +25 → 15 points/)
    expect(stdout.match(/200 OK/g)).toHaveLength(6)
  },
)
