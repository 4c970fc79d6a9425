/**
 * Servers that are killed in the middle of a settlement: another one, with the same books, ends it; nobody pays twice.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Mpp as Wallet } from '@polyrail/core/client'
import type { Stellar } from '@polyrail/sandbox/stellar'
import { stellar as paying } from '@polyrail/stellar/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { start, type Local } from './rail.ts'
import { url as page } from './shop.ts'

let local: Local
let folder: string
beforeAll(async () => {
  local = await start()
  folder = mkdtempSync(join(tmpdir(), 'polyrail-shop-'))
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await local.chain.stop()
  rmSync(folder, { recursive: true })
})

const settle = 1000
const children: ChildProcess[] = []

async function openShop(secret: string | undefined): Promise<{ child: ChildProcess; url: string }> {
  const { recipient, currency, rpcUrl } = local.terms
  const settings = JSON.stringify({ folder, settle, recipient, currency, rpcUrl, secret })
  const { pathname } = new URL('dying-shop.mjs', import.meta.url)
  const child = spawn(process.execPath, ['--no-warnings', pathname, settings], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  for await (const url of createInterface({ input: child.stdout })) return { child, url }
  throw new Error('The shop did not open.')
}

const visit = (url: string, authorization?: string) =>
  fetch(url, authorization === undefined ? {} : { headers: { authorization } }).catch(
    () => undefined,
  )

/** Comes back until there is a page, or for half a minute. */
async function insist(url: string, credential: string) {
  for (let visits = 0; visits < 60; visits++) {
    const answer = await visit(url, credential)
    if (answer?.status === 200) return answer.text()
    // What may be on its way is never asked for anew.
    expect([409, 503]).toContain(answer?.status)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return undefined
}

/** At which of its questions to the node the server dies, and whether the node has carried out what it was asked. */
const deaths: [Stellar.StellarMethod, boolean][] = [
  ['simulateTransaction', false],
  ['sendTransaction', false],
  ['sendTransaction', true],
  ['getTransaction', false],
]

describe.each([false, true])('a payment whose fee the server pays: %s', (isSponsored) => {
  test.each(deaths)('dies at %s, done %s', { timeout: 60_000 }, async (method, executed) => {
    const secret = isSponsored ? local.chain.account().secret() : undefined
    const [first, second] = await Promise.all([openShop(secret), openShop(secret)])
    const payer = local.customer(200_000n)
    const methods = [paying.charge({ ...local.wallet, account: payer })]
    const wallet = Wallet.create({ methods, policy: { max: '1' } })
    const asked = await visit(first.url)
    const named = new Response(null, { status: 402, headers: asked?.headers ?? {} })
    const credential = await wallet.createCredential(named, { url: page })
    const fault = local.chain.fault({ method, fail: 'hang', executed })
    const asking = visit(first.url, credential)
    while (fault.hits === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    first.child.kill('SIGKILL')
    expect(await asking).toBeUndefined()
    fault.clear()
    expect(await insist(second.url, credential)).toBe('goods')
    expect(await insist(second.url, credential)).toBe('goods')
    expect(local.usdc.sent(payer.publicKey()).count).toBe(1)
    second.child.kill('SIGKILL')
  })
})
