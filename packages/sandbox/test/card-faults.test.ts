import { LocalCards } from '@polyrail/sandbox/card'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call, charge, look, order } from './card-client.js'

const owner = fileURLToPath(new URL('card-owner.mjs', import.meta.url))
const charging = 'POST /v1/charges'

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

const count = () => local.captured['usd']?.count ?? 0

describe('a charge', () => {
  test.each([
    ['is lost before it is made', { fail: 'drop' }, 0],
    ['is made, and its answer lost', { fail: 'drop', executed: true }, 1],
    ['fails before it is made', { fail: { status: 500 } }, 0],
    ['is made, and fails', { fail: { status: 502, body: '<html>' }, executed: true }, 1],
  ] satisfies [string, LocalCards.CardFault, number][])(
    '%s, and is then found as it is',
    async (_, fault, made) => {
      const before = count()
      const [body, key] = [order(local), crypto.randomUUID()]
      using injected = local.fault({ ...fault, call: charging, times: 1 })
      const failed = await charge(local, body, key).catch(() => 'no answer')
      expect([injected.hits, count() - before]).toEqual([1, made])
      expect(failed).not.toMatchObject({ body: { status: 'approved' } })
      expect((await look(local, key)).status).toBe(made === 1 ? 200 : 404)
      expect((await charge(local, body, key)).body).toMatchObject({ status: 'approved' })
      expect(count() - before).toBe(1)
    },
  )

  test('that arrives twice is made once', async () => {
    const before = count()
    const key = crypto.randomUUID()
    using _ = local.fault({ call: charging, twice: true, times: 1 })
    const second = await charge(local, order(local), key)
    expect([200, 409]).toContain(second.status)
    expect((await look(local, key)).body).toMatchObject({ status: 'approved' })
    expect(count() - before).toBe(1)
  })

  test('that is late comes late, and one that hangs is let go with its fault', async () => {
    using _late = local.fault({ call: charging, delay: 60, times: 1 })
    const begun = performance.now()
    expect((await charge(local, order(local))).status).toBe(200)
    expect(performance.now() - begun).toBeGreaterThan(50)
    const hanging = local.fault({ call: charging, fail: 'hang', times: 1 })
    const asked = charge(local, order(local)).catch(() => 'lost')
    await expect.poll(() => hanging.hits).toBe(1)
    hanging.clear()
    expect(await asked).toBe('lost')
  })

  test('is not touched by a fault of another call', async () => {
    using fault = local.fault({ call: 'POST /v1/payment-tokens', fail: { status: 503 } })
    expect((await charge(local, order(local))).status).toBe(200)
    expect((await call(local.vault, '/payment-tokens', { body: {} })).status).toBe(503)
    expect(fault.hits).toBe(1)
  })
})

test('chaos strikes the same calls for the same seed, and no longer than it is in force', async () => {
  async function run(seed: number) {
    using chaos = local.chaos({ seed, rate: 0.5, kinds: ['error', 'lost'] })
    for (let at = 0; at < 20; at++) await charge(local, order(local)).catch(() => undefined)
    return [...chaos.sequence]
  }
  const first = await run(7)
  expect(await run(7)).toEqual(first)
  expect(await run(8)).not.toEqual(first)
  expect(new Set(first)).toEqual(new Set(['', 'error', 'lost']))
  expect((await charge(local, order(local))).status).toBe(200)
})

test('the calls are noted, with what was answered', async () => {
  const key = crypto.randomUUID()
  using _ = local.fault({ call: 'GET /v1/charges/:key', fail: 'drop', times: 1 })
  await charge(local, order(local), key)
  await look(local, key).catch(() => undefined)
  expect(local.calls.slice(-2)).toMatchObject([
    { call: charging, idempotencyKey: key, status: 200 },
    { call: 'GET /v1/charges/:key', status: undefined },
  ])
})

test('the process ends after stop, whatever hangs', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [owner], { timeout: 20_000 })
  expect(stdout).toMatch(
    /^Card network at http:\/\/127\.0\.0\.1:\d+, ready in \d+ ms\napproved 500\n$/,
  )
})
