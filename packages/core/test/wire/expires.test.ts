import { Expires } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'

const noon = Date.UTC(2026, 0, 15, 12)

describe('parse', () => {
  test.each([
    ['2026-01-15T12:00:00Z', noon],
    ['2026-01-15t12:00:00z', noon],
    ['2026-01-15T12:00:00.000Z', noon],
    ['2026-01-15T12:00:00.5Z', noon + 500],
    ['2026-01-15T12:00:00.0019Z', noon + 1],
    ['2026-01-15T12:00:00.99999999999999999999Z', noon + 999],
    ['2026-01-15T13:30:00+01:30', noon],
    ['2026-01-15T00:00:00-12:00', noon],
    ['2026-01-15T12:00:00-00:00', noon],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['2017-01-01T00:59:60+01:00', Date.UTC(2017, 0, 1)],
    ['9999-12-31T23:59:59.999Z', 253402300799999],
    ['0001-01-01T00:00:00Z', -62135596800000],
    ['0099-12-31T23:59:59Z', -59011459201000],
  ])('reads %s', (text, time) => {
    expect(Expires.parse(text)).toBe(time)
  })

  test.each([
    '',
    '2026-01-15',
    '2026-01-15T12:00:00',
    '2026-01-15 12:00:00Z',
    '2026-01-15T12:00Z',
    '2026-1-15T12:00:00Z',
    '2026-00-15T12:00:00Z',
    '2026-13-15T12:00:00Z',
    '2026-01-00T12:00:00Z',
    '2026-01-32T12:00:00Z',
    '2026-02-29T12:00:00Z',
    '2100-02-29T12:00:00Z',
    '2026-04-31T12:00:00Z',
    '2026-01-15T24:00:00Z',
    '2026-01-15T12:60:00Z',
    '2026-01-15T12:00:61Z',
    '2026-01-15T12:00:60Z',
    '2026-01-15T12:00:00.Z',
    '2026-01-15T12:00:00,5Z',
    '2026-01-15T12:00:00+24:00',
    '2026-01-15T12:00:00+01:60',
    '2026-01-15T12:00:00+0100',
    '2026-01-15T12:00:00+01',
    '2026-01-15T12:00:00ZZ',
    '2026-01-15T12:00:00Z\n',
    ' 2026-01-15T12:00:00Z',
    '+002026-01-15T12:00:00Z',
    '٢٠٢٦-01-15T12:00:00Z',
    'Thu, 15 Jan 2026 12:00:00 GMT',
    '1768478400',
  ])('refuses %j', (text) => {
    expect(Expires.parse(text)).toBeUndefined()
  })

  test('reads back every time that a Date writes', () => {
    const year = {
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
    }
    fc.assert(
      fc.property(fc.date({ ...year, noInvalidDate: true }), (date) => {
        expect(Expires.parse(date.toISOString())).toBe(date.getTime())
      }),
    )
  })

  test('agrees with Date on every day that a calendar may or may not have', () => {
    for (let year = 1996; year <= 2104; year++)
      for (let month = 1; month <= 12; month++)
        for (let day = 28; day <= 31; day++) {
          const exists = new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day
          const text = `${year}-${String(month).padStart(2, '0')}-${day}T00:00:00Z`
          expect(Expires.parse(text) !== undefined).toBe(exists)
        }
  })
})

describe('writing', () => {
  test('counts from now, in UTC', () => {
    vi.useFakeTimers({ now: noon })
    try {
      expect(Expires.from(1500)).toBe('2026-01-15T12:00:01.500Z')
      expect(Expires.seconds(30)).toBe('2026-01-15T12:00:30.000Z')
      expect(Expires.minutes(5)).toBe('2026-01-15T12:05:00.000Z')
      expect(Expires.hours(36)).toBe('2026-01-17T00:00:00.000Z')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('isExpired', () => {
  test('turns true at the very millisecond', () => {
    expect(Expires.isExpired('2026-01-15T12:00:00Z', noon - 1)).toBe(false)
    expect(Expires.isExpired('2026-01-15T12:00:00Z', noon)).toBe(true)
  })

  test('takes a time that cannot be read for expired, and no time for endless', () => {
    expect(Expires.isExpired('soon')).toBe(true)
    expect(Expires.isExpired('')).toBe(true)
    expect(Expires.isExpired(undefined)).toBe(false)
  })

  test('takes now for the clock when none is given', () => {
    expect(Expires.isExpired(Expires.minutes(1))).toBe(false)
    expect(Expires.isExpired(Expires.minutes(-1))).toBe(true)
  })
})
