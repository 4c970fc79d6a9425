/**
 * The operator's books: what became of each payment, kept, exported and reconciled.
 *
 * @module
 */
export type { Driver } from './driver.js'
export { from, type Ledger, type Options } from './ledger.js'
export { csv, jsonLines, totals, type Total } from './export.js'
export type { Kind, Line, NewLine } from './line.js'
export type { Finding, reconcile } from './reconcile.js'
export type { Open, Page, Query } from './sql.js'
