/**
 * Servers killed with SIGKILL at any moment of a payment, two on one store and one ledger: the books agree with the store,
 * with the network and with the payers.
 *
 * `POLYRAIL_KILLS` says how many a ledger (40).
 *
 * @module
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Challenge, Credential, Ledger as Core } from '@polyrail/core'
import { totals, type Line } from '@polyrail/ledger'
import { sqlite as storeFile } from '@polyrail/stores/sqlite'
import Database from 'libsql'
import { describe, expect, test } from 'vitest'
import { all, stages } from './places.js'

const KILLS = Number(process.env['POLYRAIL_KILLS'] ?? 40)
const PAYERS = 16
const script = fileURLToPath(new URL('till-process.mjs', import.meta.url))
const deadlines = { settle: 300, lease: 450, wait: 100 }

type Shop = { child: ChildProcess; port: number; busy: number; at: Set<string> }
type Question = { question: 'settle' | 'find' | 'deliver'; token: string; number: number }
/** What the network, the pages and the payers know, by token. */
type World = { taken: Map<string, number>; made: Set<string>; served: Set<string> }
type Purchase = { token: string; challengeId: string; authorization: string }

const pause = (most: number) => new Promise((next) => setTimeout(next, Math.random() * most))

async function openShop(world: World, args: readonly string[]): Promise<Shop> {
  const child = fork(script, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const shop: Shop = { child, port, busy: 0, at: new Set() }
  child.on('message', async ({ question, token, number }: Question) => {
    shop.at.add(question)
    await pause(6)
    const answer = tell(world, question, token)
    await pause(6)
    shop.at.delete(question)
    // The answer to a process that was just killed.
    if (child.connected) child.send({ number, answer }, () => undefined)
  })
  child.on('error', () => undefined)
  return shop
}

function tell(
  { taken, made }: World,
  question: Question['question'],
  token: string,
): string | null {
  if (question === 'settle') taken.set(token, (taken.get(token) ?? 0) + 1)
  if (question === 'deliver') made.add(token)
  if (question === 'deliver') return `page of ${token}`
  return taken.has(token) ? `reference of ${token}` : null
}

type Reply = { status: number; challenge: string | undefined; text: string }

/** Status 0: the connection broke. */
function visit(shop: Shop, token: string, authorization?: string): Promise<Reply> {
  // Both servers are one origin.
  const headers = { host: '127.0.0.1', ...(authorization !== undefined && { authorization }) }
  shop.busy += 1
  return new Promise<Reply>((resolve) => {
    const broken = () => resolve({ status: 0, challenge: undefined, text: '' })
    const asking = request({ host: '127.0.0.1', port: shop.port, path: `/${token}`, headers })
    asking.on('error', broken)
    asking.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (text += part))
      response.on('error', broken)
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, challenge: headers['www-authenticate'], text })
      })
    })
    asking.end()
  }).finally(() => {
    shop.busy -= 1
  })
}

async function prove(shop: Shop, token: string): Promise<Purchase | undefined> {
  const { challenge: header } = await visit(shop, token)
  const challenge = header === undefined ? undefined : Challenge.deserialize(header)
  return (
    challenge && {
      token,
      challengeId: challenge.id,
      authorization: Credential.serialize({ challenge, payload: { token } }),
    }
  )
}

/** Shows one credential until its page comes, or until patience ends. */
async function present(
  world: World,
  shops: readonly Shop[],
  { token, authorization, visits }: Purchase & { visits: number },
): Promise<string | undefined> {
  for (let left = visits; left > 0; left--) {
    const shop = shops[Math.floor(Math.random() * shops.length)] as Shop
    const { status, text } = await visit(shop, token, authorization)
    if (status === 200 && text !== `page of ${token}`) return `${token}: a wrong page: ${text}`
    if (status === 200) return void world.served.add(token)
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
      const world: World = { taken: new Map(), made: new Set(), served: new Set() }
      const args = [file, place.where, ...Object.values(deadlines).map(String)]
      const shops = await Promise.all([openShop(world, args), openShop(world, args)])
      const spares = [openShop(world, args), openShop(world, args)]
      const purchases: Purchase[] = []
      const cutOff: Record<string, number> = {}
      const began = Date.now()
      try {
        let isOver = false
        const payers = Array.from({ length: PAYERS }, async () => {
          while (!isOver) {
            const purchase = await prove(shops[0] as Shop, crypto.randomUUID())
            if (!purchase) {
              await pause(50)
              continue
            }
            purchases.push(purchase)
            // Every other payer leaves after one try, whatever came of it.
            const visits = purchases.length % 2 === 0 ? 1 : 200
            const problem = await present(world, shops, { ...purchase, visits })
            if (problem) return problem
          }
          return undefined
        })
        const problem = Promise.race(payers)
        for (let kills = 0; kills < KILLS;) {
          // A payer ends before all is over only when something is wrong.
          expect(await Promise.race([problem, pause(40)])).toBeUndefined()
          const shop = shops[kills % 2] as Shop
          if (shop.busy === 0) continue
          for (const question of shop.at.size > 0 ? shop.at : ['between'])
            cutOff[question] = (cutOff[question] ?? 0) + 1
          shop.child.kill('SIGKILL')
          spares.push(openShop(world, args))
          shops[kills++ % 2] = (await spares.shift()) as Shop
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
            'no money moves without a claim': !world.taken.has(token) || kinds.has('claimed'),
            'what the store calls settled is settled':
              (state !== 'settled' && state !== 'delivered') || kinds.has('settled'),
            'what is settled was taken once': !kinds.has('settled') || world.taken.get(token) === 1,
            'who was served is delivered': !world.served.has(token) || kinds.has('delivered'),
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
        const back = purchases.filter(({ token }) => !world.served.has(token))
        const problems = back.map((one) => present(world, shops, { ...one, visits: 200 }))
        expect((await Promise.all(problems)).filter(Boolean)).toEqual([])
        expect(world.served.size).toBe(purchases.length)
        expect(await ledger.reconcile({ olderThan: 0 })).toEqual({
          owed: [],
          unknown: [],
          added: 0,
        })
        const [total] = await totals(ledger.entries())
        expect(total).toMatchObject({ payments: world.taken.size, rail: 'coin/charge' })
        expect(total?.settled).toBe(7n * BigInt(purchases.length))
        expect([...world.taken.values()].filter((times) => times !== 1)).toEqual([])
        const seconds = ((Date.now() - began) / 1000).toFixed(1)
        console.log(
          `${name}: ${KILLS} kills, ${purchases.length} payments, ${seconds} s; listed before all came back: ${owed.length} owed, ${report.unknown.length} unknown, ${report.added} learned from the store; cut off at`,
          cutOff,
        )
        for (const point of ['settle', 'deliver', 'between'])
          expect(cutOff[point] ?? 0, `nothing was cut off at "${point}"`).toBeGreaterThan(0)
      } finally {
        const running = [...shops, ...(await Promise.all(spares))].map(({ child }) => child)
        const ends = running
          .filter(({ exitCode }) => exitCode === null)
          .map((child) => once(child, 'exit'))
        for (const child of running) child.kill('SIGKILL')
        await Promise.all(ends)
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
