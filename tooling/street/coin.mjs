/**
 * The shop's side: a rail whose network is the process that started this one, which moves the money and keeps the book.
 *
 * @module
 */
import { Method, Outcome } from '@polyrail/core/server'

/** @type {Map<number, (answer: any) => void>} */
const asked = new Map()
let questions = 0

/**
 * Asks the street. To `settle` and to `deliver` it answers a reference and a page, to `find` a reference or `null`.
 *
 * @param {'settle' | 'find' | 'deliver'} question
 * @param {string} token
 * @returns {Promise<any>}
 */
export const ask = (question, token) =>
  new Promise((resolve) => {
    asked.set((questions += 1), resolve)
    process.send?.({ question, token, number: questions })
  })
process.on('message', (/** @type {any} */ { number, answer }) => {
  asked.get(number)?.(answer)
  asked.delete(number)
})
process.on('disconnect', () => process.exit())

/** @typedef {{ credential: { payload: Record<string, string> } }} Presented */

const tokenOf = (/** @type {Presented} */ { credential }) => credential.payload['token'] ?? ''

/** What a rail does that asks the street for everything. */
export const hooks = {
  replayKey: tokenOf,
  settle: async (/** @type {Presented} */ presented) => ({
    reference: String(await ask('settle', tokenOf(presented))),
  }),
  async reconcile(/** @type {Presented} */ presented) {
    const reference = await ask('find', tokenOf(presented))
    return reference === null
      ? Outcome.unsettled({ retryAfter: 0 })
      : Outcome.settled({ reference })
  },
}

/** @type {Method.Schema<Record<string, string>>} */
const schema = {
  '~standard': {
    version: 1,
    vendor: 'polyrail',
    validate: (value) => ({ value: /** @type {Record<string, string>} */ (value) }),
  },
}

/** The rail, for shops that need no other. */
export const coin = Method.toServer(
  Method.from({
    name: 'coin',
    intent: 'charge',
    schema: { request: schema, credential: { payload: schema } },
  }),
  hooks,
)
