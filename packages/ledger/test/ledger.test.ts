/**
 * A ledger on each database: what is kept, how often, and what an operator may add.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Store } from '@polyrail/core'
import { from, type Ledger } from '@polyrail/ledger'
import { postgres, migration } from '@polyrail/ledger/postgres'
import { sqlite } from '@polyrail/ledger/sqlite'
import Database from 'libsql'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { all, entryOf, stages, write, type Place } from './places.js'

describe.each(stages)('$name', ({ name, why, start }) => {
  let place: Place
  let ledger: Ledger
  const it = (title: string, act: () => Promise<void>, timeout?: number) =>
    test.skipIf(why !== undefined)(`${title} ${why ?? ''}`, act, timeout)
  beforeAll(async () => {
    if (why !== undefined) return
    place = await start()
    ledger = place.open()
  }, 60_000)
  afterAll(() => place?.close())

  it('keeps lines as they were told, in their order', async () => {
    const began = Date.now()
    const challengeId = await write(ledger, ['claimed', 'settled', 'delivered'], {
      payer: 'account-7',
      source: 'did:key:z6Mk',
      price: { amount: 2n ** 200n, currency: '0xA0b8', decimals: 18 },
    })
    const lines = await all(ledger, { challengeId })
    expect(lines.map(({ kind }) => kind)).toEqual(['claimed', 'settled', 'delivered'])
    expect(lines[1]).toEqual({
      id: expect.any(Number),
      at: expect.toSatisfy((at: number) => at >= began && at <= Date.now()),
      kind: 'settled',
      challengeId,
      turn: '',
      realm: 'api.example.com',
      method: 'points',
      intent: 'charge',
      scope: 'scope-1',
      amount: String(2n ** 200n),
      currency: '0xA0b8',
      decimals: 18,
      reference: `ref-${challengeId}`,
      settledAt: '2026-08-31T10:00:00Z',
      payer: 'account-7',
      source: 'did:key:z6Mk',
      reason: null,
    })
  })

  it('keeps what is told many times, from several connections at once, once', async () => {
    const others = [ledger, place.open(), place.open()]
    const { challengeId } = entryOf('claimed')
    for (const kind of ['claimed', 'settled', 'delivered'] as const)
      await Promise.all(
        Array.from({ length: 30 }, (_, n) => others[n % 3]?.write(entryOf(kind, challengeId))),
      )
    const lines = await all(ledger, { challengeId })
    expect(lines.map(({ kind }) => kind)).toEqual(['claimed', 'settled', 'delivered'])
  })

  it('keeps each attempt of a payment that failed and came again, however often each is told', async () => {
    const { challengeId } = entryOf('claimed')
    const kinds = ['claimed', 'failed', 'claimed', 'failed', 'claimed', 'settled'] as const
    for (const kind of kinds)
      for (let told = 0; told < 3; told++) await ledger.write(entryOf(kind, challengeId))
    const lines = await all(ledger, { challengeId })
    expect(lines.map(({ kind, turn }) => kind + turn)).toEqual([
      'claimed0',
      'failed0',
      'claimed1',
      'failed1',
      'claimed2',
      'settled',
    ])
  })

  it('takes texts that nobody expected, and keeps them harmless', async () => {
    const source = `did:x\0\r\n\u001b[31m\u202e\ud800'; DROP TABLE polyrail_ledger; --${'x'.repeat(9000)}`
    const challengeId = await write(ledger, ['claimed'], { source, price: undefined })
    const [line] = await all(ledger, { challengeId })
    expect(line?.source).toHaveLength(512)
    expect(line?.source).toMatch(/^did:x�{3}�\[31m��'; DROP TABLE/)
    expect(line).toMatchObject({ amount: null, currency: null, decimals: null })
  })

  it('refuses to change or forget', async () => {
    await write(ledger, ['claimed'])
    for (const sql of ["UPDATE polyrail_ledger SET amount = '1'", 'DELETE FROM polyrail_ledger'])
      await expect(place.run(sql)).rejects.toThrow(/append-only/)
  })

  it('reads more than a page, and only what is asked for', async () => {
    const past = vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2020-02-02T12:00:00Z'))
    const kinds = ['claimed', 'settled', 'delivered'] as const
    const writing: Promise<unknown>[] = []
    for (let n = 0; n < 700; n++)
      for (const kind of kinds) writing.push(ledger.write(entryOf(kind, `old-${n}`)))
    past.mockRestore()
    await Promise.all(writing)
    const window = { since: Date.parse('2020-02-02'), until: Date.parse('2020-02-03') }
    const found = await all(ledger, window)
    expect(found).toHaveLength(2100)
    expect(found.map(({ id }) => id)).toEqual(found.map(({ id }) => id).toSorted((a, b) => a - b))
    expect(await all(ledger, { ...window, kinds: ['settled', 'failed'] })).toHaveLength(700)
    expect(await all(ledger, { ...window, until: window.since })).toEqual([])
  }, 30_000)

  it('lists what is owed and what is unknown, and nothing else', async () => {
    const fresh = await ledger.reconcile()
    expect(
      [...fresh.owed, ...fresh.unknown].filter(({ since }) => since > Date.now() - 60_000),
    ).toEqual([])
    await write(ledger, ['claimed', 'settled', 'delivered'])
    await write(ledger, ['claimed', 'failed'])
    const owed = await write(ledger, ['claimed', 'settled'])
    const unknown = await write(ledger, ['claimed'])
    const again = await write(ledger, ['claimed', 'failed', 'claimed'])
    const report = await ledger.reconcile({ olderThan: 0 })
    const ids = (findings: readonly { challengeId: string }[]) =>
      findings.map(({ challengeId }) => challengeId)
    expect(ids(report.owed)).toContain(owed)
    expect(ids(report.unknown)).toEqual(expect.arrayContaining([unknown, again]))
    const known = new Map<string, Set<string>>()
    for (const { challengeId, kind } of await all(ledger)) {
      const kinds = known.get(challengeId) ?? new Set()
      known.set(challengeId, kinds.add(kind))
    }
    for (const id of ids(report.owed)) expect(known.get(id)).not.toContain('delivered')
    for (const id of ids(report.unknown)) expect(known.get(id)).not.toContain('settled')
    expect(report.owed.find(({ challengeId }) => challengeId === owed)).toMatchObject({
      state: 'owed',
      left: '1050',
      store: undefined,
      line: { reference: `ref-${owed}`, method: 'points' },
    })
  })

  it('keeps refunds: whole, in parts, once each, and never more than came', async () => {
    const challengeId = await write(ledger, ['claimed', 'settled'])
    const isListed = async () =>
      (await ledger.reconcile({ olderThan: 0 })).owed.find((one) => one.challengeId === challengeId)
    await expect(ledger.refund(challengeId, { reference: 'r1', amount: '1051' })).rejects.toThrow(
      RangeError,
    )
    const amount = '1000'
    expect(await ledger.refund(challengeId, { reference: 'r1', amount })).toMatchObject({
      kind: 'refunded',
      amount,
      currency: 'pts',
      reference: 'r1',
    })
    await ledger.refund(challengeId, { reference: 'r1', amount })
    expect(await isListed()).toMatchObject({ left: '50' })
    await expect(ledger.refund(challengeId, { reference: 'r2', amount: '51' })).rejects.toThrow(
      /50/,
    )
    expect(await ledger.refund(challengeId, { reference: 'r2' })).toMatchObject({ amount: '50' })
    expect(await isListed()).toBeUndefined()
    const refunds = await all(ledger, { challengeId, kinds: ['refunded'] })
    expect(refunds.map(({ amount, turn }) => [turn, amount])).toEqual([
      ['r1', '1000'],
      ['r2', '50'],
    ])
    for (const wrong of ['', '-1', '1.5', '1e3', '+1', '0x10'])
      await expect(ledger.refund(challengeId, { reference: 'r3', amount: wrong })).rejects.toThrow(
        RangeError,
      )
    const unpaid = await write(ledger, ['claimed', 'failed'])
    await expect(ledger.refund(unpaid, { reference: 'r' })).rejects.toThrow(RangeError)
    await expect(ledger.refund('nobody', { reference: 'r' })).rejects.toThrow(RangeError)
  })

  it('keeps what an operator found out', async () => {
    const listed = async (challengeId: string) => {
      const { owed, unknown } = await ledger.reconcile({ olderThan: 0 })
      return [...owed, ...unknown].find((one) => one.challengeId === challengeId)?.state
    }
    const failed = await write(ledger, ['claimed'])
    await ledger.resolve(failed, 'failed')
    expect(await listed(failed)).toBeUndefined()
    const settled = await write(ledger, ['claimed'])
    await expect(ledger.resolve(settled, 'settled')).rejects.toThrow(/reference/)
    await ledger.resolve(settled, 'settled', { reference: 'found' })
    expect(await listed(settled)).toBe('owed')
    await expect(ledger.resolve(settled, 'failed')).rejects.toThrow(/refund/)
    await ledger.resolve(settled, 'delivered')
    expect(await listed(settled)).toBeUndefined()
    const lines = await all(ledger, { challengeId: settled })
    expect(lines.map(({ kind, reference }) => [kind, reference])).toEqual([
      ['claimed', null],
      ['settled', 'found'],
      ['delivered', null],
    ])
    await expect(ledger.resolve('nobody', 'failed')).rejects.toThrow(RangeError)
  })

  it('learns from the store what it missed, and asks nobody else', async () => {
    const store = Store.memory()
    const put = async (kinds: ('claimed' | 'settled')[], state: string | undefined) => {
      const id = await write(ledger, kinds)
      const receipt = {
        status: 'success',
        method: 'points',
        reference: 'from the store',
        timestamp: 't',
      }
      if (state) await store.set(`mpp:challenge:${id}`, { state, receipt }, { ttl: 60 })
      return id
    }
    const delivered = await put(['claimed', 'settled'], 'delivered')
    const rejected = await put(['claimed'], 'rejected')
    const released = await put(['claimed'], 'released')
    const settled = await put(['claimed'], 'settled')
    const claimed = await put(['claimed'], 'claimed')
    const indeterminate = await put(['claimed'], 'indeterminate')
    const forgotten = await put(['claimed', 'settled'], undefined)
    const seen = async () => {
      const { owed, unknown } = await ledger.reconcile({ olderThan: 0, store })
      return new Map([...owed, ...unknown].map((one) => [one.challengeId, [one.state, one.store]]))
    }
    const first = await seen()
    for (const id of [delivered, rejected, released]) expect(first.has(id)).toBe(false)
    expect(first.get(claimed)).toEqual(['unknown', 'claimed'])
    expect(first.get(indeterminate)).toEqual(['unknown', 'indeterminate'])
    expect(first.get(forgotten)).toEqual(['owed', 'forgotten'])
    expect((await seen()).get(settled)).toEqual(['owed', 'settled'])
    const kinds = async (challengeId: string) =>
      (await all(ledger, { challengeId })).map(({ kind, reference }) => [kind, reference])
    expect(await kinds(delivered)).toEqual([
      ['claimed', null],
      ['settled', `ref-${delivered}`],
      ['delivered', null],
    ])
    expect(await kinds(rejected)).toEqual([
      ['claimed', null],
      ['failed', null],
    ])
    expect(await kinds(settled)).toEqual([
      ['claimed', null],
      ['settled', 'from the store'],
    ])
    expect((await ledger.reconcile({ olderThan: 0, store })).added).toBe(0)
  })

  it('asks the store of young payments too, which forgets them before they are old', async () => {
    const store = Store.memory()
    const put = async (kinds: ('claimed' | 'settled')[], state: string) => {
      const id = await write(ledger, kinds)
      await store.set(`mpp:challenge:${id}`, { state }, { ttl: 60 })
      return id
    }
    const delivered = await put(['claimed', 'settled'], 'delivered')
    const rejected = await put(['claimed'], 'rejected')
    const released = await put(['claimed'], 'released')
    const claimed = await put(['claimed'], 'claimed')
    const { owed, unknown } = await ledger.reconcile({ store })
    const young = new Set([delivered, rejected, released, claimed])
    expect([...owed, ...unknown].filter(({ challengeId }) => young.has(challengeId))).toEqual([])
    const last = async (challengeId: string) => (await all(ledger, { challengeId })).at(-1)?.kind
    expect(await Promise.all([...young].map(last))).toEqual([
      'delivered',
      'failed',
      // May be claimed anew just now.
      'claimed',
      'claimed',
    ])
  })

  it('knows a payment by all of its lines, however often it was tried', async () => {
    const { challengeId } = entryOf('claimed')
    for (let attempt = 0; attempt < 501; attempt++)
      for (const kind of ['claimed', 'failed'] as const)
        await ledger.write(entryOf(kind, challengeId))
    for (const kind of ['claimed', 'settled'] as const)
      await ledger.write(entryOf(kind, challengeId))
    expect(await ledger.refund(challengeId, { reference: 'late' })).toMatchObject({
      amount: '1050',
    })
    await expect(ledger.refund(challengeId, { reference: 'again', amount: '1' })).rejects.toThrow(
      RangeError,
    )
  }, 60_000)

  it('lists a payment no more of which more went back than came, by two at one moment', async () => {
    const challengeId = await write(ledger, ['claimed', 'settled'])
    const refund = (reference: string) => ledger.refund(challengeId, { reference })
    await Promise.all([refund('one'), refund('other')])
    const { owed } = await ledger.reconcile({ olderThan: 0 })
    expect(owed.filter((one) => one.challengeId === challengeId)).toEqual([])
  })

  it('reads nothing for no kind, and refuses what is no time', async () => {
    expect(await all(ledger, { kinds: [] })).toEqual([])
    for (const since of [Date.parse('2026-31-08'), 0.5, Infinity])
      await expect(all(ledger, { since })).rejects.toThrow(RangeError)
  })

  it('notes challenges only when told to, without keeping anybody waiting', async () => {
    expect(ledger.issue).toBeUndefined()
    const noting = place.open({ issued: true })
    const realm = `${name}.issued`
    for (let n = 0; n < 1200; n++) noting.issue?.(entryOf('issued', `issued-${n}`, { realm }))
    await noting.flush()
    const lines = await all(ledger, { kinds: ['issued'] })
    expect(lines.filter((line) => line.realm === realm)).toHaveLength(1200)
    noting.issue?.(entryOf('issued', 'issued-later', { realm }))
    await vi.waitFor(async () => {
      expect(await all(ledger, { challengeId: 'issued-later' })).toHaveLength(1)
    }, 4000)
  })

  it('is written by several processes at once, and misses nothing', async () => {
    const script = fileURLToPath(new URL('writer-process.mjs', import.meta.url))
    const writers = Array.from({ length: 4 }, (_, n) =>
      fork(script, [place.where, String(n), '60'], { stdio: 'inherit' }),
    )
    const ends = await Promise.all(writers.map((writer) => once(writer, 'exit')))
    expect(ends.map(([code]) => code)).toEqual([0, 0, 0, 0])
    const lines = (await all(ledger)).filter(({ realm }) => realm === 'processes')
    // Each process has payments of its own, and all have ten in common.
    expect(lines).toHaveLength((4 * 60 + 10) * 3)
  }, 60_000)
})

test.skipIf(stages[1]?.why !== undefined)(
  `a PostgreSQL that is gone is given up in time, and its words are for traces ${stages[1]?.why ?? ''}`,
  async () => {
    const place = await (stages[1] as (typeof stages)[number]).start()
    const ledger = place.open({ timeout: 500 })
    await write(ledger, ['claimed'])
    await place.close()
    const error = await ledger.write(entryOf('claimed')).catch((cause: unknown) => cause as Error)
    expect((error as Error).message).toMatch(/^Ledger "postgres" could not do a step/)
    expect((error as Error).cause).toBeDefined()
  },
  60_000,
)

test('a file that another has is given up in time', async () => {
  const place = await (stages[0] as (typeof stages)[number]).start()
  const ledger = place.open({ timeout: 200 })
  await write(ledger, ['claimed'])
  await place.run('BEGIN IMMEDIATE')
  await expect(ledger.write(entryOf('claimed'))).rejects.toThrow(/^Ledger "sqlite" could not/)
  await place.close()
})

test('what was given up is not written after all, however long the queue was', async () => {
  const place = await (stages[0] as (typeof stages)[number]).start()
  const ledger = place.open({ timeout: 200 })
  await write(ledger, ['claimed'])
  const holder = new Database(place.where)
  holder.exec('BEGIN IMMEDIATE')
  const told = await Promise.allSettled(
    Array.from({ length: 200 }, () => ledger.write(entryOf('claimed'))),
  )
  expect(told.every(({ status }) => status === 'rejected')).toBe(true)
  holder.exec('ROLLBACK')
  holder.close()
  // Comes after whatever is still waiting.
  const last = entryOf('claimed')
  await expect
    .poll(() => ledger.write(last).then(() => 'written', String), { timeout: 5000 })
    .toBe('written')
  expect(await all(ledger)).toHaveLength(2)
  await place.close()
})

test('parameters are given in their order, for better-sqlite3 takes no numbered ones', async () => {
  const database = new Database(':memory:')
  const prepared: string[] = []
  const ledger = sqlite({
    exec: (sql) => database.exec(sql),
    prepare: (sql) => (prepared.push(sql), database.prepare(sql)),
  })
  const challengeId = await write(ledger, ['claimed', 'failed', 'claimed', 'settled'])
  await ledger.reconcile({ olderThan: 0 })
  const lines = await all(ledger, { challengeId, since: 0, kinds: ['claimed', 'failed'] })
  expect(lines.map(({ kind, turn }) => kind + turn)).toEqual(['claimed0', 'failed0', 'claimed1'])
  expect(prepared.filter((sql) => /\?\d/.test(sql))).toEqual([])
  database.close()
})

test('a database that never answers is given up in time', async () => {
  const ledger = postgres({ query: () => new Promise(() => undefined) }, { timeout: 50 })
  await expect(ledger.write(entryOf('claimed'))).rejects.toThrow(/could not do a step/)
})

test('what is no database, and a table of another name, are refused', () => {
  expect(() => sqlite({} as sqlite.Database)).toThrow(/open database/)
  expect(() => migration('x; DROP TABLE y')).toThrow(TypeError)
  expect(migration('billing.ledger')).toContain('CREATE TABLE IF NOT EXISTS billing.ledger (')
})

test('a flood of challenges fills no memory, and says what it dropped', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  let added = 0
  const ledger = from(
    {
      name: 'slow',
      append: async (lines) => (added += lines.length),
      read: async () => [],
      open: async () => [],
    },
    { issued: true },
  )
  for (let n = 0; n < 10_500; n++) ledger.issue?.(entryOf('issued', `flood-${n}`))
  await ledger.flush()
  expect(added).toBe(10_000)
  expect(warned.mock.calls.flat().join()).toContain('500 issued challenges')
  warned.mockRestore()
})
