/**
 * Servers killed with SIGKILL at any moment of a payment, two on one store, over each durable store.
 *
 * `POLYRAIL_KILLS` says how many a store (60).
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '@polyrail/stores/postgres'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leftOut, postgresFolder, redisBinary, startPostgres, startRedis } from './servers.js'
import { any, openStreet, pause, prove, type Place, type Street } from './street.js'

const KILLS = Number(process.env['POLYRAIL_KILLS'] ?? 60)
const COPIES = 1000
const PAYERS = 24
/** Milliseconds: a payer is served within this, whatever dies. */
const PATIENCE = 30_000

type Stage = { name: string; why: string | undefined; open(): Promise<Place & { stop(): unknown }> }

const stages: readonly Stage[] = [
  {
    name: 'redis',
    why: leftOut('Redis', redisBinary),
    async open() {
      const { port, stop } = await startRedis()
      return { kind: 'redis', where: String(port), stop }
    },
  },
  {
    name: 'postgres',
    why: leftOut('PostgreSQL', postgresFolder),
    async open() {
      const { port, stop } = await startPostgres()
      const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
      await migrate(pool)
      await pool.end()
      return { kind: 'postgres', where: String(port), stop }
    },
  },
  {
    name: 'sqlite',
    why: undefined,
    async open() {
      const folder = mkdtempSync(join(tmpdir(), 'polyrail-killed-'))
      const stop = () => rmSync(folder, { recursive: true, force: true })
      return { kind: 'sqlite', where: join(folder, 'payments.db'), stop }
    },
  },
]

describe.each(stages)('$name', ({ name, why, open }) => {
  let place: Awaited<ReturnType<Stage['open']>>
  beforeAll(async () => {
    if (why === undefined) place = await open()
  }, 60_000)
  afterAll(() => place?.stop())

  test.skipIf(why !== undefined)(
    `${KILLS} kills of two servers: what was taken is delivered, once taken (threat 9) (threat 10) ${why ?? ''}`,
    async () => {
      const { at, done, seconds, street, problems } = await riot(place, KILLS)
      try {
        expect(problems).toEqual([])
        const { taken } = street.book
        // Nothing doubled, nothing lost, nothing given away.
        expect([...taken].filter(([, times]) => times !== 1)).toEqual([])
        expect([...taken.keys()].filter((token) => !done.has(token))).toEqual([])
        expect([...done.keys()].filter((token) => !taken.has(token))).toEqual([])
        // A credential that was served is served again, and takes nothing.
        for (const [token, authorization] of [...done].slice(-20)) {
          const reply = await street.visit(any(street), token, authorization)
          expect([reply.status, reply.text]).toEqual([200, `page of ${token}`])
        }
        expect([...taken].filter(([, times]) => times !== 1)).toEqual([])
      } finally {
        await street.close()
      }
      console.log(`${name}: ${KILLS} kills, ${done.size} payments, ${seconds} s; cut off at`, at)
      // Some were cut off before the money, some at it or before it was recorded, some before the page was out.
      for (const point of ['presented', 'settle', 'deliver'])
        expect(Object.keys(at).filter((doing) => doing.startsWith(point))).not.toEqual([])
    },
    60_000 + KILLS * 1000,
  )

  test.skipIf(why !== undefined)(
    `${COPIES} copies of one credential over two servers: one settlement, one delivery (threat 2) ${why ?? ''}`,
    async () => {
      const deadlines = { settle: 20_000, lease: 30_000, wait: 20_000 }
      const street = await openStreet(place, { deadlines, slow: 20 })
      try {
        const token = crypto.randomUUID()
        const authorization = await prove(street, token)
        const replies = await Promise.all(
          Array.from({ length: COPIES }, (_, copy) =>
            street.visit(street.shops[copy % 2] ?? any(street), token, authorization),
          ),
        )
        expect(street.book.taken.get(token)).toBe(1)
        expect(street.book.made.get(token)).toBe(1)
        const texts = new Set(replies.map(({ status, text }) => `${status} ${text}`))
        expect([...texts]).toEqual([`200 page of ${token}`])
      } finally {
        await street.close()
      }
    },
    60_000,
  )
})

test('servers that share no store are found out by the kills', { timeout: 60_000 }, async () => {
  const { street } = await riot({ kind: 'memory', where: '' }, 10)
  await street.close()
  expect([...street.book.taken].filter(([, times]) => times > 1)).not.toEqual([])
})

/** Payers who do not give up, and servers killed under them, of which each works on some payment. */
async function riot(place: Place, kills: number) {
  const deadlines = { settle: 300, lease: 400, wait: 100 }
  const street = await openStreet(place, { deadlines, spares: 3, slow: 8 })
  const done = new Map<string, string>()
  const at: Record<string, number> = {}
  const started = Date.now()
  let isOver = false
  const payers = Array.from({ length: PAYERS }, (_, payer) =>
    shopOn(street, { payer, done, isOver: () => isOver }),
  )
  // A payer ends by itself only when something is wrong.
  const ended = Promise.race(payers).then(() => (isOver = true))
  try {
    for (let killed = 0; killed < kills && !isOver;) {
      await pause(40)
      const index = killed % 2
      const shop = street.shops[index]
      if (!shop || shop.doing.size === 0) continue
      for (const doing of shop.doing.values()) at[doing] = (at[doing] ?? 0) + 1
      await street.kill(index)
      killed += 1
    }
  } catch (cause) {
    await street.close()
    throw cause
  } finally {
    isOver = true
  }
  await ended
  const problems = (await Promise.all(payers)).filter((problem) => problem !== undefined)
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  return { street, done, at, problems, seconds }
}

type Round = { payer: number; done: Map<string, string>; isOver(): boolean }

/** Buys page after page; each with one credential, shown until its page comes. Resolves with what went wrong. */
async function shopOn(street: Street, { payer, done, isOver }: Round): Promise<string | undefined> {
  for (let bought = 0; !isOver(); bought++) {
    const token = `${payer}-${bought}-${crypto.randomUUID()}`
    const authorization = await prove(street, token)
    if (authorization === undefined) continue
    const giveUp = Date.now() + PATIENCE
    for (;;) {
      const { status, text, receipt } = await street.visit(any(street), token, authorization)
      if (status === 200) {
        if (text !== `page of ${token}` || !receipt) return `${token}: a wrong page: ${text}`
        done.set(token, authorization)
        break
      }
      if (![0, 409, 503].includes(status)) return `${token}: ${status} ${text}`
      if (Date.now() > giveUp) return `${token}: still ${status} after ${PATIENCE} ms: ${text}`
      await pause(50)
    }
  }
  return undefined
}
