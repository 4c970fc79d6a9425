/**
 * Lines on their way into other programs.
 *
 * @module
 */
import { csv, jsonLines, totals, type Line } from '@polyrail/ledger'
import { describe, expect, test } from 'vitest'

const line = (more: Partial<Line> = {}): Line => ({
  id: 1,
  at: Date.parse('2026-08-31T23:59:59.999Z'),
  kind: 'settled',
  challengeId: 'c1',
  turn: '',
  realm: 'api.example.com',
  method: 'points',
  intent: 'charge',
  scope: 's',
  amount: '1050',
  currency: 'pts',
  decimals: 2,
  reference: 'ref',
  settledAt: '2026-08-31T23:59:58Z',
  payer: null,
  source: null,
  reason: null,
  ...more,
})

async function text(pieces: AsyncIterable<string>): Promise<string> {
  let all = ''
  for await (const piece of pieces) all += piece
  return all
}

/** Reads RFC 4180, as a program that knows nothing of apostrophes does. */
function parse(table: string): string[][] {
  const rows: string[][] = []
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy
  let row: string[] = []
  for (const [, quoted, plain, end] of table.matchAll(pattern)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? '')
    if (end === ',') continue
    rows.push(row)
    row = []
  }
  return rows
}

describe('csv', () => {
  test('has a heading, one row a line, and a value that people read', async () => {
    const table = await text(csv([line(), line({ amount: null, currency: null, decimals: null })]))
    expect(table.split('\r\n')).toEqual([
      'id,at,kind,challenge_id,rail,realm,value,currency,amount,decimals,reference,settled_at,payer,source,scope,reason',
      '1,2026-08-31T23:59:59.999Z,settled,c1,points/charge,api.example.com,10.50,pts,1050,2,ref,2026-08-31T23:59:58Z,,,s,',
      '1,2026-08-31T23:59:59.999Z,settled,c1,points/charge,api.example.com,,,,,ref,2026-08-31T23:59:58Z,,,s,',
      '',
    ])
  })

  test.each([
    ['a comma', 'a,b'],
    ['quotes', 'a "b" ""'],
    ['lines', 'a\r\nb\nc'],
    ['a semicolon', 'a;=1+1'],
    ['blanks', ' a '],
    ['nothing', ''],
    ['other letters', 'zürich ☕️ 支付'],
  ])('reads back %s', async (_, source) => {
    const [heading = [], row = []] = parse(await text(csv([line({ source })])))
    expect(row[heading.indexOf('source')]).toBe(source)
    expect(row).toHaveLength(heading.length)
  })

  test.each([
    "=cmd|' /C calc'!A0",
    '+1+1',
    '-1+1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    '  =HYPERLINK("http://x","y")',
    '＝1+1',
    '-AbC_base64url',
  ])('lets no spreadsheet run %j', async (source) => {
    const [heading = [], row = []] = parse(await text(csv([line({ source })])))
    expect(row[heading.indexOf('source')]).toBe(`'${source}`)
  })

  test('is written while it is read: nobody holds a year of lines', async () => {
    let made = 0
    function* endless() {
      for (;;) yield line({ id: ++made })
    }
    for await (const piece of csv(endless())) if (piece.startsWith('100,')) break
    expect(made).toBe(100)
  })
})

test('JSON lines are the lines, one each', async () => {
  const lines = [line({ source: 'a\nb\u2028' }), line({ id: 2, amount: String(2n ** 200n) })]
  const written = await text(jsonLines(lines))
  expect(
    written
      .trimEnd()
      .split('\n')
      .map((one) => JSON.parse(one)),
  ).toEqual(lines)
})

describe('totals', () => {
  test('add up a day, a rail and a currency each, with every digit', async () => {
    const big = String(2n ** 100n)
    const lines = [
      line({ amount: big }),
      line({ amount: '1' }),
      line({ kind: 'refunded', amount: '3' }),
      line({ kind: 'delivered' }),
      line({ kind: 'claimed' }),
      line({ kind: 'failed' }),
      line({ kind: 'issued' }),
      line({ currency: 'usd' }),
      line({ method: 'coins' }),
      line({
        at: Date.parse('2026-09-01T00:00:00Z'),
        amount: null,
        currency: null,
        decimals: null,
      }),
    ]
    const found = await totals(lines)
    expect(
      found.map(({ day, rail, currency, payments }) => [day, rail, currency, payments]),
    ).toEqual([
      ['2026-08-31', 'points/charge', 'pts', 2],
      ['2026-08-31', 'points/charge', 'usd', 1],
      ['2026-08-31', 'coins/charge', 'pts', 1],
      ['2026-09-01', 'points/charge', null, 1],
    ])
    expect(found[0]).toMatchObject({
      settled: 2n ** 100n + 1n,
      refunds: 1,
      refunded: 3n,
      decimals: 2,
    })
    expect(found[3]).toMatchObject({ settled: 0n })
  })
})
