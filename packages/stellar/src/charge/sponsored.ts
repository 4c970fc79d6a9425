/**
 * Settles what payers have agreed to by transactions of our own: tried out, their fees set aside, signed, written down, and sent.
 *
 * @module
 */
import { Outcome, type Store } from '@polyrail/core'
import {
  TransactionBuilder,
  xdr,
  type FeeBumpTransaction,
  type Transaction,
} from '@stellar/stellar-sdk/base'
import type { Found } from '../network.js'
import type { Signer } from '../signer.js'
import { readAccount } from './account.js'
import { drive, type Driven, type Ready } from './drive.js'
import { isOnly } from './effects.js'
import { tryOut } from './evidence.js'
import { endOf } from './expiry.js'
import type { Approved } from './judge.js'
import { build, rebuild, sign } from './rebuild.js'
import { conclude, fail, type Context } from './settlement.js'
import { giveBack, reserve, type Reservation, type Sponsor } from './sponsor.js'
import { hexOf, type Signed, type Transfer } from './transaction.js'
import { isVoid, pause } from './watch.js'

/** A transaction as it is written down before it is sent. */
type Attempt = Ready & {
  source: string
  /** The sequence number that it uses, as text. */
  sequence: string
  /** What is set aside for its fee, until that is known. */
  reservation?: Reservation | undefined
}

/** How often a sequence number may be used by somebody else before we give up. */
const ATTEMPTS = 20
/** Most seconds that a transaction of ours may wait for a ledger, so that its fate is known soon. */
const VALIDITY = 60
/** Seconds for which attempts are kept: longer than anybody asks after them. */
const KEPT = 30 * 86_400

/** What a settlement for which we pay works with. */
type Paying = Context & { sponsor: Sponsor }

/**
 * Sends what a payer has agreed to, in our own name.
 *
 * @see Stellar charge draft, Pull Mode Settlement — Sponsored
 */
export async function settleSponsored(
  approved: Approved,
  { sponsor, ...context }: Context,
): Promise<Outcome.Outcome> {
  if (!sponsor) return Outcome.unsettled({ cause: new Error('This server has no fee payer now.') })
  const turn = await sponsor.turns.take(context.signal)
  if (!turn)
    return Outcome.unsettled({ retryAfter: 5, cause: new Error('Too many payments wait.') })
  try {
    return await sendFrom(turn.holder, approved, { ...context, sponsor })
  } finally {
    turn.end()
  }
}

async function sendFrom(
  source: Signer,
  { signed, transfer }: Approved,
  context: Paying,
): Promise<Outcome.Outcome> {
  const { sponsor, signal } = context
  for (let turn = 0; turn < ATTEMPTS && !signal.aborted; turn++) {
    const attempt = await prepare(source, { signed, transfer }, context).catch((cause: unknown) =>
      Outcome.unsettled({ cause }),
    )
    if ('status' in attempt) return attempt
    const driven = await drive(attempt, context)
    await account(driven, { attempt, signed }, context)
    const isUsed = driven.status === 'invalid' && driven.code === 'txBadSeq'
    if (!isUsed) return concludeSponsored(driven, { attempt, transfer }, context)
    // Another server sends from the same account, or a node lags behind.
    sponsor.sequences.delete(attempt.source)
    await pause(100, signal)
  }
  return Outcome.unsettled({ cause: new Error('The sequence numbers were used by others.') })
}

/** What is invalid or late of ours is not the payer's fault: their agreement may be sent again. */
function concludeSponsored(
  driven: Driven,
  { attempt, transfer }: { attempt: Attempt; transfer: Transfer },
  context: Context,
): Outcome.Outcome {
  if (driven.status === 'invalid') return Outcome.unsettled({ cause: new Error(driven.code) })
  if (driven.status === 'sent' && driven.fate === 'void')
    return Outcome.unsettled({ cause: new Error('No ledger took the transaction.') })
  return conclude(driven, { ready: attempt, transfer }, context)
}

/** Tries it out, sets the fee aside, signs, and writes that down. Nothing is sent before. */
async function prepare(
  source: Signer,
  { signed, transfer }: Pick<Approved, 'signed' | 'transfer'>,
  context: Paying,
): Promise<Attempt | Outcome.Outcome> {
  const { network, sponsor, signal, store } = context
  const address = source.publicKey()
  const terms = { source: address, passphrase: network.passphrase, fee: bidOf(sponsor) }
  const trial = await tryOut(rebuild(signed, terms), network, signal)
  if (!trial.isGood || !isOnly(trial.events, transfer))
    return Outcome.rejected('verification-failed', {
      detail: trial.isGood
        ? 'The payment would change other balances than those of payer and recipient.'
        : 'The payment would fail: the payer may hold too little by now, or it is made already.',
    })
  const most = trial.resourceFee + sponsor.bid
  if (most > sponsor.maxFee)
    return Outcome.rejected('verification-failed', {
      detail: 'The payment costs more than this server pays of fees.',
    })
  const reservation = await reserve(sponsor, { payer: transfer.from, most, store })
  if (!reservation)
    return Outcome.unsettled({
      retryAfter: Math.ceil(sponsor.budget.seconds / 60),
      cause: new Error('The budget for fees is spent.'),
    })
  try {
    const { transactionData } = trial
    const attempt = await complete(signed, { ...terms, transactionData }, { ...context, source })
    await writeDown(signed, { ...attempt, reservation }, store)
    return { ...attempt, reservation }
  } catch (cause) {
    await giveBack(sponsor, { reservation, fee: 0n, store })
    throw cause
  }
}

/** What a transaction itself bids, without the fee bump around it. */
const bidOf = ({ bid, feeBump }: Sponsor): bigint => (feeBump ? bid / 2n : bid)

type Terms = Omit<Parameters<typeof build>[1], 'maxTime' | 'sequence'>

async function complete(
  signed: Signed,
  terms: Terms,
  { source, network, sponsor, signal, asked }: Paying & { source: Signer },
): Promise<Attempt> {
  const account = await readAccount(terms.source, network, { signal })
  if (!account) throw new Error('The account that sends is not on the network.')
  // A node that lags behind does not know of the last transaction yet.
  const known = sponsor.sequences.get(terms.source) ?? 0n
  const sequence = account.sequence > known ? account.sequence : known
  const now = Date.now() / 1000
  const maxTime = Math.min(endOf(asked.expires, now), Math.ceil(now) + VALIDITY)
  const inner = build(signed, { ...terms, sequence, maxTime })
  await sign(inner, source, signal)
  const tx = await bump(inner, sponsor, { passphrase: network.passphrase, signal })
  return {
    raw: tx.toXdr(),
    hash: hexOf(tx.hash()),
    maxTime,
    since: now,
    source: terms.source,
    sequence: String(sequence + 1n),
  }
}

/** Puts a fee bump around a transaction, where somebody else pays the fees. */
async function bump(
  inner: Transaction,
  { feeBump, bid }: Sponsor,
  { passphrase, signal }: { passphrase: string; signal: AbortSignal },
): Promise<Transaction | FeeBumpTransaction> {
  if (!feeBump) return inner
  const outer = TransactionBuilder.buildFeeBumpTransaction(
    feeBump.publicKey(),
    String(bid / 2n),
    inner,
    passphrase,
  )
  await sign(outer, feeBump, signal)
  return outer
}

const keyOf = ({ identity }: Signed): string => `sponsored:${identity}`

const readAttempts = (value: unknown): Attempt[] => (Array.isArray(value) ? value : [])

/** Built twice within a second, a transaction is the same one. */
const writeDown = (signed: Signed, attempt: Attempt, store: Store.Store): Promise<unknown> =>
  store.update(
    keyOf(signed),
    (current) => [...readAttempts(current).filter(({ hash }) => hash !== attempt.hash), attempt],
    { ttl: KEPT },
  )

/**
 * Puts what a transaction cost in place of what was set aside, once. One that failed keeps all of it: its payer shall not have
 * many of these.
 */
async function account(
  driven: Driven,
  { attempt, signed }: { attempt: Attempt; signed: Signed },
  { sponsor, store }: Paying,
): Promise<void> {
  const fate = driven.status === 'sent' ? driven.fate : 'void'
  if (fate === 'unknown') return
  if (typeof fate === 'object') useUp(attempt, sponsor)
  let reservation: Reservation | undefined
  const change = (current: unknown) => {
    const attempts = readAttempts(current)
    reservation = attempts.find(({ hash }) => hash === attempt.hash)?.reservation
    return reservation && attempts.map((one) => (one.hash === attempt.hash ? strip(one) : one))
  }
  await store.update(keyOf(signed), change, { ttl: KEPT })
  if (!reservation || (typeof fate === 'object' && fate.status === 'FAILED')) return
  const fee = typeof fate === 'object' ? feeOf(fate) : 0n
  await giveBack(sponsor, { reservation, fee, store })
}

const strip = (attempt: Attempt): Attempt => ({ ...attempt, reservation: undefined })

function useUp({ source, sequence }: Attempt, { sequences }: Sponsor): void {
  const used = BigInt(sequence)
  if (used > (sequences.get(source) ?? 0n)) sequences.set(source, used)
}

/** What a transaction cost, in stroops. */
const feeOf = ({ result }: Found): bigint =>
  result === undefined ? 0n : xdr.TransactionResult.fromXdr(result, 'base64').feeCharged

/**
 * Finds out what became of what we sent for an agreement. It counts once on the ledger, so one attempt at most has paid.
 */
export async function traceSponsored(
  signed: Signed & { transfer: Transfer },
  { sponsor, ...context }: Context,
): Promise<Outcome.Outcome> {
  const { network, signal, store } = context
  const attempts = readAttempts(await store.get(keyOf(signed)))
  const { transfer } = signed
  const looks = await Promise.all(
    attempts.map(async (attempt) => ({
      attempt,
      found: await network.find(attempt.hash, { signal }),
    })),
  )
  const paid = looks.find(({ found }) => found.status === 'SUCCESS')
  const live = looks.findLast(
    ({ attempt, found }) => found.status === 'NOT_FOUND' && !isVoid(found, attempt),
  )
  const { attempt } = paid ?? live ?? {}
  // Nothing was sent, or nothing of it can be in a ledger any more.
  if (!attempt)
    return looks.some(({ found }) => found.status === 'FAILED')
      ? fail('failed')
      : Outcome.unsettled()
  const driven: Driven = paid
    ? { status: 'sent', fate: paid.found }
    : await drive(attempt, context, { mayBeSent: true })
  if (sponsor) await account(driven, { attempt, signed }, { ...context, sponsor })
  return concludeSponsored(driven, { attempt, transfer }, { ...context, sponsor })
}
