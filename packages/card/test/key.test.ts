/**
 * Every key that must not be encrypted for, each by a name; and those that may.
 *
 * @module
 */
import {
  checkKey,
  CODES,
  createKeyPair,
  encrypt,
  isCardError,
  readReference,
} from '@polyrail/card/enabler'
import {
  checkPrimeSync,
  createPublicKey,
  generatePrimeSync,
  getDiffieHellman,
  randomBytes,
  randomInt,
  X509Certificate,
  type JsonWebKey,
} from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decode, encode, makePair, plaintext, type Jwk } from './forge.js'

const { publicKey, privateKey, certificate } = makePair()
const other = makePair()

/** The code of what a check throws. */
function codeOf(judge: () => unknown): string {
  try {
    judge()
  } catch (cause) {
    if (isCardError(cause)) return cause.code
    throw cause
  }
  return 'taken'
}

const without = (name: string): Jwk =>
  Object.fromEntries(Object.entries(publicKey).filter(([key]) => key !== name))

/** The modulus with other bytes. */
const modulus = (how: (bytes: Buffer) => Buffer): Jwk => ({
  ...publicKey,
  n: encode(how(decode(String(publicKey['n'])))),
})

const even = (bytes: Buffer) => {
  const copy = Buffer.from(bytes)
  copy[copy.length - 1] = (copy.at(-1) ?? 0) & 0xfe
  return copy
}

/** A multiple of a small prime, of the same length. */
function divisible(bytes: Buffer, prime: bigint): Buffer {
  const value = BigInt(`0x${bytes.toString('hex')}`)
  return Buffer.from((value - (value % (2n * prime)) + prime).toString(16), 'hex')
}

function toBytes(value: bigint): Buffer {
  const hex = value.toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
}

/** RFC 3526, of 2048 bits. */
const knownPrime = BigInt(`0x${getDiffieHellman('modp14').getPrime('hex')}`)

/** Of 1024 bits, the first three set: two make 2048. */
const somePrime = nextPrime((7n << 1021n) + BigInt(`0x${randomBytes(120).toString('hex')}`))

function nextPrime(after: bigint): bigint {
  let prime = after | 1n
  do prime += 2n
  while (!checkPrimeSync(prime))
  return prime
}

/** As CVE-2017-15361 has it: a multiple of the product of small primes, and a power of 65537. */
function primeOfPowers(): bigint {
  const product = Array.from({ length: 700 }, (_, at) => BigInt(at + 2))
    .filter((number) => checkPrimeSync(number))
    .reduce((all, prime) => all * prime)
  for (;;) {
    let power = 1n
    for (let times = randomInt(1000); times > 0; times--) power = (power * 65_537n) % product
    const multiple = (7n << 1021n) / product + BigInt(randomInt(2 ** 40))
    const candidate = multiple * product + power
    if (checkPrimeSync(candidate)) return candidate
  }
}

/** A public key by itself, in base64. */
const spki = (jwk: Jwk): string =>
  createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
    .export({ format: 'der', type: 'spki' })
    .toString('base64')

const join = (...parts: string[]): string =>
  Buffer.concat(parts.map((part) => Buffer.from(part, 'base64'))).toString('base64')

const bad: [name: string, code: string, jwk: unknown][] = [
  ['nothing', 'key-malformed', null],
  ['undefined', 'key-malformed', undefined],
  ['a text', 'key-malformed', 'key'],
  ['a list', 'key-malformed', [publicKey]],
  ['an empty object', 'key-type', {}],
  ['no kty', 'key-type', without('kty')],
  ['an elliptic curve', 'key-type', { ...publicKey, kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }],
  ['an Edwards curve', 'key-type', { ...publicKey, kty: 'OKP', crv: 'X25519' }],
  ['a symmetric key', 'key-type', { kty: 'oct', kid: 'a', use: 'enc', alg: 'RSA-OAEP-256' }],
  ['kty in small letters', 'key-type', { ...publicKey, kty: 'rsa' }],
  ['no alg', 'key-algorithm', without('alg')],
  ['RSA-OAEP with SHA-1', 'key-algorithm', { ...publicKey, alg: 'RSA-OAEP' }],
  ['RSA-OAEP with SHA-512', 'key-algorithm', { ...publicKey, alg: 'RSA-OAEP-512' }],
  ['PKCS #1 v1.5', 'key-algorithm', { ...publicKey, alg: 'RSA1_5' }],
  ['an algorithm of signatures', 'key-algorithm', { ...publicKey, alg: 'RS256' }],
  ['alg in small letters', 'key-algorithm', { ...publicKey, alg: 'rsa-oaep-256' }],
  ['a list of algorithms', 'key-algorithm', { ...publicKey, alg: ['RSA-OAEP-256'] }],
  ['no use', 'key-use', without('use')],
  ['a key to sign with', 'key-use', { ...publicKey, use: 'sig' }],
  ['use in capitals', 'key-use', { ...publicKey, use: 'ENC' }],
  ['operations that decrypt', 'key-use', { ...publicKey, key_ops: ['decrypt'] }],
  [
    'operations that encrypt and decrypt',
    'key-use',
    { ...publicKey, key_ops: ['encrypt', 'decrypt'] },
  ],
  ['operations that verify', 'key-use', { ...publicKey, key_ops: ['verify'] }],
  ['no operation', 'key-use', { ...publicKey, key_ops: [] }],
  ['an operation twice', 'key-use', { ...publicKey, key_ops: ['encrypt', 'encrypt'] }],
  ['operations as a text', 'key-use', { ...publicKey, key_ops: 'encrypt' }],
  ['no kid', 'key-id', without('kid')],
  ['an empty kid', 'key-id', { ...publicKey, kid: '' }],
  ['a kid that is a number', 'key-id', { ...publicKey, kid: 7 }],
  ['a kid without end', 'key-id', { ...publicKey, kid: 'k'.repeat(201) }],
  ['no modulus', 'key-malformed', without('n')],
  ['a modulus that is a number', 'key-malformed', { ...publicKey, n: 7 }],
  ['an empty modulus', 'key-weak', { ...publicKey, n: '' }],
  ['a modulus of one', 'key-weak', { ...publicKey, n: 'AQ' }],
  ['a modulus with padding', 'key-weak', { ...publicKey, n: `${String(publicKey['n'])}==` }],
  [
    'a modulus in plain base64',
    'key-weak',
    { ...publicKey, n: `+/${String(publicKey['n']).slice(2)}` },
  ],
  ['a modulus with white space', 'key-weak', { ...publicKey, n: ` ${String(publicKey['n'])}` }],
  [
    'a modulus that begins with zeros',
    'key-weak',
    modulus((bytes) => Buffer.concat([Buffer.alloc(1), bytes])),
  ],
  ['512 bits', 'key-weak', { ...publicKey, n: makePair('a', 512).publicKey['n'] }],
  ['1024 bits', 'key-weak', { ...publicKey, n: makePair('a', 1024).publicKey['n'] }],
  ['2040 bits', 'key-weak', { ...publicKey, n: makePair('a', 2040).publicKey['n'] }],
  [
    '1024 bits behind zeros',
    'key-weak',
    {
      ...publicKey,
      n: encode(
        Buffer.concat([Buffer.alloc(128), decode(String(makePair('a', 1024).publicKey['n']))]),
      ),
    },
  ],
  [
    'a modulus of 16,384 bits',
    'key-weak',
    modulus((bytes) => Buffer.concat(Array.from({ length: 8 }, () => bytes))),
  ],
  ['an even modulus', 'key-weak', modulus(even)],
  ['a modulus that three divides', 'key-weak', modulus((bytes) => divisible(bytes, 3n))],
  ['a modulus that 997 divides', 'key-weak', modulus((bytes) => divisible(bytes, 997n))],
  ...[1009n, 65_537n, 131_071n].map((prime): [string, string, unknown] => [
    `a modulus of ${prime} and a large prime`,
    'key-weak',
    modulus(() => toBytes(knownPrime * prime)),
  ]),
  ['a modulus of ones', 'key-weak', modulus((bytes) => Buffer.alloc(bytes.length, 0xff))],
  [
    'a modulus of one byte again and again',
    'key-weak',
    modulus((bytes) => Buffer.alloc(bytes.length, 0xa7)),
  ],
  ...['modp14', 'modp16'].map((group): [string, string, unknown] => [
    `a modulus that is a prime, ${group}`,
    'key-weak',
    modulus(() => getDiffieHellman(group).getPrime()),
  ]),
  ['a modulus that is a square', 'key-weak', modulus(() => toBytes(somePrime ** 2n))],
  [
    'a modulus that is a cube',
    'key-weak',
    modulus(() => toBytes(generatePrimeSync(688, { bigint: true }) ** 3n)),
  ],
  [
    'a modulus of two primes next to each other',
    'key-weak',
    modulus(() => toBytes(somePrime * nextPrime(somePrime))),
  ],
  [
    'a modulus of two primes that share their first half',
    'key-weak',
    modulus(() => toBytes(somePrime * nextPrime(somePrime + (1n << 500n)))),
  ],
  [
    'a modulus that a chip made of powers',
    'key-weak',
    modulus(() => toBytes(primeOfPowers() * primeOfPowers())),
  ],
  ['no exponent', 'key-malformed', without('e')],
  ['an exponent that is a number', 'key-malformed', { ...publicKey, e: 65537 }],
  ['an exponent of zero', 'key-weak', { ...publicKey, e: 'AA' }],
  ['an exponent of one: the plaintext itself', 'key-weak', { ...publicKey, e: 'AQ' }],
  ['an exponent of two', 'key-weak', { ...publicKey, e: 'Ag' }],
  ['an exponent of three', 'key-weak', { ...publicKey, e: 'Aw' }],
  ['an exponent of 17', 'key-weak', { ...publicKey, e: 'EQ' }],
  ['an even exponent', 'key-weak', { ...publicKey, e: 'AQAC' }],
  ['an exponent that begins with zeros', 'key-weak', { ...publicKey, e: 'AAEAAQ' }],
  ['an exponent of 33 bits', 'key-weak', { ...publicKey, e: 'AQAAAAE' }],
  ['an exponent with padding', 'key-weak', { ...publicKey, e: 'AQAB=' }],
  ['an exponent without end', 'key-weak', { ...publicKey, e: 'B'.repeat(10_000_000) }],
  ['an exponent as long as the modulus', 'key-weak', { ...publicKey, e: publicKey['n'] }],
  ...['d', 'p', 'q', 'dp', 'dq', 'qi'].map((name): [string, string, unknown] => [
    `a private part, ${name}`,
    'key-private',
    { ...publicKey, [name]: privateKey[name] },
  ]),
  ['more primes', 'key-private', { ...publicKey, oth: [] }],
  ['a secret, k', 'key-private', { ...publicKey, k: 'AAAA' }],
  ['a whole private key', 'key-private', privateKey],
  ['the certificate of another key', 'key-certificate', { ...publicKey, x5c: [other.certificate] }],
  ['no certificate in the list', 'key-certificate', { ...publicKey, x5c: [] }],
  ['a key in place of a certificate', 'key-certificate', { ...publicKey, x5c: [spki(publicKey)] }],
  [
    'a certificate of another key with this one behind it',
    'key-certificate',
    { ...publicKey, x5c: [join(other.certificate, spki(publicKey))] },
  ],
  [
    'a certificate with more behind it',
    'key-certificate',
    { ...publicKey, x5c: [join(certificate, 'AAAA')] },
  ],
  ['half a certificate', 'key-certificate', { ...publicKey, x5c: [certificate.slice(0, 600)] }],
  [
    'a certificate with a line break',
    'key-certificate',
    { ...publicKey, x5c: [certificate.replace(/^.{64}/, '$&\n')] },
  ],
  [
    'a certificate in PEM',
    'key-certificate',
    { ...publicKey, x5c: [`-----BEGIN CERTIFICATE-----${certificate}`] },
  ],
  ['a certificate that is null', 'key-certificate', { ...publicKey, x5c: [null] }],
  [
    'a chain with something else in it',
    'key-certificate',
    { ...publicKey, x5c: [certificate, 'QUJD'.repeat(40)] },
  ],
  ['a chain with null in it', 'key-certificate', { ...publicKey, x5c: [certificate, null] }],
  [
    'a chain without end',
    'key-certificate',
    { ...publicKey, x5c: Array.from({ length: 11 }, () => certificate) },
  ],
  ['a certificate without end', 'key-certificate', { ...publicKey, x5c: ['A'.repeat(10_000_000)] }],
  ['a certificate as a text', 'key-certificate', { ...publicKey, x5c: certificate }],
  ['a certificate that is none', 'key-certificate', { ...publicKey, x5c: ['QUJD'.repeat(40)] }],
  [
    'a certificate in base64url',
    'key-certificate',
    { ...publicKey, x5c: [`-_${certificate.slice(2)}`] },
  ],
]

describe('a key is refused [card-charge-016] [card-charge-018] [card-charge-019] [card-charge-020] [card-charge-027]', () => {
  test.each(bad)('with %s: %s', async (_, code, jwk) => {
    expect(codeOf(() => checkKey(jwk))).toBe(code)
    expect(codeOf(() => readReference({ encryptionJwk: jwk }, { realm: 'a.example' }))).toBe(
      jwk === undefined ? 'key-missing' : code,
    )
    const refused = await encrypt(plaintext(), { key: jwk as Jwk }).catch((cause: unknown) => cause)
    expect(isCardError(refused) && refused.code).toBe(code)
  })

  test('in words that hold nothing of it', () => {
    for (const [, code, jwk] of bad)
      try {
        checkKey(jwk)
      } catch (cause) {
        expect((cause as Error).message).toBe(CODES[code as keyof typeof CODES])
      }
  })
})

describe('a key is taken', () => {
  const good: [string, Jwk][] = [
    ['of 2048 bits', publicKey],
    ['of 3072 bits', makePair('b', 3072).publicKey],
    ['of 4096 bits', makePair('c', 4096).publicKey],
    ['with operations that say the same', { ...publicKey, key_ops: ['encrypt', 'wrapKey'] }],
    ['with members that nobody here knows', { ...publicKey, nbf: 1, issuer: 'Acquirer' }],
  ]
  test.each(good)('%s [card-charge-017]', (_, jwk) => {
    const { n, e, kid } = jwk
    const rest = { kty: 'RSA', use: 'enc', alg: 'RSA-OAEP-256' }
    expect(checkKey(jwk)).toEqual({ n, e, kid, ...rest })
  })

  test('with its certificate', () => {
    expect(new X509Certificate(Buffer.from(certificate, 'base64')).subject).toBe('CN=Acquirer')
    const jwk = { ...publicKey, x5c: [certificate, other.certificate] }
    expect(checkKey(jwk)).toEqual(jwk)
  })

  test('when it was made here, and its private part stays private', async () => {
    const pair = await createKeyPair({ kid: 'enc-2026-01' })
    expect(checkKey(pair.publicKey)).toEqual(pair.publicKey)
    expect(codeOf(() => checkKey(pair.privateKey))).toBe('key-private')
  })
})

describe('what names a key [card-charge-007] [card-charge-008] [card-charge-009] [card-charge-010] [card-charge-011] [card-charge-015] [card-charge-021] [card-charge-022] [card-charge-023] [card-charge-026] [card-charge-028]', () => {
  const at = (jwksUri: unknown, kid: unknown = 'enc-1') => ({ jwksUri, kid })
  const foreign = 'key-foreign'
  const cases: [string, string, object, string?][] = [
    ['neither key nor key set', 'key-missing', {}],
    ['a kid alone', 'key-missing', { kid: 'enc-1' }],
    [
      'both key and key set',
      'key-ambiguous',
      { encryptionJwk: publicKey, ...at('https://a.example/jwks') },
    ],
    ['a kid beside a key', 'key-ambiguous', { encryptionJwk: publicKey, kid: 'enc-1' }],
    ['a key set without a kid', 'key-id', { jwksUri: 'https://a.example/jwks' }],
    ['a key set with an empty kid', 'key-id', at('https://a.example/jwks', '')],
    ['a key set with a kid that is a number', 'key-id', at('https://a.example/jwks', 7)],
    ['a key set over http', 'key-insecure', at('http://a.example/jwks')],
    ['a key set in a file', 'key-insecure', at('file:///jwks.json')],
    ['a key set in the URI itself', 'key-insecure', at('data:application/json,{}')],
    ['a key set behind a password', 'key-insecure', at('https://a.example@a.example/jwks')],
    ['a URI that is none', 'key-insecure', at('jwks.json')],
    ['a URI that is a list', 'key-insecure', at(['https://a.example/jwks'])],
    ['a URI without end', 'key-insecure', at(`https://a.example/${'a'.repeat(2048)}`)],
    ['another host', foreign, at('https://b.example/jwks')],
    ['a host below the realm', foreign, at('https://keys.a.example/jwks')],
    ['a host above the realm', foreign, at('https://example/jwks')],
    ['a host that begins like the realm', foreign, at('https://a.example.b.example/jwks')],
    ['another port', foreign, at('https://a.example:8443/jwks')],
    ['a realm that is no host', foreign, at('https://a.example/jwks'), 'Weather API'],
    ['a realm that is another scheme', foreign, at('https://a.example/jwks'), 'http://a.example'],
    ['a realm with a name before it', foreign, at('https://a.example/jwks'), 'b@a.example'],
    ['a host with a dot behind it', foreign, at('https://a.example./jwks')],
    ['an address with a zone', 'key-insecure', at('https://[fe80::1%25eth0]/jwks')],
    ...[
      '127.0.0.1',
      '10.0.0.8',
      '172.16.3.4',
      '192.168.1.1',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '[::1]',
      '[fd00::1]',
      '[fe80::1]',
      '[::ffff:10.0.0.8]',
      '2130706433',
      '0x7f000001',
      '127.1',
      'localhost',
      'localhost.',
      'localhost.localdomain',
      'nas.home.arpa',
      '224.0.0.1',
      '255.255.255.255',
      'db.internal',
      'printer.local',
      'intranet',
    ].map((host): [string, string, object, string] => [
      `a host of a private network, ${host}`,
      'key-private-host',
      at(`https://${host}/jwks`),
      `https://${host}`,
    ]),
  ]
  test.each(cases)('%s: %s', (_, code, details, realm = 'a.example') => {
    expect(codeOf(() => readReference(details, { realm }))).toBe(code)
  })

  test('a key of its own is used as it is [card-charge-014] [card-charge-025]', () => {
    expect(readReference({ encryptionJwk: publicKey }, { realm: 'Weather API' })).toEqual({
      key: checkKey(publicKey),
    })
  })

  test.each([
    ['a.example', 'https://a.example/jwks'],
    ['a.example', 'https://a.example:443/jwks'],
    ['https://a.example', 'https://a.example/jwks'],
    ['a.example:8443', 'https://a.example:8443/jwks'],
    // Public, whatever their first numbers look like.
    ['10.example.com', 'https://10.example.com/jwks'],
    ['127.0.shop.example', 'https://127.0.shop.example/jwks'],
    ['220.130.1.2', 'https://220.130.1.2/jwks'],
    ['223.5.5.5', 'https://223.5.5.5/jwks'],
    ['A.Example', 'https://a.example/jwks'],
    ['bücher.example', 'https://xn--bcher-kva.example/jwks'],
    ['a.example/shop', 'https://a.example/jwks'],
    ['[2606:4700::1111]', 'https://[2606:4700::1111]/jwks'],
  ])('a key set on the origin of %s may be at %s', (realm, jwksUri) => {
    expect(readReference(at(jwksUri), { realm })).toEqual({
      jwksUri: new URL(jwksUri).href,
      kid: 'enc-1',
    })
  })

  test('a key set of this machine is for tests', () => {
    const details = at('http://127.0.0.1:8080/jwks')
    const reading = (loopback: boolean) => () =>
      readReference(details, { realm: '127.0.0.1', loopback })
    expect(codeOf(reading(false))).toBe('key-insecure')
    expect(codeOf(reading(true))).toBe('taken')
  })
})
