import { Challenge, Credential, PaymentRequest } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const encode = (value: unknown): string =>
  `Payment ${Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')}`
const decode = (header: string): unknown =>
  JSON.parse(Buffer.from(header.replace(/^Payment /, ''), 'base64url').toString())
const wire: Challenge.Wire = {
  id: 'x7Tg2pLqR9mKvNwY3hBcZa',
  realm: 'api.example.com',
  method: 'example',
  intent: 'charge',
  request: 'eyJhbW91bnQiOiIxMDAwIiwiY3VycmVuY3kiOiJVU0QiLCJyZWNpcGllbnQiOiJhY2N0XzEyMyJ9',
  expires: '2025-01-15T12:05:00Z',
}
const payload = { proof: '0xabc123...' }

describe('serialize', () => {
  // The draft's own example, but for the misprints that its encoded form has in `request`.
  test('writes the credential of the core draft', () => {
    expect(decode(Credential.serialize({ challenge: wire, payload }))).toEqual({
      challenge: wire,
      payload,
    })
  })

  test('echoes every text of the wire unchanged, extensions too, from either form', () => {
    const full = { ...wire, opaque: 'e30', digest: 'd', description: 'a "b" \\ €', 'x-new': '1' }
    const challenge = Challenge.scan(Challenge.serialize(full))[0] ?? wire
    const decoded = Challenge.decode(challenge)
    expect(decode(Credential.serialize({ challenge, payload }))).toEqual({
      challenge: full,
      payload,
    })
    expect(decode(Credential.serialize({ challenge: decoded ?? wire, payload }))).toEqual({
      challenge: full,
      payload,
    })
  })

  test('is a valid header value whatever it holds, and has no padding', () => {
    for (const note of ['', 'a', 'ab', 'abc', '€😀\r\n\0', '\ud800']) {
      const header = Credential.serialize({ challenge: wire, payload: { note }, source: note })
      expect(header).toMatch(/^Payment [\w-]+$/)
      expect(Credential.deserialize(header)).toEqual({
        challenge: wire,
        payload: { note },
        source: note,
      })
    }
  })

  test.each([undefined, null, 'text', 1, []])('refuses the payload %j', (given) => {
    expect(() => Credential.serialize({ challenge: wire, payload: given })).toThrow(/payload/)
  })
})

describe('deserialize', () => {
  test('reads what the core draft shows, encoded there', () => {
    const header =
      'Payment eyJjaGFsbGVuZ2UiOnsiaWQiOiJ4N1RnMnBMcVI5bUt2TndZM2hCY1phIiwicmVhbG0iOiJhcGkuZXhhbXBsZS5jb20iLCJtZXRob2QiOiJleGFtcGxlIiwiaW50ZW50IjoiY2hhcmdlIiwicmVxdWVzdCI6ImV5SmhiVzkxYm5RaU9pSXhNREF3SWl3aVkzVnljbVZ1WTNraU9pSlZVMFFpTENKeVpXTnBjR2xsYm5RaU9pSmhZMk4wWHpFeU15SjkiLCJleHBpcmVzIjoiMjAyNS0wMS0xNVQxMjowNTowMFoifSwicGF5bG9hZCI6eyJwcm9vZiI6IjB4YWJjMTIzLi4uIn19'
    expect(Credential.deserialize(header)).toEqual({
      challenge: { ...wire, request: expect.any(String) },
      payload,
    })
  })

  // The draft's one-time charge has an encoded example of an older form, without a challenge.
  test('refuses a credential that has an id and no challenge', () => {
    expect(
      Credential.deserialize(
        'Payment eyJpZCI6InFCM3dFclR5VTdpT3BBc0Q5ZkdoSmsiLCJwYXlsb2FkIjp7InByZWltYWdlIjoiMHhhYmMxMjMuLi4ifX0',
      ),
    ).toBeUndefined()
  })

  const header = Credential.serialize({ challenge: wire, payload })
  const token = header.slice('Payment '.length)

  test.each([`payment ${token}`, `PAYMENT   ${token}`, ` Payment ${token} `])(
    'reads the scheme in any case: %.14s',
    (value) => {
      expect(Credential.deserialize(value)?.payload).toEqual(payload)
    },
  )

  test.each([
    ['nothing', ''],
    ['null', null],
    ['undefined', undefined],
    ['the scheme alone', 'Payment'],
    ['the scheme and spaces', 'Payment   '],
    ['no scheme', token],
    ['another scheme', `Bearer ${token}`],
    ['no space', `Payment${token}`],
    ['a tab', `Payment\t${token}`],
    ['too much padding', `Payment ${token}===`],
    ['two tokens', `Payment ${token} ${token}`],
    ['a list', `Payment ${token}, Payment ${token}`],
    ['base64 of another alphabet', `Payment ${token.slice(0, -1)}+`],
    ['a cut token', `Payment ${token.slice(0, -9)}`],
    ['JSON itself', `Payment ${JSON.stringify({ challenge: wire, payload })}`],
  ])('gives undefined for %s', (_, value) => {
    expect(Credential.deserialize(value)).toBeUndefined()
  })

  test.each([
    ['an array', []],
    ['no challenge', { payload }],
    ['a challenge that is text', { challenge: 'x', payload }],
    ['a challenge that is an array', { challenge: [wire], payload }],
    ['no payload', { challenge: wire }],
    ['a payload that is text', { challenge: wire, payload: 'x' }],
    ['a payload that is null', { challenge: wire, payload: null }],
    ['a payload that is an array', { challenge: wire, payload: [] }],
    ['a source that is no text', { challenge: wire, payload, source: {} }],
    ['an empty id', { challenge: { ...wire, id: '' }, payload }],
    ['an id that is a number', { challenge: { ...wire, id: 1 }, payload }],
    ['no realm', { challenge: { ...wire, realm: undefined }, payload }],
    ['a method that is an object', { challenge: { ...wire, method: {} }, payload }],
    ['an intent that is null', { challenge: { ...wire, intent: null }, payload }],
    ['no request', { challenge: { ...wire, request: undefined }, payload }],
    ['an empty request', { challenge: { ...wire, request: '' }, payload }],
    ['a request that is an array', { challenge: { ...wire, request: [] }, payload }],
    ['an expiry that is a number', { challenge: { ...wire, expires: 1768478400 }, payload }],
    ['a digest that is a number', { challenge: { ...wire, digest: 1 }, payload }],
    ['a description that is an object', { challenge: { ...wire, description: {} }, payload }],
    ['opaque data that is a number', { challenge: { ...wire, opaque: 1 }, payload }],
    [
      'opaque data with a lone surrogate',
      { challenge: { ...wire, opaque: { a: '\ud800' } }, payload },
    ],
  ])('gives undefined for %s', (_, value) => {
    expect(Credential.deserialize(encode(value))).toBeUndefined()
  })

  test('takes null for left out, as serialisers of some languages write it', () => {
    const optional = { description: null, digest: null, opaque: null }
    const given = { challenge: { ...wire, ...optional }, payload, source: null }
    expect(Credential.deserialize(encode(given))).toEqual({ challenge: wire, payload })
  })

  test('ignores unknown fields, and keeps unknown parameters that are text', () => {
    const challenge = { ...wire, 'x-new': '1', flags: 3, nested: { a: 1 }, nothing: null }
    expect(Credential.deserialize(encode({ challenge, payload, version: 2, other: {} }))).toEqual({
      challenge: { ...wire, 'x-new': '1' },
      payload,
    })
  })

  // Deployed clients of an older kind decode what they were sent, and send that.
  test('encodes a request and opaque data that are echoed as objects, as the server had them', () => {
    const request = { currency: 'usd', amount: '1' }
    const opaque = { b: '2', a: '1' }
    const read = Credential.deserialize(
      encode({ challenge: { ...wire, request, opaque }, payload }),
    )
    expect(read?.challenge.request).toBe(PaymentRequest.serialize(request))
    expect(read?.challenge.opaque).toBe(PaymentRequest.serialize(opaque))
  })

  test.each([
    `{"__proto__":{"x":1},"challenge":${JSON.stringify(wire)},"payload":{}}`,
    `{"challenge":${JSON.stringify(wire)},"payload":{"__proto__":{"isPaid":true}}}`,
    `{"challenge":{"__proto__":${JSON.stringify(wire)}},"payload":{}}`,
    `{"challenge":${JSON.stringify(wire)},"payload":{"a":[{"\\u005f\\u005fproto__":1}]}}`,
  ])('refuses a member named __proto__ anywhere: %.40s', (text) => {
    expect(Credential.deserialize(encode(text))).toBeUndefined()
    expect({}).not.toHaveProperty('isPaid')
  })

  test('reads parameters from the object alone, never from a prototype', () => {
    const challenge = { ...wire, constructor: 'c', toString: 't', hasOwnProperty: 'h' }
    expect(Credential.deserialize(encode({ challenge, payload }))?.challenge).toEqual(challenge)
  })

  test('reads credentials of more than 64 kB', () => {
    const large = {
      signature: '0x'.padEnd(100_000, 'ab'),
      list: Array.from({ length: 5000 }, (_, n) => n),
    }
    const value = Credential.serialize({ challenge: wire, payload: large })
    expect(value.length).toBeGreaterThan(65_536)
    expect(Credential.deserialize(value)?.payload).toEqual(large)
    expect(Credential.extract(value)).toEqual([value])
  })

  test('refuses deep nesting without a stack overflow', () => {
    for (const depth of [64, 1000, 100_000]) {
      const nested = `{"challenge":${JSON.stringify(wire)},"payload":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`
      expect(Credential.deserialize(encode(nested))).toBeUndefined()
    }
  })

  test('reads back any credential as it was', () => {
    const text = fc.string({ unit: 'binary' })
    const echoed = fc.record(
      {
        id: fc.string({ unit: 'binary', minLength: 1 }),
        realm: text,
        method: text,
        intent: text,
        request: fc.string({ unit: 'binary', minLength: 1 }),
        expires: text,
        digest: text,
        description: text,
        opaque: text,
        'x-new': text,
      },
      { requiredKeys: ['id', 'realm', 'method', 'intent', 'request'] },
    )
    const proof = fc
      .dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }))
      .map((value): object => JSON.parse(JSON.stringify(value)))
      .filter((value) => !JSON.stringify(value).includes('__proto__'))
    fc.assert(
      fc.property(
        echoed,
        proof,
        fc.option(text, { nil: undefined }),
        (challenge, payload, source) => {
          const credential = { challenge, payload, ...(source !== undefined && { source }) }
          expect(Credential.deserialize(Credential.serialize(credential))).toEqual(credential)
        },
      ),
    )
  })
})

describe('extract', () => {
  test.each([
    ['nothing', null, []],
    ['an absent header', undefined, []],
    ['an empty header', '', []],
    ['another scheme', 'Bearer abc', []],
    ['one credential', 'Payment abc', ['Payment abc']],
    ['a scheme in another case', 'pAyment abc', ['pAyment abc']],
    ['a malformed credential', 'Payment !!!', ['Payment !!!']],
    ['the scheme alone', 'Payment', ['Payment']],
    ['two in one header', 'Payment abc, Payment def', ['Payment abc', 'Payment def']],
    ['two without a space', 'Payment abc,payment def', ['Payment abc', 'payment def']],
    ['two headers', ['Payment abc', 'Payment def'], ['Payment abc', 'Payment def']],
    ['a bearer before', 'Bearer x, Payment y', ['Payment y']],
    ['a bearer after', 'Payment y, Bearer x', ['Payment y']],
    ['a bearer in its own header', ['Bearer x', 'Payment y'], ['Payment y']],
    [
      'Digest with commas in its values',
      'Digest username="a, Payment b", uri="\\", Payment c", Payment d',
      ['Payment d'],
    ],
    ['a parameter named like the scheme', 'Custom a=1, payment=2', []],
    ['a longer scheme', 'Payments abc, Payment2 def', []],
    ['spaces around', '  Payment abc  ,  ', ['Payment abc']],
    ['a scheme within a token', 'Bearer Payment abc', []],
  ])('finds the credentials of %s', (_, value, expected) => {
    expect(Credential.extract(value)).toEqual(expected)
  })

  test('gives what deserialize reads', () => {
    const header = Credential.serialize({ challenge: wire, payload })
    const [found] = Credential.extract(`Bearer x, ${header}`)
    expect(Credential.deserialize(found)).toEqual({ challenge: wire, payload })
  })
})

describe('fromRequest', () => {
  const header = Credential.serialize({ challenge: wire, payload })
  const read = (authorization?: string): unknown =>
    Credential.fromRequest(
      new Request('https://api.example.com', { headers: authorization ? { authorization } : {} }),
    )

  test('reads the one credential of a request, beside another scheme', () => {
    expect(read(header)).toEqual({ challenge: wire, payload })
    expect(read(`Bearer x, ${header}`)).toEqual({ challenge: wire, payload })
  })

  test('gives undefined for none and for two', () => {
    expect(read()).toBeUndefined()
    expect(read('Bearer x')).toBeUndefined()
    expect(read(`${header}, ${header}`)).toBeUndefined()
  })
})
