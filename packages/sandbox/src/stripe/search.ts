/**
 * The query language of Stripe's search, as far as PaymentIntents have fields here: clauses joined by AND or by OR.
 *
 * @module
 */
import { invalid } from './refusal.js'
import type { Payment } from './world.js'

type Test = (payment: Payment) => boolean

/** A clause at the beginning of the text: an optional minus, a field, an operator and a value. */
const clause =
  /^\s*(-?)(?:(status|currency|amount|created)|metadata\[(["'])(.*?)\3\])\s*(:|>=|<=|>|<)\s*(?:(["'])(.*?)\6|(\d{1,15}|null))\s*/

const joint = /^(AND|OR)\s+/i

/**
 * Reads a query.
 *
 * @returns Whether a payment matches it.
 * @throws Refusal when it is not of the language, or mixes AND with OR.
 */
export function parseQuery(query: string): Test {
  const tests: Test[] = []
  const joints = new Set<string>()
  let rest = query
  for (;;) {
    const match = clause.exec(rest)
    if (match === null) throw unreadable(query)
    tests.push(toTest(match, query))
    rest = rest.slice(match[0].length)
    if (rest === '') break
    const [text, word = 'AND'] = joint.exec(rest) ?? []
    joints.add(word.toUpperCase())
    rest = rest.slice(text?.length ?? 0)
  }
  if (joints.size > 1) throw invalid('A query cannot mix AND and OR.', { param: 'query' })
  return joints.has('OR')
    ? (payment) => tests.some((test) => test(payment))
    : (payment) => tests.every((test) => test(payment))
}

function toTest(match: RegExpExecArray, query: string): Test {
  const { 1: minus, 2: field, 4: key = '', 5: operator, 7: quoted, 8: bare } = match
  const isNumeric = field === 'amount' || field === 'created'
  if (operator !== ':' && !isNumeric) throw unreadable(query)
  const value = quoted ?? bare ?? ''
  const test: Test = isNumeric
    ? compare(field, operator ?? ':', value)
    : (payment) => {
        const said = field === undefined ? payment.metadata[key] : textOf(payment, field)
        return bare === 'null' ? said === undefined : said === value
      }
  return minus === '-' ? (payment) => !test(payment) : test
}

function textOf(payment: Payment, field: string): string {
  return field === 'status' ? payment.status : payment.currency
}

function compare(field: 'amount' | 'created', operator: string, value: string): Test {
  if (!/^\d{1,15}$/.test(value)) throw unreadable(`${field}${operator}${value}`)
  const wanted = BigInt(value)
  return (payment) => {
    const said = BigInt(payment[field])
    if (operator === '>') return said > wanted
    if (operator === '>=') return said >= wanted
    if (operator === '<') return said < wanted
    return operator === '<=' ? said <= wanted : said === wanted
  }
}

function unreadable(query: string) {
  return invalid(`The search query cannot be read here: ${query}`, { param: 'query' })
}
