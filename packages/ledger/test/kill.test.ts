/**
 * Servers killed with SIGKILL at any moment of a payment, two on one store and one ledger: the books agree with the store,
 * with the network and with the payers.
 *
 * `POLYRAIL_KILLS` says how many a ledger (40).
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ledger as Core } from '@polyrail/core'
import { totals, type Line } from '@polyrail/ledger'
import { sqlite as storeFile } from '@polyrail/stores/sqlite'
import { any, forked, openStreet, pause, pay, type Street } from '@polyrail/street/street'
import Database from 'libsql'
import { describe, expect, test } from 'vitest'
import { all, stages } from './places.js'

const KILLS = Number(process.env['POLYRAIL_KILLS'] ?? 40)
const PAYERS = 16
const script = fileURLToPath(new URL('till-process.mjs', import.meta.url))
const deadlines = { settle: 300, lease: 450, wait: 100 }

type Purchase = { token: string; challengeId: string; authorization: string }

/** Shows one credential until its page comes, or until patience ends. */
async function present(
  street: Street,
  served: Set<string>,
  { token, authorization, visits }: Purchase & { visits: number },
): Promise<string | undefined> {
  for (let left = visits; left > 0; left--) {
    const { status, text } = await street.visit(any(street), token, authorization)
    if (status === 200 && text !== `page of ${token}`) return `${token}: a wrong page: ${text}`
    if (status === 200) return void served.add(token)
    if (![0, 409, 503].includes(status)) return `${token}: ${status} ${text}`
    await pause(50)
  }
  return undefined
}

describe.each(stages)('a ledger on $name', ({ name, why, start }) => {
  test.skipIf(why !== undefined)(
    `agrees with store, network and payers after ${KILLS} kills of two servers ${why ?? ''}`,
    async () => {
      const place = await start()
      const folder = mkdtempSync(join(tmpdir(), 'polyrail-books-'))
      const file = join(folder, 'store.db')
      const database = new Database(file)
      const [store, ledger] = [storeFile(database), place.open()]
      await Promise.all([store.get('first'), all(ledger)])
      const args = [file, place.where, ...Object.values(deadlines).map(String)]
      const street = await openStreet({ start: forked(script, args), spares: 2, slow: 6 })
      const { taken } = street.book
      const served = new Set<string>()
      const purchases: Purchase[] = []
      const cutOff: Record<string, number> = {}
      const began = Date.now()
      try {
        let isOver = false
        const payers = Array.from({ length: PAYERS }, async () => {
          while (!isOver) {
            const token = crypto.randomUUID()
            const proof = pay(await street.visit(any(street), token), token)
            if (!proof) {
              await pause(50)
              continue
            }
            const purchase = { token, ...proof }
            purchases.push(purchase)
            // Every other payer leaves after one try, whatever came of it.
            const visits = purchases.length % 2 === 0 ? 1 : 200
            const problem = await present(street, served, { ...purchase, visits })
            if (problem) return problem
          }
          return undefined
        })
        const problem = Promise.race(payers)
        for (let kills = 0; kills < KILLS;) {
          // A payer ends before all is over only when something is wrong.
          expect(await Promise.race([problem, pause(40)])).toBeUndefined()
          const doing = [...(street.shops[kills % 2]?.doing.values() ?? [])]
          if (doing.length === 0) continue
          for (const point of doing) cutOff[point] = (cutOff[point] ?? 0) + 1
          await street.kill(kills++ % 2)
        }
        isOver = true
        expect((await Promise.all(payers)).filter(Boolean)).toEqual([])
        // Whatever was begun is either finished or given up by now.
        await new Promise((next) => setTimeout(next, deadlines.lease))

        const standings = new Map<string, string | undefined>()
        for (const { challengeId } of purchases)
          standings.set(challengeId, (await Core.find(store, challengeId))?.state)
        const before = booksOf(await all(ledger))
        const wrong = purchases.flatMap(({ token, challengeId }) => {
          const [kinds, state] = [before.get(challengeId) ?? new Set(), standings.get(challengeId)]
          const rules = {
            'no money moves without a claim': !taken.has(token) || kinds.has('claimed'),
            'what the store calls settled is settled':
              (state !== 'settled' && state !== 'delivered') || kinds.has('settled'),
            'what is settled was taken once': !kinds.has('settled') || taken.get(token) === 1,
            'who was served is delivered': !served.has(token) || kinds.has('delivered'),
            'what is delivered is so in the store':
              !kinds.has('delivered') || state === 'delivered',
          }
          const broken = Object.entries(rules).filter(([, holds]) => !holds)
          return broken.map(([rule]) => `${rule}: ${token}, store ${state}, ${[...kinds].join()}`)
        })
        expect(wrong).toEqual([])

        const report = await ledger.reconcile({ store, olderThan: 0 })
        const ids = (list: readonly { challengeId: string }[]) => list.map((one) => one.challengeId)
        const inStore = (...states: string[]) =>
          purchases.filter(({ challengeId: id }) => states.includes(standings.get(id) ?? ''))
        // The ledger may know of a settlement whose server died before the store heard of it.
        const owed = ids(report.owed)
        const onlyHere = owed.filter((id) => standings.get(id) !== 'settled')
        expect(onlyHere.filter((id) => standings.get(id) !== 'claimed')).toEqual([])
        expect(new Set(owed)).toEqual(new Set([...ids(inStore('settled')), ...onlyHere]))
        // Of a claim that died before the ledger heard of it nothing moved, by the first rule.
        const open = ids(inStore('claimed', 'indeterminate')).filter(
          (id) => before.get(id)?.has('claimed') && !onlyHere.includes(id),
        )
        expect(new Set(ids(report.unknown))).toEqual(new Set(open))

        // Everybody who left comes back: the books close, and every coin is in them once.
        const back = purchases.filter(({ token }) => !served.has(token))
        const problems = back.map((one) => present(street, served, { ...one, visits: 200 }))
        expect((await Promise.all(problems)).filter(Boolean)).toEqual([])
        expect(served.size).toBe(purchases.length)
        expect(await ledger.reconcile({ olderThan: 0 })).toEqual({
          owed: [],
          unknown: [],
          added: 0,
        })
        const [total] = await totals(ledger.entries())
        expect(total).toMatchObject({ payments: taken.size, rail: 'coin/charge' })
        expect(total?.settled).toBe(7n * BigInt(purchases.length))
        expect([...taken.values()].filter((times) => times !== 1)).toEqual([])
        const seconds = ((Date.now() - began) / 1000).toFixed(1)
        console.log(
          `${name}: ${KILLS} kills, ${purchases.length} payments, ${seconds} s; listed before all came back: ${owed.length} owed, ${report.unknown.length} unknown, ${report.added} learned from the store; cut off at`,
          cutOff,
        )
        for (const point of ['presented', 'settle', 'deliver'])
          expect(cutOff[point] ?? 0, `nothing was cut off at "${point}"`).toBeGreaterThan(0)
      } finally {
        await street.close()
        database.close()
        await place.close()
        rmSync(folder, { recursive: true, force: true })
      }
    },
    60_000 + KILLS * 1000,
  )
})

function booksOf(lines: readonly Line[]): Map<string, Set<string>> {
  const books = new Map<string, Set<string>>()
  for (const { challengeId, kind } of lines)
    books.set(challengeId, (books.get(challengeId) ?? new Set()).add(kind))
  return books
}
