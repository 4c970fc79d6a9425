/**
 * A ledger over any database that can keep lines.
 *
 * @module
 */
import type { Ledger as Core } from '@polyrail/core'
import type { Driver } from './driver.js'
import { noteIssues } from './issues.js'
import { judgeRefund, judgeResolution } from './judge.js'
import { lineOf, type Line } from './line.js'
import { reconcile } from './reconcile.js'
import type { Query } from './sql.js'

export type Options = {
  /** Also note every challenge that goes out, paid or not: many lines, written in the background (false). */
  issued?: boolean | undefined
}

/** A ledger, for `Mpp.create` and for its operator. */
export interface Ledger extends Core.Ledger {
  /**
   * Reads lines in the order in which they were written, a page at a time.
   *
   * @throws RangeError at the first line when `since` or `until` is no time, such as what `Date.parse` makes of a typing error.
   */
  entries(query?: Query): AsyncGenerator<Line, void, undefined>
  /**
   * Records that you gave money back. It moves none. Two that are recorded at the same moment are both kept, for both were made.
   *
   * @param refund.reference - The refund's own name on its network; told twice it counts once.
   * @param refund.amount - Whole base units; left out, all that is left.
   * @throws RangeError when the payment is not settled here, or more would go back than came.
   */
  refund(challengeId: string, refund: { reference: string; amount?: string }): Promise<Line>
  /**
   * Records what you found out of a payment whose outcome was unknown, or that you answered by other means.
   *
   * @throws RangeError when nobody claimed it here, or what is said cannot be.
   */
  resolve(
    challengeId: string,
    outcome: 'settled' | 'failed' | 'delivered',
    details?: { reference?: string },
  ): Promise<void>
  /** Lists what is settled and not delivered, and what nobody knows. */
  reconcile(options?: reconcile.Options): Promise<reconcile.Report>
  /** Resolves once every noted challenge is written or given up. */
  flush(): Promise<void>
}

/**
 * Makes a ledger over a database of your own.
 *
 * @example
 * const ledger = from({ name: 'cockroach', append, read, open })
 */
export function from(driver: Driver, { issued = false }: Options = {}): Ledger {
  const entries = (query: Query = {}) => readAll(driver, query)
  async function linesOf(challengeId: string): Promise<readonly Line[]> {
    const lines: Line[] = []
    for await (const line of entries({ challengeId })) lines.push(line)
    return lines
  }
  const issues = issued ? noteIssues(driver) : undefined
  return {
    write: (entry) => driver.append([lineOf(entry)]),
    ...(issues && { issue: (entry: Core.Entry) => issues.note(lineOf(entry)) }),
    flush: async () => issues?.flush(),
    entries,
    async refund(challengeId, refund) {
      const line = judgeRefund(await linesOf(challengeId), { challengeId, ...refund })
      await driver.append([line])
      const found = (await linesOf(challengeId)).find(
        ({ kind, turn }) => kind === 'refunded' && turn === line.turn,
      )
      return found as Line
    },
    async resolve(challengeId, outcome, { reference } = {}) {
      const lines = judgeResolution(await linesOf(challengeId), { challengeId, outcome, reference })
      await driver.append(lines)
    },
    reconcile: (options) => reconcile({ driver, linesOf }, options),
  }
}

const PAGE = 1000

async function* readAll(driver: Driver, query: Query): AsyncGenerator<Line, void, undefined> {
  for (const time of [query.since, query.until])
    if (time !== undefined && !Number.isInteger(time))
      throw new RangeError(`A ledger is read by whole epoch milliseconds; got ${time}.`)
  for (let after = 0; ;) {
    const page = await driver.read({ ...query, after, limit: PAGE })
    yield* page
    if (page.length < PAGE) return
    after = (page.at(-1) as Line).id
  }
}
