import { runInNewContext } from 'node:vm'
import { PaymentRequest } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const canonical = (value: object): string =>
  Buffer.from(PaymentRequest.serialize(value), 'base64url').toString()
const encode = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url')

describe('serialize', () => {
  test('gives the encoding of the core draft, whatever the order of the members', () => {
    const expected = 'eyJhbW91bnQiOiIxMDAwIiwiY3VycmVuY3kiOiJVU0QiLCJyZWNpcGllbnQiOiJhY2N0XzEyMyJ9'
    const request = { recipient: 'acct_123', currency: 'USD', amount: '1000' }
    expect(PaymentRequest.serialize(request)).toBe(expected)
    expect(PaymentRequest.deserialize(expected)).toEqual(request)
  })

  test('has no padding', () => {
    for (let length = 0; length < 6; length++)
      expect(PaymentRequest.serialize({ a: 'x'.repeat(length) })).toMatch(/^[\w-]+$/)
  })

  // RFC 8785, section 3.2.3: keys sort by UTF-16 code units, so an emoji comes before U+FB33.
  test('sorts members by UTF-16 code units, at every level', () => {
    const request = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    expect([...canonical(request).matchAll(/:"([^"]+)"/g)].map(([, value]) => value)).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
    expect(canonical({ b: { d: 1, c: [{ z: 1, y: 2 }] }, a: 0 })).toBe(
      '{"a":0,"b":{"c":[{"y":2,"z":1}],"d":1}}',
    )
  })

  // RFC 8785, section 3.2.2 and appendix B.
  test('writes literals, strings and numbers as ECMAScript does', () => {
    expect(
      canonical({
        numbers: JSON.parse('[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]'),
        string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
        literals: [null, true, false],
      }),
    ).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
    expect(canonical({ n: [-0, 5e-324, 1.7976931348623157e308, 2 ** 53 + 2, 1e21, 1e-7] })).toBe(
      '{"n":[0,5e-324,1.7976931348623157e+308,9007199254740994,1e+21,1e-7]}',
    )
  })

  test('leaves out members that are undefined', () => {
    expect(canonical({ a: undefined, b: 1 })).toBe('{"b":1}')
  })

  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  test.each([
    ['NaN', { a: Number.NaN }],
    ['Infinity', { a: -Infinity }],
    ['a bigint', { a: 1n }],
    ['a function', { a: () => 1 }],
    ['a symbol', { a: Symbol('a') }],
    ['undefined in an array', { a: [undefined] }],
    ['a hole in an array', { a: Array.from({ length: 1 }) }],
    ['a lone surrogate', { a: '\ud800' }],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['a date', { a: new Date() }],
    ['a map', { a: new Map() }],
    ['bytes', { a: new Uint8Array(1) }],
    ['a cycle', cycle],
    ['an array', []],
  ])('refuses %s', (_, value) => {
    expect(() => PaymentRequest.serialize(value)).toThrow(TypeError)
  })

  test('takes objects of another realm or without a prototype for plain', () => {
    expect(canonical(Object.assign(Object.create(null), { a: 1 }))).toBe('{"a":1}')
    expect(canonical({ b: runInNewContext('({ a: [1] })') })).toBe('{"b":{"a":[1]}}')
  })

  test('is canonical: any order of members gives the same text, and parses to the same value', () => {
    const json = fc.jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), json), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'))
        const plain = JSON.parse(JSON.stringify(value))
        const shuffled = Object.fromEntries(Object.entries(plain).toReversed())
        const encoded = PaymentRequest.serialize(plain)
        expect(PaymentRequest.serialize(shuffled)).toBe(encoded)
        expect(PaymentRequest.deserialize(encoded)).toEqual(plain)
        expect(PaymentRequest.serialize(PaymentRequest.deserialize(encoded) ?? {})).toBe(encoded)
      }),
    )
  })
})

describe('deserialize', () => {
  test('reads padding where there is some', () => {
    expect(PaymentRequest.deserialize(`${encode('{"a":1}')}==`)).toEqual({ a: 1 })
  })

  test.each([
    ['nothing', ''],
    ['too little padding', `${encode('{"a":1}')}=`],
    ['too much padding', `${encode('{"a":1}')}===`],
    ['padding at the wrong end', `==${encode('{"a":1}')}`],
    ['base64 of another alphabet', Buffer.from('{"a":"??>>"}').toString('base64')],
    ['text that is not JSON', encode('{a:1}')],
    ['an array', encode('[]')],
    ['null', encode('null')],
    ['a string', encode('"a"')],
    [
      'bytes that are not UTF-8',
      encode(Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])),
    ],
    ['a byte order mark', encode('\ufeff{}')],
    ['two values', encode('{}{}')],
    ['__proto__', encode('{"__proto__":{"polluted":1}}')],
    ['__proto__ escaped', encode('{"a":[{"\\u005f_proto__":1}]}')],
    ['deep nesting', encode(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)],
    ['very deep nesting', encode(`{"a":${'['.repeat(200_000)}`)],
    ['very deep valid nesting', encode(`{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}`)],
  ])('gives undefined for %s', (_, encoded) => {
    expect(PaymentRequest.deserialize(encoded)).toBeUndefined()
  })

  test('reads what is nested 64 deep', () => {
    const text = `${'{"a":'.repeat(64)}1${'}'.repeat(64)}`
    expect(PaymentRequest.serialize(PaymentRequest.deserialize(encode(text)) ?? {})).toBe(
      encode(text),
    )
  })

  test('never lets a member reach a prototype', () => {
    for (const name of ['constructor', 'prototype', 'toString', 'hasOwnProperty']) {
      const value = PaymentRequest.deserialize(encode(JSON.stringify({ [name]: { x: 1 } })))
      expect(value && Object.hasOwn(value, name)).toBe(true)
    }
    expect({}).not.toHaveProperty('x')
  })

  test('keeps a lone surrogate that JSON escapes', () => {
    expect(PaymentRequest.deserialize(encode('{"a":"\\ud800"}'))).toEqual({ a: '\ud800' })
  })
})
