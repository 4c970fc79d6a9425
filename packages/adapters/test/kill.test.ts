/**
 * Servers of each framework killed with SIGKILL at any moment of a payment, two on one SQLite file.
 *
 * `POLYRAIL_KILLS` says how many (60): a fifth of it a framework, of which there are more than stores.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { audit, formOf, isUsed, riot } from '@polyrail/street/riot'
import { any, openStreet, pause, pay, type Shop, type Street } from '@polyrail/street/street'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { elysia } from './servers/elysia.js'
import { express5 } from './servers/express.js'
import { fastify } from './servers/fastify.js'
import { hono } from './servers/hono.js'
import { next } from './servers/next.js'
import { node } from './servers/node.js'
import type { Setting } from './till.js'
import { buildTills, starting } from './tills.js'

const KILLS = Math.ceil(Number(process.env['POLYRAIL_KILLS'] ?? 60) / 5)
const PAYERS = 24
/** Before the money; at it, or before it was recorded; before the page was out. */
const points = ['presented', 'settle', 'deliver']
/** Short, so that a payment is soon taken over. */
const deadlines = { settle: 500, lease: 700, wait: 100 }

beforeAll(buildTills, 60_000)

/** Two servers and those that take their place, on a database of their own. */
async function open(setting: Pick<Setting, 'framework' | 'flaw'>) {
  const folder = mkdtempSync(join(tmpdir(), 'polyrail-killed-'))
  const start = await starting({ ...setting, file: join(folder, 'payments.db'), deadlines })
  const pathOf = (token: string) => `/${formOf(token)}/users/${token}`
  const street = await openStreet({ start, spares: 3, slow: 8, pathOf })
  const close = async () => {
    await street.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { street, close }
}

describe.each([hono, express5, fastify, elysia, next, node])('$name', (framework) => {
  const { name, forms, recordsBefore } = framework
  const once = forms.filter((form) => form === 'before' && !recordsBefore)
  const kept = forms.filter((form) => !once.includes(form))

  let opened: Awaited<ReturnType<typeof open>>
  let street: Street
  beforeAll(async () => {
    opened = await open({ framework: name })
    street = opened.street
    // Next.js is built first.
  }, 180_000)
  afterAll(() => opened?.close())

  /** Shows a credential until nobody else works on its payment. */
  async function present(shop: Shop, token: string, authorization: string) {
    for (;;) {
      const reply = await street.visit(shop, token, authorization)
      if (reply.status !== 409) return reply
      await pause(50)
    }
  }

  /** Pays one of two servers, and has its page. */
  async function buy(shop: Shop, form: string) {
    const token = `${form}-${crypto.randomUUID()}`
    const proof = pay(await street.visit(shop, token), token)
    if (!proof) throw new Error('there was no offer')
    const answer = await street.visit(shop, token, proof.authorization)
    expect([answer.status, answer.text]).toEqual([200, `page of ${token}`])
    return { token, authorization: proof.authorization }
  }

  test(
    `${KILLS} kills of two servers: what was taken is delivered, once taken (threat 9) (threat 10)`,
    async () => {
      const outcome = await riot(street, { kills: KILLS, payers: PAYERS, forms, once, points })
      const { at, killed, done, spent, seconds, problems } = outcome
      expect(problems).toEqual([])
      expect(audit(street.book, outcome)).toEqual({ doubled: [], lost: [], givenAway: [] })
      // A credential that was served takes nothing more, and an answer that was kept is not made again.
      const made = new Map(street.book.made)
      for (const [token, authorization] of [...done].slice(-20)) {
        const { status, text } = await present(any(street), token, authorization)
        const isKept = kept.some((form) => form === formOf(token))
        if (isKept || !isUsed(text)) expect([status, text]).toEqual([200, `page of ${token}`])
        if (isKept) expect(street.book.made.get(token)).toBe(made.get(token))
      }
      expect(audit(street.book, outcome).doubled).toEqual([])
      const used = once.length === 0 ? '' : ` (${spent.size} used up by an answer that was lost)`
      const count = `${killed} kills, ${done.size + spent.size} payments${used}, ${seconds} s`
      console.log(`${name}: ${count}; cut off at`, at)
      for (const form of forms)
        for (const point of points)
          expect(
            Object.keys(at).filter((doing) => doing.startsWith(`${form} ${point}`)),
            `nothing was cut off at "${form} ${point}"`,
          ).not.toEqual([])
    },
    60_000 + KILLS * 4000,
  )

  test.each(kept)(
    'asked %s, an answer outlives its server: the other gives it again, and so does the next one in its place (threat 10)',
    async (form) => {
      const [first, second] = street.shops as [Shop, Shop]
      const { token, authorization } = await buy(first, form)
      await street.kill(0)
      for (const shop of [second, street.shops[0] as Shop]) {
        const { status, text, receipt } = await street.visit(shop, token, authorization)
        expect([status, text, receipt]).toEqual([200, `page of ${token}`, true])
      }
      expect([street.book.taken.get(token), street.book.made.get(token)]).toEqual([1, 1])
    },
    60_000,
  )

  test.each(once)(
    'asked %s, an answer that went out uses its credential up, for the next server too, and nothing is taken again (threat 1)',
    async (form) => {
      const [first, second] = street.shops as [Shop, Shop]
      const { token, authorization } = await buy(first, form)
      // It is put on record while it goes out, and not before.
      expect(isUsed((await present(first, token, authorization)).text)).toBe(true)
      await street.kill(0)
      for (const shop of [second, street.shops[0] as Shop]) {
        const { status, text } = await street.visit(shop, token, authorization)
        expect([status, isUsed(text)]).toEqual([402, true])
      }
      expect([street.book.taken.get(token), street.book.made.get(token)]).toEqual([1, 1])
    },
    60_000,
  )
})

describe('what is wrong is found', () => {
  const suffer = async (flaw: Setting['flaw'], kills: number) => {
    const { street, close } = await open({ framework: node.name, flaw })
    try {
      const outcome = await riot(street, { kills, payers: PAYERS, forms: ['around'] })
      return audit(street.book, outcome)
    } finally {
      await close()
    }
  }

  test('in servers that share no store: payments taken twice', { timeout: 60_000 }, async () => {
    expect((await suffer('forgets', 10)).doubled).not.toEqual([])
  })

  test('in servers that take no money: pages given away', { timeout: 60_000 }, async () => {
    const { givenAway, doubled, lost } = await suffer('gives', 2)
    expect([givenAway.length > 0, doubled, lost]).toEqual([true, [], []])
  })

  test('in a book, on each side: money without a page, and a page without or before its money', () => {
    const taken = new Map([
      ['served', 1],
      ['twice', 2],
      ['lost', 1],
      ['early', 1],
    ])
    const made = new Map([...taken.keys(), 'free'].map((token) => [token, 1]))
    const book = { taken, made, unpaid: new Set(['early']) }
    const done = new Map(['served', 'twice', 'early', 'stolen'].map((token) => [token, '']))
    expect(audit(book, { done, spent: new Set() })).toEqual({
      doubled: ['twice'],
      lost: ['lost'],
      givenAway: ['early', 'stolen', 'free'],
    })
  })
})
