/**
 * Parameters as Stripe takes them: form-encoded, nested in brackets, each read once, and none left over.
 *
 * @module
 */
import { invalid, missing, type Refusal } from './refusal.js'

/** Names to texts, or to further names. */
export type Form = Map<string, string | Form>

/** Levels of brackets that are followed. */
const deepest = 8

/**
 * Reads a query string or a form-encoded body.
 *
 * @throws Refusal when a name stands for a text and for a group at once.
 */
export function parseForm(text: string): Form {
  const form: Form = new Map()
  for (const [name, value] of new URLSearchParams(text)) put(form, name, value)
  return form
}

function put(form: Form, name: string, value: string): void {
  const [head = ''] = name.split('[', 1)
  const rest = [...name.slice(head.length).matchAll(/\[([^\]]*)\]/g)].map(([, part = '']) => part)
  if (rest.length > deepest) throw invalid('Parameters are nested too deeply.', { param: head })
  let group = form
  const path = [head, ...rest]
  for (const part of path.slice(0, -1)) {
    const key = keyIn(group, part)
    const next = group.get(key) ?? new Map<string, string | Form>()
    if (typeof next === 'string') throw invalid(`Invalid object: ${name}.`, { param: head })
    group.set(key, next)
    group = next
  }
  group.set(keyIn(group, path.at(-1) ?? ''), value)
}

/** Empty brackets append. */
function keyIn(group: Form, part: string): string {
  return part === '' ? String(group.size) : part
}

/** Readers of a group of parameters. A parameter that is not there reads as undefined. */
export type Parameters = {
  /** The whole name of a parameter, as errors say it: `transfer_data[amount]`. */
  name: (key: string) => string
  /** What stands there is not this. */
  refuse: (key: string, words: string, code?: string) => Refusal
  /** Whether something stands there, without reading it. */
  has: (key: string) => boolean
  text: (key: string, longest?: number) => string | undefined
  textNeeded: (key: string) => string
  integer: (key: string) => bigint | undefined
  integerNeeded: (key: string) => bigint
  flag: (key: string) => boolean | undefined
  choice: <choice extends string>(key: string, choices: readonly choice[]) => choice | undefined
  list: (key: string) => readonly string[] | undefined
  /** Key-value pairs, for metadata; an empty text is for taking one away. */
  pairs: (key: string) => ReadonlyMap<string, string> | undefined
  group: (key: string) => Parameters | undefined
  /** Refuses what nobody has read, here and in the groups. */
  end: () => void
}

/** Opens the readers of a form. `inside` is the name of the group that it is. */
export function openParameters(form: Form, inside = ''): Parameters {
  const seen = new Set<string>()
  const groups: Parameters[] = []
  const name = (key: string) => (inside === '' ? key : `${inside}[${key}]`)
  const refuse = (key: string, words: string, code?: string) =>
    invalid(words, { param: name(key), ...(code === undefined ? {} : { code }) })
  const raw = (key: string) => {
    seen.add(key)
    return form.get(key)
  }
  const text = (key: string, longest = 5_000) => readText({ raw, refuse, name }, key, longest)
  const integer = (key: string) => {
    const value = text(key)
    if (value === undefined || /^-?\d{1,15}$/.test(value)) return mapped(value, BigInt)
    throw refuse(key, `Invalid integer: ${value}`, 'parameter_invalid_integer')
  }
  const nested = (key: string) => {
    const value = raw(key)
    if (typeof value === 'string' && value !== '') throw refuse(key, 'Invalid object')
    return typeof value === 'object' ? value : undefined
  }
  return {
    name,
    refuse,
    has: (key) => form.has(key),
    text,
    textNeeded: (key) => needed(text(key), name(key)),
    integer,
    integerNeeded: (key) => needed(integer(key), name(key)),
    flag: (key) => {
      const value = text(key)
      if (value === undefined || value === 'true' || value === 'false') return mapped(value, isTrue)
      throw refuse(key, `Invalid boolean: ${value}`)
    },
    choice: (key, choices) => {
      const value = text(key)
      const chosen = choices.find((choice) => choice === value)
      if (value === undefined || chosen !== undefined) return chosen
      throw refuse(key, `Invalid ${name(key)}: must be one of ${choices.join(', ')}`)
    },
    list: (key) => readList({ raw, refuse, name }, key),
    pairs: (key) =>
      mapped(nested(key), (group) => toPairs(group, () => refuse(key, 'Invalid hash'))),
    group: (key) =>
      mapped(nested(key), (group) => {
        const opened = openParameters(group, name(key))
        groups.push(opened)
        return opened
      }),
    end: () => {
      const left = [...form.keys()].find((key) => !seen.has(key))
      if (left !== undefined) throw unknownParameter(name(left))
      for (const group of groups) group.end()
    },
  }
}

/** A parameter that the endpoint does not know. */
export function unknownParameter(param: string): Refusal {
  return invalid(`Received unknown parameter: ${param}`, { code: 'parameter_unknown', param })
}

type Reading = Pick<Parameters, 'name' | 'refuse'> & {
  raw: (key: string) => string | Form | undefined
}

function readText(
  { raw, refuse, name }: Reading,
  key: string,
  longest: number,
): string | undefined {
  const value = raw(key)
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw refuse(key, `Invalid string: ${name(key)}`)
  if (value === '') {
    throw refuse(key, `An empty string was passed for '${name(key)}'.`, 'parameter_invalid_empty')
  }
  if (value.length <= longest) return value
  throw refuse(key, `Invalid string: ${name(key)} may have at most ${longest} characters`)
}

function readList({ raw, refuse }: Reading, key: string): readonly string[] | undefined {
  const value = raw(key)
  const refusal = () => refuse(key, 'Invalid array')
  if (typeof value === 'string') throw refusal()
  return mapped(value, (group) => textsOf([...group.values()], refusal))
}

function toPairs(group: Form, refusal: () => Refusal): ReadonlyMap<string, string> {
  const values = textsOf([...group.values()], refusal)
  return new Map([...group.keys()].map((key, index) => [key, values[index] ?? '']))
}

function textsOf(values: readonly (string | Form)[], refusal: () => Refusal): readonly string[] {
  return values.map((value) => {
    if (typeof value !== 'string') throw refusal()
    return value
  })
}

function needed<value>(value: value | undefined, name: string): value {
  if (value === undefined) throw missing(name)
  return value
}

function mapped<from, to>(value: from | undefined, map: (value: from) => to): to | undefined {
  return value === undefined ? undefined : map(value)
}

function isTrue(value: string): boolean {
  return value === 'true'
}
