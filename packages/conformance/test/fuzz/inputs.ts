/**
 * Inputs that go wrong: pure noise, and real credentials and challenges spoiled on every level of their encoding.
 *
 * @module
 */
import type { Random } from './random.ts'

/** The most that a header or a body holds. */
export const MOST = 65_536

/** Words that parsers trip over, thrown in between the noise. */
const WORDS = [
  'Payment ',
  'payment ',
  'PAYMENT\t',
  'Bearer ',
  'Basic ',
  ',',
  ', ',
  '=',
  '"',
  '\\',
  '\\"',
  ';q=',
  ';q=1.0001',
  '*/*',
  'order/charge',
  'token/charge',
  'q=0',
  'sha-256=:',
  ':',
  '{',
  '}',
  '[',
  ']',
  '{"',
  '":',
  'null',
  'true',
  '__proto__',
  'constructor',
  'eyJ',
  'e30',
  'W10',
  'bnVsbA',
  '%00',
  '\\u0000',
  '\\ud800',
  '1e999',
  '-0',
  'NaN',
  'realm="',
  'id="',
  'request="',
  'challenge',
  'payload',
  'W/"x"',
  '2020-01-01T00:00:00Z',
  '9999-12-31T23:59:60+99:99',
] as const

/** Bytes that a header may carry through a Request: Latin-1 without controls. */
const legal = (random: Random): string =>
  String.fromCharCode(
    random.once(12) ? 9 : random.once(3) ? 0x80 + random.below(128) : 0x20 + random.below(95),
  )

/** Noise for a header of a web-standard Request. */
export function headerNoise(random: Random, most = MOST): string {
  const size = random.size(most)
  const chunk = Array.from({ length: Math.min(size, 40) }, () =>
    random.once(3) ? random.pick(WORDS) : legal(random),
  ).join('')
  return chunk.repeat(Math.ceil(size / Math.max(1, chunk.length))).slice(0, most)
}

/** Any bytes at all. */
export function bytes(random: Random, most = MOST): Buffer {
  const size = random.size(most)
  const head = Buffer.from(Array.from({ length: Math.min(size, 64) }, () => random.below(256)))
  return Buffer.alloc(size, head.length === 0 ? Buffer.from([0]) : head)
}

type Json = Record<string, unknown>

/** Values that stand where others belong. */
const VALUES: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => undefined,
  () => true,
  () => -1,
  () => 1e308,
  () => 2 ** 53,
  () => '',
  () => [],
  () => ({}),
  () => ({ __proto__: null, toString: 'x' }),
  (random) => 'x'.repeat(random.size(MOST / 2)),
  (random) => headerNoise(random, 200),
  (random) => nest(random.below(300)),
  () => '\ud800',
  () => '\u0000\u001f\u2028',
  () => '0',
  () => '1e1',
  () => '-10',
  () => '99999999999999999999999999999999',
  () => '2020-01-01T00:00:00Z',
  () => 'sha-256=:AAAA:',
]

const nest = (levels: number): unknown => {
  let value: unknown = {}
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { in: value }
  return value
}

/** Spoils a credential, given as its parts, and writes an Authorization value. */
export function spoilCredential(random: Random, real: Json): string {
  const value = structuredClone(real)
  for (let times = random.below(4); times >= 0; times--) spoilValue(random, value)
  let text = random.once(8) ? JSON.stringify(real) : JSON.stringify(value)
  for (let times = random.below(3); times > 0; times--) text = spoilText(random, text)
  return spoilEncoding(random, text)
}

/** Changes, drops, swaps, renames or nests one field somewhere in an object. */
function spoilValue(random: Random, value: Json): void {
  let place = value
  for (let depth = random.below(3); depth > 0; depth--) {
    const inner = place[random.pick(Object.keys(place)) ?? '']
    if (typeof inner !== 'object' || inner === null) break
    place = inner as Json
  }
  const names = Object.keys(place)
  const [name, other] = [random.pick(names), random.pick(names)]
  if (name === undefined || other === undefined) return
  const change = random.below(6)
  if (change === 0) delete place[name]
  else if (change === 1) [place[name], place[other]] = [place[other], place[name]]
  else if (change === 2) place[name.toUpperCase()] = place[name]
  else if (change === 3) place[name] = { [other]: place[name] }
  else if (change === 4 && typeof place[name] === 'string')
    place[name] = spoilInner(random, place[name])
  else place[name] = random.pick(VALUES)(random)
}

/** Spoils what a field's base64url holds, and encodes it again. */
function spoilInner(random: Random, encoded: string): string {
  const text = Buffer.from(encoded, 'base64url').toString('latin1')
  return Buffer.from(spoilText(random, text), 'latin1').toString('base64url')
}

/** Flips, cuts, doubles or stuffs a text. */
export function spoilText(random: Random, text: string): string {
  const at = random.below(text.length + 1)
  const change = random.below(6)
  if (change === 0) return text.slice(0, at)
  if (change === 1) return text.slice(at)
  if (change === 2) return text.slice(0, at) + random.pick(WORDS) + text.slice(at)
  if (change === 3) return text.slice(0, at) + legal(random) + text.slice(at + 1)
  if (change === 4) return text.slice(0, at) + text.slice(random.below(at + 1))
  return text.slice(0, at) + headerNoise(random, 100) + text.slice(at)
}

function spoilEncoding(random: Random, text: string): string {
  const token = Buffer.from(text, random.once(3) ? 'latin1' : 'utf8').toString('base64url')
  switch (random.below(16)) {
    case 0:
      return `Payment ${Buffer.from(text).toString('base64')}`
    case 1:
      return `Payment ${token}==`
    case 2:
      return `Payment ${Buffer.from(token).toString('base64url')}`
    case 3:
      return `payment   ${token}  `
    case 4:
      return `Bearer x, Payment ${token}`
    case 5:
      return `Payment ${token}, Payment ${token}`
    case 6:
      return `Payment ${spoilText(random, token)}`
    case 7:
      return `Payment token="${token}"`
    case 8:
      return `Payment ${token}, Basic eDp4`
    default:
      return `Payment ${token}`
  }
}
