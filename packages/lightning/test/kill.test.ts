/**
 * A paying process that is killed at any moment of a payment, and starts again: it pays once, and has its page.
 *
 * `POLYRAIL_KILLS` says how many (60, of which this takes a tenth).
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Mpp } from '@polyrail/core/server'
import { Lightning } from '@polyrail/sandbox/lightning'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { start } from './rail.js'
import { openShop } from './shop.js'

const KILLS = Math.ceil(Number(process.env['POLYRAIL_KILLS'] ?? 60) / 10)
const program = fileURLToPath(new URL('payer-process.mjs', import.meta.url))

let local: Awaited<ReturnType<typeof start>>
let node: Awaited<ReturnType<typeof Lightning.lnd>>
let folder: string
beforeAll(async () => {
  local = await start()
  node = await Lightning.lnd(local.payer)
  folder = mkdtempSync(join(tmpdir(), 'polyrail-payer-'))
})
afterAll(async () => {
  await node.close()
  await local.nodes.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** A shop on a port, and a process that buys there. */
async function open(name: string) {
  const shop = openShop(local.shop, { config: { realm: '127.0.0.1' } })
  const server = createServer(Mpp.toNodeListener(shop.page)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const journal = join(folder, `${name}.json`)
  writeFileSync(journal, '{}')
  return {
    shop,
    /** Starts the process; `said` is what it printed before its end. */
    buy(timeout = 20) {
      const page = `http://127.0.0.1:${port}/${name}`
      const args = [program, page, node.url, node.macaroon, journal, String(timeout)]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const lines = createInterface(child.stdout)
      const ready = once(lines, 'line')
      let last = '{}'
      lines.on('line', (line) => void (last = line === 'ready' ? last : line))
      const said = once(lines, 'close').then(
        () => JSON.parse(last) as { status?: number; code?: string },
      )
      return { child, ready, said }
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

test(
  'killed while its payment is pending, it waits for that and pays no other [lightning-charge-028]',
  { timeout: 60_000 },
  async () => {
    const { shop, buy, close } = await open('pending')
    const before = local.shop.income.count
    const held = local.shop.hold()
    try {
      const first = buy()
      await held.arrived()
      first.child.kill('SIGKILL')
      expect(await first.said).toEqual({})
      const second = buy()
      // It finds the payment of which nobody says anything any more, and not a second invoice.
      await sleep(7000)
      expect(held.held.length).toBe(1)
      held.release()
      expect(await second.said).toMatchObject({ status: 200 })
      expect([local.shop.income.count - before, shop.served()]).toEqual([1, 1])
    } finally {
      close()
    }
  },
)

test(
  `${KILLS} kills at any moment: one payment, one page`,
  { timeout: 60_000 + KILLS * 10_000 },
  async () => {
    const { shop, buy, close } = await open('any')
    const before = local.shop.income.count
    const paid = () => local.shop.income.count - before
    const first = buy()
    await first.ready
    const began = Date.now()
    expect(await first.said).toMatchObject({ status: 200 })
    const whole = Date.now() - began
    let paidBefore = 0
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        const { child, ready, said } = buy()
        await ready
        await Promise.race([said, sleep(whole * Math.random())])
        const pages = shop.served()
        child.kill('SIGKILL')
        await said
        if (paid() > pages) paidBefore += 1
        // Whatever it had done, the next one has a page, and each payment has made one.
        expect(await buy().said).toMatchObject({ status: 200 })
        expect(paid()).toBe(shop.served())
      }
      console.log(`${KILLS} kills: ${paid()} payments and pages, ${paidBefore} killed in between`)
      expect(paid()).toBeGreaterThan(KILLS)
    } finally {
      close()
    }
  },
)
