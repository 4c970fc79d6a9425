/**
 * Whatever is done to a key, a JWE, a reference or a payload: it is refused as data, or it is the good one.
 *
 * @module
 */
import {
  checkKey,
  decrypt,
  encrypt,
  isCardError,
  readOutside,
  readPlaintext,
  readReference,
} from '@polyrail/card/enabler'
import { charge } from '@polyrail/card'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { forge, makePair, plaintext } from './forge.js'

const { publicKey, privateKey } = makePair('enc-1')
const keys = [privateKey]

/** True for a refusal with a code; anything else that is thrown is thrown on. */
function isRefused(judge: () => unknown): boolean {
  try {
    judge()
    return false
  } catch (cause) {
    if (isCardError(cause)) return true
    throw cause
  }
}

const isOpened = (jwe: string): Promise<boolean> =>
  decrypt(jwe, { keys, kid: 'enc-1' }).then(
    () => true,
    (cause: unknown) => {
      if (isCardError(cause)) return false
      throw cause
    },
  )

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"'
const letter = fc.constantFrom(...letters)

describe('a JWE', () => {
  const good = forge(publicKey)

  test('with any one character changed is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), letter, async (at, other) => {
        fc.pre(good[at] !== other)
        expect(await isOpened(good.slice(0, at) + other + good.slice(at + 1))).toBe(false)
      }),
      { numRuns: 400 },
    )
  })

  test('with anything left out, put in or behind it is refused', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length),
        fc.nat(20),
        fc.string({ unit: letter, maxLength: 20 }),
        async (at, gone, more) => {
          const changed = good.slice(0, at) + more + good.slice(at + gone)
          fc.pre(changed !== good)
          expect(await isOpened(changed)).toBe(false)
        },
      ),
      { numRuns: 400 },
    )
  })

  test('with its parts in any order, or those of another, is refused', async () => {
    const other = forge(publicKey).split('.')
    const parts = good.split('.')
    const mixed = fc.tuple(...parts.map((part, at) => fc.constantFrom(part, other[at] ?? '')))
    const shuffled = fc.shuffledSubarray(parts, { minLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.oneof(mixed, shuffled), async (some) => {
        const changed = some.join('.')
        // The headers are the same.
        fc.pre(changed !== good && changed !== other.join('.'))
        expect(await isOpened(changed)).toBe(false)
      }),
      { numRuns: 200 },
    )
  })

  test('that is anything at all is read or refused, and never more', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(isRefused(() => readOutside(value))).toBe(true)
      }),
    )
    fc.assert(
      fc.property(fc.json(), (header) => {
        const jwe = forge(publicKey, { headerText: header })
        expect(isRefused(() => readOutside(jwe))).toBe(true)
      }),
    )
  })
})

describe('a plaintext', () => {
  test('of any bytes is refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        (bytes) => {
          expect(isRefused(() => readPlaintext(bytes))).toBe(true)
        },
      ),
    )
  })

  test('with any field of another value is refused, or that value is one of its kind', () => {
    const good = plaintext()
    const names = fc.constantFrom<['token' | 'dynamicData', string][]>(
      ...Object.entries(good).flatMap(([part, fields]) =>
        Object.keys(fields).map((name) => [part, name] as ['token' | 'dynamicData', string]),
      ),
    )
    fc.assert(
      fc.property(names, fc.jsonValue(), ([part, name], value) => {
        const text = JSON.stringify({ ...good, [part]: { ...good[part], [name]: value } })
        const isText = typeof value === 'string' && /^[\w+/=-]{1,1026}$/.test(value)
        const isTime = name === 'dynamicDataExpiration' && Number.isInteger(value)
        if (!isText && !isTime)
          expect(isRefused(() => readPlaintext(new TextEncoder().encode(text)))).toBe(true)
      }),
    )
  })

  test('comes back as it went in, whatever its fields are', async () => {
    const digits = (min: number, max: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max })
    const any = fc.record({
      token: fc.record({
        paymentToken: digits(12, 19),
        tokenExpirationMonth: fc.constantFrom('01', '06', '12'),
        tokenExpirationYear: fc.constantFrom('2034', '2099'),
        eci: digits(1, 2),
      }),
      dynamicData: fc.record({
        dynamicDataValue: fc
          .uint8Array({ minLength: 3, maxLength: 20 })
          .map((bytes) => Buffer.from(bytes).toString('base64')),
        dynamicDataType: fc.constantFrom(
          'CARD_APPLICATION_CRYPTOGRAM_LONG_FORM' as const,
          'NONE' as const,
        ),
        dynamicDataExpiration: fc.integer({ min: 2e9, max: 9e9 }),
      }),
    })
    await fc.assert(
      fc.asyncProperty(any, async (made) => {
        const jwe = await encrypt(made, { key: publicKey })
        expect(await decrypt(jwe, { keys, kid: 'enc-1' })).toEqual(made)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a key', () => {
  test('of anything at all is refused', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(isRefused(() => checkKey(value))).toBe(true)
      }),
    )
  })

  /** Three or four bytes, odd, from 65537: any few letters may be that. */
  const isExponent = (value: unknown): boolean => {
    const bytes = Buffer.from(typeof value === 'string' ? value : '', 'base64url')
    if (bytes.length < 3 || bytes.length > 4 || bytes[0] === 0) return false
    const number = bytes.readUIntBE(0, bytes.length)
    return bytes.toString('base64url') === value && number >= 65_537 && number % 2 === 1
  }

  test('with any member of another value is refused, but for a kid and a good exponent', () => {
    const names = fc.constantFrom('kty', 'use', 'alg', 'n', 'e', 'x5c', 'key_ops', 'd', 'k')
    fc.assert(
      fc.property(names, fc.jsonValue(), (name, value) => {
        fc.pre(publicKey[name] !== value)
        const isGood = name === 'e' && isExponent(value)
        expect(isRefused(() => checkKey({ ...publicKey, [name]: value }))).toBe(!isGood)
      }),
    )
  })
})

test('what names a key is read or refused, whatever it is', () => {
  const details = fc.record(
    {
      encryptionJwk: fc.anything(),
      jwksUri: fc.oneof(fc.webUrl(), fc.anything()),
      kid: fc.anything(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(details, fc.oneof(fc.domain(), fc.string()), (some, realm) => {
      expect(isRefused(() => readReference(some, { realm }))).toBe(true)
    }),
  )
})

test('a payload and a request of anything at all are read or refused, and nothing is thrown', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(charge.schema.credential.payload.safeParse(value).success).toBe(false)
      expect(charge.schema.request.safeParse(value).success).toBe(false)
    }),
  )
})
