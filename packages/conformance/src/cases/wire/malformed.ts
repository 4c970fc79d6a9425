/**
 * Wire cases: what a server must do with things that are not credentials.
 *
 * @module
 */
import { codeOf } from '../../answer.js'
import { must, type Case } from '../../case.js'
import type { Wire } from '../../wire.js'

/** What is wrong → the Authorization value. */
const CREDENTIALS: Readonly<Record<string, string>> = {
  'nothing after the scheme': 'Payment',
  'characters outside base64url': 'Payment !!!not*base64url!!!',
  'bytes that are no UTF-8': 'Payment __79_A',
  'text that is no JSON': `Payment ${encode('{"challenge":')}`,
  'a JSON number': `Payment ${encode('42')}`,
  'JSON null': `Payment ${encode('null')}`,
  'a JSON array': `Payment ${encode('[]')}`,
  'no challenge': `Payment ${encode('{"payload":{}}')}`,
  'a challenge that is text': `Payment ${encode('{"challenge":"x","payload":{}}')}`,
  'a challenge without fields': `Payment ${encode('{"challenge":{},"payload":{}}')}`,
  'an empty id': `Payment ${encode(JSON.stringify({ challenge: fields({ id: '' }), payload: {} }))}`,
  'an id that is a number': `Payment ${encode(JSON.stringify({ challenge: fields({ id: 7 }), payload: {} }))}`,
  'four thousand brackets': `Payment ${encode('['.repeat(4000))}`,
}

/** Header → values that no server should fall over. */
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  'accept-payment': [';;;,,,q=', '*/*;q=-1', 'a/b;q=9e99', `${'a/b,'.repeat(800)}`],
  'idempotency-key': ['"', 'x'.repeat(4000), '\u00ff\u00fe'],
  'accept-language': ['*;q=x,,,', '-'.repeat(2000)],
  'content-type': ['application/json; charset=\u00ff', '/', 'multipart/form-data'],
  authorization: ['Basic', 'Bearer x', ',,,,', '"Payment', 'payment=eyJ9', '\u00ff'],
}

export const malformed: readonly Case<Wire>[] = [
  {
    id: 'malformed/credential',
    requirements: ['core-001', 'core-002'],
    threats: [7],
    title:
      'a malformed credential gets a 402 with a fresh challenge and the malformed-credential problem',
    async run(target) {
      for (const [title, authorization] of Object.entries(CREDENTIALS)) {
        const answer = await target.send({ headers: { authorization } })
        must(answer.status === 402, `a credential with ${title} is not answered by a 402`, answer)
        must(answer.wires.length > 0, `after ${title} there is no fresh challenge`, answer)
        must(
          answer.problem === undefined ||
            ['malformed-credential', 'payment-required'].includes(codeOf(answer) ?? ''),
          `a credential with ${title} gets the wrong problem`,
          answer,
        )
      }
    },
  },
  {
    id: 'malformed/header',
    requirements: ['core-002'],
    threats: [7],
    title: 'odd values in any header that payment reads never break the server',
    async run(target) {
      for (const [name, values] of Object.entries(HEADERS))
        for (const value of values) {
          const answer = await target.send({ headers: { [name]: value } })
          const shown = `${name}: ${value.slice(0, 20)}`
          must(answer.status < 500, `the server breaks on "${shown}"`, answer)
          must(answer.status >= 400, `"${shown}" opens the priced page without payment`, answer)
        }
    },
  },
  {
    id: 'malformed/large-credential',
    requirements: ['core-051'],
    threats: [7],
    title: 'a credential of 4 kB is read, not refused for its size',
    async run(target) {
      const { wires } = await target.send()
      const credential = { challenge: wires[0], payload: { padding: 'x'.repeat(3000) } }
      const authorization = `Payment ${encode(JSON.stringify(credential))}`
      must(authorization.length >= 4096, 'the case made too small a credential')
      const answer = await target.send({ headers: { authorization } })
      must(
        answer.status === 402,
        `a credential of ${authorization.length} bytes is not judged by its proof`,
        answer,
      )
    },
  },
  {
    id: 'malformed/two-credentials',
    requirements: [],
    threats: [1],
    title: 'two Payment credentials in one request get a 400',
    async run(target) {
      const { wires } = await target.send()
      const one = `Payment ${encode(JSON.stringify({ challenge: wires[0], payload: {} }))}`
      const answer = await target.send({ headers: { authorization: `${one}, ${one}` } })
      must(
        answer.status === 400,
        'two credentials in one request are not refused with a 400',
        answer,
      )
    },
  },
]

/** Challenge fields of the right names, none of them issued by anybody. */
function fields(changed: Record<string, unknown>): Record<string, unknown> {
  return { id: 'x', realm: 'x', method: 'x', intent: 'charge', request: 'e30', ...changed }
}

function encode(text: string): string {
  const bytes = new TextEncoder().encode(text)
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
