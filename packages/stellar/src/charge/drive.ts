/**
 * Drives a transaction into a ledger: sends it as often as it takes, and says what is certain of it.
 *
 * @module
 */
import { xdr } from '@stellar/stellar-sdk/base'
import type { Network, Sent } from '../network.js'
import { isVoid, pause, watch, type Fate, type Underway } from './watch.js'

/** A signed transaction as XDR, and by what it is found. */
export type Ready = Underway & { raw: string }

/** What came of it. */
export type Driven =
  /** It was sent, or may have been. */
  | { status: 'sent'; fate: Fate }
  /** It was never taken, and the network says why: `txBadSeq` and the like. */
  | { status: 'invalid'; code: string }
  /** It was never taken: nobody was there, or nobody had room for it. */
  | { status: 'unsent'; cause: unknown }

/** Milliseconds before it is sent again, which grow up to the last. */
const PAUSES = [50, 100, 200, 400] as const

/**
 * Sends a transaction until it is taken, then waits for what becomes of it. The same bytes may be sent any number of times.
 *
 * @param options.mayBeSent - True when it may have been sent before.
 */
export async function drive(
  ready: Ready,
  { network, signal }: { network: Network; signal: AbortSignal },
  { mayBeSent = false } = {},
): Promise<Driven> {
  const patience = Date.now() + PATIENCE
  for (let turn = 0, isOut = mayBeSent; ; turn++) {
    if (signal.aborted) return giveUp(isOut)
    const sent = await network.send(ready.raw, { signal })
    isOut ||= sent.status === 'pending' || sent.status === 'unknown'
    const driven = isOut
      ? await follow(sent, ready, { network, signal })
      : endOf(sent, ready, patience)
    if (driven) return driven
    if (Date.now() / 1000 > ready.maxTime) return giveUp(isOut)
    await pause(PAUSES[turn] ?? 800, signal)
  }
}

/** Milliseconds in which what waits is in a ledger, as a rule: what a node has taken is sent again then, for it may be lost. */
const PATIENCE = 10_000

/** What an answer means when nothing was sent before. */
function endOf(sent: Sent, { raw }: Ready, patience: number): Driven | undefined {
  if (sent.status === 'unreached') return { status: 'unsent', cause: sent.cause }
  if (sent.status !== 'invalid') return undefined
  const code = codeOf(sent)
  return isInTheWay(code, raw) && Date.now() < patience ? undefined : { status: 'invalid', code }
}

/** While another transaction waits with its sequence number, a fee bump that does not bid ten times as much is told that it bids too little. */
const isInTheWay = (code: string, raw: string): boolean =>
  code === 'txInsufficientFee' &&
  xdr.TransactionEnvelope.fromXdr(raw, 'base64').type === 'envelopeTypeTxFeeBump'

/** What an answer means when something may have been sent: a refusal may come of that. */
async function follow(
  { status }: Sent,
  ready: Ready,
  { network, signal }: { network: Network; signal: AbortSignal },
): Promise<Driven | undefined> {
  const isKnown = status === 'pending' || status === 'invalid'
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)])
  const fate = isKnown ? await watch(ready, network, patience) : await look(ready, network, signal)
  return fate === undefined || (fate === 'unknown' && !signal.aborted)
    ? undefined
    : { status: 'sent', fate }
}

const giveUp = (isOut: boolean): Driven =>
  isOut
    ? { status: 'sent', fate: 'unknown' }
    : { status: 'unsent', cause: new Error('The Stellar node had no room for the transaction.') }

async function look(
  underway: Underway,
  network: Network,
  signal: AbortSignal,
): Promise<Fate | undefined> {
  const found = await network.find(underway.hash, { signal }).catch(() => undefined)
  if (found === undefined) return undefined
  if (found.status !== 'NOT_FOUND') return found
  return isVoid(found, underway) ? 'void' : undefined
}

/** Why the network does not take a transaction; of a fee bump, why not what is inside it. */
function codeOf({ result }: Extract<Sent, { status: 'invalid' }>): string {
  if (result === undefined) return 'txMalformed'
  const read = xdr.TransactionResult.fromXdr(result, 'base64').result
  return read.type === 'txFeeBumpInnerFailed' ? read.innerResultPair.result.result.type : read.type
}
