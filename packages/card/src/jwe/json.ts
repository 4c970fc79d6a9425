/**
 * JSON as its sender wrote it: what `JSON.parse` does not tell of a text.
 *
 * @module
 */

/** What a text is like. */
export type Written = {
  value: unknown
  /** True when an object has a name twice: two readers may then see two values. */
  isRepeating: boolean
  /** True when there is white space between its parts. */
  isSpaced: boolean
}

/**
 * Reads a text.
 *
 * @returns `undefined` when it is no JSON.
 */
export function readJson(text: string): Written | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const tokens = text.match(TOKEN) ?? []
    return {
      value,
      isRepeating: hasRepeats(tokens.filter((token) => !isSpace(token))),
      isSpaced: tokens.some(isSpace),
    }
  } catch {
    return undefined
  }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|\s+|[^\s"{}[\],:]+/g

const isSpace = (token: string): boolean => /^\s/.test(token)

/** Whether an object has a name twice, however the name is written. */
function hasRepeats(tokens: readonly string[]): boolean {
  const open: Set<string>[] = []
  for (const [at, token] of tokens.entries()) {
    if (/^[{[]/.test(token)) open.push(new Set())
    if (/^[}\]]/.test(token)) open.pop()
    if (token !== ':') continue
    const [names, name] = [open.at(-1), JSON.parse(tokens[at - 1] ?? '') as string]
    if (names?.has(name)) return true
    names?.add(name)
  }
  return false
}

/** Reads bytes as UTF-8, whole or not at all; a byte order mark is a character like any other. */
export function readUtf8(bytes: Uint8Array | ArrayBuffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
