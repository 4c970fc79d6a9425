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
import { fileURLToPath } from 'node:url'
import { migrate } from '@polyrail/stores/postgres'
import { audit, riot } from '@polyrail/street/riot'
import { any, forked, openStreet, pay, type Deadlines } from '@polyrail/street/street'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leftOut, postgresFolder, redisBinary, startPostgres, startRedis } from './servers.js'

const KILLS = Number(process.env['POLYRAIL_KILLS'] ?? 60)
const COPIES = 1000
const PAYERS = 24
const script = fileURLToPath(new URL('till-process.mjs', import.meta.url))

type Place = { kind: string; where: string }
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
      const street = await openShops(place)
      try {
        const outcome = await riot(street, { kills: KILLS, payers: PAYERS })
        const { at, done, seconds, problems } = outcome
        expect(problems).toEqual([])
        expect(audit(street.book, outcome)).toEqual({ doubled: [], lost: [], givenAway: [] })
        // A credential that was served is served again, and takes nothing.
        for (const [token, authorization] of [...done].slice(-20)) {
          const reply = await street.visit(any(street), token, authorization)
          expect([reply.status, reply.text]).toEqual([200, `page of ${token}`])
        }
        expect(audit(street.book, outcome).doubled).toEqual([])
        console.log(`${name}: ${KILLS} kills, ${done.size} payments, ${seconds} s; cut off at`, at)
        // Some were cut off before the money, some at it or before it was recorded, some before the page was out.
        for (const point of ['presented', 'settle', 'deliver'])
          expect(Object.keys(at).filter((doing) => doing.startsWith(point))).not.toEqual([])
      } finally {
        await street.close()
      }
    },
    60_000 + KILLS * 1000,
  )

  test.skipIf(why !== undefined)(
    `${COPIES} copies of one credential over two servers: one settlement, one delivery (threat 2) ${why ?? ''}`,
    async () => {
      const deadlines = { settle: 20_000, lease: 30_000, wait: 20_000 }
      const street = await openStreet({ start: shopOf(place, deadlines), slow: 20 })
      try {
        const token = crypto.randomUUID()
        const proof = pay(await street.visit(any(street), token), token)
        const replies = await Promise.all(
          Array.from({ length: COPIES }, (_, copy) =>
            street.visit(street.shops[copy % 2] ?? any(street), token, proof?.authorization),
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
  const street = await openShops({ kind: 'memory', where: '' })
  try {
    const outcome = await riot(street, { kills: 10, payers: PAYERS })
    expect(audit(street.book, outcome).doubled).not.toEqual([])
  } finally {
    await street.close()
  }
})

const shopOf = ({ kind, where }: Place, { settle, lease, wait }: Deadlines) =>
  forked(script, [kind, where, ...[settle, lease, wait].map(String)])

/** Shops of short deadlines, so that a payment is soon taken over, on a network that takes a moment. */
const openShops = (place: Place) =>
  openStreet({
    start: shopOf(place, { settle: 300, lease: 400, wait: 100 }),
    spares: 3,
    slow: 8,
  })
