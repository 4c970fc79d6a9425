/**
 * Finds the payments that want somebody's attention.
 *
 * @module
 */
import { Ledger, type Store } from '@polyrail/core'
import type { Driver } from './driver.js'
import { leftOf } from './judge.js'
import type { Line, NewLine } from './line.js'

/** A payment whose last word is missing. */
export type Finding = {
  challengeId: string
  /** Settled and not delivered; or nobody knows whether it settled. */
  state: 'owed' | 'unknown'
  /** Epoch milliseconds: when it settled here, or was claimed. */
  since: number
  /** Whole base units not given back yet; `null` when the ledger does not know the price. */
  left: string | null
  /** How it stands in the store, when that was asked: `forgotten` when the store does not know it any more. */
  store: string | undefined
  /** The ledger's line, with rail, price, payer and reference. */
  line: Line
  /** What to do. */
  advice: string
}

type Book = { driver: Driver; linesOf(challengeId: string): Promise<readonly Line[]> }

const PAGE = 500
const QUIET = 15 * 60_000
/** Later than every line. */
const ANY = Number.MAX_SAFE_INTEGER

/**
 * Lists what is settled and not delivered, and what nobody knows. With the server's store at hand, what the store knows
 * better is added to the ledger first: a server may have died between the two. The store forgets what is done after ten
 * minutes, so that young payments are asked for too, and only not listed.
 *
 * @param options.olderThan - Milliseconds for which a payment may be under way (15 minutes).
 */
export async function reconcile(
  book: Book,
  { store, olderThan = QUIET }: reconcile.Options = {},
): Promise<reconcile.Report> {
  const report: reconcile.Report = { owed: [], unknown: [], added: 0 }
  const before = Date.now() - olderThan + 1
  for (const state of ['unknown', 'owed'] as const)
    for await (const line of openLines(book.driver, { state, before: store ? ANY : before })) {
      const isYoung = line.at >= before
      const standing = store && (await standingOf(store, line))
      const missing = standing ? missingOf(line, standing, isYoung) : []
      if (missing.length > 0) report.added += await book.driver.append(missing)
      else if (!isYoung) report[state].push(...(await find(book, line, { state, standing })))
    }
  return report
}

export declare namespace reconcile {
  type Options = { store?: Store.Store | undefined; olderThan?: number | undefined }
  type Report = {
    owed: Finding[]
    unknown: Finding[]
    /** Lines that the store knew and the ledger did not. */
    added: number
  }
}

async function* openLines(
  driver: Driver,
  { state, before }: { state: Finding['state']; before: number },
): AsyncGenerator<Line, void, undefined> {
  const kind = state === 'owed' ? 'settled' : 'claimed'
  for (let after = 0; ;) {
    const page = await driver.open({ kind, before, after, limit: PAGE })
    yield* page
    if (page.length < PAGE) return
    after = (page.at(-1) as Line).id
  }
}

type Standing = { state: string; reference?: string | undefined; settledAt?: string | undefined }

async function standingOf(store: Store.Store, { challengeId }: Line): Promise<Standing> {
  const found = await Ledger.find(store, challengeId)
  if (!found) return { state: 'forgotten' }
  const { reference, timestamp } = found.receipt ?? {}
  return { state: found.state, reference, settledAt: timestamp }
}

/** What the store knows and the ledger does not. What was given back may be claimed anew just now, while it is young. */
function missingOf(
  line: Line,
  { state, reference, settledAt }: Standing,
  isYoung: boolean,
): NewLine[] {
  if (line.kind === 'settled') return state === 'delivered' ? [next(line, 'delivered')] : []
  if (state === 'rejected' || (state === 'released' && !isYoung))
    return [{ ...next(line, 'failed'), reason: state }]
  if (state !== 'settled' && state !== 'delivered') return []
  const settled = { reference: reference ?? null, settledAt: settledAt ?? null }
  return [{ ...next(line, 'settled'), ...settled }]
}

const next = (line: Line, kind: Line['kind']): NewLine => ({
  ...line,
  kind,
  at: Date.now(),
  turn: '',
  reference: null,
  settledAt: null,
})

/** Nothing is left of a payment that went back whole. */
async function find(
  { linesOf }: Book,
  line: Line,
  { state, standing }: { state: Finding['state']; standing: Standing | undefined },
): Promise<Finding[]> {
  const { challengeId, at } = line
  const left = leftOf(line, await linesOf(challengeId))
  if (left !== undefined && left <= 0n && line.amount !== '0') return []
  const advice = state === 'owed' ? OWED : UNKNOWN
  const about = { challengeId, state, since: at, store: standing?.state, line, advice }
  return [{ ...about, left: left === undefined ? null : String(left) }]
}

const OWED =
  'The same credential gets its answer for a day. If it does not come again, give the money back and record it with refund; if you answered otherwise, resolve it as delivered.'
const UNKNOWN =
  'The same credential finds out, for a day. Else ask the network whether it settled, and resolve it as settled or failed.'
