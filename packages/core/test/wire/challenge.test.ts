import { Challenge, PaymentRequest } from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const request = PaymentRequest.serialize({ amount: '1000', currency: 'usd' })
const parts = {
  id: 'x7Tg2pLqR9mKvNwY3hBcZa',
  realm: 'api.example.com',
  method: 'example',
  intent: 'charge',
  request,
}
const wire = (changes: Partial<Challenge.Wire> = {}): Challenge.Wire => ({ ...parts, ...changes })
const header = (changes: Partial<Challenge.Wire> = {}): string => Challenge.serialize(wire(changes))
const ids = (value: string | readonly string[]): string[] =>
  Challenge.scan(value).map(({ id }) => id)
const tail = `realm="r", method="tempo", intent="charge", request="e30"`

describe('scan', () => {
  test('reads the example of the core draft', () => {
    const example = `Payment id="x7Tg2pLqR9mKvNwY3hBcZa",
    realm="api.example.com",
    method="example",
    intent="charge",
    expires="2025-01-15T12:05:00Z",
    request="eyJhbW91bnQiOiIxMDAwIiwiY3VycmVuY3kiOiJVU0QiLCJyZWNpcGllbnQiOiJhY2N0XzEyMyJ9"`
    // A header field is folded onto one line before anyone reads it.
    const challenge = Challenge.deserialize(example.replace(/\n */g, ' '))
    expect(challenge).toEqual({
      id: 'x7Tg2pLqR9mKvNwY3hBcZa',
      realm: 'api.example.com',
      method: 'example',
      intent: 'charge',
      expires: '2025-01-15T12:05:00Z',
      request: { amount: '1000', currency: 'USD', recipient: 'acct_123' },
      wire: expect.objectContaining({ id: 'x7Tg2pLqR9mKvNwY3hBcZa' }),
    })
  })

  test('reads the four challenges of a negotiation, in order, from several headers', () => {
    const offers = ['tempo/charge', 'tempo/session', 'stripe/charge', 'solana/charge']
    const headers = new Headers()
    for (const offer of offers) {
      const [method = '', intent = ''] = offer.split('/')
      headers.append('WWW-Authenticate', header({ id: offer, method, intent }))
    }
    expect(Challenge.parse(headers).map(({ method, intent }) => `${method}/${intent}`)).toEqual(
      offers,
    )
    expect(Challenge.parse(offers.map((id) => header({ id }))).map(({ id }) => id)).toEqual(offers)
  })

  test.each([
    [
      'tokens in place of quoted-strings',
      `Payment id=a,realm=r,method=tempo,intent=charge,request=e30`,
    ],
    [
      'white space around the equals sign',
      `Payment id = "a",realm\t=\t"r", method= tempo, intent ="charge", request="e30"`,
    ],
    [
      'names and scheme in any case',
      `pAYMENT ID="a", Realm="r", METHOD="tempo", inTent="charge", request="e30"`,
    ],
    ['several spaces after the scheme', `Payment    id="a", ${tail}`],
    ['empty list elements', `, ,Payment id="a",, ,${tail}, ,`],
    ['spaces before commas', `Payment id="a" ,\t${tail.replaceAll(', ', ' , ')} `],
    ['quoted pairs', `Payment id="\\a", ${tail}`],
    ['a comma inside a value', `Payment description="a, b, Payment c", id="a", ${tail}`],
    ['parameters in another order', `Payment ${tail}, id="a"`],
    [
      'unknown parameters',
      `Payment x-new="1", id="a", ${tail}, *odd!=2, __proto__="x", constructor="y"`,
    ],
  ])('reads %s', (_, value) => {
    expect(Challenge.scan(value)).toMatchObject([
      { id: 'a', realm: 'r', method: 'tempo', intent: 'charge', request: 'e30' },
    ])
  })

  test.each([
    ['Basic before', `Basic realm="simple", Payment id="a", ${tail}`],
    ['Basic after', `Payment id="a", ${tail}, Basic realm="simple", charset="UTF-8"`],
    ['Bearer without parameters before', `Bearer, Payment id="a", ${tail}`],
    ['Bearer without parameters after', `Payment id="a", ${tail}, Bearer`],
    [
      'Bearer with an error',
      `Bearer error="invalid_token", error_description="no, none", Payment id="a", ${tail}`,
    ],
    ['Negotiate with a token68', `Negotiate YIIJvwYGKwYBBQUCoIIJ+/8=, Payment id="a", ${tail}`],
    [
      'Negotiate with a padded token68 after',
      `Payment id="a", ${tail}, Negotiate a87421000492aa874209af8bc028==`,
    ],
    [
      'Negotiate beside unquoted values',
      `Negotiate YII/8=, Payment id=a, ${tail.replaceAll('"', '')}`,
    ],
    ['NTLM bare, both sides', `NTLM, Payment id="a", ${tail}, NTLM`],
    ['an unpadded token68', `Custom abc.def~ghi/+-_, Payment id="a", ${tail}`],
    [
      'Digest',
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7y=", Payment id="a", ${tail}`,
    ],
    [
      'Payment within the text of another scheme',
      `Basic realm="x, Payment id=\\"evil\\", ${tail.replaceAll('"', '\\"')}", Payment id="a", ${tail}`,
    ],
    ['a scheme whose name begins alike', `Payment2 id="b", ${tail}, Payment id="a", ${tail}`],
    ['a parameter named like the scheme', `Custom payment="x", Payment id="a", ${tail}`],
  ])('finds the challenge beside %s', (_, value) => {
    expect(ids(value)).toEqual(['a'])
  })

  test('keeps the parameters of neighbours apart', () => {
    const value = `Bearer id="no", Payment id="a", ${tail}, Basic realm="other", expires="never"`
    expect(Challenge.scan(value)).toEqual([
      { id: 'a', realm: 'r', method: 'tempo', intent: 'charge', request: 'e30' },
    ])
  })

  test.each([
    ['no id', `Payment ${tail}`],
    ['an empty id', `Payment id="", ${tail}`],
    ['no realm', `Payment id="x", ${tail.replace('realm="r", ', '')}`],
    ['no method', `Payment id="x", ${tail.replace('method="tempo", ', '')}`],
    ['no intent', `Payment id="x", ${tail.replace('intent="charge", ', '')}`],
    ['no request', `Payment id="x", ${tail.replace(', request="e30"', '')}`],
    ['a method in upper case', `Payment id="x", ${tail.replace('tempo', 'Tempo')}`],
    ['a method with digits', `Payment id="x", ${tail.replace('tempo', 'x402')}`],
    ['an empty method', `Payment id="x", ${tail.replace('tempo', '')}`],
    ['an intent with a space', `Payment id="x", ${tail.replace('charge', 'char ge')}`],
    ['a parameter twice', `Payment id="x", id="x", ${tail}`],
    ['a parameter twice in another case', `Payment id="x", ID="y", ${tail}`],
    ['an unknown parameter twice', `Payment id="x", x="1", x="1", ${tail}`],
    ['nothing at all', 'Payment'],
    ['a token68', 'Payment eyJhIjoxfQ'],
    ['a missing comma', `Payment id="x" ${tail}`],
    ['an unquoted date', `Payment id="x", expires=2025-01-15T12:05:00Z, ${tail}`],
    ['a missing value', `Payment id=, ${tail}`],
    ['a missing name', `Payment "x", id="x", ${tail}`],
    ['an opening quote that is missing', `Payment id=x", ${tail}`],
    ['a closing quote that is missing', `Payment id="x, ${tail}`],
    ['single quotes around spaces', `Payment id='a b', ${tail}`],
    ['text after the closing quote', `Payment id="x"y, ${tail}`],
    ['a semicolon', `Payment id="x"; ${tail}`],
    ['a stray character', `Payment id="x", ?, ${tail}`],
    ['a truncation inside a value', `Payment id="x", ${tail}, description="cut \\`],
  ])('leaves out a challenge with %s, and keeps those around it', (_, bad) => {
    const good = (id: string): string => `Payment id="${id}", ${tail}`
    expect(ids(bad)).toEqual([])
    expect(ids(`${good('before')}, ${bad}`)).toEqual(['before'])
    expect(ids(`${bad}, ${good('after')}`)).toEqual(['after'])
    expect(ids(`${good('1')}, ${bad}, ${good('2')}, ${bad}, ${good('3')}`)).toEqual(['1', '2', '3'])
    expect(ids([good('1'), bad, good('2')])).toEqual(['1', '2'])
  })

  test('never takes the text of a value for a challenge, even where the header is broken', () => {
    const evil = header({ id: 'evil' })
    const quoted = Challenge.quote(`, ${evil}, ${evil}`)
    const tokens = ', Payment id=evil, realm=r, method=tempo, intent=charge, request=e30'
    for (const text of [quoted, Challenge.quote(tokens)]) {
      expect(ids(`Payment id="x" description="${text}"`)).toEqual([])
      expect(ids(`Payment id="x", description="${text}`)).toEqual([])
      expect(ids(`Basic realm="${text}", ?`)).toEqual([])
    }
  })

  test('gives nothing for other schemes and for nothing', () => {
    for (const value of ['', ' , ,', 'Basic realm="x"', 'Bearer', 'Paymentid="a"', '"Payment"'])
      expect(Challenge.scan(value)).toEqual([])
    expect(Challenge.scan([])).toEqual([])
    expect(Challenge.parse(new Headers())).toEqual([])
    expect(Challenge.deserialize('')).toBeUndefined()
  })

  test('reads challenges of 8 kB', () => {
    const description = 'd'.repeat(8192)
    expect(Challenge.scan(header({ description }))[0]?.description).toBe(description)
  })
})

describe('decode', () => {
  test('gives the request, the opaque data and the extensions, beside the wire', () => {
    const opaque = PaymentRequest.serialize({ order: '7' })
    const full = wire({
      opaque,
      digest: 'd',
      description: 't',
      expires: 'e',
      'x-a': '1',
      wire: 'w',
    })
    expect(Challenge.decode(full)).toEqual({
      ...parts,
      request: { amount: '1000', currency: 'usd' },
      opaque: { order: '7' },
      digest: 'd',
      description: 't',
      expires: 'e',
      extensions: { 'x-a': '1', wire: 'w' },
      wire: full,
    })
  })

  test.each([
    ['a request that is not base64url', { request: 'not base64' }],
    ['a request padded too much', { request: 'e30==' }],
    ['an empty request', { request: '' }],
    ['a request that is an array', { request: Buffer.from('[]').toString('base64url') }],
    ['opaque data that is not JSON', { opaque: 'AAAA' }],
    ['opaque data with a number', { opaque: PaymentRequest.serialize({ n: 1 }) }],
    ['opaque data with an object', { opaque: PaymentRequest.serialize({ n: {} }) }],
    [
      'opaque data with __proto__',
      { opaque: Buffer.from('{"__proto__":"x"}').toString('base64url') },
    ],
  ])('gives undefined for %s', (_, changes) => {
    expect(Challenge.decode(wire(changes))).toBeUndefined()
  })

  test('costs one bad challenge of a list alone', () => {
    const value = [
      header({ id: 'a', request: 'bad' }),
      header({ id: 'b' }),
      header({ id: 'c', opaque: '!' }),
    ]
    expect(Challenge.parse(value).map(({ id }) => id)).toEqual(['b'])
    expect(Challenge.parse(value.join(', ')).map(({ id }) => id)).toEqual(['b'])
    expect(Challenge.deserialize(value)?.id).toBe('b')
  })
})

describe('from', () => {
  const options = { ...parts, request: { currency: 'usd', amount: '1000' } }

  test('encodes canonically and leaves out what is absent', () => {
    const challenge = Challenge.from({ ...options, expires: undefined, description: undefined })
    expect(challenge.wire).toEqual(parts)
    expect(challenge.request).toEqual({ amount: '1000', currency: 'usd' })
    expect(Object.keys(challenge)).toEqual(['id', 'realm', 'method', 'intent', 'request', 'wire'])
  })

  test('takes a date or a text for the expiry', () => {
    const expires = new Date('2026-01-15T12:00:00Z')
    expect(Challenge.from({ ...options, expires }).expires).toBe('2026-01-15T12:00:00.000Z')
    expect(Challenge.from({ ...options, expires: '2026-01-15T13:00:00+01:00' }).expires).toBe(
      '2026-01-15T13:00:00+01:00',
    )
  })

  test.each([
    ['an empty id', { id: '' }, /id/],
    ['a method in upper case', { method: 'Tempo' }, /method/],
    ['a method with a hyphen', { method: 'my-rail' }, /method/],
    ['an intent with an underscore', { intent: 'a_b' }, /intent/],
    ['an expiry that is no date-time', { expires: 'tomorrow' }, /expires/],
    ['an invalid date', { expires: new Date(Number.NaN) }, /time/i],
    ['a request that is an array', { request: [] }, /request/],
    ['a request with __proto__', { request: JSON.parse('{"__proto__":{}}') }, /__proto__/],
    ['opaque data that is not flat', { opaque: JSON.parse('{"a":{}}') }, /opaque/],
    ['an extension in upper case', { extensions: { Foo: 'x' } }, /Foo/],
    ['an extension with a space', { extensions: { 'a b': 'x' } }, /a b/],
    ['an extension without a name', { extensions: { '': 'x' } }, /extension/],
    ['an extension by the name of a parameter', { extensions: { realm: 'x' } }, /realm/],
    ['an extension named __proto__', { extensions: JSON.parse('{"__proto__":"x"}') }, /__proto__/],
    ['an extension that is no text', { extensions: JSON.parse('{"a":1}') }, /extensions/],
  ])('refuses %s, and says so', (_, changes, message) => {
    expect(() => Challenge.from({ ...options, ...changes })).toThrow(message)
  })
})

describe('serialize', () => {
  test('writes the parameters in the order of deployed software', () => {
    const challenge = Challenge.from({
      ...parts,
      request: { amount: '1' },
      opaque: { a: 'b' },
      expires: '2026-01-15T12:00:00Z',
      digest: 'sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:',
      description: 'A page',
      extensions: { header: 'x-pay' },
    })
    expect(Challenge.serialize(challenge)).toBe(
      'Payment id="x7Tg2pLqR9mKvNwY3hBcZa", realm="api.example.com", method="example", ' +
        'intent="charge", request="eyJhbW91bnQiOiIxIn0", description="A page", ' +
        'digest="sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", ' +
        'expires="2026-01-15T12:00:00Z", opaque="eyJhIjoiYiJ9", header="x-pay"',
    )
    expect(Challenge.serialize(challenge.wire)).toBe(Challenge.serialize(challenge))
  })

  // What deployed software writes for the same texts, and reads back.
  test.each([
    ['€', '\\u20ac'],
    ['\\u20ac', '\\\\u20ac'],
    ['a\\b"c', 'a\\\\b\\"c'],
    ['é', 'é'],
    ['😀', '\\ud83d\\ude00'],
    ['\ud800x', '\\ud800x'],
    ['\\\\u0041', '\\\\\\\\u0041'],
    ['\\U', '\\\\U'],
  ])('escapes %j as deployed software does', (description, escaped) => {
    expect(Challenge.quote(description)).toBe(escaped)
    expect(header({ description })).toContain(`description="${escaped}"`)
    expect(Challenge.scan(header({ description }))[0]?.description).toBe(description)
  })

  test.each([
    '\r\nSet-Cookie: a=b',
    'a\0b',
    'tab\there',
    'bell\x07',
    'esc\x1b[2J',
    '\x7f',
    'c1\x9b',
    '\n',
  ])('writes the controls of %j as spaces', (description) => {
    expect(Challenge.scan(header({ description }))[0]?.description).toBe(
      description.replace(/[^ -~\xa0-\uffff]/g, ' '),
    )
  })

  test('reads an escaped control as a space, so that no terminal is driven by a server', () => {
    const value = header().concat(', description="\\u001b[2J\\u0000\\u009b\\u0041"')
    expect(Challenge.scan(value)[0]?.description).toBe(' [2J  A')
  })

  test('refuses an empty id and a parameter that no header can carry', () => {
    expect(() => header({ id: '' })).toThrow(/id/)
    expect(() => header({ 'a b': 'x' })).toThrow(/a b/)
    expect(() => header({ 'x\r\ny': 'x' })).toThrow(TypeError)
    expect(() => header({ Upper: 'x' })).toThrow(/Upper/)
  })

  const withoutControls = fc
    .string({ unit: 'binary', maxLength: 60 })
    .map((text) => text.replace(/[^ -~\xa0-\uffff]/g, ''))
  const codeUnits = fc
    .array(fc.integer({ min: 0x20, max: 0xffff }))
    .map((codes) => String.fromCharCode(...codes.filter((code) => code < 0x7f || code > 0x9f)))
  const tricky = fc.stringMatching(/^(?:[\\"u,= ]|\\u00e9|20ac|Payment id=)*$/)
  const text = fc.oneof(withoutControls, codeUnits, tricky)

  test('is read back as it was, whatever the texts, alone and among others', () => {
    const challenge = fc.record({
      id: text.map((id) => `i${id}`),
      realm: text,
      method: fc.stringMatching(/^[a-z]{1,9}$/),
      intent: fc.stringMatching(/^[A-Za-z\d-]{1,9}$/),
      request: text,
      description: text,
      digest: text,
      expires: text,
      opaque: text,
      'x-extension': text,
    })
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (challenges) => {
        const written = challenges.map((one) => Challenge.serialize(one))
        expect(Challenge.scan(written.join(', '))).toEqual(challenges)
        expect(Challenge.scan(written)).toEqual(challenges)
        expect(Challenge.scan(`Basic realm="x", ${written.join(',')}, Bearer`)).toEqual(challenges)
      }),
    )
  })
})

test('isMethod and isIntent follow the grammar of the draft', () => {
  expect(['tempo', 'a'].every(Challenge.isMethod)).toBe(true)
  expect(
    ['', 'Tempo', 'te mpo', 'tempo1', 'a-b', 'é', 'a\n', null, 1, ['a']].some(Challenge.isMethod),
  ).toBe(false)
  expect(['charge', 'Charge', 'charge-v2', '0', '-'].every(Challenge.isIntent)).toBe(true)
  expect(['', 'a b', 'a_b', 'a/b', '*', 'a\n', undefined].some(Challenge.isIntent)).toBe(false)
})
