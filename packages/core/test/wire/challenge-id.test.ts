import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import { ChallengeId, PaymentRequest } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const secret = 'an older secret of at least 32 bytes'
const newer = 'the newer secret, also of 32 bytes or more'
const keyring = ChallengeId.keyring(secret)
const slots = {
  realm: 'api.example.com',
  method: 'example',
  intent: 'charge',
  request: PaymentRequest.serialize({ amount: '1000' }),
}
const full = {
  ...slots,
  expires: '2026-01-15T12:05:00Z',
  digest: 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:',
  opaque: PaymentRequest.serialize({ order: '7' }),
}
const hmac = (key: string, text: string): string =>
  createHmac('sha256', key).update(text).digest('base64url')

describe('create', () => {
  test('is the HMAC over the seven slots, all of them present', () => {
    const { realm, method, intent, request, expires, digest, opaque } = full
    const head = `${realm}|${method}|${intent}|${request}`
    expect(ChallengeId.create(full, keyring)).toBe(
      hmac(secret, `${head}|${expires}|${digest}|${opaque}`),
    )
    expect(ChallengeId.create(slots, keyring)).toBe(hmac(secret, `${head}|||`))
    expect(ChallengeId.create({ ...slots, digest }, keyring)).toBe(
      hmac(secret, `${head}||${digest}|`),
    )
    expect(ChallengeId.create({ ...slots, realm: 'münchen €' }, keyring)).toBe(
      hmac(secret, `münchen €|${method}|${intent}|${request}|||`),
    )
  })

  // Computed with openssl, so that the input, the key and the encoding cannot drift.
  test('gives a known id', () => {
    expect(ChallengeId.create(full, ChallengeId.keyring('0'.repeat(32)))).toBe(
      'POuW6kMYji6S7nPUx0yyjwWHUxw0Yl3ePYvmqP1tmrc',
    )
  })

  test('is 43 characters of base64url without padding', () => {
    expect(ChallengeId.create(full, keyring)).toMatch(/^[\w-]{43}$/)
  })

  test('does not depend on what is not bound', () => {
    const more = { ...full, description: 'text', 'x-extension': 'y' }
    expect(ChallengeId.create(more, keyring)).toBe(ChallengeId.create(full, keyring))
  })

  test.each(Object.keys(full))(
    'refuses the separator in %s, which would make slots shift',
    (name) => {
      expect(() => ChallengeId.create({ ...full, [name]: 'a|b' }, keyring)).toThrow(/\|/)
    },
  )
})

describe('verify', () => {
  const id = ChallengeId.create(full, keyring)

  test('accepts the challenge as issued, whatever is not bound', () => {
    expect(ChallengeId.verify({ ...full, id }, keyring)).toBe(true)
    expect(ChallengeId.verify({ ...full, id, description: 'changed' }, keyring)).toBe(true)
  })

  test.each(Object.keys(full))('rejects another %s', (name) => {
    expect(ChallengeId.verify({ ...full, id, [name]: 'other' }, keyring)).toBe(false)
  })

  test.each(['expires', 'digest', 'opaque'])('rejects the loss of %s', (name) => {
    expect(ChallengeId.verify({ ...full, id, [name]: '' }, keyring)).toBe(false)
  })

  test.each(['', 'x', `${id}=`, id.slice(1), id.toUpperCase(), `${id}${id}`, '€'.repeat(43)])(
    'rejects the id %j',
    (wrong) => {
      expect(ChallengeId.verify({ ...full, id: wrong }, keyring)).toBe(false)
    },
  )

  test('rejects slots that were shifted across a separator', () => {
    const shifted = {
      ...slots,
      request: `${full.request}|${full.expires}`,
      expires: full.digest,
      digest: full.opaque,
    }
    expect(ChallengeId.verify({ ...shifted, id }, keyring)).toBe(false)
    // Even under an id of software that lets the separator through.
    const text = `a|b|${slots.method}|${slots.intent}|${slots.request}|||`
    expect(ChallengeId.verify({ ...slots, realm: 'a|b', id: hmac(secret, text) }, keyring)).toBe(
      false,
    )
  })

  test('tells apart an expiry without a digest and a digest without an expiry', () => {
    const one = ChallengeId.create({ ...slots, expires: 'x' }, keyring)
    expect(ChallengeId.verify({ ...slots, digest: 'x', id: one }, keyring)).toBe(false)
  })

  test('accepts its own ids and no others, for any slots', () => {
    const slot = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('|', ''))
    const any = fc.record({
      realm: slot,
      method: slot,
      intent: slot,
      request: slot,
      expires: slot,
      digest: slot,
      opaque: slot,
    })
    fc.assert(
      fc.property(any, any, (left, right) => {
        const own = ChallengeId.create(left, keyring)
        expect(ChallengeId.verify({ ...left, id: own }, keyring)).toBe(true)
        const same = JSON.stringify(Object.values(left)) === JSON.stringify(Object.values(right))
        expect(ChallengeId.verify({ ...right, id: own }, keyring)).toBe(same)
      }),
    )
  })
})

describe('keyring', () => {
  test('signs with the first secret and verifies with all, so that secrets rotate', () => {
    const rotated = ChallengeId.keyring([newer, secret])
    const old = ChallengeId.create(full, keyring)
    const fresh = ChallengeId.create(full, rotated)
    expect(fresh).toBe(ChallengeId.create(full, ChallengeId.keyring(newer)))
    expect(ChallengeId.verify({ ...full, id: old }, rotated)).toBe(true)
    expect(ChallengeId.verify({ ...full, id: fresh }, rotated)).toBe(true)
    expect(ChallengeId.verify({ ...full, id: fresh }, keyring)).toBe(false)
    expect(ChallengeId.verify({ ...full, id: old }, ChallengeId.keyring(newer))).toBe(false)
  })

  test.each([
    ['an empty secret', ''],
    ['a short secret', 'short-and-telling'],
    ['a short secret among others', [secret, 'short-and-telling']],
    ['no secret', []],
  ])('refuses %s with the remedy and without the secret', (_, given) => {
    const attempt = (): unknown => ChallengeId.keyring(given)
    expect(attempt).toThrow(/openssl rand/)
    expect(attempt).not.toThrow(/telling/)
  })

  test('counts bytes of UTF-8, not characters', () => {
    expect(() => ChallengeId.keyring('é'.repeat(16))).not.toThrow()
    expect(() => ChallengeId.keyring('é'.repeat(15))).toThrow(TypeError)
  })

  test('shows no secret to a log, whole or in part', () => {
    const shown = inspect(keyring, { depth: 9, showHidden: true }) + JSON.stringify(keyring)
    expect(shown).not.toContain(secret.slice(0, 8))
    expect(shown).not.toMatch(/[Bb]uffer|Uint8Array/)
  })
})
