import { createHash } from 'node:crypto'
import { BodyDigest } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const base64 = (body: string | Uint8Array): string =>
  createHash('sha256').update(body).digest('base64')

test('has the form of RFC 9530, and hashes the empty body and UTF-8 alike', () => {
  expect(BodyDigest.create('')).toBe('sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:')
  expect(BodyDigest.create('{"hello": "world"}')).toBe(
    'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:',
  )
  expect(BodyDigest.create('né')).toBe(`sha-256=:${base64('né')}:`)
})

test('equals the digest of node:crypto for any bytes, and verifies them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(BodyDigest.create(bytes)).toBe(`sha-256=:${base64(bytes)}:`)
      expect(BodyDigest.verify(BodyDigest.create(bytes), bytes)).toBe(true)
      expect(BodyDigest.verify(BodyDigest.create(bytes), new Uint8Array([...bytes, 0]))).toBe(false)
    }),
  )
})

test('hashes a view of a larger buffer, not the buffer', () => {
  const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4)
  expect(BodyDigest.create(view)).toBe(BodyDigest.create(new Uint8Array([1, 2, 3])))
})

describe('verify reads', () => {
  const hash = base64('body')
  test.each([
    ['the form of RFC 9530', `sha-256=:${hash}:`],
    ['the form of deployed software', `sha-256=${hash}`],
    ['a list of algorithms', `sha-512=:AAAA:, sha-256=:${hash}:`],
    ['a list without spaces', `unixsum=:AAAA:,sha-256=:${hash}:,sha=:AAAA:`],
    ['spaces around', ` sha-256=:${hash}: `],
  ])('%s', (_, digest) => {
    expect(BodyDigest.verify(digest, 'body')).toBe(true)
    expect(BodyDigest.verify(digest, 'other')).toBe(false)
  })
})

describe('verify refuses', () => {
  const hash = base64('body')
  test.each([
    ['an empty digest', ''],
    ['another algorithm alone', 'sha-512=:AAAA:'],
    ['one colon', `sha-256=:${hash}`],
    ['the other colon', `sha-256=${hash}:`],
    ['a hash without its padding', `sha-256=:${hash.slice(0, -1)}:`],
    ['base64url', `sha-256=:${hash.replace(/\+/g, '-').replace(/\//g, '_')}_:`],
    ['two hashes', `sha-256=:${hash}:, sha-256=:${hash}:`],
    ['a longer name', `x-sha-256=:${hash}:`],
    ['the bare hash', hash],
    ['a prefix of the hash', `sha-256=:${hash.slice(0, 20)}:`],
    ['a line break', `sha-256=:${hash}:\nx`],
  ])('%s', (_, digest) => {
    expect(BodyDigest.verify(digest, 'body')).toBe(false)
  })

  test('any text without a throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (digest) => {
        expect(BodyDigest.verify(digest, 'body')).toBe(false)
      }),
    )
  })
})
