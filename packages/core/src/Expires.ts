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
  const match = pattern.exec(text)
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, secs = 0] = match
    .slice(1, 7)
    .map(Number)
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)]
  if (hour > 23 || minute > 59 || secs > 60 || offsetHour > 23 || offsetMinute > 59)
    return undefined
  // Date.UTC reads the years 0 to 99 as 1900 to 1999: count from 400 years later, one full cycle.
  const date = Date.UTC(year + 400, month - 1, day) - gregorianCycle
  if (month > 12 || new Date(date).getUTCDate() !== day) return undefined
  const offset = (offsetHour * 60 + offsetMinute) * (match[8] === '-' ? -1 : 1)
  const time = date + ((hour * 60 + minute - offset) * 60 + secs) * second
  if (secs === 60 && time % dayLength !== 0) return undefined
  return time + Math.floor(Number(match[7] ?? 0) * second)
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
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))$/
const dayLength = 24 * 3600 * second
const gregorianCycle = 146_097 * dayLength
