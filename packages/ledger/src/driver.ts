/**
 * What a ledger needs of a database.
 *
 * @module
 */
import type { Line, NewLine } from './line.js'
import type { Open, Page, Query } from './sql.js'

/** What a database must do. It gives up in time. */
export type Driver = {
  /** Shown in messages: `sqlite`, `postgres`, … */
  readonly name: string
  /** Adds the lines that are not there yet, all of them or none; resolves with how many, once they are kept for good. */
  append(lines: readonly NewLine[]): Promise<number>
  /** Lines in the order of their `id`, beyond `after`, at most `limit`. */
  read(query: Query & Page): Promise<readonly Line[]>
  /** Of the payments whose last word is missing, the line that wants one; in the same order. */
  open(query: Open): Promise<readonly Line[]>
}
