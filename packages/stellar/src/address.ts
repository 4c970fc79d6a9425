/**
 * Stellar's addresses, without the SDK: accounts `G…`, muxed accounts `M…`, contracts `C…`.
 *
 * @module
 */

/** What an address names. */
export type Kind = 'account' | 'contract' | 'muxed'

type Shape = { version: number; bytes: number; kind: Kind }

/** Source: SEP-23. */
const SHAPES: Readonly<Record<string, Shape>> = {
  G: { version: 6 << 3, bytes: 32, kind: 'account' },
  M: { version: 12 << 3, bytes: 40, kind: 'muxed' },
  C: { version: 2 << 3, bytes: 32, kind: 'contract' },
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/**
 * Says what an address names.
 *
 * @returns `undefined` when it is no address, or mistyped: its checksum tells.
 * @example
 * kindOf('CBIELTK6YBZJU5UP2WWQEUCYKLPU6AUNZ2BQ4WWFEIE3USCIHMXQDAMA') // 'contract'
 */
export function kindOf(address: unknown): Kind | undefined {
  return read(address)?.kind
}

/**
 * The account behind a muxed address; others are their own.
 *
 * @throws TypeError for what is no address.
 */
export function baseOf(address: string): string {
  const found = read(address)
  if (!found) throw new TypeError(`stellar/charge: ${address} is no Stellar address.`)
  return found.kind === 'muxed' ? write(found.key.subarray(0, 32)) : address
}

/** The key of an account, also of a muxed one, or of a contract; `undefined` for what is no address. */
export const keyOf = (address: string): Uint8Array | undefined => read(address)?.key.subarray(0, 32)

function read(address: unknown): { kind: Kind; key: Uint8Array } | undefined {
  if (typeof address !== 'string') return undefined
  const shape = SHAPES[address.charAt(0)]
  if (!shape || address.length !== Math.ceil(((shape.bytes + 3) * 8) / 5)) return undefined
  const bytes = decode(address)
  if (!bytes || bytes[0] !== shape.version) return undefined
  const [low, high] = bytes.subarray(-2)
  const body = bytes.subarray(0, -2)
  if (checksum(body) !== (low ?? 0) + (high ?? 0) * 256) return undefined
  return { kind: shape.kind, key: body.subarray(1) }
}

/** Base 32 without padding. What is left over must be zero, or two texts would be one address. */
function decode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let [buffer, bits, at] = [0, 0, 0]
  for (const letter of text) {
    const value = ALPHABET.indexOf(letter)
    if (value < 0) return undefined
    buffer = ((buffer << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (buffer >> bits) & 0xff
  }
  return (buffer & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

/** An account's address. */
function write(key: Uint8Array): string {
  const body = Uint8Array.of(6 << 3, ...key)
  const sum = checksum(body)
  let [buffer, bits, text] = [0, 0, '']
  for (const byte of [...body, sum & 0xff, sum >> 8]) {
    buffer = ((buffer << 8) | byte) & 0xffff
    for (bits += 8; bits >= 5;) text += ALPHABET.charAt((buffer >> (bits -= 5)) & 31)
  }
  return text
}

/** CRC-16/XMODEM. */
function checksum(bytes: Uint8Array): number {
  let sum = 0
  for (const byte of bytes) {
    sum ^= byte << 8
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000 ? (sum << 1) ^ 0x1021 : sum << 1) & 0xffff
  }
  return sum
}
