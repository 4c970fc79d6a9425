import { Receipt } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const example = {
  status: 'success',
  method: 'invoice',
  timestamp: '2025-01-15T12:00:00Z',
  reference: 'inv_12345',
} as const
const encoded =
  'eyJzdGF0dXMiOiJzdWNjZXNzIiwibWV0aG9kIjoiaW52b2ljZSIsInRpbWVzdGFtcCI6IjIwMjUtMDEtMTVUMTI6MDA6MDBaIiwicmVmZXJlbmNlIjoiaW52XzEyMzQ1In0'

test('writes and reads the receipt of the core draft', () => {
  const { method, timestamp, reference } = example
  expect(Receipt.serialize(Receipt.from({ method, timestamp, reference }))).toBe(encoded)
  expect(Receipt.deserialize(encoded)).toEqual(example)
})

describe('from', () => {
  test('stamps the time when none is given, and takes a date', () => {
    const before = Date.now()
    const { timestamp } = Receipt.from({ method: 'tempo', reference: '0x1' })
    expect(Date.parse(timestamp)).toBeGreaterThanOrEqual(before)
    expect(
      Receipt.from({ method: 'tempo', reference: '0x1', timestamp: new Date(0) }).timestamp,
    ).toBe('1970-01-01T00:00:00.000Z')
  })

  test('keeps what the method adds, and is a success whatever that says', () => {
    const receipt = Receipt.from({
      method: 'tempo',
      reference: '0x1',
      status: 'failed',
      spent: '5',
    })
    expect(receipt).toMatchObject({ status: 'success', spent: '5' })
  })

  test('refuses an empty method or reference', () => {
    expect(() => Receipt.from({ method: '', reference: '0x1' })).toThrow(TypeError)
    expect(() => Receipt.from({ method: 'tempo', reference: '' })).toThrow(TypeError)
  })
})

describe('deserialize', () => {
  test('keeps the fields of deployed session receipts', () => {
    const session = { ...example, acceptedCumulative: '100', spent: '90', units: 3, txHash: '0x1' }
    expect(Receipt.deserialize(encode(session))).toEqual(session)
  })

  test.each([
    ['nothing', ''],
    ['null', null],
    ['undefined', undefined],
    ['another status', encode({ ...example, status: 'failed' })],
    ['no status', encode({ ...example, status: undefined })],
    ['no method', encode({ ...example, method: undefined })],
    ['a timestamp that is a number', encode({ ...example, timestamp: 1 })],
    ['no reference', encode({ ...example, reference: null })],
    ['an array', encode([example])],
    ['text that is not JSON', encode('success')],
    ['too much padding', `${encoded}===`],
    ['a scheme before it', `Payment ${encoded}`],
    ['two receipts', `${encoded}, ${encoded}`],
    ['__proto__', encode(`{"__proto__":${JSON.stringify(example)}}`)],
  ])('gives undefined for %s', (_, value) => {
    expect(Receipt.deserialize(value)).toBeUndefined()
  })

  test('reads back any receipt as it was', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 })
    fc.assert(
      fc.property(text, text, text, (method, reference, note) => {
        const receipt = Receipt.from({ method, reference, note, timestamp: example.timestamp })
        expect(Receipt.deserialize(Receipt.serialize(receipt))).toEqual(receipt)
      }),
    )
  })
})

test('fromResponse reads the header of a response', () => {
  const response = (headers: Record<string, string>): Response => new Response(null, { headers })
  expect(Receipt.fromResponse(response({ 'payment-receipt': encoded }))).toEqual(example)
  expect(Receipt.fromResponse(response({ 'payment-receipt': '?' }))).toBeUndefined()
  expect(Receipt.fromResponse(response({}))).toBeUndefined()
})
