import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as anywhere from '../../src/codec/base64url.ts'
import * as byBuffer from '../../src/codec/base64url.node.ts'
import { equal } from '../../src/codec/equal.ts'
import * as portable from '../../src/codec/sha256.ts'
import * as native from '../../src/codec/sha256.node.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 200 })
const anyBytes = fc.uint8Array({ maxLength: 300 })

describe.each([
  ['by Buffer', byBuffer],
  ['anywhere', anywhere],
])('base64url %s', (_, codec) => {
  test('encodes the vectors of RFC 4648 without padding', () => {
    const words = ['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar']
    const encoded = ['', 'Zg', 'Zm8', 'Zm9v', 'Zm9vYg', 'Zm9vYmE', 'Zm9vYmFy']
    expect(words.map(codec.encode)).toEqual(encoded)
    expect(encoded.map(codec.decode)).toEqual(words)
  })

  test('reads the right padding too', () => {
    expect(['Zg==', 'Zm8=', 'Zm9v'].map(codec.decode)).toEqual(['f', 'fo', 'foo'])
  })

  test('agrees with Buffer on any bytes and texts, both ways', () => {
    fc.assert(
      fc.property(anyBytes, anyText, (bytes, text) => {
        const wellFormed = Buffer.from(text).toString()
        expect(codec.encode(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
        expect([...(codec.decodeBytes(codec.encode(bytes)) ?? [])]).toEqual([...bytes])
        expect(codec.encode(wellFormed)).toBe(Buffer.from(wellFormed).toString('base64url'))
        expect(codec.decode(codec.encode(wellFormed))).toBe(wellFormed)
      }),
    )
  })

  test.each([
    'Zg=',
    'Zg===',
    'Zm8==',
    'Zm9v=',
    'Z===',
    '=',
    'Zg==Zg==',
    'Zm9v\n',
    ' Zm9v',
    'Zm 9v',
    'Zm9+',
    'Zm9/',
    'Z',
    'Zm9vY',
    'Zh',
    'Zm9',
    'é',
    'Zm9v€',
  ])('refuses %j', (encoded) => {
    expect(codec.decodeBytes(encoded)).toBeUndefined()
    expect(codec.decode(encoded)).toBeUndefined()
  })

  test('refuses bytes that are not UTF-8, and keeps U+FFFD and a byte order mark that are', () => {
    for (const bytes of [
      [0xff],
      [0xc3],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
    ])
      expect(codec.decode(codec.encode(Uint8Array.from(bytes)))).toBeUndefined()
    expect(codec.decode(codec.encode('\ufffd'))).toBe('\ufffd')
    expect(codec.decode(codec.encode('\ufeffa'))).toBe('\ufeffa')
  })

  test('has one encoding for one text: whatever decodes encodes to itself', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w-]{0,12}$/), (encoded) => {
        const bytes = codec.decodeBytes(encoded)
        if (bytes) expect(codec.encode(bytes)).toBe(encoded)
      }),
    )
  })
})

describe.each([
  ['in plain JavaScript', portable],
  ['by node:crypto', native],
])('SHA-256 %s', (_, codec) => {
  test('equals node:crypto at every length around a block', () => {
    for (let length = 0; length <= 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 31 + length) & 0xff)
      expect(Buffer.from(codec.sha256(bytes)).toString('hex')).toBe(
        createHash('sha256').update(bytes).digest('hex'),
      )
    }
  })

  test('equals node:crypto on random bytes, long ones too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
        expect([...codec.sha256(bytes)]).toEqual([...createHash('sha256').update(bytes).digest()])
      }),
      { numRuns: 50 },
    )
  })

  test('hashes a text as its UTF-8 bytes, in base64url', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const expected = createHash('sha256').update(text, 'utf8').digest('base64url')
        expect(codec.sha256Text(text)).toBe(expected)
      }),
    )
  })

  test('hashes a view of a larger buffer', () => {
    const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4)
    expect([...codec.sha256(view)]).toEqual([...codec.sha256(Uint8Array.from([1, 2, 3]))])
  })

  test('keeps its input as it was', () => {
    const bytes = Uint8Array.from([1, 2, 3])
    codec.sha256(bytes)
    codec.hmacKey(bytes)('text')
    expect([...bytes]).toEqual([1, 2, 3])
  })

  test('gives the HMAC of RFC 4231, test case 2', () => {
    const key = codec.hmacKey(new TextEncoder().encode('Jefe'))
    const mac = Buffer.from(codec.hmac(key, 'what do ya want for nothing?'), 'base64url')
    expect(mac.toString('hex')).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
  })

  test('gives the HMAC of node:crypto for any key and text, one key used many times', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 130 }), fc.array(anyText), (secret, texts) => {
        const key = codec.hmacKey(secret)
        for (const text of texts)
          expect(codec.hmac(key, text)).toBe(
            createHmac('sha256', secret).update(text, 'utf8').digest('base64url'),
          )
      }),
      { numRuns: 50 },
    )
  })

  test.each([0, 63, 64, 65, 66, 128, 200])(
    'takes a secret of %i bytes as it is or hashed',
    (length) => {
      const secret = new Uint8Array(length).fill(7)
      expect(codec.hmac(codec.hmacKey(secret), 'text')).toBe(
        createHmac('sha256', secret).update('text').digest('base64url'),
      )
    },
  )

  test('has room for a text of any length, and forgets it afterwards', () => {
    const key = codec.hmacKey(Buffer.alloc(32, 1))
    const before = codec.hmac(key, 'short')
    expect(codec.hmac(key, '€'.repeat(100_000))).toBe(
      createHmac('sha256', Buffer.alloc(32, 1)).update('€'.repeat(100_000)).digest('base64url'),
    )
    expect(codec.hmac(key, 'short')).toBe(before)
  })
})

describe('equal', () => {
  test('is true for equal texts alone', () => {
    fc.assert(
      fc.property(anyText, anyText, (left, right) => {
        expect(equal(left, right)).toBe(left === right)
        expect(equal(left, `${left}`)).toBe(true)
      }),
    )
  })

  test('looks at every character', () => {
    const text = 'a'.repeat(43)
    for (let at = 0; at < text.length; at++)
      expect(equal(text, `${text.slice(0, at)}b${text.slice(at + 1)}`)).toBe(false)
  })
})
