/**
 * The subject that sells nothing: what a handler costs before any payment.
 *
 * @module
 */
import { timed } from '../../cases.mjs'
import { data, expect, paid, url } from '../../terms.mjs'

/** @param {Request} request */
const handle = async ({ method }) => Response.json(method === 'GET' ? data : {})

/** @type {import('../../terms.mjs').Case} */
const unladen = {
  make: (visits) => Array.from({ length: visits }, () => undefined),
  run: () => handle(new Request(url)),
  check: (response) => expect(response.status === 200, 'status 200'),
}

/** The same handler, sent a header as long as a credential. */
const laden = paid(handle, () => ({ authorization: `Payment ${'A'.repeat(560)}` }), 'content-type')

/** Every case of a server has one of these two beneath it. */
export const cases = Object.fromEntries(
  timed
    .filter(({ path }) => path.startsWith('server/'))
    .map(({ path }) => path.slice('server/'.length))
    .map((name) => [name, () => (name.startsWith('paid') ? laden : unladen)]),
)
