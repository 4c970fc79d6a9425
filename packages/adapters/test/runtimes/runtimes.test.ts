import { Receipt } from '@polyrail/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { missing } from '../service.js'
import type { Opened } from '../shop.js'
import { ask as asks, pay, type Visit } from '../visit.js'
import { createProject, open, programs, removeProject, versionOf, type Runtime } from './runtime.js'

const ask = asks['HTTP/1.1']

const rows: [Runtime, string, string][] = [
  ['workerd', 'the core', 'shop.js'],
  ['workerd', 'Hono', 'hono.js'],
  ['Bun', 'the core', 'shop.js'],
  ['Bun', 'Hono', 'hono.js'],
  ['Bun', 'Elysia', 'elysia.js'],
  ['Deno', 'the core', 'shop.js'],
  ['Deno', 'Hono', 'hono.js'],
]

let project: string
beforeAll(() => {
  project = createProject()
}, 60_000)
afterAll(() => removeProject(project))

describe.each(rows)('on %s, %s', (runtime, _, file) => {
  const why = missing(runtime, programs[runtime])
  let opened: Opened
  beforeAll(async () => {
    if (!why) opened = await open(runtime, project, file)
  }, 60_000)
  afterAll(() => opened?.close())

  const books = async () => JSON.parse((await ask(`${opened.origin}/audit`)).text) as object
  beforeEach(async () => void (why || (await books())))
  afterEach(async () => void (why || (await books())))
  const buy = async (path: string, visit: Visit = {}) => {
    const url = opened.origin + path
    const headers = { authorization: pay(await ask(url, visit)) }
    return {
      answer: await ask(url, { ...visit, headers }),
      again: () => ask(url, { ...visit, headers }),
    }
  }

  describe.skipIf(why)(why ? why : `version ${versionOf(runtime)}`, () => {
    test('402, pay, 200 with a receipt; again the recorded answer, for one settlement', async () => {
      const { answer, again } = await buy('/page')
      expect([answer.status, answer.text]).toEqual([200, 'the page'])
      const [receipt] = answer.headers['payment-receipt'] ?? []
      expect(Receipt.deserialize(receipt as string)).toMatchObject({ status: 'success' })
      const second = await again()
      expect([second.status, second.text]).toEqual([200, 'the page'])
      expect(await books()).toEqual({ settled: 1, runs: 1 })
    })

    test('another body, or the same proof for another challenge, is refused', async () => {
      const type = { 'content-type': 'text/plain' }
      const visit = { method: 'POST', body: 'one', headers: type }
      const unpaid = await ask(`${opened.origin}/page`, visit)
      const headers = { ...type, authorization: pay(unpaid) }
      const swapped = { ...visit, body: 'two', headers }
      expect((await ask(`${opened.origin}/page`, swapped)).status).toBe(402)
      const paid = await ask(`${opened.origin}/page`, { ...visit, headers })
      expect([paid.status, paid.text]).toEqual([200, 'the pageone'])
    })

    test('an application that throws is run again for the same payment', async () => {
      const { answer, again } = await buy('/throws')
      expect([answer.status, answer.headers['payment-receipt']]).toEqual([500, undefined])
      const mended = await again()
      expect([mended.status, mended.text]).toEqual([200, 'mended'])
      expect(await books()).toEqual({ settled: 1, runs: 2 })
    })

    test('an application that outlives the lease is not run twice, however many copies come', async () => {
      const authorization = pay(await ask(`${opened.origin}/slow`))
      const visits = Array.from({ length: 5 }, () =>
        ask(`${opened.origin}/slow`, { headers: { authorization } }),
      )
      const texts = (await Promise.all(visits)).map(({ status, text }) => `${status} ${text}`)
      expect(texts).toEqual(texts.map(() => '200 slow'))
      expect(await books()).toEqual({ settled: 1, runs: 1 })
    })

    test('a stream passes through', async () => {
      const { answer } = await buy('/events')
      expect([answer.status, answer.text]).toEqual([200, 'data: 1\n\n'])
    })

    if (file === 'shop.js')
      test('the plain form: a replay is refused', async () => {
        const { answer, again } = await buy('/plain')
        expect([answer.status, answer.text]).toEqual([200, 'the page'])
        expect((await again()).status).toBe(402)
      })
  })
})
