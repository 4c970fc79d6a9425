/**
 * Servers that are killed while a card is charged, captured, let go or given back: another one, with the same books, ends it, and
 * nobody pays twice or for nothing.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { LocalCards } from '@polyrail/sandbox/card'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { challengeIn, CHARGE, countCaptures, issue, write } from './shop.js'

let local: LocalCards.Sandbox
let folder: string
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
  folder = mkdtempSync(join(tmpdir(), 'polyrail-shop-'))
})
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})
afterAll(async () => {
  await local.stop()
  rmSync(folder, { recursive: true })
})

const captured = countCaptures(() => local)
const settle = 1000

type Terms = { capture?: 'before' | 'after'; page?: 'good' | 'bad' | 'never' }

async function openShop({ capture = 'before', page = 'good' }: Terms = {}) {
  const { acquirer, key } = local
  const settings = JSON.stringify({ folder, settle, acquirer, key, capture, page })
  const { pathname } = new URL('dying-shop.mjs', import.meta.url)
  const child = spawn(process.execPath, ['--no-warnings', pathname, settings], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const lines = createInterface({ input: child.stdout })
  const [url] = (await once(lines, 'line')) as [string]
  return { child, lines, url }
}

const ask = (url: string, headers: Record<string, string> = {}): Promise<Response | undefined> =>
  fetch(url, { headers }).catch(() => undefined)

/** Comes back until there is an answer that stands, or for half a minute. */
async function insist(url: string, headers: Record<string, string>): Promise<unknown[]> {
  for (let visits = 0; visits < 60; visits++) {
    const answer = await ask(url, headers)
    const text = (await answer?.text()) ?? ''
    const isOver = answer?.status === 200 || text.includes('refused before')
    if (isOver) return [answer?.status, answer?.status === 200 ? text : '']
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  return []
}

async function prepare(url: string) {
  const response = await ask(url)
  if (!response) throw new Error('The shop did not answer.')
  const challenge = challengeIn(response)
  return { id: challenge.id, authorization: write(challenge, issue(local, challenge)) }
}

/** Has a server do what comes to a call, and kills it there; whether or not the acquirer has carried it out. */
async function killAt(
  call: LocalCards.CardCall,
  executed: boolean,
  { child, asking }: { child: ChildProcess; asking: () => Promise<Response | undefined> },
): Promise<void> {
  using fault = local.fault({ call, fail: 'hang', executed })
  const answering = asking()
  while (fault.hits === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  child.kill('SIGKILL')
  expect(await answering).toBeUndefined()
}

const deaths: ['before' | 'after', LocalCards.CardCall, boolean][] = [
  ['before', CHARGE, false],
  ['before', CHARGE, true],
  ['after', CHARGE, false],
  ['after', CHARGE, true],
  ['after', `${CHARGE}/:key/capture`, false],
  ['after', `${CHARGE}/:key/capture`, true],
]

describe('a server that is killed', () => {
  test.each(deaths)(
    'capturing %s, at %s, done %s: the page, for one payment',
    { timeout: 60_000 },
    async (capture, call, executed) => {
      const [first, second] = await Promise.all([openShop({ capture }), openShop({ capture })])
      const { authorization } = await prepare(first.url)
      await killAt(call, executed, {
        child: first.child,
        asking: () => ask(first.url, { authorization }),
      })
      expect(await insist(second.url, { authorization })).toEqual([200, 'goods'])
      expect(await insist(second.url, { authorization })).toEqual([200, 'goods'])
      expect(captured()).toBe(1)
    },
  )

  test.each(['before', 'after'] as const)(
    'making a page that is captured for %s: the page, for one payment',
    { timeout: 60_000 },
    async (capture) => {
      const first = await openShop({ capture, page: 'never' })
      const second = await openShop({ capture })
      const { authorization } = await prepare(first.url)
      const making = once(first.lines, 'line')
      const asking = ask(first.url, { authorization })
      await making
      expect(captured()).toBe(capture === 'after' ? 0 : 1)
      first.child.kill('SIGKILL')
      expect(await asking).toBeUndefined()
      expect(await insist(second.url, { authorization })).toEqual([200, 'goods'])
      expect(captured()).toBe(1)
    },
  )

  test.each([
    [false, [200, 'goods'], 1],
    [true, [409, ''], 0],
  ] as const)(
    'letting a card go, done %s: what it then comes to, and no money for nothing',
    { timeout: 60_000 },
    async (executed, end, count) => {
      const first = await openShop({ capture: 'after', page: 'bad' })
      const second = await openShop({ capture: 'after' })
      const { authorization } = await prepare(first.url)
      await killAt(`${CHARGE}/:key/cancel`, executed, {
        child: first.child,
        asking: () => ask(first.url, { authorization }),
      })
      expect(await insist(second.url, { authorization })).toEqual(end)
      expect(captured()).toBe(count)
    },
  )

  test.each([false, true])(
    'giving money back, done %s: it goes back once, and its page is kept back',
    { timeout: 60_000 },
    async (executed) => {
      const first = await openShop({ page: 'bad' })
      const second = await openShop()
      const { authorization, id } = await prepare(first.url)
      expect((await ask(first.url, { authorization }))?.status).toBe(500)
      const { reference } = local.charges.find(({ key }) => key === id) ?? {}
      const refund = JSON.stringify({ method: 'card', reference, challengeId: id })
      await killAt(`${CHARGE}/:key/refunds`, executed, {
        child: first.child,
        asking: () => ask(first.url, { refund }),
      })
      expect((await ask(second.url, { authorization }))?.status).toBe(409)
      expect(await insist(second.url, { refund })).toEqual([200, '50 back, 0 left'])
      expect(await insist(second.url, { refund })).toEqual([200, '50 back, 0 left'])
      expect((await ask(second.url, { authorization }))?.status).toBe(402)
      expect(local.charges.find(({ key }) => key === id)?.refunded).toBe(50n)
    },
  )
})
