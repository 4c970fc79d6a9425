import { createServer, request as httpRequest, ServerResponse, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import {
  AcceptPayment,
  BodyDigest,
  Challenge,
  ChallengeId,
  Credential,
  Expires,
  PaymentRequest,
  Receipt,
} from '@polyrail/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const parts = { id: 'x', realm: 'r', method: 'tempo', intent: 'charge', request: 'e30' }
const keyring = ChallengeId.keyring('k'.repeat(32))

/** Every parser of the wire; none may throw, whatever it is given. */
const parsers: Record<string, (text: string) => unknown> = {
  'Challenge.scan': Challenge.scan,
  'Challenge.parse': Challenge.parse,
  'Challenge.deserialize': Challenge.deserialize,
  'Challenge.decode request': (request) => Challenge.decode({ ...parts, request }),
  'Challenge.decode opaque': (opaque) => Challenge.decode({ ...parts, opaque }),
  'Credential.extract': Credential.extract,
  'Credential.deserialize': Credential.deserialize,
  'Receipt.deserialize': Receipt.deserialize,
  'PaymentRequest.deserialize': PaymentRequest.deserialize,
  'AcceptPayment.parse': AcceptPayment.parse,
  'BodyDigest.verify': (text) => BodyDigest.verify(text, 'body'),
  'Expires.parse': Expires.parse,
  'Expires.isExpired': Expires.isExpired,
  'ChallengeId.verify': (text) => ChallengeId.verify({ ...parts, id: text, realm: text }, keyring),
}

describe.each(Object.entries(parsers))('%s', (_, parse) => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 200 })
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    units.map((codes) => String.fromCharCode(...codes)),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    // What is nearly well-formed reaches further in.
    fc
      .array(
        fc.constantFrom(
          'Payment',
          ' ',
          ',',
          '=',
          '"',
          '\\',
          '\\u',
          '20ac',
          'id',
          'realm',
          'method',
          'intent',
          'request',
          'e30',
          'sha-256=',
          ':',
          ';q=',
          '/',
          '*',
          'Bearer',
          '-',
          'T',
          'Z',
          '2026-01-15',
          '\0',
          '\ud800',
        ),
        { maxLength: 60 },
      )
      .map((words) => words.join('')),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    fc.json().map((text) => `Payment ${Buffer.from(text).toString('base64url')}`),
    fc
      .jsonValue()
      .map(
        (value) =>
          `Payment ${Buffer.from(JSON.stringify({ challenge: value, payload: value })).toString('base64url')}`,
      ),
    fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => `Payment ${Buffer.from(bytes).toString('base64url')}`),
  )

  test('never throws', () => {
    fc.assert(
      fc.property(anything, (text) => {
        parse(text)
      }),
      { numRuns: 1000 },
    )
  })

  // A quarter of a megabyte of what makes a careless pattern or a rescan go quadratic; linear is milliseconds.
  test.each([
    '"',
    '\\',
    '\\"',
    ',',
    ' ',
    '\t',
    '=',
    'a',
    'a,',
    'a=',
    'a="',
    'a=1,',
    'Payment ',
    'Payment a="',
    ', Payment a="',
    ', Payment a="\\',
    ', payment a',
    '"a" ',
    '[',
    '{"":',
    '-',
    'A',
    'a/b,',
    'a/b;q=0,',
    'sha-256=,',
    '|',
    '\\u0041',
    '\u20ac',
    '\ud800',
    '1',
  ])('is done soon with 256 kB of %j', (unit) => {
    const flood = unit.repeat(2 ** 18 / unit.length)
    const inputs = [
      flood,
      `Payment ${flood}`,
      `Payment id="${flood}`,
      `Payment a="1", ${flood}`,
      Buffer.from(flood).toString('base64url'),
    ]
    for (const input of inputs) {
      const start = performance.now()
      parse(input)
      expect(performance.now() - start).toBeLessThan(2000)
    }
  })
})

describe('any description', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }))
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    units.map((codes) => String.fromCharCode(...codes)),
  )

  test('survives Headers and the header setter of node:http', () => {
    fc.assert(
      fc.property(text, text, (description, realm) => {
        const value = Challenge.serialize({
          ...parts,
          description,
          realm,
          'x-extension': description,
        })
        expect(new Headers([['www-authenticate', value]]).get('www-authenticate')).toBe(value)
        const response = new ServerResponse(new IncomingMessage(new Socket()))
        response.setHeader('www-authenticate', [value, value])
        expect(Challenge.scan(value)).toHaveLength(1)
      }),
      { numRuns: 1000 },
    )
  })

  test('crosses a real connection', async () => {
    const description = 'Café “öl” 😀 \\u20ac \\ " \ud800 \r\nx: y \0'
    const value = Challenge.serialize({ ...parts, description })
    const server = createServer((_, response) => {
      response.writeHead(402, { 'www-authenticate': [value, 'Basic realm="x"', value] }).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const address = server.address()
      const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
      const raw = await new Promise<string>((resolve, reject) => {
        httpRequest(url, (response) => resolve(response.headers['www-authenticate'] ?? ''))
          .on('error', reject)
          .end()
      })
      const fetched = await fetch(url)
      for (const header of [raw, fetched.headers]) {
        expect(Challenge.parse(header).map((challenge) => challenge.description)).toEqual([
          'Café “öl” 😀 \\u20ac \\ " \ud800   x: y  ',
          'Café “öl” 😀 \\u20ac \\ " \ud800   x: y  ',
        ])
      }
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })
})
