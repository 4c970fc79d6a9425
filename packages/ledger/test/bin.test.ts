/**
 * The command line, run as it is installed.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Ledger } from '@polyrail/ledger'
import Database from 'libsql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { all, stages, write, type Place } from './places.js'

const bin = fileURLToPath(new URL('../dist/bin.js', import.meta.url))

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [bin, ...args])
  let [out, err] = ['', '']
  child.stdout.on('data', (part: Buffer) => (out += String(part)))
  child.stderr.on('data', (part: Buffer) => (err += String(part)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

describe.each(stages)('on $name', ({ why, start }) => {
  let place: Place
  let ledger: Ledger
  const it = (title: string, act: () => Promise<void>) =>
    test.skipIf(why !== undefined)(`${title} ${why ?? ''}`, act, 30_000)
  beforeAll(async () => {
    if (why !== undefined) return
    place = await start()
    ledger = place.open()
    await write(ledger, ['claimed', 'settled', 'delivered'])
  }, 60_000)
  afterAll(() => place?.close())

  it('says nothing wants attention with exit code 0, and what does with 1', async () => {
    const { where } = place
    expect(await run('reconcile', where, '--older', '0')).toMatchObject({
      code: 0,
      out: '0 settled and not delivered, 0 unknown\n',
    })
    const owed = await write(ledger, ['claimed', 'settled'])
    const unknown = await write(ledger, ['claimed'])
    expect(await run('reconcile', where)).toMatchObject({ code: 0 })
    const { code, out } = await run('reconcile', where, '--older', '0')
    expect(code).toBe(1)
    expect(out).toContain(`OWED ${owed}  points/charge  10.50 pts`)
    expect(out).toContain(`UNKNOWN ${unknown}`)
    expect(out).toMatch(/1 settled and not delivered, 1 unknown\n$/)
    const json = await run('reconcile', where, '--older', '0', '--json')
    expect(
      json.out
        .trim()
        .split('\n')
        .map((one) => (JSON.parse(one) as { state: string }).state),
    ).toEqual(['owed', 'unknown'])
    expect(await run('refund', where, owed, '--reference', 're_1', '--amount', '50')).toMatchObject(
      {
        code: 0,
        out: 'refunded 0.50 pts\n',
      },
    )
    expect(
      await run('refund', where, owed, '--reference', 're_2', '--amount', '5000'),
    ).toMatchObject({
      code: 2,
    })
    // A variable of a script that is not set.
    expect((await run('refund', where, owed, '--reference', 're_2', '--amount', '')).code).toBe(2)
    expect((await run('reconcile', where, '--older', '')).code).toBe(2)
    expect((await run('refund', where, owed, '--reference', 're_2')).code).toBe(0)
    expect((await run('resolve', where, unknown, 'failed')).code).toBe(0)
    expect((await run('reconcile', where, '--older', '0')).code).toBe(0)
  })

  it('exports every line, in both forms, and adds up', async () => {
    const { where } = place
    const kept = await all(ledger)
    const { code, out } = await run('export', where)
    expect(code).toBe(0)
    expect(
      out
        .trim()
        .split('\n')
        .map((one) => JSON.parse(one)),
    ).toEqual(kept)
    const table = await run(
      'export',
      where,
      '--format',
      'csv',
      '--kind',
      'settled',
      '--kind',
      'refunded',
    )
    const wanted = kept.filter(({ kind }) => kind === 'settled' || kind === 'refunded')
    expect(table.out.trim().split('\r\n')).toHaveLength(wanted.length + 1)
    expect((await run('export', where, '--since', '2999-01-01')).out).toBe('')
    expect((await run('totals', where)).out).toMatch(
      /\tpoints\/charge\t\d+\.\d\d pts in \d+ payments/,
    )
  })
})

describe('what makes no sense', () => {
  test.each([
    [],
    ['export'],
    ['explode', 'x.db'],
    ['export', '--nonsense'],
    ['reconcile', 'x.db', '30'],
    ['resolve', 'x.db', 'challenge', 'settled', 'reference'],
  ])('exit code 2 for %j', async (...args) => {
    const { code, out, err } = await run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).not.toBe('')
  })

  test('exit code 3 for a ledger that is not there, and no file made', async () => {
    const { code, err } = await run('reconcile', 'nowhere.db')
    expect(code).toBe(3)
    expect(err).toContain('nowhere.db')
  })

  test('exit code 3 for a database that holds no ledger, and none made in it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'polyrail-no-ledger-'))
    const where = join(folder, 'store.db')
    const database = new Database(where)
    database.exec('CREATE TABLE polyrail_store (key)')
    expect(await run('reconcile', where)).toMatchObject({
      code: 3,
      out: '',
      err: `There is no ledger in "${where}".\n`,
    })
    expect(database.prepare('SELECT name FROM sqlite_master').all()).toHaveLength(1)
    database.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('help is help', async () => {
    const { code, out } = await run('--help')
    expect([code, out]).toEqual([0, expect.stringContaining('Usage: polyrail-ledger')])
  })
})

test('a module may bring the store, which knows better', async () => {
  const place = await (stages[0] as (typeof stages)[number]).start()
  const challengeId = await write(place.open(), ['claimed', 'settled'])
  const module = join(dirname(place.where), 'books.mjs')
  const from = (name: string) => JSON.stringify(import.meta.resolve(name))
  writeFileSync(
    module,
    `import Database from ${from('libsql')}
import { sqlite } from ${from('@polyrail/ledger/sqlite')}
import { Store } from ${from('@polyrail/core')}
export const ledger = sqlite(new Database(${JSON.stringify(place.where)}))
export const store = Store.memory()
await store.set('mpp:challenge:${challengeId}', { state: 'delivered' }, { ttl: 60 })`,
  )
  expect(await run('reconcile', module, '--older', '0')).toMatchObject({
    code: 0,
    out: expect.stringContaining('1 lines learned from the store'),
  })
  expect((await run('reconcile', place.where, '--older', '0')).code).toBe(0)
  writeFileSync(module, 'export const nothing = 1')
  expect((await run('reconcile', module)).code).toBe(3)
  await place.close()
})
