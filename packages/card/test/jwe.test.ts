/**
 * Every JWE that must not be opened, each by a name, at the helper of this package and at an acquirer that has its own
 * cryptography; and those that must.
 *
 * @module
 */
import { card, httpEnabler } from '@polyrail/card/server'
import {
  checkTimely,
  CODES,
  decrypt,
  encrypt,
  isCardError,
  readOutside,
  readPlaintext,
  type Plaintext,
} from '@polyrail/card/enabler'
import { LocalCards } from '@polyrail/sandbox/card'
import { createPrivateKey, randomBytes, type JsonWebKey } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { CompactEncrypt, FlattenedEncrypt, importJWK } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { change, decode, encode, forge, makePair, plaintext, respell, type Jwk } from './forge.js'

const { publicKey, privateKey } = makePair('enc-1')
const stranger = makePair('enc-1')
const large = makePair('enc-1', 3072)
const keys = [privateKey]

let local: LocalCards.Sandbox
beforeAll(async () => {
  local = await LocalCards.start({ quiet: true })
})
afterAll(() => local.stop())

/** A JWE for a key, of a plaintext that its acquirer would take. */
type Make = (jwk: Jwk, text: string) => unknown

const header =
  (members: Jwk): Make =>
  (jwk, text) =>
    forge(jwk, { header: members, plaintext: text })
const written =
  (write: (kid: unknown) => string | Buffer): Make =>
  (jwk, text) =>
    forge(jwk, { headerText: write(jwk['kid']), plaintext: text })
const changed =
  (at: number, how: (part: string, other: string) => string): Make =>
  (jwk, text) => {
    const other = forge(jwk, { plaintext: text }).split('.')[at] ?? ''
    return change(forge(jwk, { plaintext: text }), at, (part) => how(part, other))
  }
const flip = (part: string, byte = 0): string => {
  const bytes = decode(part)
  bytes[byte] = (bytes[byte] ?? 0) ^ 1
  return encode(bytes)
}
const cut = (part: string, bytes: number): string => encode(decode(part).subarray(0, bytes))
const longer = (part: string): string => encode(Buffer.concat([decode(part), Buffer.alloc(1)]))

const headers: [string, string, Make][] = [
  ['no kid', 'jwe-header', header({ kid: undefined })],
  ['an empty kid', 'jwe-header', header({ kid: '' })],
  ['a kid that is a number', 'jwe-header', header({ kid: 1 })],
  ['a kid that is null', 'jwe-header', header({ kid: null })],
  ['a kid that is true', 'jwe-header', header({ kid: true })],
  ['a kid that every object has', 'jwe-kid', header({ kid: 'constructor' })],
  [
    'a kid with a space behind it',
    'jwe-kid',
    (jwk, text) => header({ kid: `${String(jwk['kid'])} ` })(jwk, text),
  ],
  ['a kid that is a list', 'jwe-header', (jwk, text) => header({ kid: [jwk['kid']] })(jwk, text)],
  ['a kid without end', 'jwe-header', header({ kid: 'k'.repeat(201) })],
  ['another kid', 'jwe-kid', header({ kid: 'enc-2' })],
  [
    'a kid in other letters',
    'jwe-kid',
    (jwk, text) => header({ kid: String(jwk['kid']).toUpperCase() })(jwk, text),
  ],
  ['no alg', 'jwe-algorithm', header({ alg: undefined })],
  [
    'alg RSA-OAEP',
    'jwe-algorithm',
    (jwk, text) => forge(jwk, { header: { alg: 'RSA-OAEP' }, wrap: 'oaep-1', plaintext: text }),
  ],
  [
    'alg RSA-OAEP-512',
    'jwe-algorithm',
    (jwk, text) =>
      forge(jwk, { header: { alg: 'RSA-OAEP-512' }, wrap: 'oaep-512', plaintext: text }),
  ],
  [
    'alg RSA1_5',
    'jwe-algorithm',
    (jwk, text) => forge(jwk, { header: { alg: 'RSA1_5' }, wrap: 'pkcs1', plaintext: text }),
  ],
  ['alg dir', 'jwe-algorithm', header({ alg: 'dir' })],
  ['alg none', 'jwe-algorithm', header({ alg: 'none' })],
  ['alg A256GCMKW', 'jwe-algorithm', header({ alg: 'A256GCMKW' })],
  ['alg ECDH-ES', 'jwe-algorithm', header({ alg: 'ECDH-ES', epk: { kty: 'EC' } })],
  ['alg PBES2', 'jwe-algorithm', header({ alg: 'PBES2-HS256+A128KW', p2s: 'AAAA', p2c: 1e9 })],
  ['alg in small letters', 'jwe-algorithm', header({ alg: 'rsa-oaep-256' })],
  ['a list of algs', 'jwe-algorithm', header({ alg: ['RSA-OAEP-256'] })],
  ['no enc', 'jwe-algorithm', header({ enc: undefined })],
  [
    'enc A128GCM',
    'jwe-algorithm',
    (jwk, text) =>
      forge(jwk, { header: { enc: 'A128GCM' }, cek: randomBytes(16), plaintext: text }),
  ],
  [
    'enc A192GCM',
    'jwe-algorithm',
    (jwk, text) =>
      forge(jwk, { header: { enc: 'A192GCM' }, cek: randomBytes(24), plaintext: text }),
  ],
  ['enc A256CBC-HS512', 'jwe-algorithm', header({ enc: 'A256CBC-HS512' })],
  [
    'zip DEF, and compressed',
    'jwe-compressed',
    (jwk, text) => forge(jwk, { header: { zip: 'DEF' }, plaintext: deflateRawSync(text) }),
  ],
  ['zip DEF, and not compressed', 'jwe-compressed', header({ zip: 'DEF' })],
  ['zip none', 'jwe-compressed', header({ zip: 'none' })],
  ['zip null', 'jwe-compressed', header({ zip: null })],
  [
    'zip in other letters',
    'jwe-compressed',
    written(
      (kid) =>
        `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)},"z\\u0069p":"DEF"}`,
    ),
  ],
  [
    'its members in __proto__',
    'jwe-algorithm',
    written(
      (kid) => `{"__proto__":{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)}}}`,
    ),
  ],
  [
    'enc twice',
    'jwe-header',
    written(
      (kid) =>
        `{"alg":"RSA-OAEP-256","enc":"A128GCM","enc":"A256GCM","kid":${JSON.stringify(kid)}}`,
    ),
  ],
  ['crit that nobody knows', 'jwe-critical', header({ crit: ['exp'], exp: 1 })],
  ['crit that is empty', 'jwe-critical', header({ crit: [] })],
  ['crit of what is known', 'jwe-critical', header({ crit: ['alg'] })],
  ['b64', 'jwe-header', header({ b64: false })],
  ['a key in it', 'jwe-header', (jwk, text) => header({ jwk })(jwk, text)],
  ...[
    'jku',
    'x5u',
    'x5c',
    'x5t',
    'x5t#S256',
    'epk',
    'apu',
    'apv',
    'p2s',
    'p2c',
    'iv',
    'tag',
    'skid',
    'exp',
    'foo',
    '__proto__',
  ].map((name): [string, string, Make] => [
    `${name} in it`,
    'jwe-header',
    written(
      (kid) => `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)},"${name}":"x"}`,
    ),
  ]),
  ['iat that is null', 'jwe-header', header({ iat: null })],
  ['iat that is a list', 'jwe-header', header({ iat: [1] })],
  ['iat in words', 'jwe-header', header({ iat: 'now' })],
  ['iat below zero', 'jwe-header', header({ iat: -1 })],
  ['typ JWT', 'jwe-header', header({ typ: 'JWT' })],
  ['typ of JSON serialization', 'jwe-header', header({ typ: 'JOSE+JSON' })],
  ['typ that is null', 'jwe-header', header({ typ: null })],
  ['typ that is a list', 'jwe-header', header({ typ: ['JOSE'] })],
  ['cty JWT: one more inside', 'jwe-header', header({ cty: 'JWT' })],
  ['cty of a picture', 'jwe-header', header({ cty: 'image/json' })],
  [
    'alg twice',
    'jwe-header',
    written(
      (kid) => `{"alg":"RSA1_5","alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)}}`,
    ),
  ],
  [
    'kid twice, once in other letters',
    'jwe-header',
    written(
      (kid) =>
        `{"alg":"RSA-OAEP-256","enc":"A256GCM","\\u006bid":"x","kid":${JSON.stringify(kid)}}`,
    ),
  ],
  ['a list for a header', 'jwe-malformed', written(() => '[]')],
  ['a text for a header', 'jwe-malformed', written(() => '"RSA-OAEP-256"')],
  ['null for a header', 'jwe-malformed', written(() => 'null')],
  ['an empty header', 'jwe-algorithm', written(() => '{}')],
  ['a header that is no JSON', 'jwe-malformed', written(() => '{alg:"RSA-OAEP-256"}')],
  [
    'a header with more behind it',
    'jwe-malformed',
    written((kid) => `{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)}} {}`),
  ],
  [
    'a header behind a byte order mark',
    'jwe-malformed',
    written((kid) => `\ufeff{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)}}`),
  ],
  [
    'a header that is no UTF-8',
    'jwe-malformed',
    written((kid) =>
      Buffer.concat([
        Buffer.from(`{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)},"a":"`),
        Buffer.from([0xff]),
        Buffer.from('"}'),
      ]),
    ),
  ],
]

const good = (jwk: Jwk, text: string) => forge(jwk, { plaintext: text })

const forms: [string, string, Make][] = [
  ['nothing', 'jwe-malformed', () => ''],
  ['no text', 'jwe-malformed', () => undefined],
  ['a number', 'jwe-malformed', () => 7],
  ['the token in the clear', 'jwe-malformed', (_, text) => text],
  [
    'JSON serialization',
    'jwe-malformed',
    async (jwk: Jwk, text: string) =>
      new FlattenedEncrypt(Buffer.from(text))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: String(jwk['kid']) })
        .encrypt(await importJWK(jwk, 'RSA-OAEP-256')),
  ],
  [
    'a signature in place of it',
    'jwe-malformed',
    (jwk, text) => good(jwk, text).split('.').slice(0, 3).join('.'),
  ],
  ['four parts', 'jwe-malformed', (jwk, text) => good(jwk, text).split('.').slice(0, 4).join('.')],
  ['six parts', 'jwe-malformed', (jwk, text) => `${good(jwk, text)}.AAAA`],
  ['a dot behind it', 'jwe-malformed', (jwk, text) => `${good(jwk, text)}.`],
  ['a line break behind it', 'jwe-malformed', (jwk, text) => `${good(jwk, text)}\n`],
  ['a space before it', 'jwe-malformed', (jwk, text) => ` ${good(jwk, text)}`],
  [
    'white space in it',
    'jwe-malformed',
    changed(3, (part) => `${part.slice(0, 8)}\n${part.slice(8)}`),
  ],
  ['padding', 'jwe-malformed', changed(4, (part) => `${part}==`)],
  ['letters of plain base64', 'jwe-malformed', changed(3, (part) => `+/${part.slice(2)}`)],
  [
    'a single character more',
    'jwe-malformed',
    changed(3, (part) => `${part.slice(0, part.length - (part.length % 4))}A`),
  ],
  [
    'too much of it',
    'jwe-malformed',
    (jwk) => forge(jwk, { plaintext: JSON.stringify({ ...plaintext(), more: 'x'.repeat(8192) }) }),
  ],
  ['a key in another spelling', 'jwe-malformed', changed(1, respell)],
  ['a tag in another spelling', 'jwe-malformed', changed(4, respell)],
  ['no header', 'jwe-malformed', changed(0, () => '')],
  ['no key', 'jwe-size', changed(1, () => '')],
  ['no IV', 'jwe-size', changed(2, () => '')],
  ['no ciphertext', 'jwe-size', changed(3, () => '')],
  ['no tag', 'jwe-size', changed(4, () => '')],
  ['a key that is cut', 'jwe-size', changed(1, (part) => cut(part, 255))],
  ['a key that is longer', 'jwe-size', changed(1, longer)],
  [
    'a key for 3072 bits',
    'jwe-size',
    (jwk, text) => forge({ ...large.publicKey, kid: jwk['kid'] }, { plaintext: text }),
  ],
  ...[8, 11, 13, 16].map((ivBytes): [string, string, Make] => [
    `an IV of ${ivBytes} bytes`,
    'jwe-size',
    (jwk, text) => forge(jwk, { ivBytes, plaintext: text }),
  ]),
  ['an IV that is cut', 'jwe-size', changed(2, (part) => cut(part, 8))],
  ...([4, 8, 12, 13, 14, 15] as const).map((tagBytes): [string, string, Make] => [
    `a good tag of ${tagBytes} bytes`,
    'jwe-size',
    (jwk, text) => forge(jwk, { tagBytes, plaintext: text }),
  ]),
  ...[1, 4, 8, 12, 15].map((bytes): [string, string, Make] => [
    `a tag cut to ${bytes} bytes`,
    'jwe-size',
    changed(4, (part) => cut(part, bytes)),
  ]),
  ['a tag that is longer', 'jwe-size', changed(4, longer)],
]

const inside: [string, string, Make][] = [
  ['a tag with another bit', 'jwe-undecryptable', changed(4, (part) => flip(part))],
  ['a tag of zeros', 'jwe-undecryptable', changed(4, () => encode(Buffer.alloc(16)))],
  ['a ciphertext with another bit', 'jwe-undecryptable', changed(3, (part) => flip(part))],
  ['a ciphertext that is cut', 'jwe-undecryptable', changed(3, (part) => cut(part, 40))],
  ['a ciphertext that is longer', 'jwe-undecryptable', changed(3, longer)],
  ['an IV with another bit', 'jwe-undecryptable', changed(2, (part) => flip(part))],
  ['a key with another bit', 'jwe-undecryptable', changed(1, (part) => flip(part, 9))],
  ['a key of zeros', 'jwe-undecryptable', changed(1, () => encode(Buffer.alloc(256)))],
  [
    'a key above the modulus',
    'jwe-undecryptable',
    changed(1, () => encode(Buffer.alloc(256, 0xff))),
  ],
  ['the key of another JWE', 'jwe-undecryptable', changed(1, (_, other) => other)],
  ['the IV of another JWE', 'jwe-undecryptable', changed(2, (_, other) => other)],
  ['the ciphertext of another JWE', 'jwe-undecryptable', changed(3, (_, other) => other)],
  ['the tag of another JWE', 'jwe-undecryptable', changed(4, (_, other) => other)],
  [
    'a header that says the same in other words',
    'jwe-undecryptable',
    changed(0, (part) => encode(Buffer.from(decode(part).toString().replace('{', '{ ')))),
  ],
  [
    'a header that says the same in another order',
    'jwe-undecryptable',
    changed(0, (part) =>
      encode(
        Buffer.from(
          JSON.stringify(
            Object.fromEntries(
              Object.entries(JSON.parse(decode(part).toString()) as object).toReversed(),
            ),
          ),
        ),
      ),
    ),
  ],
  [
    'the header of a JWE of another algorithm',
    'jwe-undecryptable',
    (jwk, text) =>
      change(
        forge(jwk, { header: { enc: 'A128GCM' }, cek: randomBytes(16), plaintext: text }),
        0,
        () => good(jwk, text).split('.')[0] ?? '',
      ),
  ],
  [
    'another key of the same kid',
    'jwe-undecryptable',
    (jwk, text) => forge({ ...stranger.publicKey, kid: jwk['kid'] }, { plaintext: text }),
  ],
  [
    'OAEP with SHA-1 under the right name',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { wrap: 'oaep-1', plaintext: text }),
  ],
  [
    'OAEP with SHA-512 under the right name',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { wrap: 'oaep-512', plaintext: text }),
  ],
  [
    'OAEP with a label',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { wrap: 'label', plaintext: text }),
  ],
  [
    'PKCS #1 v1.5 under the right name',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { wrap: 'pkcs1', plaintext: text }),
  ],
  [
    'bare RSA under the right name',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { wrap: 'none', plaintext: text }),
  ],
  [
    'an AES key of 128 bits under the right name',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { cek: randomBytes(16), plaintext: text }),
  ],
  [
    'an AES key of 192 bits under the right name',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { cek: randomBytes(24), plaintext: text }),
  ],
  ...[0, 31, 33, 64].map((bytes): [string, string, Make] => [
    `an AES key of ${bytes} bytes`,
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { wrapped: randomBytes(bytes), plaintext: text }),
  ]),
  [
    'a tag over another header',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { authenticated: 'e30', plaintext: text }),
  ],
  [
    'a tag over no header',
    'jwe-undecryptable',
    (jwk, text) => forge(jwk, { authenticated: '', plaintext: text }),
  ],
]

type Parts = { token: Jwk; dynamicData: Jwk } & Jwk

/** The good plaintext with something else in it. */
const altered =
  (how: (parts: Parts) => unknown): Make =>
  (jwk, text) =>
    forge(jwk, { plaintext: JSON.stringify(how(JSON.parse(text) as Parts)) })
const reworded =
  (how: (text: string) => string | Buffer): Make =>
  (jwk, text) =>
    forge(jwk, { plaintext: how(text) })
const inToken = (members: Jwk): Make =>
  altered((all) => ({ ...all, token: { ...all.token, ...members } }))
const inData = (members: Jwk): Make =>
  altered((all) => ({ ...all, dynamicData: { ...all.dynamicData, ...members } }))

const malformed = 'plaintext-malformed'
const fields = 'plaintext-fields'

const texts: [string, string, Make][] = [
  ['that is no JSON', malformed, reworded(() => 'hello')],
  ['that is compressed without a word of it', malformed, reworded((text) => deflateRawSync(text))],
  [
    'that is encrypted once more',
    malformed,
    (jwk, text) => forge(jwk, { plaintext: good(jwk, text) }),
  ],
  ['in UTF-16', malformed, reworded((text) => Buffer.from(text, 'utf16le'))],
  [
    'that is no UTF-8',
    malformed,
    reworded((text) =>
      Buffer.concat([
        Buffer.from(text.slice(0, -1)),
        Buffer.from(',"a":"'),
        Buffer.from([0xc3]),
        Buffer.from('"}'),
      ]),
    ),
  ],
  ['behind a byte order mark', malformed, reworded((text) => `\ufeff${text}`)],
  [
    'that is not minified',
    malformed,
    reworded((text) => JSON.stringify(JSON.parse(text), null, 2)),
  ],
  ['with one space', malformed, reworded((text) => text.replace(':', ': '))],
  ['with a line break behind it', malformed, reworded((text) => `${text}\n`)],
  ['with more behind it', malformed, reworded((text) => `${text}{}`)],
  ['with a token twice', malformed, reworded((text) => text.replace('{', '{"token":{},'))],
  [
    'with a number twice, once in other letters',
    malformed,
    reworded((text) =>
      text.replace('{"paymentToken"', '{"payment\\u0054oken":"4111111111111111","paymentToken"'),
    ),
  ],
  ['that is a list', fields, altered((all) => [all])],
  ['that is a text', fields, altered(JSON.stringify)],
  ['that is null', fields, altered(() => null)],
  ['that is empty', fields, altered(() => ({}))],
  ['without a token', fields, altered(({ dynamicData }) => ({ dynamicData }))],
  ['without a cryptogram', fields, altered(({ token }) => ({ token }))],
  ['whose token is null', fields, altered((all) => ({ ...all, token: null }))],
  ['whose token is a text', fields, altered((all) => ({ ...all, token: '4242424242424242' }))],
  ['whose token is a list', fields, altered((all) => ({ ...all, token: [all.token] }))],
  ['whose dynamic data is a text', fields, altered((all) => ({ ...all, dynamicData: 'NONE' }))],
  ...['paymentToken', 'tokenExpirationMonth', 'tokenExpirationYear', 'eci'].flatMap(
    (name): [string, string, Make][] => [
      [`without ${name}`, fields, inToken({ [name]: undefined })],
      [`whose ${name} is a number`, fields, inToken({ [name]: 7 })],
      [`whose ${name} is empty`, fields, inToken({ [name]: '' })],
      [`whose ${name} is null`, fields, inToken({ [name]: null })],
    ],
  ),
  ['whose number has letters', fields, inToken({ paymentToken: '42424242424242AB' })],
  ['whose number has spaces', fields, inToken({ paymentToken: '4242 4242 4242 4242' })],
  ['whose number is short', fields, inToken({ paymentToken: '42424242424' })],
  ['whose number is long', fields, inToken({ paymentToken: '4'.repeat(20) })],
  ['of the thirteenth month', fields, inToken({ tokenExpirationMonth: '13' })],
  ['of the month zero', fields, inToken({ tokenExpirationMonth: '00' })],
  ['of a month of one digit', fields, inToken({ tokenExpirationMonth: '6' })],
  ['of a year of two digits', fields, inToken({ tokenExpirationYear: '34' })],
  ['with an indicator of letters', fields, inToken({ eci: 'ok' })],
  ...['dynamicDataType', 'dynamicDataExpiration'].flatMap((name): [string, string, Make][] => [
    [`without ${name}`, fields, inData({ [name]: undefined })],
    [`whose ${name} is null`, fields, inData({ [name]: null })],
    [`whose ${name} is a list`, fields, inData({ [name]: [] })],
  ]),
  ['without a value, and not of type NONE', fields, inData({ dynamicDataValue: undefined })],
  ['with an empty value, and not of type NONE', fields, inData({ dynamicDataValue: '' })],
  ['whose value is a number', fields, inData({ dynamicDataValue: 7 })],
  ['whose value is no base64', fields, inData({ dynamicDataValue: 'not base64!' })],
  ['whose value has padding within', fields, inData({ dynamicDataValue: 'AmDD=BjkH' })],
  ['whose value is without end', fields, inData({ dynamicDataValue: 'A'.repeat(1025) })],
  ['of a type that nobody knows', fields, inData({ dynamicDataType: 'CRYPTOGRAM' })],
  ['of a type in small letters', fields, inData({ dynamicDataType: 'none' })],
  [
    'that expires at a text',
    fields,
    altered((all) => ({
      ...all,
      dynamicData: {
        ...all.dynamicData,
        dynamicDataExpiration: String(all.dynamicData['dynamicDataExpiration']),
      },
    })),
  ],
  [
    'that expires in between seconds',
    fields,
    altered((all) => ({
      ...all,
      dynamicData: {
        ...all.dynamicData,
        dynamicDataExpiration: Math.floor(Date.now() / 1000) + 600.5,
      },
    })),
  ],
  ...['1e400', '99999999999999999999', '-0', '"0"', 'true', 'null'].map(
    (written): [string, string, Make] => [
      `that expires at ${written}`,
      written === '-0' ? 'cryptogram-expired' : fields,
      reworded((text) =>
        text.replace(/("dynamicDataExpiration":)\d+/, (_, name) => `${String(name)}${written}`),
      ),
    ],
  ),
  ['of a month in other digits', fields, inToken({ tokenExpirationMonth: '٠٦' })],
  ['of a year of the first century', 'token-expired', inToken({ tokenExpirationYear: '0034' })],
  ['that expires before time began', fields, inData({ dynamicDataExpiration: -1 })],
  ['that expires in milliseconds', fields, inData({ dynamicDataExpiration: Date.now() + 600_000 })],
  [
    'whose cryptogram has expired',
    'cryptogram-expired',
    inData({ dynamicDataExpiration: Math.floor(Date.now() / 1000) - 1 }),
  ],
  ['whose cryptogram expired in 1970', 'cryptogram-expired', inData({ dynamicDataExpiration: 0 })],
  [
    'whose cryptogram expired with the draft’s example',
    'cryptogram-expired',
    inData({ dynamicDataExpiration: 1746296464 }),
  ],
  ['whose token has expired', 'token-expired', inToken({ tokenExpirationYear: '2020' })],
]

/** What a helper throws, by its code. */
async function codeOf(opening: Promise<unknown>): Promise<string> {
  const cause = await opening.then(
    () => 'taken',
    (thrown: unknown) => thrown,
  )
  return isCardError(cause) ? cause.code : String(cause)
}

/** Whether an acquirer takes it, over HTTP. */
async function charge(jwe: unknown, network = 'visa'): Promise<string> {
  const shown = local.issue({ amount: '50', cardId: `card_${network}` })
  const answer = await fetch(`${local.acquirer.url}/charges`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${local.acquirer.apiKey}`,
      'idempotency-key': crypto.randomUUID(),
    },
    body: JSON.stringify({
      amount: '50',
      currency: 'usd',
      merchantName: 'Shop',
      acceptedNetworks: ['visa', 'amex', 'discover'],
      kid: local.key.kid,
      payload: { ...shown, encryptedPayload: jwe },
    }),
  })
  const { status } = (await answer.json()) as { status?: string }
  return answer.ok ? String(status) : 'not read'
}

/** A shop's outside look at it. */
const looksLikeOne = (jwe: unknown): boolean => {
  const { server } = {
    server: card.charge({
      enabler: httpEnabler(local.acquirer),
      key: local.key,
      merchantName: 'S',
    }),
  }
  return server.schema.credential.payload.safeParse({
    ...local.issue({ amount: '50' }),
    encryptedPayload: jwe,
  }).success
}

describe.each([
  ['header', headers],
  ['form', forms],
  ['inside', inside],
  ['plaintext', texts],
])(
  'a JWE is refused by its %s: [card-charge-030] [card-charge-031] [card-charge-042] [card-charge-043] [card-charge-044] [card-charge-045] [card-charge-046] [card-charge-047] [card-charge-048] [card-charge-049] [card-charge-051] [card-charge-053] [card-charge-054] [card-charge-055] [card-charge-056] [card-charge-057] [card-charge-058] [card-charge-059] [card-charge-060] [card-charge-061] [card-charge-062]',
  (_, cases) => {
    test.each(cases)('%s: %s', async (__, code, make) => {
      const before = local.captured
      const jwe = (await make(publicKey, JSON.stringify(plaintext()))) as string
      expect(await codeOf(decrypt(jwe, { keys, kid: 'enc-1' }))).toBe(code)
      const text = JSON.stringify(local.provision({ amount: '50' }))
      expect(await charge(await make(local.key, text))).not.toBe('approved')
      expect(local.captured).toEqual(before)
    })
  },
)

describe('a JWE is taken', () => {
  const data = (dynamicDataType: string, dynamicDataValue?: string) =>
    inData({ dynamicDataType, dynamicDataValue })
  const cryptograms: [string, Make][] = [
    [
      'with a long cryptogram',
      data('CARD_APPLICATION_CRYPTOGRAM_LONG_FORM', randomBytes(20).toString('base64')),
    ],
    [
      'with a cryptogram that has all the chip’s data with it',
      data('CARD_APPLICATION_CRYPTOGRAM_LONG_FORM', randomBytes(255).toString('base64')),
    ],
    [
      'with a cryptogram in base64url',
      data('CARDHOLDER_AUTHENTICATION_CRYPTOGRAM', '-_AmDDBjkH_4A'),
    ],
    ['with a cryptogram of three digits', data('CARD_APPLICATION_CRYPTOGRAM_SHORT_FORM', '042')],
    [
      'with a cryptogram of the cardholder',
      data('CARDHOLDER_AUTHENTICATION_CRYPTOGRAM', randomBytes(20).toString('base64')),
    ],
    ['without a cryptogram that it does not claim', data('NONE')],
    ['with an empty one', data('NONE', '')],
  ]
  const fine: [string, Make][] = [
    ['as the draft makes it', (jwk, text) => good(jwk, text)],
    ['with solidi that are escaped', reworded((text) => text.replaceAll('/', '\\/'))],
    [
      'with members that nobody here knows',
      altered((all) => ({ ...all, token: { ...all.token, requestor: 'x' }, more: 1 })),
    ],
    ['that says what it is', header({ typ: 'JOSE', cty: 'json' })],
    ['that says when it was made', header({ typ: 'JOSE', iat: 1_764_000_000 })],
    ['that says so in milliseconds', header({ iat: 1_764_000_000_000 })],
    ['that says so as text', header({ iat: '1764000000' })],
    ['that says it in other letters', header({ typ: 'jose', cty: 'JSON' })],
    ['that says it in full', header({ typ: 'application/jose', cty: 'application/json' })],
    [
      'with its header in another order, and spaced',
      written(
        (kid) => `{ "kid": ${JSON.stringify(kid)}, "enc": "A256GCM",\n "alg": "RSA-OAEP-256" }`,
      ),
    ],
    [
      'with its header in other letters',
      written((kid) => `{"\\u0061lg":"RSA-OAEP-256","enc":"A256GCM","kid":${JSON.stringify(kid)}}`),
    ],
    [
      'with names in letters of the world',
      altered((all) => ({ ...all, holder: 'Zoë Łukasz 山田 🙂' })),
    ],
  ]
  test.each([...cryptograms, ...fine])('%s', async (_, make) => {
    const text = JSON.stringify(plaintext())
    const { token } = await decrypt((await make(publicKey, text)) as string, { keys, kid: 'enc-1' })
    expect(token).toEqual(plaintext().token)
  })

  test.each(fine)('%s, by an acquirer that has its own cryptography', async (_, make) => {
    const text = JSON.stringify(local.provision({ amount: '50' }))
    expect(await charge(await make(local.key, text))).toBe('approved')
  })

  test('from this package by an acquirer that has its own cryptography [card-charge-029]', async () => {
    for (const network of ['visa', 'amex', 'discover']) {
      const provisioned = local.provision({ amount: '50', cardId: `card_${network}` })
      const jwe = await encrypt(provisioned as Plaintext, { key: local.key })
      expect(readOutside(jwe)).toEqual({
        header: { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: local.key.kid },
        keyBytes: 256,
      })
      expect(await charge(jwe, network)).toBe('approved')
    }
  })

  test('from jose, from Node and from here, and by any of its keys while challenges may name it', async () => {
    const next = makePair('enc-2')
    const both = [...keys, next.privateKey]
    const byJose = await new CompactEncrypt(Buffer.from(JSON.stringify(plaintext())))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'enc-2' })
      .encrypt(await importJWK(next.publicKey, 'RSA-OAEP-256'))
    const byUs = await encrypt(plaintext(), { key: publicKey })
    for (const jwe of [byJose, byUs, forge(next.publicKey)])
      expect((await decrypt(jwe, { keys: both })).token).toEqual(plaintext().token)
  })
})

describe('what is said of a JWE that is refused', () => {
  test('is its code, and no more, whatever went wrong inside', async () => {
    for (const [, code, make] of [...headers, ...forms, ...inside, ...texts]) {
      const jwe = (await make(publicKey, JSON.stringify(plaintext()))) as string
      const thrown: unknown = await decrypt(jwe, { keys, kid: 'enc-1' }).catch(
        (cause: unknown) => cause,
      )
      expect(thrown).toMatchObject({ message: CODES[code as keyof typeof CODES] })
      expect((thrown as Error).cause).toBeUndefined()
    }
  })

  test('a shop looks at its outside alone: five parts in their one spelling', async () => {
    for (const [name, , make] of [...headers, ...inside, ...texts]) {
      const jwe = await make(publicKey, JSON.stringify(plaintext()))
      expect([name, looksLikeOne(jwe)]).toEqual([name, true])
    }
    const refused = forms.slice(
      0,
      forms.findIndex(([name]) => name === 'a key that is cut'),
    )
    for (const [name, , make] of refused) {
      const jwe = await make(publicKey, JSON.stringify(plaintext()))
      expect([name, looksLikeOne(jwe)]).toEqual([name, false])
    }
  })

  test('a private key out of a PEM file opens it, with no more said of it than its kid', async () => {
    const pem = createPrivateKey({ key: privateKey as JsonWebKey, format: 'jwk' }).export({
      format: 'pem',
      type: 'pkcs8',
    })
    const key = { ...createPrivateKey(pem).export({ format: 'jwk' }), kid: 'enc-1' }
    const { token } = await decrypt(forge(publicKey), { keys: [key], kid: 'enc-1' })
    expect(token).toEqual(plaintext().token)
    for (const said of [{ alg: 'RSA-OAEP' }, { alg: null }, { use: 'sig' }, { kty: 'EC' }])
      expect(await codeOf(decrypt(forge(publicKey), { keys: [{ ...key, ...said }] }))).toMatch(
        /^key-(?:algorithm|use|type)$/,
      )
  })

  test('keys that are no private keys, or two of one kid, open nothing', async () => {
    const jwe = forge(publicKey)
    const none = { ...privateKey, d: undefined }
    expect(await codeOf(decrypt(jwe, { keys: [] }))).toBe('jwe-kid')
    expect(await codeOf(decrypt(jwe, { keys: [...keys, ...keys] }))).toBe('jwe-kid')
    expect(await codeOf(decrypt(jwe, { keys: [none] }))).toBe('key-malformed')
    expect(await codeOf(decrypt(jwe, { keys: [publicKey] }))).toBe('key-malformed')
    const weak = makePair('enc-1', 1024).privateKey
    expect(await codeOf(decrypt(jwe, { keys: [weak] }))).toBe('key-weak')
  })

  test('by hardware of one’s own is judged by the same eyes', async () => {
    const judge = (change: object) =>
      codeOf(
        (async () => {
          const { token, dynamicData } = plaintext()
          const text = JSON.stringify({ token, dynamicData: { ...dynamicData, ...change } })
          checkTimely(readPlaintext(new TextEncoder().encode(text).buffer))
        })(),
      )
    const past = { dynamicDataExpiration: Math.floor(Date.now() / 1000) - 1 }
    expect(await judge({})).toBe('taken')
    expect(await judge(past)).toBe('cryptogram-expired')
    expect(await judge({ ...past, dynamicDataType: 'NONE' })).toBe('taken')
    expect(await judge({ dynamicDataType: undefined })).toBe(fields)
  })

  test('nothing that has expired is encrypted', async () => {
    const now = Date.now()
    const made = plaintext()
    const at = (seconds: number) => encrypt(made, { key: publicKey, now: now + seconds * 1000 })
    expect(await codeOf(at(601))).toBe('cryptogram-expired')
    expect(await codeOf(at(10 * 365 * 86_400))).toBe('token-expired')
    expect(
      await codeOf(encrypt({ ...made, token: { ...made.token, eci: '' } }, { key: publicKey })),
    ).toBe(fields)
    const jwe = await encrypt(made, { key: publicKey })
    expect(await codeOf(decrypt(jwe, { keys, now: now + 601_000 }))).toBe('cryptogram-expired')
  })
})
