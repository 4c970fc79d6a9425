/**
 * Times on the wire: RFC 3339 date-times, read strictly and written in UTC.
 *
 * @module
 */

const second = 1000

/**
 * The time a number of milliseconds from now, as RFC 3339 in UTC.
 *
 * @example
 * Expires.from(500) // '2026-01-15T12:00:00.500Z'
 */
export function from(milliseconds: number): string {
  return new Date(Date.now() + milliseconds).toISOString()
}

/** The time a number of seconds from now. @example Expires.seconds(30) */
export function seconds(count: number): string {
  return from(count * second)
}

/** The time a number of minutes from now. @example Expires.minutes(5) */
export function minutes(count: number): string {
  return from(count * 60 * second)
}

/** The time a number of hours from now. @example Expires.hours(1) */
export function hours(count: number): string {
  return from(count * 3600 * second)
}

/**
 * Reads an RFC 3339 date-time, with any offset and fraction, as milliseconds since the epoch;
 * `undefined` for anything else, such as a day that its month does not have. A leap second counts
 * as the second after it.
 *
 * @example
 * Expires.parse('2026-01-15T12:00:00Z') // 1768478400000
 *
 * @see core draft, Optional Parameters (`expires`); RFC 3339, section 5.6
 */
export function parse(text: string): number | undefined {
  // What is issued within one second expires at one time.
  if (text !== lastText) {
    lastTime = read(text)
    lastText = text
  }
  return lastTime
}

let lastText = ''
let lastTime: number | undefined

function read(text: string): number | undefined {
  const match = pattern.exec(text)
  if (!match) return undefined
  const field = (group: number): number => Number(match[group] ?? 0)
  // Date.UTC takes the years 0 to 99 for 1900 to 1999: count from 400 years later, a full cycle.
  const date = Date.UTC(field(1) + 400, field(2) - 1, field(3)) - gregorianCycle
  if (new Date(date).getUTCDate() !== field(3)) return undefined
  const offset = (field(9) * 60 + field(10)) * (match[8] === '-' ? -1 : 1)
  const time = date + ((field(4) * 60 + field(5) - offset) * 60 + field(6)) * second
  if (match[6] === '60' && time % dayLength !== 0) return undefined
  return time + Math.round(Number((match[7] ?? '').slice(0, 4)) * second)
}

/**
 * Whether a time has come. No time never comes; one that cannot be read has already come.
 *
 * @example
 * if (Expires.isExpired(challenge.expires)) return
 */
export function isExpired(expires: string | undefined, now: number = Date.now()): boolean {
  if (expires === undefined) return false
  const time = parse(expires)
  return time === undefined || time <= now
}

const pattern =
  /^(\d{4})-(0[1-9]|1[0-2])-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))$/i
const dayLength = 24 * 3600 * second
const gregorianCycle = 146_097 * dayLength
