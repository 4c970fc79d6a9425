/**
 * JWEs and keys made by hand, with whatever is wrong with them: every part can be another than it should.
 *
 * @module
 */
import type { Plaintext } from '@polyrail/card/enabler'
import {
  constants,
  createCipheriv,
  createPublicKey,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  sign,
  type JsonWebKey,
} from 'node:crypto'

export type Jwk = Record<string, unknown>

/** A pair of keys as JWKs, with all that the draft asks of them. */
export function makePair(kid = 'enc-1', modulusLength = 2048) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  const named = { kid, use: 'enc', alg: 'RSA-OAEP-256' }
  return {
    publicKey: { ...publicKey.export({ format: 'jwk' }), ...named } as Jwk,
    privateKey: { ...privateKey.export({ format: 'jwk' }), ...named } as Jwk,
    certificate: certify(publicKey.export({ format: 'der', type: 'spki' }), (bytes) =>
      sign('sha256', bytes, privateKey),
    ),
  }
}

/** The draft's example, with a cryptogram that is still good. */
export const plaintext = (): Plaintext => ({
  token: {
    paymentToken: '4242424242424242',
    tokenExpirationMonth: '06',
    tokenExpirationYear: '2034',
    eci: '07',
  },
  dynamicData: {
    dynamicDataValue: 'AmDDBjkH/4A=',
    dynamicDataType: 'CARD_APPLICATION_CRYPTOGRAM_SHORT_FORM',
    dynamicDataExpiration: Math.floor(Date.now() / 1000) + 600,
  },
})

export type Forgery = {
  /** Members of the protected header, over the usual three; `undefined` takes one away. */
  header?: Jwk
  /** The header as it is written, in place of all that. */
  headerText?: string | Buffer
  plaintext?: string | Buffer
  /** AES key; its length says which AES-GCM. */
  cek?: Buffer
  /** What is encrypted for the key, in place of the AES key. */
  wrapped?: Buffer
  /** What is authenticated, in place of the header. */
  authenticated?: string
  ivBytes?: number
  tagBytes?: 4 | 8 | 12 | 13 | 14 | 15 | 16
  /** How the AES key is encrypted. */
  wrap?: 'oaep-256' | 'oaep-1' | 'oaep-512' | 'pkcs1' | 'label' | 'none'
}

const wraps = {
  'oaep-256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
  'oaep-1': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'oaep-512': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha512' },
  label: {
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: 'sha256',
    oaepLabel: Buffer.from('label'),
  },
  pkcs1: { padding: constants.RSA_PKCS1_PADDING },
}

/** Makes a JWE. Left alone, it is a good one. */
export function forge(jwk: Jwk, forgery: Forgery = {}): string {
  const { cek = randomBytes(32), ivBytes = 12, tagBytes = 16, wrap = 'oaep-256' } = forgery
  const header = { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: jwk['kid'], ...forgery.header }
  const head = encode(Buffer.from(forgery.headerText ?? JSON.stringify(header)))
  const iv = randomBytes(ivBytes)
  const name = `aes-${cek.length * 8}-gcm` as 'aes-256-gcm'
  const cipher = createCipheriv(name, cek, iv, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(forgery.authenticated ?? head))
  const text = Buffer.from(forgery.plaintext ?? JSON.stringify(plaintext()))
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()])
  return [
    head,
    encode(wrapKey(jwk, forgery.wrapped ?? cek, wrap)),
    ...[iv, ciphertext, cipher.getAuthTag()].map(encode),
  ].join('.')
}

function wrapKey(jwk: Jwk, cek: Buffer, wrap: NonNullable<Forgery['wrap']>): Buffer {
  const { kty, n, e } = jwk as JsonWebKey
  const key = createPublicKey({ key: { kty, n, e } as JsonWebKey, format: 'jwk' })
  if (wrap !== 'none') return publicEncrypt({ key, ...wraps[wrap] }, cek)
  const block = Buffer.concat([Buffer.alloc(256 - cek.length), cek])
  return publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block)
}

export const encode = (bytes: Buffer): string => bytes.toString('base64url')
export const decode = (text: string): Buffer => Buffer.from(text, 'base64url')

/** Changes one part of a JWE: 0 the header, 1 the key, 2 the IV, 3 the ciphertext, 4 the tag. */
export function change(jwe: string, at: number, how: (part: string) => string): string {
  return jwe
    .split('.')
    .map((part, index) => (index === at ? how(part) : part))
    .join('.')
}

/** Another spelling of the same bytes: the unused bits of the last character are not zero. */
export function respell(part: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return part.slice(0, -1) + letters[letters.indexOf(part.at(-1) ?? '') + 1]
}

const der = (tag: number, ...content: Buffer[]): Buffer => {
  const body = Buffer.concat(content)
  const { length } = body
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}

/** A self-signed certificate (RFC 5280), in base64 as `x5c` has it. */
function certify(spki: Buffer, signer: (bytes: Buffer) => Buffer): string {
  const algorithm = der(0x30, Buffer.from('06092a864886f70d01010b0500', 'hex'))
  const name = der(
    0x30,
    der(0x31, der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('Acquirer')))),
  )
  const time = (text: string) => der(0x17, Buffer.from(text))
  const tbs = der(
    0x30,
    der(0x02, Buffer.from([1])),
    algorithm,
    name,
    der(0x30, time('250101000000Z'), time('491231235959Z')),
    name,
    spki,
  )
  const signature = der(0x03, Buffer.from([0]), signer(tbs))
  return der(0x30, tbs, algorithm, signature).toString('base64')
}
