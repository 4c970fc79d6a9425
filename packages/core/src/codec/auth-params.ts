/**
 * The grammar of `WWW-Authenticate` (RFC 9110, section 11.6.1): schemes, parameters and quoting.
 *
 * @module
 */

// Sticky patterns of one class of characters, which read forward and cannot backtrack at length.
const token = /[!#$%&'*+.^_`|~\w-]+/y
const token68 = /[\w.~+/-]+=*[ \t]*(?=,|$)/y

// Escaped text cannot contain this: the quote of the first parameter would have a backslash before it.
const restart = /,[ \t]*payment +[!#$%&'*+.^_`|~\w-]+[ \t]*=[ \t]*"/gi

// What escape() would not have written, and a terminal must not be shown.
const isControl = /[^ -~\xa0-\uffff]/

type Reader = { readonly text: string; at: number }

/**
 * Reads the parameters of every well-formed Payment challenge in a header value, names in lower
 * case and values unquoted. Several challenges and other schemes may share the value; a malformed
 * challenge is left out, and reading resumes at the next Payment challenge.
 */
export function scan(text: string): Record<string, string>[] {
  const reader = { text, at: 0 }
  const found: Record<string, string>[] = []
  while (hasMore(reader)) {
    const params = readChallenge(reader)
    if (params) found.push(params)
  }
  return found
}

/**
 * Escapes a text for a quoted-string that any header can carry. {@link scan} undoes it, but for
 * controls, which become spaces.
 */
export function escape(text: string): string {
  return text.replace(/["\\]|[^ -~\xa0-\xff]/g, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    const code = character.charCodeAt(0)
    return code > 0xff ? `\\u${code.toString(16).padStart(4, '0')}` : ' '
  })
}

function readChallenge(reader: Reader): Record<string, string> | undefined {
  const start = reader.at
  const scheme = take(reader, token)
  if (!/^[ \t,]?$/.test(reader.text.charAt(reader.at))) return resume(reader, start)
  let params: Record<string, string> | undefined
  if (scheme.toLowerCase() === 'payment') params = {}
  skip(reader, ' \t')
  take(reader, token68)
  while (hasMore(reader)) {
    const nameAt = reader.at
    const name = take(reader, token).toLowerCase()
    if (!name) return resume(reader, nameAt)
    skip(reader, ' \t')
    if (reader.text[reader.at] !== '=') {
      reader.at = nameAt
      break
    }
    reader.at++
    skip(reader, ' \t')
    const valueAt = reader.at
    const value = readValue(reader)
    if (value === undefined) return resume(reader, valueAt)
    if (params && Object.hasOwn(params, name)) params = undefined
    if (params) params[name] = value
  }
  return params
}

/** Reads a token or quoted-string and what ends it: a comma or the end of the text. */
function readValue(reader: Reader): string | undefined {
  let value: string | undefined
  if (reader.text[reader.at] === '"') {
    const start = reader.at + 1
    const end = closingQuote(reader.text, start)
    if (end < 0) return undefined
    reader.at = end + 1
    value = unescape(reader.text.slice(start, end))
  } else value = take(reader, token) || undefined
  skip(reader, ' \t')
  return reader.at === reader.text.length || reader.text[reader.at] === ',' ? value : undefined
}

function closingQuote(text: string, start: number): number {
  let at = text.indexOf('"', start)
  while (at >= 0) {
    let before = at
    while (before > start && text.charAt(before - 1) === '\\') before--
    if ((at - before) % 2 === 0) return at
    at = text.indexOf('"', at + 1)
  }
  return -1
}

function unescape(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(?:u([\da-fA-F]{4})|([^]))/g, (_, hex?: string, character?: string) => {
    if (!hex) return character ?? ''
    const plain = String.fromCharCode(Number.parseInt(hex, 16))
    return isControl.test(plain) ? ' ' : plain
  })
}

/** Moves to the next place that can only be the start of a Payment challenge, or to the end. */
function resume(reader: Reader, from: number): undefined {
  restart.lastIndex = from
  reader.at = restart.exec(reader.text)?.index ?? reader.text.length
}

function hasMore(reader: Reader): boolean {
  skip(reader, ' \t,')
  return reader.at < reader.text.length
}

function skip(reader: Reader, characters: string): void {
  while (reader.at < reader.text.length && characters.includes(reader.text.charAt(reader.at)))
    reader.at++
}

function take(reader: Reader, pattern: RegExp): string {
  pattern.lastIndex = reader.at
  if (!pattern.test(reader.text)) return ''
  const start = reader.at
  reader.at = pattern.lastIndex
  return reader.text.slice(start, reader.at)
}
