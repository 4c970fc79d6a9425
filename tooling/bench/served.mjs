/**
 * Turns a listener into a case that is visited over a real socket, of which only the server's side is timed.
 *
 * @module
 */
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { data, expect } from './terms.mjs'

/**
 * @typedef {{
 *   listener: (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => unknown,
 *   headers: (count: number, url: string) => Record<string, string>[] | Promise<Record<string, string>[]>,
 *   status: number,
 *   check: (response: Response) => unknown,
 * }} Served
 */

/**
 * @param {Served} served
 * @returns {Promise<import('./terms.mjs').Case>} a case of which one run is a whole batch
 */
export async function serve({ listener, headers, status, check }) {
  const server = createServer(listener)
  await /** @type {Promise<void>} */ (
    new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  )
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const url = `http://127.0.0.1:${port}/report`
  const visitor = fork(fileURLToPath(new URL('load.mjs', import.meta.url)), { execArgv: [] })
  process.once('disconnect', () => process.exit())
  const answer = () => new Promise((resolve) => visitor.once('message', resolve))
  return {
    async prepare(count) {
      const loaded = answer()
      visitor.send({ port, status, headers: await headers(count, url) })
      await loaded
    },
    async runAll(count) {
      const done = answer()
      visitor.send('go')
      const { answered } = /** @type {{ answered: number }} */ (await done)
      expect(answered === count, `${count} answers with status ${status}, not ${answered}`)
    },
    make: (count) => headers(count, url),
    run: (init) => fetch(url, { headers: init }),
    check,
  }
}

/**
 * The rest of a served case that is visited without paying.
 *
 * @param {(response: Response) => number} count how many offers a 402 carries
 */
export const unpaid = (count) => ({
  headers: (/** @type {number} */ visits) => Array.from({ length: visits }, () => ({})),
  status: 402,
  check(/** @type {Response} */ response) {
    expect(response.status === 402, `status 402, not ${response.status}`)
    expect(count(response) === 1, `one offer, not ${count(response)}`)
  },
})

/**
 * The rest of a served case that is paid for; its proofs are made by visiting the route within the process.
 *
 * @param {(request: Request) => Promise<Response>} visit
 * @param {(index: number, response: Response) => Record<string, string>} pay headers that answer a 402
 * @param {string} receipt header that a paid response carries
 */
export const paid = (visit, pay, receipt) => ({
  async headers(/** @type {number} */ visits, /** @type {string} */ url) {
    const made = []
    for (let index = 0; index < visits; index++)
      made.push(pay(index, await visit(new Request(url))))
    return made
  },
  status: 200,
  async check(/** @type {Response} */ response) {
    expect(response.status === 200, `status 200, not ${response.status}`)
    expect(response.headers.get(receipt), `a ${receipt} header`)
    expect((await response.json()).report === data.report, 'the data')
  },
})
